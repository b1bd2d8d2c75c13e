"""Goldens of tiny models with PEFT's adapters, one folder each under tests/goldens/: python tests/oracle/lora.py [name ...]

goldens/lora_<name> holds the base as save_pretrained writes it, adapter/ what PEFT's save_pretrained writes of the adapters and
of modules_to_save. Weights are drawn wide, B is away from zero: else the gradient of A would be zero. With `quant` the folder holds the
base as it was, and PyTorch computes with what the quantised weights stand for, made by quantization.py with bitsandbytes.
"""
import os
import sys

from bert import make_battles
from files import HYPER, float64_part, goldens_folder, prepare, report, write_json, write_tensors
from peft import LoraConfig, get_peft_model
from quantization import quantise
from runs import saved_name
from tiny import STEPS, make_judge, random_weights
from trajectory import both_precisions, float32_error
from transformers import AutoConfig, logging

CASES = {
    "llama": {
        "why": "queries and values alone of three heads that share one, rank 4, weights",
        "model": "llama", "pairing": "joint", "seed": 31, "weights": [1, 0.5, 2, 1, 3],
        "config": dict(hidden_size=24, num_attention_heads=3, num_key_value_heads=1, num_hidden_layers=2,
                       intermediate_size=36, vocab_size=61),
        "lora": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"]),
        "lengths": [[13], [40], [1], [7], [26]],
    },
    "qwen2": {
        "why": "every dense layer, rsLoRA, rows of 64n floats, four heads on two, biases of queries, keys and values, rank 8",
        "model": "qwen2", "pairing": "joint", "seed": 32, "std": 0.12,
        "config": dict(hidden_size=64, head_dim=32, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=1,
                       intermediate_size=64, vocab_size=40),
        "lora": dict(r=8, lora_alpha=4, use_rslora=True, target_modules=[
            "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]),
        "lengths": [[61], [5], [33], [50], [2]],
    },
    "bert": {
        "why": "every dense layer of three heads of 12, exact GELU behind adapters, pooler and classifier saved, rank 6, smoothing",
        "model": "bert", "pairing": "joint", "seed": 33, "labelSmoothing": 0.1, "std": 0.12,
        "config": dict(hidden_size=36, num_attention_heads=3, num_hidden_layers=2, intermediate_size=52, vocab_size=67,
                       max_position_embeddings=48, hidden_act="gelu"),
        "lora": dict(r=6, lora_alpha=9, target_modules=["query", "key", "value", "intermediate.dense", "output.dense"],
                     modules_to_save=["pooler", "classifier"]),
        "lengths": [[13], [41], [1], [7], [26]],
    },
    "deberta": {
        "why": "keys and values of three heads, the keys of relative embeddings too, which share them, embeddings narrower, rank 4",
        "model": "deberta-v2", "pairing": "joint", "seed": 35, "std": 0.15,
        "config": dict(hidden_size=36, embedding_size=20, num_attention_heads=3, num_hidden_layers=2, intermediate_size=28,
                       vocab_size=43, max_position_embeddings=48, relative_attention=True, position_buckets=12,
                       position_biased_input=False, share_att_key=True, pos_att_type="p2c|c2p", norm_rel_ebd="layer_norm"),
        "lora": dict(r=4, lora_alpha=8, target_modules=["key_proj", "value_proj"],
                     modules_to_save=["pooler", "classifier"]),
        "lengths": [[21], [40], [1], [7], [26]],
    },
    "roberta": {
        "why": "queries and the feed-forward part of three heads, classifier saved whole, rank 4",
        "model": "roberta", "pairing": "joint", "seed": 38, "std": 0.15,
        "config": dict(hidden_size=24, num_attention_heads=3, num_hidden_layers=2, intermediate_size=28, vocab_size=43,
                       max_position_embeddings=48, pad_token_id=1),
        "lora": dict(r=4, lora_alpha=8, target_modules=["query", "intermediate.dense"], modules_to_save=["classifier"]),
        "lengths": [[21], [40], [1], [7], [26]],
    },
    "modernbert": {
        "why": "every dense layer of three heads, fused as the checkpoint has them, windows, head and classifier saved, rank 8",
        "model": "modernbert", "pairing": "joint", "seed": 39, "std": 0.15,
        "config": dict(hidden_size=24, num_attention_heads=3, num_hidden_layers=2, intermediate_size=20, vocab_size=43,
                       local_attention=6),
        "lora": dict(r=8, lora_alpha=8, target_modules=["Wqkv", "Wi", "Wo"], modules_to_save=["head", "classifier"]),
        "lengths": [[13], [41], [1], [7], [26]],
    },
    "bert_swap": {
        "why": "keys and the feed-forward part in the top layer alone, rows of 64n floats, tanh GELU, swap head on means, rank 12",
        "model": "bert", "pairing": "siamese", "head": "swap", "seed": 34,
        "config": dict(hidden_size=64, num_attention_heads=2, num_hidden_layers=2, intermediate_size=128, vocab_size=52,
                       max_position_embeddings=64, hidden_act="gelu_new"),
        "lora": dict(r=12, lora_alpha=12, target_modules=r"encoder\.layer\.1\.(.*key|intermediate\.dense|output\.dense)"),
        "lengths": [[32, 17], [64, 4], [5, 30], [23, 24], [1, 50]],
    },
    "nf4_qwen2": {
        "why": "base in nf4, four heads on two fused to one matrix with three offsets, every dense layer adapted, rank 8",
        "model": "qwen2", "pairing": "joint", "seed": 35, "std": 0.12, "quant": "nf4",
        "config": dict(hidden_size=64, head_dim=32, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=2,
                       intermediate_size=64, vocab_size=40),
        "lora": dict(r=8, lora_alpha=8, target_modules=[
            "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]),
        "lengths": [[61], [5], [33], [50], [2]],
    },
    "nf4_bert_swap": {
        "why": "base in nf4, queries alone adapted, gradients through quantised layers below the adapters, exact GELU, swap head",
        "model": "bert", "pairing": "siamese", "head": "swap", "seed": 36, "quant": "nf4",
        "config": dict(hidden_size=64, num_attention_heads=2, num_hidden_layers=2, intermediate_size=64, vocab_size=52,
                       max_position_embeddings=64, hidden_act="gelu"),
        "lora": dict(r=4, lora_alpha=8, target_modules=["query"]),
        "lengths": [[32, 17], [64, 4], [5, 30], [23, 24], [1, 50]],
    },
    "nf4_deberta": {
        "why": "base in nf4, the quantised queries and keys project relative embeddings too, queries and the feed-forward part adapted, rank 4",
        "model": "deberta-v2", "pairing": "joint", "seed": 40, "std": 0.15, "quant": "nf4",
        "config": dict(hidden_size=64, num_attention_heads=2, num_hidden_layers=2, intermediate_size=64, vocab_size=43,
                       max_position_embeddings=48, relative_attention=True, position_buckets=12,
                       position_biased_input=False, share_att_key=True, pos_att_type="p2c|c2p", norm_rel_ebd="layer_norm"),
        "lora": dict(r=4, lora_alpha=8, target_modules=["query_proj", "intermediate.dense"],
                     modules_to_save=["pooler", "classifier"]),
        "lengths": [[21], [40], [1], [7], [26]],
    },
    "int8_llama": {
        "why": "base in int8, one head of keys, feed-forward part alone adapted, rank 4",
        "model": "llama", "pairing": "joint", "seed": 37, "quant": "int8",
        "config": dict(hidden_size=64, num_attention_heads=2, num_key_value_heads=1, num_hidden_layers=2,
                       intermediate_size=64, vocab_size=61),
        "lora": dict(r=4, lora_alpha=8, target_modules=["gate_proj", "down_proj"]),
        "lengths": [[13], [40], [1], [7], [26]],
    },
}


def adapt(judge, case):
    """Puts the adapters into the judge; its checkpoint is then what is trained, by the names of PEFT's file."""
    joint = case["pairing"] == "joint"
    task = "SEQ_CLS" if joint else "FEATURE_EXTRACTION"
    config = LoraConfig(task_type=task, lora_dropout=0.0, bias="none", **case["lora"])
    place = "model" if joint else "backbone"
    adapted = get_peft_model(getattr(judge, place), config)
    setattr(judge, place, adapted)
    rest = [] if joint else [(f"head.{name}", p) for name, p in judge.head.named_parameters()]
    random_weights(Trained([(n, p) for n, p in adapted.named_parameters() if p.requires_grad] + rest), case.get("std", 0.2))

    def checkpoint(judge):
        own = {saved_name(n): p for n, p in getattr(judge, place).named_parameters() if p.requires_grad}
        head = {} if joint else {f"head.{n}": p for n, p in judge.head.named_parameters()}
        return own | head

    type(judge).checkpoint = checkpoint
    return adapted


class Trained:
    """Some parameters, where a module is expected."""

    def __init__(self, parameters):
        self.parameters = parameters

    def named_parameters(self):
        return self.parameters


def make(name):
    case = STEPS | CASES[name]
    draw = prepare(case["seed"])
    typed = case["model"] in ("bert", "deberta-v2", "roberta")
    fixed = dict(max_position_embeddings=128, pad_token_id=None, bos_token_id=None, eos_token_id=None) if not typed else dict(
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout=0.0)
    config = AutoConfig.for_model(case["model"], **(fixed | case["config"]), num_labels=3)
    judge = make_judge(case, config, has_types=typed)
    folder = goldens_folder(f"lora_{name}")
    (judge.model if case["pairing"] == "joint" else judge.backbone).save_pretrained(folder)
    if "quant" in case:
        quantise(judge.model if case["pairing"] == "joint" else judge.backbone, case["quant"])
    adapted = adapt(judge, case)
    # The folder stands beside its base: a path that PEFT would take from here, and we take from the folder.
    adapted.peft_config["default"].base_model_name_or_path = f"../../lora_{name}"
    adapted.save_pretrained(os.path.join(folder, "adapter"))
    readme = os.path.join(folder, "adapter", "README.md")
    if os.path.exists(readme):
        os.remove(readme)
    initial = {n: p.detach().numpy().copy() for n, p in judge.checkpoint().items()}
    if case["pairing"] == "siamese":
        write_tensors(os.path.join(folder, "head.safetensors"), {n: t for n, t in initial.items() if n.startswith("head.")})

    battles = make_battles(case, config, draw)
    steps = [{"lr": lr, "microBatches": micro} for lr, micro in zip(case["lr"], case["steps"])]
    hyper = HYPER | {"weightDecay": 0.5, "labelSmoothing": case.get("labelSmoothing", 0.0)}
    single, double = both_precisions(judge, battles, steps, hyper)
    error = float32_error(single, double)
    write_tensors(os.path.join(folder, "gradients.safetensors"), {n: g.numpy() for n, g in single["gradients"].items()})
    write_json(os.path.join(folder, "golden.json"), {
        "name": f"lora_{name}", "why": case["why"], "modelType": case["model"], "pairing": case["pairing"],
        "head": case.get("head"), **({"quant": case["quant"]} if "quant" in case else {}), "hyper": hyper, "battles": battles, "steps": steps,
        "logits": single["logits"], "finalLogits": single["finalLogits"],
        "losses": single["losses"], "gradNorms": single["gradNorms"],
        "float64": float64_part(double), "float32Error": error,
    })
    report(f"lora_{name}", folder, single, error)
    print("  trained", len(single["gradients"]), "tensors:", ", ".join(sorted(single["gradients"])[:3]), "…")


if __name__ == "__main__":
    logging.disable_progress_bar()
    for name in sys.argv[1:] or CASES:
        make(name)
