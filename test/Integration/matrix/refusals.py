"""What the simulated device is known to refuse, with what it says.

The cover leaves such points out, so that every pair of the other values meets on
a point that runs. Of each entry a point is drawn that must be refused with that
text: one that runs is a failure, so that an entry goes when its reason does.
"""

import dataclasses
import re

import points


@dataclasses.dataclass
class Refusal:
    """`values`: by axis, which ones; all axes together."""

    values: dict
    message: str

    def covers(self, some):
        return all(some.get(axis) in those for axis, those in self.values.items())

    def draw(self, rng):
        """A point that this refusal covers."""
        while True:
            point = {}
            for axis, those in points.AXES.items():
                choice = self.values.get(axis, those)
                point[axis] = choice[rng.integers(len(choice))]
            if points.possible(point):
                return point


SIM = [
    Refusal(
        {"dtype": ["e4m3"]},
        "expects a right operand of f16 or bf16 that is read from memory",
    ),
    # 24 channels of 2 bytes, 16 of 1 byte.
    Refusal(
        {"head": ["24"]},
        "expects rows of a multiple of 16 bytes|expects a multiple of 16 products",
    ),
    Refusal(
        {"head": ["16"], "dtype": ["e4m3"]},
        "expects rows of a multiple of 16 bytes",
    ),
    Refusal({"pool": ["mixed"]}, "expects columns that one axis of the storage holds"),
    Refusal(
        {"mask": ["presence"], "phase": ["prefill", "chunk", "spec4"]},
        "expects what is live to be rows",
    ),
]


def runs(some):
    """Whether a point with these values may run, as far as known."""
    return points.possible(some) and not any(x.covers(some) for x in SIM)


def is_met(point, message):
    """Whether this is what a refusal that covers the point says."""
    return any(x.covers(point) and re.search(x.message, message) for x in SIM)
