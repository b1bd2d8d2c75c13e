"""Ids of SentencePiece models: python tests/oracle/sentencepiece_models.py [spm.model ...]

Trains small models on the texts of tokenizer.py in the forms of DeBERTa-v3 (spm.model: Unigram, NFKC), XLM-R (sentencepiece.bpe.model:
Unigram without a character map, so that the file stays small) and Llama (tokenizer.model: BPE, bytes, a user-defined symbol). Writes
tests/goldens/tokenizer/<form>/: the model, tokenizer_config.json, and golden.json with the ids that SentencePiece itself gives
(`ids`). For deberta also `json`: what Hugging Face's tokenizers give for two tokenizer.json of the same pieces, as transformers
writes them for XLM-R and for DeBERTa; their character map is that of spm.model, put in by the test.
Of further files it prints the ids of all texts, as lines of JSON, for a comparison by hand.
"""
import json
import os
import sys
import tempfile

import sentencepiece
from files import goldens_folder, write_bytes, write_json
from sentencepiece import sentencepiece_model_pb2
from tokenizer import LETTERS, TEXTS, WORDS
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram

SENTENCES = [" ".join(WORDS), "The answer is not here. It's what they'll write, isn't it?", LETTERS] * 20 + list(TEXTS.values())

FORMS = {
    "deberta": {"file": "spm.model", "model_type": "unigram", "pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "pad_piece": "[PAD]",
                "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"},
    "xlm_roberta": {"file": "sentencepiece.bpe.model", "model_type": "unigram", "normalization_rule_name": "identity"},
    "llama_model": {"file": "tokenizer.model", "model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity",
                    "remove_extra_whitespaces": False, "user_defined_symbols": ["ll"], "split_digits": True,
                    "allow_whitespace_only_pieces": True},
}


def train(file, **options):
    with tempfile.TemporaryDirectory() as folder:
        corpus = os.path.join(folder, "corpus.txt")
        lines = [line for text in SENTENCES for line in text.splitlines() if "\0" not in line and len(line) < 3000]
        with open(corpus, "w", encoding="utf-8") as out:
            out.write("\n".join(lines))
        prefix = os.path.join(folder, "model")
        sentencepiece.SentencePieceTrainer.train(
            input=corpus, model_prefix=prefix, vocab_size=500, character_coverage=0.98, hard_vocab_limit=options["model_type"] == "bpe",
            minloglevel=2, num_threads=1, **options)
        with open(prefix + ".model", "rb") as model:
            return model.read()


def json_forms(model):
    """The normalizers and pre-tokenizers of transformers' converters (convert_slow_tokenizer.py), with the pieces of `model`."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    special = [piece.piece for piece in proto.pieces if piece.type in (2, 3)]
    mapped = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    steps = {
        "as XLM-R": (mapped, pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])),
        "as DeBERTa": (normalizers.Sequence([normalizers.Strip(), mapped, normalizers.Replace(Regex(" {2,}"), " ")]), metaspace),
    }
    forms = []
    for why, (normalizer, pre_tokenizer) in steps.items():
        tokenizer = Tokenizer(Unigram([(piece.piece, piece.score) for piece in proto.pieces], proto.trainer_spec.unk_id, False))
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
        tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in special])
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
        tokenizer.encode_special_tokens = True
        # Hugging Face's Unigram finds "[CLS]" in text, a piece like any other to it; SentencePiece and this project do not.
        texts = {why: text for why, text in TEXTS.items() if "look-alikes" not in why}
        ids = {why: tokenizer.encode(text, add_special_tokens=False).ids for why, text in texts.items()}
        form = json.loads(tokenizer.to_str())
        blank(form["normalizer"])
        forms.append({"why": why, "tokenizer": form, "ids": ids})
    return forms


def blank(normalizer):
    for step in normalizer.get("normalizers", [normalizer]):
        if step["type"] == "Precompiled":
            step["precompiled_charsmap"] = "that of spm.model"


def ids_of(processor):
    return {why: processor.encode(text) for why, text in TEXTS.items()}


def main():
    for name, options in FORMS.items():
        folder, model = goldens_folder(os.path.join("tokenizer", name)), train(**options)
        write_bytes(os.path.join(folder, options["file"]), model)
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        golden = {"why": f"the small model beside this file, in the form of {name}; texts of ../golden.json", "ids": ids_of(processor)}
        if name == "xlm_roberta":  # fairseq's <s>, <pad>, </s>, <unk> come before the pieces, of which the first three go
            golden["ids"] = {why: [3 if id == 0 else id + 1 for id in ids] for why, ids in golden["ids"].items()}
        if name == "deberta":
            golden["json"] = json_forms(model)
        write_json(os.path.join(folder, "golden.json"), golden)
        print(f"{name}: {processor.get_piece_size()} pieces, {len(model)} bytes")
    for path in sys.argv[1:]:
        for why, ids in ids_of(sentencepiece.SentencePieceProcessor(model_file=path)).items():
            print(json.dumps({"file": path, "why": why, "ids": ids}, ensure_ascii=False))


if __name__ == "__main__":
    main()
