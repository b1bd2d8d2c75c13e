"""The two pairings in PyTorch, built on the classes of transformers. Sequences run one at a time, so no padding and no
mask takes part: what a packed batch must agree with is each sequence alone."""
import torch
from torch import nn


class SwapHead(nn.Module):
    """z_A = a.u + b.v + c, z_B = a.v + b.u + c, z_tie = t.(u + v) + d.|u - v| + e; bias is [c, e]."""

    def __init__(self, width):
        super().__init__()
        for name in "abtd":
            setattr(self, name, nn.Parameter(torch.zeros(width)))
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, u, v):
        c, e = self.bias
        return torch.stack([
            self.a @ u + self.b @ v + c,
            self.a @ v + self.b @ u + c,
            self.t @ (u + v) + self.d @ (u - v).abs() + e,
        ])


class ConcatHead(nn.Module):
    """Three logits from [u; v]: weight [3, 2W], bias [3]."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 2 * width))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, u, v):
        return self.weight @ torch.cat([u, v]) + self.bias


HEADS = {"swap": SwapHead, "concat": ConcatHead}


def _tensors(sequence, has_types):
    types = {"token_type_ids": torch.tensor([sequence["tokenTypeIds"]])} if has_types else {}
    return {"input_ids": torch.tensor([sequence["inputIds"]])} | types


class JointJudge(nn.Module):
    """One sequence holds prompt, A and B: transformers' own ...ForSequenceClassification."""

    def __init__(self, model, has_types=True):
        super().__init__()
        self.model, self.has_types = model, has_types

    def forward(self, battle):
        (sequence,) = battle["sequences"]
        return self.model(**_tensors(sequence, self.has_types)).logits[0]

    def checkpoint(self):
        """Parameters by the names they have in the files."""
        return dict(self.model.named_parameters())


class SiameseJudge(nn.Module):
    """(prompt, A) and (prompt, B) through one backbone, mean over all real tokens (CLS and SEP too), then the head."""

    def __init__(self, backbone, head, has_types=True):
        super().__init__()
        self.backbone, self.head, self.has_types = backbone, head, has_types

    def forward(self, battle):
        u, v = (self.backbone(**_tensors(s, self.has_types)).last_hidden_state[0].mean(0) for s in battle["sequences"])
        return self.head(u, v)

    def checkpoint(self):
        head = {f"head.{name}": p for name, p in self.head.named_parameters()}
        return dict(self.backbone.named_parameters()) | head
