"""The order in which `deno task train` takes battles, as data/random.ts and data/packing.ts decide it from a seed and an epoch."""

BITS = 0xFFFFFFFF


def mix32(value):
    value = (value ^ (value >> 16)) * 0x21F0AAAD & BITS
    value = (value ^ (value >> 15)) * 0x735A2D97 & BITS
    return value ^ (value >> 15)


def rotate(value, bits):
    return (value << bits | value >> (32 - bits)) & BITS


def draws(*seeds):
    """xoshiro128** (Blackman and Vigna 2018), its state filled by splitmix32."""
    state = 0x9E3779B9
    for seed in seeds:
        for half in (seed & BITS, seed >> 32):
            state = mix32(state ^ half) + 0x9E3779B9 & BITS
    words = []
    for _ in range(4):
        state = state + 0x9E3779B9 & BITS
        words.append(mix32(state))
    a, b, c, d = words[0], words[1], words[2], words[3] | 1
    while True:
        yield rotate(b * 5 & BITS, 7) * 9 & BITS
        shifted = b << 9 & BITS
        c, d = c ^ a, d ^ b
        b, a = b ^ c, a ^ d
        c, d = c ^ shifted, rotate(d, 11)


def epoch_order(count, seed, epoch):
    """Places of `count` battles in the order of an epoch, from 0 (Fisher and Yates)."""
    numbers, order = draws(seed, epoch), list(range(count))
    for last in range(count - 1, 0, -1):
        size = last + 1
        other = next(n for n in numbers if n < 2**32 - 2**32 % size) % size
        order[last], order[other] = order[other], order[last]
    return order
