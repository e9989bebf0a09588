# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Which values integers of a traced function can have in one call.

Interval arithmetic over the box of positions. Kernels compute integers in 32 bits,
so each step has to fit; indices have to lie inside of their tensors.
"""

import math

from .._errors import Error
from . import expr, floats
from .affine import coords_of, linear
from .dtypes import BOUNDS
from .errors import TraceError

LEAST, LARGEST = -(2**31), 2**31 - 1
_LIMITS = f"from {LEAST} to {LARGEST}, as integers are computed in 32 bits"
_ELSEWHERE = (
    "where all bits count, as in hashes, compute it before the call into a captured tensor, "
    "as hashes[kv_idx]"
)
_SIGNS = {"add": "+", "sub": "-", "mul": "*", "floordiv": "//", "mod": "%"}


class Ranges:
    """Least and largest values over a box.

    `extents` of coordinates; `positions`: the least and largest of queries.
    """

    def __init__(self, extents, positions, contents):
        self.extents, self.positions, self.contents = extents, positions, contents
        self.box = {c: (0, max(n - 1, 0)) for c, n in extents.items()} | {"q": positions}
        self._known = {}  # id of a value -> (value, range): the value keeps its id

    def of(self, value):
        """(least, largest) of a number, or None if unknown; an end may be infinite."""
        if id(value) not in self._known:
            self._known[id(value)] = (value, self._compute(value))
        return self._known[id(value)][1]

    def _compute(self, value):
        if value.kind == expr.FLOAT:
            return floats.of(value, self)
        if value.op == "const":
            return (value.data, value.data)
        if value.op == "coord":
            return self.box[value.data]
        if value.op == "read":
            return self._read(value)
        if value.op == "convert" and value.args[0].kind == expr.BOOL:
            return (0, 1)
        if value.op == "convert" and value.kind == expr.INT:
            return floats.truncated(self.of(value.args[0]))
        form = linear(value)
        if form is not None:  # exact: q - (q - kv) is kv
            ends = [tuple(n * x for x in self.box[c]) for c, n in form.items() if c is not None]
            return (form[None] + sum(map(min, ends)), form[None] + sum(map(max, ends)))
        parts = [self.of(a) for a in value.args if a.kind == expr.INT]
        if value.op in ("min", "max") and len(parts) == 2:
            return floats.least_or_largest(value.op, *parts)
        if None in parts or value.kind != expr.INT or not parts:
            return None
        if value.op == "where":
            return _hull(parts[0] + parts[1])
        if value.op == "narrow":
            return parts[0]
        if value.op == "abs":
            low, high = parts[0]
            return (0 if low <= 0 <= high else min(abs(low), abs(high)), max(abs(low), abs(high)))
        if len(parts) != 2:
            return None
        (a, b), (c, d) = parts
        if value.op == "add":
            return (a + c, b + d)
        if value.op == "sub":
            return (a - d, b - c)
        if any(map(math.isinf, (a, b, c, d))):
            return None
        if value.op == "mul":
            low, high = _hull((a * c, a * d, b * c, b * d))
            return (max(low, 0), high) if value.args[0] is value.args[1] else (low, high)
        if c <= 0 <= d:
            return None
        if value.op == "floordiv":
            return _hull((a // c, a // d, b // c, b // d))
        if value.op == "mod":
            return (0, d - 1) if c > 0 else (c + 1, 0)
        return None

    def _read(self, value):
        part = self._part(value)
        return (int(part.min()), int(part.max())) if part.size else (0, 0)

    def _part(self, read):
        """Of a captured tensor, what the box reads."""
        array = self.contents.array(read.data)
        ends = [self.of(i) for i in read.args]
        return array[tuple(slice(None) if e is None or math.isinf(e[0] + e[1]) else slice(max(e[0], 0), e[1] + 1) for e in ends)]

    def is_zero_somewhere(self, value):
        """Whether an integer is 0 at a point of the box, as far as that is sure."""
        if value.op == "read":
            return bool((self._part(value) == 0).any())
        form, found = linear(value), self.of(value)
        if form is None or found is None or not found[0] <= 0 <= found[1]:
            return False
        factors = [abs(n) for c, n in form.items() if c is not None and n]
        return min(factors, default=1) == 1 or (len(factors) == 1 and form[None] % factors[0] == 0)


def _hull(numbers):
    return (min(numbers), max(numbers))


def _bad(place, what):
    file, line = place
    return Error("invalid argument", f"{file}:{line}: {what}")


def check_constants(root):
    """While tracing: integers that are written in the function."""
    for value in expr.walk([root]):
        if value.op == "const" and value.kind == expr.INT and not fits((value.data, value.data)):
            raise TraceError(
                f"expects integers {_LIMITS}, but got {value.data}: {value.data}.0 is a float; "
                f"{_ELSEWHERE}", value.place
            )


def check_indices(reads, ranges):
    """Indices of tensors that no view has, against the ends of the tensors."""
    for value in reads:
        for axis, index in enumerate(value.args):
            size = value.data.shape[axis]
            found = ranges.of(index)
            if found is None or found[0] < 0 or found[1] >= size:
                got = "one whose ends are unknown" if found is None else f"{found[0]} to {found[1]}"
                if found is None or math.isinf(found[0] + found[1]):
                    got += " (clamp(0, n - 1) of it has both ends)"
                raise _bad(
                    value.place,
                    f"expects indices from 0 to {size - 1} on axis {axis} of "
                    f"a captured tensor, but got {got}: what the mask hides is read too"
                    f"{padding(index, ranges)}",
                )


def padding(index, ranges):
    """Why an index is negative, if it may be by its queries."""
    low = ranges.positions[0]
    if low >= 0 or "q" not in coords_of(index):
        return ""
    return (
        f"; q_idx is from {low} on, as `first` of a request with more queries than keys is "
        "negative by default: say first= or clip the index"
    )


def check_integers(mask, score, space, ranges):
    """Every integer of a call against 32 bits.

    Of two reads that `space` compares in 64 bits, only the indices count. What comes
    from a float whose range is not known, or that is infinite, is the nearest integer
    of 32 bits.
    """
    def args_of(value):
        if space.is_of_64_bits(value):
            return [i for read in value.args for i in read.args]
        return value.args

    # Bounds of the keys are made from all that is compared with a key.
    bounds = Ranges({**ranges.extents, "kv": 1}, ranges.positions, ranges.contents)
    roots = [root for root in (mask, score) if root is not None]
    for value in expr.walk(roots, args_of):
        if value.kind == expr.INT:
            if value.op == "narrow":
                _check_narrow(value, ranges)
            else:
                _check(value, ranges.of(value), ranges)
            if value.op in ("floordiv", "mod") and ranges.is_zero_somewhere(value.args[1]):
                raise _bad(value.place, _zero(value, ranges))
        elif (
            value.op in ("lt", "le", "eq", "ne")
            and value.args[0].kind == expr.INT
            and not space.is_of_64_bits(value)
        ):
            left, right = (bounds.of(a) for a in value.args)
            if left and right and "kv" in coords_of(value):
                _check(value, (right[0] - left[1], right[1] - left[0]), ranges)


def _zero(value, ranges):
    by = value.args[1]
    what = "it is 0"
    if by.op == "read":
        shape = ", ".join(str(n) for n in by.data.shape)
        what = f"the captured tensor {by.name} [{shape}] of {by.data.dtype} holds 0"
    return (
        f"expects a divisor other than 0 of {_SIGNS[value.op]}, but {what} somewhere with "
        f"{_sizes(ranges)}: where(x == 0, 1, x) is never 0"
    )


def _sizes(ranges):
    return ", ".join(f"{c} {low} to {high}" for c, (low, high) in ranges.box.items())


def _check_narrow(value, ranges):
    """Of what is computed and converted to a type of fewer values."""
    found, (low, high) = ranges.of(value), BOUNDS[value.data]
    if found is None or not low <= found[0] <= found[1] <= high:
        got = "ones whose range is unknown" if found is None else f"{found[0]} to {found[1]}"
        raise _bad(
            value.place,
            f"expects integers from {low} to {high} as {value.data}, but got {got} with "
            f"{_sizes(ranges)}: clip them, take % or leave them as they are (captured tensors "
            "are converted as their library does, before they are read, as ids.astype(..)[kv_idx])",
        )


def _check(value, found, ranges):
    if found is None or fits(found):
        return
    if value.op == "read":
        # The larger one of those that do not fit says more.
        far = max((n for n in found if not LEAST <= n <= LARGEST), key=abs)
        shape = ", ".join(str(n) for n in value.data.shape)
        raise _bad(
            value.place,
            f"expects values of the captured tensor {value.name} [{shape}] of {value.data.dtype} "
            f"{_LIMITS}, but got {far}: clip them or subtract the least (two such tensors "
            "may be compared with one another)",
        )
    if value.op == "convert":
        raise _bad(
            value.place,
            f"expects floats that become integers {_LIMITS}, but got {found[0]} to {found[1]} "
            f"with {_sizes(ranges)}: subtract the least or clip them before (a captured tensor "
            "is converted in all of its bits, before it is read, as times.astype(..)[kv_idx])",
        )
    what = {"abs": "abs(..)", "where": "where(..)"}.get(value.op, f"a {_SIGNS.get(value.op, value.op)} b")
    if value.kind == expr.BOOL:
        what = "the difference of what is compared"
    raise _bad(
        value.place,
        f"expects integers {_LIMITS}, but {what} can be {found[0]} to {found[1]} with "
        f"{_sizes(ranges)}: "
        f"convert to float before, as (q_idx - kv_idx) * 1.0; {_ELSEWHERE}",
    )


def fits(found):
    """Infinite ends are those of floats, which saturate."""
    return all(math.isinf(end) or LEAST <= end <= LARGEST for end in found)
