"""Goldens of tiny random DeBERTas, one folder each under tests/goldens/, and of the rows of distances:
python tests/oracle/deberta.py [name ... | rows]

As in bert.py: weights are drawn wide and no bias or gain is at its usual start.
"""
import os
import sys

import torch
from bert import make_battles
from files import goldens_folder, prepare, write_json
from tiny import STEPS, make_judge, write_golden
from transformers import DebertaV2Config, logging
from transformers.models.deberta_v2.modeling_deberta_v2 import build_relative_position

COMMON = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, relative_attention=True, layer_norm_eps=1e-7)
V3 = COMMON | dict(position_biased_input=False, share_att_key=True, pos_att_type="p2c|c2p", norm_rel_ebd="layer_norm")

CASES = {
    "v3": {
        "why": "three heads, near distances of their own and further ones by logarithm, sequences of 1 to 70 tokens, weights",
        "pairing": "joint", "seed": 41, "weights": [1, 0.5, 2, 1, 3],
        "config": V3 | dict(hidden_size=24, num_attention_heads=3, num_hidden_layers=2, intermediate_size=28,
                            vocab_size=67, max_position_embeddings=80, position_buckets=8),
        "lengths": [[13], [70], [1], [7], [41]],
    },
    "v3_concat": {
        "why": "rows and tables of 64n floats, four heads of 16, concat head on means",
        "pairing": "siamese", "head": "concat", "seed": 42, "std": 0.15,
        "config": V3 | dict(hidden_size=64, num_attention_heads=4, num_hidden_layers=1, intermediate_size=32,
                            vocab_size=40, max_position_embeddings=72, position_buckets=32),
        "lengths": [[61, 17], [24, 4], [5, 72], [33, 32], [1, 50]],
    },
    "v2_xlarge": {
        "why": "a convolution beside the first layer, embeddings narrower than the layers, three heads of 12, label smoothing",
        "pairing": "joint", "seed": 43, "labelSmoothing": 0.1,
        "config": V3 | dict(hidden_size=36, embedding_size=20, num_attention_heads=3, num_hidden_layers=2,
                            intermediate_size=28, vocab_size=43, max_position_embeddings=48, position_buckets=12,
                            conv_kernel_size=3, conv_act="gelu", attention_head_size=12),
        "lengths": [[21], [3], [46], [1], [2]],
    },
    "v2_plain": {
        "why": "no buckets, c2p alone by keys of its own, absolute positions and types too, a wide convolution with tanh, swap head",
        "pairing": "siamese", "head": "swap", "seed": 44, "equal": [2], "weightDecay": 0.01,
        "config": COMMON | dict(hidden_size=20, num_attention_heads=5, num_hidden_layers=2, intermediate_size=24,
                                vocab_size=45, max_position_embeddings=40, type_vocab_size=2, pos_att_type=["c2p"],
                                hidden_act="gelu_new", conv_kernel_size=5),
        "lengths": [[30, 1], [12, 31], [9, 9], [24, 25], [3, 29]],
    },
    "v2_p2c": {
        "why": "p2c alone by queries of its own, distances beyond the table, pooler with tanh",
        "pairing": "joint", "seed": 45,
        "config": COMMON | dict(hidden_size=16, num_attention_heads=2, num_hidden_layers=2, intermediate_size=20,
                                vocab_size=41, max_position_embeddings=40, max_relative_positions=6,
                                pos_att_type=["p2c"], pooler_hidden_act="tanh"),
        "lengths": [[33], [6], [7], [1], [20]],
    },
    "v2_absolute": {
        "why": "no relative attention, but scores scaled as if there were",
        "pairing": "joint", "seed": 46,
        "config": COMMON | dict(relative_attention=False, hidden_size=12, num_attention_heads=3, num_hidden_layers=1,
                                intermediate_size=16, vocab_size=37, max_position_embeddings=30,
                                pos_att_type=["c2p", "p2c"]),
        "lengths": [[29], [6], [7], [1], [20]],
    },
}

# position_buckets, max_relative_positions, positions; 0 buckets: each distance has a row.
ROWS = [(256, 512, 512), (32, 128, 300), (8, 80, 80), (12, 48, 48), (4, 512, 100), (64, 40, 90), (0, 6, 40)]


def make(name):
    case = STEPS | CASES[name]
    draw = prepare(case["seed"])
    config = DebertaV2Config(**case["config"], num_labels=3)
    judge = make_judge({**case, "model": "deberta-v2"}, config, has_types=True)
    write_golden(f"deberta_{name}", {**case, "model": "deberta-v2"}, judge, make_battles(case, config, draw))


def make_rows():
    """Of the distances from -(positions - 1) to positions - 1: rows of rel_embeddings, as DisentangledSelfAttention indexes them."""
    rows = []
    for buckets, relative, positions in ROWS:
        states = torch.zeros(1, positions, 1)
        table = build_relative_position(states, states, buckets or -1, relative)[0]
        span = buckets or relative
        of_distances = torch.cat([table[0].flip(0), table[1:, 0]])
        rows.append({"position_buckets": buckets, "max_relative_positions": relative, "positions": positions,
                     "rows": torch.clamp(of_distances + span, 0, 2 * span - 1).tolist()})
    write_json(os.path.join(goldens_folder(""), "deberta_rows.json"), {"cases": rows})


if __name__ == "__main__":
    logging.disable_progress_bar()
    for name in sys.argv[1:] or [*CASES, "rows"]:
        make_rows() if name == "rows" else make(name)
