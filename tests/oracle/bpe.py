"""Ids of BPE tokenizers as Hugging Face's Rust tokenizers give them: python tests/oracle/bpe.py [tokenizer.json ...]

Trains small tokenizers on the texts of tokenizer.py, in the forms of Llama 2 (one word for all, ▁ for spaces, bytes
where a character has no piece), Llama 3 and Qwen2 (byte level, each with its own splitting), RoBERTa and ModernBERT (byte level
as in GPT-2, with marks round texts). Writes tests/goldens/tokenizer/<form>/: tokenizer.json, and golden.json with the ids of each
text and, where there are marks, of pairs. Of further files it prints the ids of all texts, as lines of JSON, for a comparison by
hand.
"""
import json
import os
import sys

from files import goldens_folder, write_bytes, write_json
from tokenizer import LETTERS, TEXTS, WORDS, pairs
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CORPUS = [" ".join(WORDS), "The answer is not here. It's what they'll write, isn't it?\n\n### Response A\n", *TEXTS.values()]


def specials(*names):
    return [AddedToken(name, special=True, normalized=False) for name in names]


def llama2():
    tokenizer = Tokenizer(BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokens = ["<unk>", "<s>", "</s>"]
    # Trained words keep ▁ in front, as the normalizer gives it; single characters come from a few alphabets only, so that
    # the others are spelled in bytes.
    trainer = BpeTrainer(vocab_size=700, show_progress=False, limit_alphabet=120,
                         special_tokens=tokens + [f"<0x{byte:02X}>" for byte in range(256)])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.train_from_iterator([" ".join(WORDS), LETTERS], trainer)
    tokenizer.pre_tokenizer = None
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return tokenizer, tokens


def byte_level(pattern, tokens, normalizer=None, starts=False, ignore_merges=False):
    tokenizer = Tokenizer(BPE(ignore_merges=ignore_merges))
    if normalizer:
        tokenizer.normalizer = normalizer
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = BpeTrainer(vocab_size=600, show_progress=False, special_tokens=tokens,
                         initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainer)
    last = processors.ByteLevel(trim_offsets=False)
    tokenizer.post_processor = processors.Sequence([last, processors.TemplateProcessing(
        single=f"{tokens[0]} $A", pair=f"{tokens[0]} $A {tokens[0]}:1 $B:1", special_tokens=[(tokens[0], 0)])]) if starts else last
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, tokens


def gpt2(tokens, normalizer=None, words=()):
    """Byte level with GPT-2's splitting; `words` are added to the vocabulary without being special."""
    tokenizer = Tokenizer(BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(vocab_size=600, show_progress=False, special_tokens=tokens,
                         initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens([AddedToken(word, special=False, normalized=True) for word in words])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def roberta():
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = gpt2(tokens)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    return tokenizer, tokens


def modernbert():
    tokens, words = ["<|padding|>", "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"], ["  ", "    ", "|||EMAIL_ADDRESS|||"]
    tokenizer = gpt2(tokens, normalizer=normalizers.NFC(), words=words)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer, tokens + words


FORMS = {
    "roberta": roberta,
    "modernbert": modernbert,
    "llama2": llama2,
    "llama3": lambda: byte_level(LLAMA3, ["<|begin|>", "<|end|>", "<s>"], starts=True, ignore_merges=True),
    "qwen2": lambda: byte_level(QWEN2, ["<|end|>", "<|begin|>", "</s>"], normalizer=normalizers.NFC()),
}


def clean(tokenizer, tokens):
    """The tokenizer with its special tokens, of which the byte pieces are none."""
    form = json.loads(tokenizer.to_str())
    form["added_tokens"] = [token for token in form["added_tokens"] if token["content"] in tokens]
    for token in form["added_tokens"]:
        token["normalized"] = not token["special"]
    return form


def text_ids(tokenizer):
    tokenizer.encode_special_tokens = True
    return {why: tokenizer.encode(text, add_special_tokens=False).ids for why, text in TEXTS.items()}


def main():
    for name, make in FORMS.items():
        folder = goldens_folder(os.path.join("tokenizer", name))
        form = clean(*make())
        text = json.dumps(form, ensure_ascii=False, separators=(",", ":")) + "\n"
        write_bytes(os.path.join(folder, "tokenizer.json"), text.encode("utf-8"))
        tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        write_json(os.path.join(folder, "golden.json"), {
            "why": f"the small tokenizer beside this file, in the form of {name}; texts of ../golden.json",
            "ids": text_ids(tokenizer), **({"pairs": pairs(tokenizer)} if name in ("roberta", "modernbert") else {})})
        print(f"{name}: {tokenizer.get_vocab_size()} pieces")
    for path in sys.argv[1:]:
        for why, ids in text_ids(Tokenizer.from_file(path)).items():
            print(json.dumps({"file": path, "why": why, "ids": ids}, ensure_ascii=False))


if __name__ == "__main__":
    main()
