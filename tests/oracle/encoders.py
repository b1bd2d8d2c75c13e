"""Goldens of tiny random encoders beside BERT, one folder each under tests/goldens/: python tests/oracle/encoders.py [name ...]

As in bert.py: weights are drawn wide and no bias or gain is at its usual start.
"""
import sys

from bert import make_battles
from files import prepare
from tiny import STEPS, make_judge, write_golden
from transformers import AutoConfig, logging

ROBERTA = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, type_vocab_size=1)
MODERN = dict(max_position_embeddings=128, pad_token_id=1, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3)

CASES = {
    "roberta": {
        "why": "three heads, positions from pad_token_id + 1 = 2 to the last there is, sequences of 1 to 21 tokens, weights",
        "model": "roberta", "pairing": "joint", "seed": 31, "weights": [1, 0.5, 2, 1, 3],
        "config": ROBERTA | dict(hidden_size=24, num_attention_heads=3, num_hidden_layers=2, intermediate_size=28,
                                 vocab_size=67, max_position_embeddings=23, pad_token_id=1, layer_norm_eps=1e-5),
        "lengths": [[13], [21], [1], [7], [16]],
    },
    "roberta_swap": {
        "why": "padding by token 0, tanh GELU, a checkpoint with a pooler, swap head, two equal answers",
        "model": "roberta", "pairing": "siamese", "head": "swap", "seed": 32, "equal": [2], "weightDecay": 0.01,
        "config": ROBERTA | dict(hidden_size=24, num_attention_heads=2, num_hidden_layers=2, intermediate_size=28,
                                 vocab_size=45, max_position_embeddings=40, pad_token_id=0, hidden_act="gelu_new"),
        "lengths": [[30, 1], [12, 31], [9, 9], [24, 25], [3, 29]],
    },
    "xlm_roberta": {
        "why": "five heads, label smoothing, a token type that is never used",
        "model": "xlm-roberta", "pairing": "joint", "seed": 33, "labelSmoothing": 0.1,
        "config": ROBERTA | dict(hidden_size=40, num_attention_heads=5, num_hidden_layers=1, intermediate_size=44,
                                 vocab_size=59, max_position_embeddings=48, pad_token_id=1, type_vocab_size=2),
        "lengths": [[19], [3], [46], [9], [27]],
    },
    "modernbert": {
        "why": "three heads, a window of three tokens to each side between layers that see all, no biases, the first token's head",
        "model": "modernbert", "pairing": "joint", "seed": 35,
        "config": MODERN | dict(hidden_size=24, num_attention_heads=3, num_hidden_layers=4, intermediate_size=20,
                                vocab_size=45, local_attention=6),
        "lengths": [[13], [41], [1], [7], [26]],
    },
    "modernbert_mean": {
        "why": "five heads, an odd window, biases everywhere, tanh GELU, listed layers, positions of other paces, the mean's head",
        "model": "modernbert", "pairing": "joint", "seed": 36, "weights": [1, 0.5, 2, 1, 3], "std": 0.15,
        "config": MODERN | dict(hidden_size=40, num_attention_heads=5, num_hidden_layers=2, intermediate_size=28,
                                vocab_size=37, local_attention=5, classifier_pooling="mean", classifier_bias=True,
                                norm_bias=True, attention_bias=True, mlp_bias=True, norm_eps=1e-4,
                                hidden_activation="gelu_pytorch_tanh", classifier_activation="gelu_pytorch_tanh",
                                layer_types=["sliding_attention", "full_attention"],
                                rope_parameters=dict(full_attention=dict(rope_type="linear", rope_theta=500.0, factor=4.0),
                                                     sliding_attention=dict(rope_type="default", rope_theta=100.0))),
        "lengths": [[21], [3], [34], [9], [16]],
    },
    "modernbert_swap": {
        "why": "gated by silu, swap head on means, two equal answers",
        "model": "modernbert", "pairing": "siamese", "head": "swap", "seed": 37, "equal": [2], "weightDecay": 0.01,
        "config": MODERN | dict(hidden_size=24, num_attention_heads=3, num_hidden_layers=3, intermediate_size=16,
                                vocab_size=39, local_attention=8, hidden_activation="silu"),
        "lengths": [[30, 1], [12, 31], [9, 9], [24, 25], [3, 29]],
    },
    "xlm_roberta_concat": {
        "why": "seven heads of 4 channels, concat head on means",
        "model": "xlm-roberta", "pairing": "siamese", "head": "concat", "seed": 34,
        "config": ROBERTA | dict(hidden_size=28, num_attention_heads=7, num_hidden_layers=2, intermediate_size=20,
                                 vocab_size=37, max_position_embeddings=40, pad_token_id=1),
        "lengths": [[32, 17], [24, 4], [5, 30], [23, 24], [1, 38]],
    },
}


def make(name):
    case = STEPS | CASES[name]
    draw = prepare(case["seed"])
    config = AutoConfig.for_model(case["model"], **case["config"], num_labels=3)
    # Templates of these families know one type of token, which the classes take where none is given.
    judge = make_judge(case, config, has_types=False)
    battles = make_battles(case, config, draw)
    for battle in battles:
        for sequence in battle["sequences"]:
            sequence["tokenTypeIds"] = [0] * len(sequence["inputIds"])
    write_golden(f"encoder_{name}", case, judge, battles)


if __name__ == "__main__":
    logging.disable_progress_bar()
    for name in sys.argv[1:] or CASES:
        make(name)
