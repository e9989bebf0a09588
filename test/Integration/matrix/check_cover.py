"""Checks cover.py: every two and every three values that may meet do, on points
that are possible; that the slices of a cover are all of it; and points.py: a
point's text gives the point.

    check_cover.py SEED
"""

import itertools
import math
import sys

import numpy as np

import points
import refusals
from cover import cover, of_product

SMALL = {"x": [1, 2, 3], "y": [1, 2], "z": [1, 2, 3, 4], "w": [1, 2]}


def expect(holds, text):
    if not holds:
        sys.exit(text)


def count_missing(found, axes, possible, ways):
    """Tuples that no point holds, by going through all values once more."""
    missing = 0
    for some in itertools.combinations(axes, ways):
        held = {tuple(point[a] for a in some) for point in found}
        for values in itertools.product(*(axes[a] for a in some)):
            missing += possible(dict(zip(some, values))) and values not in held
    return missing


def check(name, axes, possible, seed, ways=2):
    name = f"{name}, {ways}-wise"
    found = cover(axes, possible, np.random.default_rng(seed), ways)
    missing = count_missing(found, axes, possible, ways)
    expect(missing == 0, f"{name}: {missing} tuples are on none of {len(found)} points")
    for point in found:
        expect(list(point) == list(axes), f"{name}: expects all axes, but got {point}")
        expect(possible(point), f"{name}: {point} is not possible")
    # No point has two tuples of the longest axes. A good cover needs little more.
    longest = sorted(len(values) for values in axes.values())[-ways:]
    most = math.ceil(1.5 * math.prod(longest))
    expect(len(found) <= most, f"{name}: expects {most} points, but got {len(found)}")
    # What shows a loss: the last point was taken for a tuple of its own.
    lost = count_missing(found[:-1], axes, possible, ways)
    expect(lost, f"{name}: a cover without its last point misses nothing")
    return found


def check_product(axes, possible, count, seed):
    """Consecutive seeds have all points, each once."""
    whole = [dict(zip(axes, values)) for values in itertools.product(*axes.values())]
    whole = [point for point in whole if possible(point)]
    size = math.prod(len(values) for values in axes.values())
    seeds = range(seed, seed + -(-size // count))
    found = [point for x in seeds for point in of_product(axes, possible, count, x)]
    # The last seed may begin anew.
    late = found[len(whole) :]
    expect(all(point in whole for point in late), f"{late} are not possible")
    numbers = [list(point.values()) for point in found[: len(whole)]]
    numbers.sort(key=str)
    expect(numbers == sorted(map(list, map(dict.values, whole)), key=str),
           f"{len(seeds)} seeds of {count} points are not the product")


def main():
    seed = int(sys.argv[1])
    for other, ways in itertools.product(range(seed, seed + 5), (1, 2, 3, 4)):
        check("small", SMALL, lambda some: True, other, ways)
        check("less", SMALL, lambda some: some.get("x") != some.get("y"), other, ways)
    check("points", points.AXES, points.possible, seed, 3)
    found = check("points", points.AXES, points.possible, seed)
    found += check("points that run", points.AXES, refusals.runs, seed)
    for point in found:
        text = points.text_of(point)
        expect(points.parse(text) == point, f"'{text}' is not {point}")
    for count in (1, 5, 6, 48, 100):
        check_product(SMALL, lambda some: some["x"] != some["y"], count, seed)
        check_product(SMALL, lambda some: True, count, seed)
    some = of_product(points.AXES, points.possible, 100, seed)
    expect(len(some) > 80 and len(set(map(str, some))) == len(some), "points come twice")
    values = {(a, v) for point in some for a, v in point.items()}
    expect(values == {(a, v) for a in points.AXES for v in points.AXES[a]}, "100 points lack values")
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
        cover(SMALL, lambda some: len(some) < 4 or some["x"] > 1, rng)
    except ValueError as error:
        expect("no possible point" in str(error), str(error))
    else:
        sys.exit("expects a pair that is on no possible point to be an error")


main()
