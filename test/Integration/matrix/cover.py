"""Sets of points that hold every pair of values of every two axes.

Faults of a compiler mostly need one value or the meeting of two: a head width
that is no multiple of 16 with pages of one token, a window with few queries.
A set in which each such pair occurs finds them with some seventy points, where
the product of all axes has several hundred thousand.
"""

import itertools

# Points that are built for each one taken. More make the set smaller, slowly.
CANDIDATES = 12


def all_pairs(axes, possible):
    """The pairs ((axis, value), (axis, value)) of two axes that may meet."""
    found = set()
    for (a, some), (b, others) in itertools.combinations(axes.items(), 2):
        for x, y in itertools.product(some, others):
            if possible({a: x, b: y}):
                found.add(((a, x), (b, y)))
    return found


def pairs_of(point, axes):
    """The pairs that a whole point holds."""
    return set(itertools.combinations([(a, point[a]) for a in axes], 2))


def extend(point, axes, possible, missing, rng):
    """Gives `point` a value of each axis, the one that brings the most missing
    pairs; None if one axis has no value left that is possible."""
    order = [a for a in axes if a not in point]
    for axis in rng.permutation(order):
        best, most = [], -1
        for value in axes[axis]:
            if not possible({**point, axis: value}):
                continue
            here = (axis, value)
            count = sum(
                (other, here) in missing or (here, other) in missing
                for other in point.items()
            )
            if count > most:
                best, most = [], count
            if count == most:
                best.append(value)
        if not best:
            return None
        point[axis] = best[rng.integers(len(best))]
    return {a: point[a] for a in axes}


def cover(axes, possible, rng):
    """Points that together hold all pairs, those first that hold the most new
    ones. `axes` maps names to lists of values; `possible` takes a dict of some
    axes and is false where no point can have these values together."""
    # A set has another order in each process.
    missing = all_pairs(axes, possible)
    order = sorted(missing, key=str)
    order = [order[i] for i in rng.permutation(len(order))]
    points = []
    while missing:
        best, most = None, 0
        seeds = [pair for pair in order if pair in missing]
        for pair in (seeds * CANDIDATES)[:CANDIDATES]:
            point = extend(dict(pair), axes, possible, missing, rng)
            count = len(pairs_of(point, axes) & missing) if point else 0
            if count > most:
                best, most = point, count
        if best is None:
            raise ValueError(f"no possible point holds {seeds[0]}")
        points.append(best)
        missing -= pairs_of(best, axes)
    return points
