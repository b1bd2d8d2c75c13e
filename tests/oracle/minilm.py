"""Goldens of the real MiniLM in both pairings: python tests/oracle/minilm.py FOLDER

FOLDER holds config.json, model.safetensors and the tokenizer of sentence-transformers/all-MiniLM-L6-v2. Token ids are
stored, so no tokenizer takes part in the comparison; of each gradient a norm, a slice and projections are kept.
"""
import hashlib
import os
import sys

import numpy as np
import torch
from files import HYPER, float64_part, goldens_folder, prepare, report, write_json, write_tensors
from judges import HEADS, JointJudge, SiameseJudge
from projections import positions, projections
from tokenizers import Tokenizer
from trajectory import both_precisions, float32_error
from transformers import AutoModel, AutoModelForSequenceClassification, logging

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# (prompt, A, B, outcome, weight): from two words to some sixty tokens, right, wrong, off the topic, refusing.
BATTLES = [
    ("Which planet is the largest?", "Jupiter is the largest planet of our solar system.", "Saturn, by far.", 0, 1),
    ("Hi", "Hello! How can I help you today?", "Hi.", 2, 1),
    ("Write a haiku about rain.",
     "Soft rain on the roof, / a kettle hums in the dark, / the garden drinks deep.",
     "I am sorry, but I cannot help with that request.", 0, 2),
    ("Why does bread rise?",
     "Yeast eats sugar and gives off carbon dioxide; the gluten in the dough traps the gas in small bubbles, so the "
     "loaf swells. In the oven the gas expands once more before the crust sets.",
     "Because of the yeast in the dough.", 1, 1),
    ("Translate 'good morning' into French.", "Bonjour.", "The French for 'good morning' is 'bonne nuit'.", 0, 1),
    ("What is 17 * 3?", "17 * 3 = 51.", "51", 2, 0.5),
    ("Name three prime numbers.", "2, 3 and 5.", "4, 6 and 9 are prime numbers.", 0, 1),
    ("How do I boil an egg?", "Football is played by two teams of eleven.", "Nine minutes in boiling water.", 1, 1),
    ("Sort: pear, fig, apple", "apple, fig, pear", "pear, fig, apple", 0, 1),
    ("Is the earth flat?", "No, it is very nearly a sphere.", "No. It is round.", 2, 1),
    ("Fix: def f(x) return x", "def f(x): return x", "Add a colon after the brackets.", 1, 1.5),
    ("¿Dónde está Berlín?", "Berlín está en Alemania.", "It's in Germany 🙂", 0, 1),
]

# Uneven micro-batches within a step; the first step's gradients are stored.
STEPS = [
    [[0, 1], [2], [3]], [[4, 5, 6], [7]], [[8], [9, 10, 11]], [[5], [1, 6], [8]], [[0, 9], [4, 11]],
    [[10, 7, 1, 5]], [[6], [2], [9], [8]], [[11, 4], [5, 7]], [[1, 9, 10], [6]], [[0], [8, 4, 5]],
]
LR = [1e-5, 2e-5, 3e-5, 4e-5, 5e-5, 5e-5, 4e-5, 3e-5, 2e-5, 1e-5]


def check(folder):
    with open(os.path.join(folder, "model.safetensors"), "rb") as file:
        found = hashlib.sha256(file.read()).hexdigest()
    if found != SHA256:
        sys.exit(f"Cannot use {folder}: model.safetensors has sha256 {found}, must be {SHA256}: use all-MiniLM-L6-v2")


def make_battles(folder, pairing):
    """[CLS] prompt [SEP] answer [SEP] for each side, or [CLS] prompt [SEP] A [SEP] B [SEP] with type 1 from B on."""
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tokenizer.no_padding()
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    ids = lambda text: tokenizer.encode(text, add_special_tokens=False).ids + [sep]

    def sequence(side, first, second):
        return {"side": side, "inputIds": first + second, "tokenTypeIds": [0] * len(first) + [1] * len(second)}

    battles = []
    for prompt, a, b, outcome, weight in BATTLES:
        start = [cls] + ids(prompt)
        if pairing == "joint":
            sequences = [sequence("ab", start + ids(a), ids(b))]
        else:
            sequences = [sequence("a", start, ids(a)), sequence("b", start, ids(b))]
        target = [float(outcome == column) for column in range(3)]
        battles.append({"sequences": sequences, "target": target, "weight": weight})
    return battles


def make_judge(folder, pairing):
    options = dict(attn_implementation="eager", dtype=torch.float32, hidden_dropout_prob=0.0,
                   attention_probs_dropout_prob=0.0)
    if pairing == "joint":
        judge = JointJudge(AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3, **options))
        head = judge.model.classifier
    else:
        judge = SiameseJudge(AutoModel.from_pretrained(folder, **options), HEADS["swap"](384))
        head = judge.head
    for _, parameter in sorted(head.named_parameters()):
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape) * 0.1)
    return judge.eval()


def summarise(grads):
    """What is stored of each gradient: figures for the JSON, and the slices."""
    figures, slices = {}, {}
    for name, gradient in grads.items():
        g = gradient.numpy()
        rows = None
        if "embeddings.weight" in name:  # most rows are unused and zero: the slice keeps to the others
            rows = [int(r) for r in np.flatnonzero(np.abs(g).sum(1))]
        at = positions(name, g.size, g.shape[-1], rows)
        slices[name] = g.reshape(-1)[at]
        figures[name] = {"shape": list(g.shape), "norm": float(gradient.double().norm()),
                         "projections": projections(name, g)} | ({"rows": rows} if rows else {})
    return figures, slices


def make(folder, pairing):
    prepare(7)
    judge = make_judge(folder, pairing)
    battles = make_battles(folder, pairing)
    steps = [{"lr": lr, "microBatches": micro} for lr, micro in zip(LR, STEPS)]
    name = f"minilm_{pairing}"
    out = goldens_folder(name)
    # Copied before training, which changes the parameters in place.
    head = {n: p.detach().numpy().copy() for n, p in judge.checkpoint().items() if n.startswith(("head.", "classifier."))}
    write_tensors(os.path.join(out, "head.safetensors"), head)

    single, double = both_precisions(judge, battles, steps, HYPER)
    error = float32_error(single, double)
    figures, slices = summarise(single["gradients"])
    write_tensors(os.path.join(out, "slices.safetensors"), slices)
    write_json(os.path.join(out, "golden.json"), {
        "name": name, "why": "the real MiniLM-L6; texts are those of tests/oracle/minilm.py", "sha256": SHA256,
        "pairing": pairing, "head": None if pairing == "joint" else "swap", "hyper": HYPER,
        "battles": battles, "steps": steps, "logits": single["logits"], "finalLogits": single["finalLogits"],
        "losses": single["losses"], "gradNorms": single["gradNorms"],
        "gradients": figures, "float64": float64_part(double), "float32Error": error,
    })
    tokens = [[len(s["inputIds"]) for s in b["sequences"]] for b in battles]
    print("tokens", tokens, "in all steps", sum(sum(tokens[i]) for s in STEPS for m in s for i in m))
    report(name, out, single, error)


if __name__ == "__main__":
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    check(sys.argv[1])
    for pairing in ("joint", "siamese"):
        make(sys.argv[1], pairing)
