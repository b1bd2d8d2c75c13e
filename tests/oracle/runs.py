"""Reads what `deno task tokenize` and `deno task train` wrote, in Python: token lines and run folders."""
import json
import os
import sys

import torch
from judges import HEADS, JointJudge, SiameseJudge
from safetensors.torch import load_file
from peft import PeftModel
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, logging


def saved_name(name):
    """A parameter of a PeftModel as PEFT's files have it."""
    return name.replace(".modules_to_save.default", "").replace(".default", "")


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def read_battles(path):
    """Token lines -> battles in the file's order: one line (side ab) or two in a row (a, b) each."""
    battles = []
    for line in read_lines(path):
        if line["side"] != "b":
            battles.append({"id": str(line["id"]), "label": line.get("label"), "sequences": [], "weight": 1.0})
        battle = battles[-1]
        if str(line["id"]) != battle["id"]:
            sys.exit(f"Cannot read {path}: side b of {line['id']} does not follow its side a")
        battle["sequences"].append(
            {"side": line["side"], "inputIds": line["input_ids"], "tokenTypeIds": line["token_type_ids"]})
        if battle["label"] is not None:
            battle["target"] = [float(battle["label"] == column) for column in range(3)]
    return battles


def load_adapted(folder, entry, options):
    """A base and its adapters as anyone would load them with PEFT; `checkpoint` is what is trained, by the names of PEFT's file."""
    with open(os.path.join(folder, "adapter_config.json"), encoding="utf-8") as file:
        base = json.load(file)["base_model_name_or_path"]
    options = {name: value for name, value in options.items() if name != "output_loading_info"}
    config = AutoConfig.from_pretrained(folder)
    joint = entry.get("pairing") != "siamese"
    kind = AutoModelForSequenceClassification if joint else AutoModel
    backbone = kind.from_pretrained(base, config=config, **options)
    if entry.get("quant"):
        from quantization import quantise
        quantise(backbone, entry["quant"])
    model = PeftModel.from_pretrained(backbone, folder, is_trainable=True)
    has_types = hasattr(config, "type_vocab_size")
    if joint:
        judge, rest = JointJudge(model, has_types=has_types), {}
    else:
        head = HEADS[entry["head"]](config.hidden_size)
        tensors = load_file(os.path.join(folder, "head.safetensors"))
        head.load_state_dict({name.removeprefix("head."): tensor for name, tensor in tensors.items()})
        judge = SiameseJudge(model, head, has_types=has_types)
        rest = {f"head.{name}": p for name, p in head.named_parameters()}
    trained = {saved_name(n): p for n, p in model.named_parameters() if p.requires_grad} | rest
    judge.made_up, judge.checkpoint = set(), lambda: trained
    return judge.eval()


def load_judge(folder):
    """The model of a run folder, as anyone would load it with transformers; without dropout."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        entry = json.load(file).get("tiebreak", {})
    options = dict(dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    if os.path.exists(os.path.join(folder, "adapter_config.json")):
        return load_adapted(folder, entry, options)
    if entry.get("pairing") == "siamese":
        backbone, info = AutoModel.from_pretrained(folder, **options)
        tensors = load_file(os.path.join(folder, "head.safetensors"))
        head = HEADS[entry["head"]](backbone.config.hidden_size)
        head.load_state_dict({name.removeprefix("head."): tensor for name, tensor in tensors.items()})
        judge = SiameseJudge(backbone, head, has_types=hasattr(backbone.config, "type_vocab_size"))
    else:
        model, info = AutoModelForSequenceClassification.from_pretrained(folder, **options)
        judge = JointJudge(model, has_types=hasattr(model.config, "type_vocab_size"))
    # Mean pooling does without the pooler, so a siamese folder may lack it; transformers then makes one up.
    judge.made_up = set(info["missing_keys"]) if isinstance(judge, SiameseJudge) else set()
    missing = [name for name in info["missing_keys"] if name not in judge.made_up or "pooler" not in name]
    for what, names in (("missing", missing), ("unexpected", info["unexpected_keys"])):
        if names:
            sys.exit(f"Cannot use {folder}: tensors are {what}: {', '.join(sorted(names))}")
    return judge.eval()
