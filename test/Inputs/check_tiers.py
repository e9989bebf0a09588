"""Checks the choice of long tests that test/tiers.py makes for a seed."""

import math
import sys

sys.path.insert(0, sys.argv[1])
import tiers

for count in range(0, 40):
    tests = [f"test{i}" for i in range(count)]
    width = math.ceil(count / tiers.SLICES)
    rounds = math.ceil(count / width) if count else 0
    for seed in (0, 1, 7, 739941):
        seen = set()
        for step in range(rounds):
            chosen = tiers.choose(tests, seed + step)
            assert len(chosen) == width, (count, seed, chosen)
            assert chosen == tiers.choose(tests, seed + step)
            seen |= chosen
        assert seen == set(tests), (count, seed, set(tests) - seen)
