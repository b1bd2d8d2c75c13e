"""Goldens of tiny random Llama-like decoders, one folder each under tests/goldens/: python tests/oracle/llama.py [name ...]

As in bert.py: weights are drawn wide and no bias or gain is at its usual start. Sizes are small, so that float32 files stay small.
"""
import sys

from bert import make_battles
from files import prepare
from tiny import STEPS, make_judge, write_golden
from transformers import AutoConfig, logging

LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)

CASES = {
    "llama": {
        "why": "three query heads that share one of keys and values, biases everywhere, sequences of 1 to 40 tokens",
        "model": "llama", "pairing": "joint", "seed": 11,
        "config": dict(hidden_size=24, num_attention_heads=3, num_key_value_heads=1, num_hidden_layers=2,
                       intermediate_size=36, vocab_size=61, attention_bias=True, mlp_bias=True),
        "lengths": [[13], [40], [1], [7], [26]],
    },
    "llama3": {
        "why": "llama3 scaling with long, blended and short waves, rows of 64n floats, four heads on two",
        "model": "llama", "pairing": "joint", "seed": 12, "std": 0.15, "labelSmoothing": 0.1,
        "config": dict(hidden_size=64, head_dim=16, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=1,
                       intermediate_size=64, vocab_size=40, rms_norm_eps=1e-5, rope_parameters=LLAMA3),
        "lengths": [[61], [5], [33], [96], [2]], "weights": [1, 0.5, 2, 1, 1],
    },
    "mistral": {
        "why": "a sliding window shorter than the sequences, six heads on two, head width apart from hidden_size",
        "model": "mistral", "pairing": "joint", "seed": 13,
        "config": dict(hidden_size=20, head_dim=8, num_attention_heads=6, num_key_value_heads=2, num_hidden_layers=2,
                       intermediate_size=28, vocab_size=53, sliding_window=7),
        "lengths": [[30], [7], [8], [51], [3]],
    },
    "mistral_wide": {
        "why": "no window, linear scaling, five heads on one, concat head on means",
        "model": "mistral", "pairing": "siamese", "head": "concat", "seed": 14,
        "config": dict(hidden_size=40, num_attention_heads=5, num_key_value_heads=1, num_hidden_layers=1,
                       intermediate_size=44, vocab_size=59, sliding_window=None,
                       rope_parameters=dict(rope_type="linear", rope_theta=500.0, factor=4.0)),
        "lengths": [[32, 17], [24, 4], [5, 30], [23, 24], [1, 50]],
    },
    "qwen2": {
        "why": "biases of queries, keys and values only, three heads on one, weights",
        "model": "qwen2", "pairing": "joint", "seed": 15, "weights": [1, 0.5, 2, 1, 3],
        "config": dict(hidden_size=24, num_attention_heads=3, num_key_value_heads=1, num_hidden_layers=2,
                       intermediate_size=32, vocab_size=67, rope_parameters=dict(rope_type="default", rope_theta=1e6)),
        "lengths": [[21], [3], [34], [9], [16]],
    },
    "qwen2_window": {
        "why": "a window from the second layer on, as many heads of keys as of queries",
        "model": "qwen2", "pairing": "joint", "seed": 16,
        "config": dict(hidden_size=32, num_attention_heads=2, num_key_value_heads=2, num_hidden_layers=2,
                       intermediate_size=28, vocab_size=47, use_sliding_window=True, sliding_window=5, max_window_layers=1),
        "lengths": [[37], [5], [6], [18], [2]],
    },
    "qwen3": {
        "why": "normalised queries and keys, three heads on one, head width apart from hidden_size",
        "model": "qwen3", "pairing": "joint", "seed": 17,
        "config": dict(hidden_size=20, head_dim=16, num_attention_heads=3, num_key_value_heads=1, num_hidden_layers=2,
                       intermediate_size=24, vocab_size=43),
        "lengths": [[12], [41], [2], [29], [8]],
    },
    "qwen3_swap": {
        "why": "normalised queries and keys with biases, four heads on two, swap head on means, two equal answers",
        "model": "qwen3", "pairing": "siamese", "head": "swap", "seed": 18, "equal": [2], "weightDecay": 0.01,
        "config": dict(hidden_size=24, head_dim=8, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=2,
                       intermediate_size=20, vocab_size=45, attention_bias=True),
        "lengths": [[30, 1], [12, 31], [9, 9], [24, 25], [3, 29]],
    },
    "gemma2": {
        "why": "norms behind each part, scaled embeddings, soft-capped scores, a window in every second layer, three heads on one",
        "model": "gemma2", "pairing": "joint", "seed": 19, "std": 0.3,
        "config": dict(hidden_size=24, head_dim=8, num_attention_heads=3, num_key_value_heads=1, num_hidden_layers=2,
                       intermediate_size=20, vocab_size=41, sliding_window=6, attn_logit_softcapping=2.0,
                       query_pre_attn_scalar=5),
        "lengths": [[33], [6], [7], [1], [20]],
    },
    "gemma2_plain": {
        "why": "no soft cap, biases, four heads on two, rows of 64n floats, weights",
        "model": "gemma2", "pairing": "joint", "seed": 20, "weights": [1, 0.5, 2, 1, 3], "std": 0.15,
        "config": dict(hidden_size=64, head_dim=16, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=1,
                       intermediate_size=32, vocab_size=40, sliding_window=64, attn_logit_softcapping=None,
                       query_pre_attn_scalar=16, attention_bias=True),
        "lengths": [[21], [3], [54], [9], [16]],
    },
    "gemma3": {
        "why": "normalised queries and keys, positions of another pace and scale where all is seen, three heads on one",
        "model": "gemma3_text", "pairing": "joint", "seed": 21, "std": 0.3,
        "config": dict(hidden_size=24, head_dim=8, num_attention_heads=3, num_key_value_heads=1, num_hidden_layers=2,
                       intermediate_size=20, vocab_size=43, sliding_window=5, query_pre_attn_scalar=8,
                       layer_types=["sliding_attention", "full_attention"],
                       rope_parameters=dict(full_attention=dict(rope_type="linear", rope_theta=500.0, factor=4.0),
                                            sliding_attention=dict(rope_type="default", rope_theta=100.0))),
        "lengths": [[36], [5], [6], [2], [19]],
    },
    "gemma3_swap": {
        "why": "the usual pattern of layers, four heads on two, swap head on means",
        "model": "gemma3_text", "pairing": "siamese", "head": "swap", "seed": 22, "weightDecay": 0.01,
        "config": dict(hidden_size=20, head_dim=8, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=2,
                       intermediate_size=16, vocab_size=45, sliding_window=9, query_pre_attn_scalar=8),
        "lengths": [[30, 1], [12, 31], [9, 9], [24, 25], [3, 29]],
    },
}


def make(name):
    case = STEPS | CASES[name]
    draw = prepare(case["seed"])
    # The token ids that ...ForSequenceClassification takes for padding would move the token it reads.
    fixed = dict(max_position_embeddings=128, pad_token_id=None, bos_token_id=None, eos_token_id=None)
    config = AutoConfig.for_model(case["model"], **fixed, **case["config"], num_labels=3)
    # Gemma stores gains less one.
    judge = make_judge(case, config, has_types=False, gain=0 if case["model"].startswith("gemma") else 1)
    write_golden(f"decoder_{name}", case, judge, make_battles(case, config, draw))


if __name__ == "__main__":
    logging.disable_progress_bar()
    for name in sys.argv[1:] or CASES:
        make(name)
