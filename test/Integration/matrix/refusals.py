"""What the simulated device is known to refuse, with what it says.

A point that one of these describes must be refused with that text; one that runs
is a failure as well, so that an entry goes when its reason does.
"""

import dataclasses
import re
import typing


@dataclasses.dataclass
class Refusal:
    """`covers` takes a point; `message` is searched in what attn-run says."""

    reason: str
    covers: typing.Callable
    message: str

    def is_met(self, message):
        return re.search(self.message, message) is not None


SIM = []


def find(point):
    """The refusals that a point must meet one of."""
    return [x for x in SIM if x.covers(point)]
