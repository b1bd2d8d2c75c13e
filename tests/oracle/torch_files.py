"""Files as torch.save writes them: python tests/oracle/torch_files.py

Writes tests/goldens/torch_file/: pytorch_model.bin, the state dict of a small module and tensors of every layout that
checkpoints hold; the same in torch.save's form of before PyTorch 1.6; two shards with their index; expected.safetensors,
what each tensor of them must be in float32. (Bytes differ between two makings in a random id that the file holds.)
"""
import json
import os
from collections import OrderedDict

import torch
from files import goldens_folder, prepare, write_bytes
from safetensors.torch import save


def tensors():
    layer = torch.nn.Sequential(OrderedDict(dense=torch.nn.Linear(4, 3), LayerNorm=torch.nn.LayerNorm(3)))
    state = layer.state_dict()  # an OrderedDict with _metadata, which the pickle sets by BUILD
    whole = torch.randn(6, 4)
    state["rows"] = whole[2:5]  # shares its storage with the next three, from an offset
    state["tied"] = whole
    state["transposed"] = whole.t()
    state["permuted"] = torch.randn(2, 3, 4).permute(2, 0, 1)
    state["half"] = torch.randn(5).half()
    state["bfloat"] = torch.randn(2, 2).bfloat16()
    state["parameter"] = torch.nn.Parameter(torch.randn(3))
    state["scalar"] = torch.tensor(2.5)
    state["empty"] = torch.zeros(0, 4)
    return state


def main():
    prepare(7)
    folder = goldens_folder("torch_file")
    state = tensors()
    expected = {name: tensor.detach().float().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    # Buffers that checkpoints carry besides, which no model reads.
    state["position_ids"] = torch.arange(4).expand((1, -1))
    state["mask"] = torch.tensor([True, False])
    state["version"] = 3
    torch.save(state, os.path.join(folder, "pytorch_model.bin"))
    torch.save(state, os.path.join(folder, "legacy.bin"), _use_new_zipfile_serialization=False)
    torch.save({"a": torch.zeros(4, 4)[:, 1:3]}, os.path.join(folder, "gaps.bin"))
    torch.save({"a": torch.nn.Linear(1, 1)}, os.path.join(folder, "module.bin"))
    names = list(expected)
    weight_map = {}
    for shard, part in enumerate([names[:5], names[5:]], 1):
        file = f"pytorch_model-{shard:05}-of-00002.bin"
        torch.save({name: state[name] for name in part}, os.path.join(folder, file))
        weight_map.update(dict.fromkeys(part, file))
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    write_bytes(os.path.join(folder, "pytorch_model.bin.index.json"), (json.dumps(index) + "\n").encode())
    write_bytes(os.path.join(folder, "expected.safetensors"), save(expected))
    print({name: os.path.getsize(os.path.join(folder, name)) for name in sorted(os.listdir(folder))})


if __name__ == "__main__":
    main()
