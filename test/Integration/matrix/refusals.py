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


SIM = []


def runs(some):
    """Whether a point with these values may run, as far as known."""
    return points.possible(some) and not any(x.covers(some) for x in SIM)


def is_met(point, message):
    """Whether this is what a refusal that covers the point says."""
    return any(x.covers(point) and re.search(x.message, message) for x in SIM)
