"""Checks cover.py: every pair of values that may meet does, on points that are
possible; and points.py: a point's text gives the point.

    check_cover.py SEED
"""

import itertools
import sys

import numpy as np

import points
import refusals
from cover import cover

SMALL = {"x": [1, 2, 3], "y": [1, 2], "z": [1, 2, 3, 4]}


def expect(holds, text):
    if not holds:
        sys.exit(text)


def count_missing(found, axes, possible):
    """Pairs that no point holds, by going through all values once more."""
    missing = 0
    for a, b in itertools.combinations(axes, 2):
        for x, y in itertools.product(axes[a], axes[b]):
            held = any(point[a] == x and point[b] == y for point in found)
            missing += possible({a: x, b: y}) and not held
    return missing


def check(name, axes, possible, seed):
    found = cover(axes, possible, np.random.default_rng(seed))
    missing = count_missing(found, axes, possible)
    expect(missing == 0, f"{name}: {missing} pairs are on none of {len(found)} points")
    for point in found:
        expect(list(point) == list(axes), f"{name}: expects all axes, but got {point}")
        expect(possible(point), f"{name}: {point} is not possible")
    # Two of the same pairs of the two longest axes cannot be on one point.
    longest = sorted(len(values) for values in axes.values())[-2:]
    most = 2 * longest[0] * longest[1]
    expect(len(found) <= most, f"{name}: expects {most} points, but got {len(found)}")
    # What shows a loss: without one point of the cover a pair is missing.
    lost = [count_missing(found[:i] + found[i + 1 :], axes, possible) for i in range(3)]
    expect(all(lost), f"{name}: the first points hold no pair of their own")
    return found


def main():
    seed = int(sys.argv[1])
    for other in range(seed, seed + 5):
        check("small", SMALL, lambda some: True, other)
        check("less", SMALL, lambda some: some.get("x") != some.get("y"), other)
    found = check("points", points.AXES, points.possible, seed)
    found += check("points that run", points.AXES, refusals.runs, seed)
    for point in found:
        text = points.text_of(point)
        expect(points.parse(text) == point, f"'{text}' is not {point}")
    same = cover(points.AXES, refusals.runs, np.random.default_rng(seed))
    expect(same == found[-len(same) :], "one seed gives two covers")
    for text in ("head=23", "pages=1", "page=none,pool=mixed"):
        try:
            points.parse(text)
        except ValueError:
            continue
        sys.exit(f"expects no point of '{text}'")
    try:
        # Each pair may be, but no point that holds it.
        rng = np.random.default_rng(seed)
        cover(SMALL, lambda some: len(some) < 3 or some["x"] > 1, rng)
    except ValueError as error:
        expect("no possible point" in str(error), str(error))
    else:
        sys.exit("expects a pair that is on no possible point to be an error")


main()
