"""Writes a tiny random model with one of the small tokenizers of the goldens, to train, export and check: python
tests/oracle/tiny_model.py MODEL_TYPE FOLDER

    python tests/oracle/tiny_model.py modernbert tiny
    deno task train --data train.csv --model tiny --steps 3 --out run
    deno task tokenize --data test.csv --model run --out tokens.jsonl
    deno task submit --data test.csv --model run --out submission.csv
    python tests/oracle/export_check.py run tokens.jsonl submission.csv
"""
import os
import shutil
import sys

import torch
from transformers import AutoConfig, AutoModel, logging

SMALL = dict(vocab_size=640, hidden_size=48, num_attention_heads=3, num_hidden_layers=4, intermediate_size=64,
             max_position_embeddings=130, initializer_range=0.2, pad_token_id=1)
# Of each model type: fields of its own, and the folder of its tokenizer under tests/goldens/tokenizer.
FORMS = {
    "bert": (dict(pad_token_id=0), ""),
    "roberta": (dict(type_vocab_size=1, bos_token_id=0, eos_token_id=2), "roberta"),
    "xlm-roberta": (dict(type_vocab_size=1, bos_token_id=0, eos_token_id=2), "xlm_roberta"),
    "deberta-v2": (dict(pad_token_id=0, relative_attention=True, position_buckets=32, share_att_key=True,
                        pos_att_type="p2c|c2p", norm_rel_ebd="layer_norm", position_biased_input=False,
                        embedding_size=32, conv_kernel_size=3, conv_act="gelu"), ""),
    "modernbert": (dict(pad_token_id=4, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3, local_attention=16,
                        embedding_dropout=0.1, mlp_dropout=0.1, attention_dropout=0.1), "modernbert"),
}


def main():
    logging.disable_progress_bar()
    model_type, folder = sys.argv[1:]
    fields, tokenizer = FORMS[model_type]
    torch.manual_seed(1)
    AutoModel.from_config(AutoConfig.for_model(model_type, **SMALL | fields)).save_pretrained(folder)
    here = os.path.dirname(os.path.abspath(__file__))
    source = os.path.join(here, "..", "goldens", "tokenizer", tokenizer)
    for name in ("tokenizer.json", "sentencepiece.bpe.model"):
        if os.path.exists(os.path.join(source, name)):
            shutil.copy(os.path.join(source, name), folder)


if __name__ == "__main__":
    main()
