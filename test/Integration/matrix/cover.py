"""Sets of points that hold every pair (or three, ..) of values of every two axes.

Faults of a compiler mostly need one value or the meeting of two or three: a head
width that is no multiple of 16 with pages of one token, a window with few
queries. A set in which each such pair occurs finds them with some seventy
points, one in which each three do with some seven hundred; the product of all
axes has three million.
"""

import itertools
import math

# Points that are built for each one taken. More make the set smaller, slowly.
CANDIDATES = 12


def all_tuples(axes, possible, ways=2):
    """The tuples ((axis, value), ..) of `ways` axes, in their order, that may
    meet."""
    found = set()
    for some in itertools.combinations(axes, ways):
        for values in itertools.product(*(axes[a] for a in some)):
            chosen = tuple(zip(some, values))
            if possible(dict(chosen)):
                found.add(chosen)
    return found


def tuples_of(point, axes, ways=2):
    """The tuples that a whole point holds."""
    return set(itertools.combinations([(a, point[a]) for a in axes], ways))


class Builder:
    """Makes points that hold many tuples which are missing."""

    def __init__(self, axes, possible, ways, rng):
        self.axes, self.possible, self.ways, self.rng = axes, possible, ways, rng
        self.place = {axis: number for number, axis in enumerate(axes)}
        # A set has another order in each process.
        self.missing = all_tuples(axes, possible, ways)
        order = sorted(self.missing, key=str)
        self.order = [order[i] for i in rng.permutation(len(order))]

    def count_new(self, others, axis, value):
        """Missing tuples of the value with `others`: (axis, value) in order."""
        before = [x for x in others if self.place[x[0]] < self.place[axis]]
        after = others[len(before) :]
        here, missing, count = ((axis, value),), self.missing, 0
        for number in range(self.ways):
            for low in itertools.combinations(before, number):
                for high in itertools.combinations(after, self.ways - 1 - number):
                    count += low + here + high in missing
        return count

    def extend(self, point):
        """Gives `point` a value of each axis, the one that brings the most
        missing tuples; None if one axis has no value left that is possible."""
        order = [a for a in self.axes if a not in point]
        for axis in self.rng.permutation(order):
            others = [(a, point[a]) for a in self.axes if a in point]
            best, most = [], -1
            for value in self.axes[axis]:
                if not self.possible({**point, axis: value}):
                    continue
                count = self.count_new(others, axis, value)
                if count > most:
                    best, most = [], count
                if count == most:
                    best.append(value)
            if not best:
                return None
            point[axis] = best[self.rng.integers(len(best))]
        return {a: point[a] for a in self.axes}

    def take(self):
        """A point, of which no tuple is missing any more."""
        best, most = None, 0
        self.order = [x for x in self.order if x in self.missing]
        for start in (self.order[:CANDIDATES] * CANDIDATES)[:CANDIDATES]:
            point = self.extend(dict(start))
            if not point:
                continue
            count = len(tuples_of(point, self.axes, self.ways) & self.missing)
            if count > most:
                best, most = point, count
        if best is None:
            raise ValueError(f"no possible point holds {self.order[0]}")
        self.missing -= tuples_of(best, self.axes, self.ways)
        return best


def cover(axes, possible, rng, ways=2):
    """Points that together hold all tuples of `ways` values, those first that
    hold the most new ones. `axes` maps names to lists of values; `possible` takes
    a dict of some axes and is false where no point can have these values
    together."""
    builder = Builder(axes, possible, ways, rng)
    points = []
    while builder.missing:
        points.append(builder.take())
    return points


def of_product(axes, possible, count, seed):
    """The points of the product of all axes that are number seed * count and the
    next, in an order in which neighbours differ in every axis; around from the
    last one to the first. Less than `count` where some are not possible."""
    size = math.prod(len(values) for values in axes.values())
    # The golden ratio spreads them evenly; without a common divisor with the
    # size each comes once.
    step = int(size * 0.6180339887)
    while math.gcd(step, size) != 1:
        step += 1
    points = []
    for number in range(seed * count, seed * count + min(count, size)):
        place, point = number * step % size, {}
        for axis, values in axes.items():
            place, digit = divmod(place, len(values))
            point[axis] = values[digit]
        if possible(point):
            points.append(point)
    return points
