"""What the goldens of tiny random models share: weights, judges of any class of transformers, and the folder that is written."""
import os

import torch
from files import HYPER, float64_part, goldens_folder, report, write_json, write_tensors
from judges import HEADS, JointJudge, SiameseJudge
from trajectory import both_precisions, float32_error, is_gain
from transformers import AutoModel, AutoModelForSequenceClassification

STEPS = {
    "steps": [[[0, 1, 2], [3]], [[4], [0, 1]], [[0, 3, 2, 4]], [[1], [2], [4]], [[4, 3], [2, 1, 0]]],
    "lr": [2e-3, 5e-3, 3e-3, 1e-3, 5e-4],
}


def random_weights(module, std, gain=1):
    for name, parameter in sorted(module.named_parameters()):
        noise = torch.randn(parameter.shape) * std
        with torch.no_grad():
            parameter.copy_(gain + noise if is_gain(name) else noise)


def make_judge(case, config, has_types, gain=1):
    """The joint or siamese judge of a configuration, weights at random."""
    if case["pairing"] == "joint":
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager")
        judge = JointJudge(model, has_types=has_types)
    else:
        backbone = AutoModel.from_config(config, attn_implementation="eager")
        judge = SiameseJudge(backbone, HEADS[case["head"]](config.hidden_size), has_types=has_types)
    random_weights(judge, case.get("std", 0.2), gain)
    return judge.eval()


def write_golden(name, case, judge, battles):
    """Runs the trajectory and writes tests/goldens/<name>/."""
    steps = [{"lr": lr, "microBatches": micro} for lr, micro in zip(case["lr"], case["steps"])]
    hyper = HYPER | {"weightDecay": case.get("weightDecay", 0.5), "labelSmoothing": case.get("labelSmoothing", 0.0)}
    folder = goldens_folder(name)
    initial = {n: p.detach().numpy().copy() for n, p in judge.checkpoint().items()}
    (judge.model if case["pairing"] == "joint" else judge.backbone).save_pretrained(folder)
    if case["pairing"] == "siamese":
        head = {n: t for n, t in initial.items() if n.startswith("head.")}
        write_tensors(os.path.join(folder, "head.safetensors"), head)

    single, double = both_precisions(judge, battles, steps, hyper)
    error = float32_error(single, double)
    write_tensors(os.path.join(folder, "gradients.safetensors"), {n: g.numpy() for n, g in single["gradients"].items()})
    write_json(os.path.join(folder, "golden.json"), {
        "name": name, "why": case["why"], **({"modelType": case["model"]} if "model" in case else {}),
        "pairing": case["pairing"],
        "head": case.get("head"), "hyper": hyper, "battles": battles, "steps": steps,
        "logits": single["logits"], "finalLogits": single["finalLogits"],
        "losses": single["losses"], "gradNorms": single["gradNorms"],
        "float64": float64_part(double), "float32Error": error,
    })
    report(name, folder, single, error)
