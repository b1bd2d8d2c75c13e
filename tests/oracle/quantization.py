"""Golden of the quantised forms, made by bitsandbytes itself: python tests/oracle/quantization.py

The weights are drawn by the integer hash of projections.py, so that the test draws the same; blocks of every size of magnitude, one
of zeros, values that lie on a bound between two codes. 300 blocks: a whole superblock of 256 and a part of one.
"""
import base64
import os
import re

import bitsandbytes
import bitsandbytes.functional as functional
import numpy as np
import torch
from files import goldens_folder, prepare, write_json
from projections import mix

BLOCKS, BLOCK = 300, 64


def weights():
    """Uniform in [-0.5, 0.5) in steps of 2^-24, times a magnitude of the block; block 5 is zero, block 6 holds ties."""
    count = BLOCKS * BLOCK
    uniform = ((mix(np.arange(count, dtype=np.uint32)) >> np.uint32(8)).astype(np.float32) / np.float32(2**24)
               - np.float32(0.5))
    exponent = (mix(np.arange(BLOCKS, dtype=np.uint32) + np.uint32(10**6)) % np.uint32(12)).astype(np.int32) - 9
    w = (uniform.reshape(BLOCKS, BLOCK) * np.exp2(exponent.astype(np.float32))[:, None]).astype(np.float32)
    w[5] = 0
    code = functional.get_4bit_type("nf4", device="cpu").numpy()
    bounds = ((code[:-1] + code[1:]) / np.float32(2)).astype(np.float32)
    w[6, :15], w[6, 15:30], w[6, 30] = bounds, np.nextafter(bounds, np.float32(2)), 1
    return w


def int8(w):
    largest = np.abs(w).max(axis=1)
    inverse = np.divide(np.float32(127), largest, out=np.zeros_like(largest), where=largest > 0)
    return np.rint(w * inverse[:, None]).astype(np.int8), (largest / np.float32(127)).astype(np.float32)


def dequantise_nf4(weight):
    """What bitsandbytes' nf4 weight stands for, magnitudes at the nearest value of the map, as its GPU kernels and its reference.
    Its CPU build looks the nearest up on a grid of 2^-15, and takes the other neighbour for 1 in some hundred. The mean is rounded once: torch's own depends on the order of its sum."""
    packed, absmax = torch.ops.bitsandbytes.quantize_4bit.default(weight, 64, "nf4", torch.uint8)
    code, offset = functional.create_dynamic_map(), absmax.double().mean().float()
    groups = torch.nn.functional.pad(absmax - offset, (0, -len(absmax) % 256)).reshape(-1, 256)
    scales = groups.abs().amax(1, keepdim=True)
    nearest = (groups * (1 / scales)).unsqueeze(-1).sub(code).abs().argmin(-1)
    absmax = (code[nearest] * scales).reshape(-1)[: len(absmax)] + offset
    return torch.ops.bitsandbytes.dequantize_4bit.default(packed, absmax, 64, "nf4", weight.shape, torch.float32)


def quantise(backbone, quant):
    """Puts in the place of each dense weight of the layers what its quantised form stands for."""
    for name, module in backbone.named_modules():
        if isinstance(module, torch.nn.Linear) and not re.search(r"(pooler|classifier|score)", name):
            module.weight.data.copy_(dequantised(module.weight.data, quant))


def dequantised(weight, quant):
    if quant == "nf4":
        return dequantise_nf4(weight)
    codes, scales = int8(weight.numpy().reshape(-1, 64))
    return torch.from_numpy((codes * scales[:, None]).astype(np.float32).reshape(weight.shape))


def text(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def main():
    prepare(1)
    w = weights()
    packed, state = functional.quantize_4bit(torch.from_numpy(w), blocksize=64, quant_type="nf4", compress_statistics=True)
    codes, scales = int8(w)
    golden = {
        "bitsandbytes": bitsandbytes.__version__,
        "map": text(functional.create_dynamic_map().numpy()),
        "weights": {"first": text(w[:8])},
        "nf4": {
            "packed": text(packed.numpy()),
            "magnitudes": text(state.absmax.numpy()),
            "scales": text(state.state2.absmax.numpy()),
            "offset": text(state.offset.numpy()),
            "dequantised": text(functional.dequantize_4bit(packed, state).numpy().reshape(BLOCKS, BLOCK)[::37]),
        },
        "int8": {"codes": text(codes[::37]), "scales": text(scales)},
    }
    write_json(os.path.join(goldens_folder(""), "quantization.json"), golden)


if __name__ == "__main__":
    main()
