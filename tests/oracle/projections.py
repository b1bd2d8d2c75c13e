"""Seeded signs and positions that stand for a gradient too large to store; tests/golden.ts rebuilds them bit by bit.

    mix(x)        32-bit integer hash of Chris Wellons ("lowbias32"), all arithmetic modulo 2^32
    key(name)     mix(FNV-1a of the tensor's name in UTF-8)
    sign k        of element i: +1 where bit k of mix(i xor key) is 0, else -1, for k = 0 ... 7
    projection k  sum over i of sign(k, i) * g[i], in float64
    position n    of the stored slice: mix((2^32 - 1 - n) xor key) modulo the number of elements to choose from

For random signs the mean of (projection of d)^2 is |d|^2, so the root mean square over the eight projections of a
difference estimates its norm.
"""
import numpy as np

PROJECTIONS = 8
SLICE = 64


def mix(x):
    x = np.asarray(x, dtype=np.uint32).copy()
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def key(name):
    state = 0x811C9DC5
    for byte in name.encode("utf-8"):
        state = (state ^ byte) * 0x01000193 & 0xFFFFFFFF
    return mix(np.uint32(state))


def projections(name, gradient):
    """The eight signed sums of a flat array, in float64."""
    g = np.asarray(gradient, dtype=np.float64).reshape(-1)
    words = mix(np.arange(g.size, dtype=np.uint32) ^ key(name))
    return [float(np.where((words >> np.uint32(k)) & np.uint32(1), -g, g).sum()) for k in range(PROJECTIONS)]


def positions(name, size, width=1, rows=None):
    """Flat indices of the stored slice: all where there are few, else 64 drawn from `rows` of `width` (or from all)."""
    if size <= SLICE:
        return np.arange(size)
    choices = size if rows is None else len(rows) * width
    slot = mix(np.uint32(0xFFFFFFFF) - np.arange(SLICE, dtype=np.uint32) ^ key(name)).astype(np.int64) % choices
    return slot if rows is None else np.asarray(rows)[slot // width] * width + slot % width
