"""The training step of the goldens: soft cross-entropy over a whole optimizer step, clipping, AdamW."""
import copy

import torch


def step_loss(judge, battles, label_smoothing):
    """sum(weight * cross-entropy) / sum(weight) over the battles of one optimizer step."""
    total, weight = 0.0, 0.0
    for battle in battles:
        logits = judge(battle)
        target = torch.tensor(battle["target"], dtype=logits.dtype)
        target = target * (1 - label_smoothing) + label_smoothing / 3
        total = total - battle["weight"] * (target * logits.log_softmax(-1)).sum()
        weight += battle["weight"]
    return total / weight


def is_gain(name):
    """Whether a parameter is the gain of a norm: LayerNorm.weight, input_layernorm.weight, q_norm.weight, norm.weight."""
    return name.lower().endswith("norm.weight")


def optimizer(judge, hyper):
    """AdamW; biases and the gains of norms are not decayed, as in transformers' Trainer."""
    decayed, kept = [], []
    for name, parameter in judge.checkpoint().items():
        (kept if name.endswith("bias") or is_gain(name) else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": hyper["weightDecay"]}, {"params": kept, "weight_decay": 0.0}]
    betas, eps = (hyper["beta1"], hyper["beta2"]), hyper["eps"]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=1.0, betas=betas, eps=eps, foreach=False)


def gradients(judge):
    """Gradients by checkpoint name; parameters that take no part (a pooler beside mean pooling) have none."""
    return {n: p.grad.detach().clone() for n, p in judge.checkpoint().items() if p.grad is not None}


def trajectory(judge, battles, steps, hyper):
    """Runs every step. Returns logits before and after, losses, gradient norms before clipping, first gradients."""
    result = {"losses": [], "gradNorms": []}
    result["logits"] = logits_of(judge, battles)
    adamw = optimizer(judge, hyper)
    for step in steps:
        adamw.zero_grad()
        chosen = [battles[i] for micro in step["microBatches"] for i in micro]
        loss = step_loss(judge, chosen, hyper["labelSmoothing"])
        loss.backward()
        if "gradients" not in result:
            result["gradients"] = gradients(judge)
        norm = torch.nn.utils.clip_grad_norm_(judge.parameters(), hyper["clip"], foreach=False)
        for group in adamw.param_groups:
            group["lr"] = step["lr"]
        adamw.step()
        result["losses"].append(loss.item())
        result["gradNorms"].append(norm.item())
    result["finalLogits"] = logits_of(judge, battles)
    return result


def logits_of(judge, battles):
    with torch.no_grad():
        return [judge(battle).tolist() for battle in battles]


def both_precisions(judge, battles, steps, hyper):
    """The same trajectory in float32 and in float64, from the same float32 weights."""
    double = copy.deepcopy(judge).double()
    return trajectory(judge, battles, steps, hyper), trajectory(double, battles, steps, hyper)


def total_norm(grads):
    return sum(float(g.double().square().sum()) for g in grads.values()) ** 0.5


def float32_error(single, double):
    """What float32 itself costs PyTorch, in the units of our tolerances; the gradient as share of its tolerance."""
    total = total_norm(double["gradients"])
    shares = {}
    for name, exact in double["gradients"].items():
        difference = float((single["gradients"][name].double() - exact).norm())
        shares[name] = difference / (1e-3 * float(exact.norm()) + 1e-6 * total)
    worst = max(shares, key=shares.get)
    largest = lambda key: float((torch.tensor(single[key]).double() - torch.tensor(double[key])).abs().max())
    return {
        "logits": largest("logits"),
        "losses": largest("losses"),
        "finalLogits": largest("finalLogits"),
        "gradientShare": shares[worst],
        "gradientWorst": worst,
    }
