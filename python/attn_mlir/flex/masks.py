# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A condition as a clause of a cascade.

    where (set) or (set) .. and %a[..] == %b[..] and %flag[..]

Affine comparisons become a union of sets, from which the compiler derives which
tiles are empty and full. Equality of two integers that are read, and bools that
are read, become presence by data. Whatever else there is becomes a flag, an einsum
of its own that is computed where it is needed, and a union that contains it, so
that tiles are still left out.
"""

import dataclasses

from . import expr, ops
from .affine import Affine, coords_of, text_of

# More sets, or more constraints of one, are no help: what is left becomes a flag.
MAX_SETS, MAX_CONSTRAINTS = 16, 32
# Of |x|, min, max and where: inside of each other in one comparison, and in a mask.
MAX_CASES, MAX_CHOICES = 6, 512

TRUE, FALSE = ("and", ()), ("or", ())


@dataclasses.dataclass
class Mask:
    """`sets`: tuples of constraints, a union; None: no constraint at all.
    `equal`: pairs of reads; `bools`: reads; `flags`: conditions for einsums."""

    sets: list = None
    equal: list = dataclasses.field(default_factory=list)
    bools: list = dataclasses.field(default_factory=list)
    flags: list = dataclasses.field(default_factory=list)


def split(condition, space) -> Mask:
    mask, trees = Mask(), Trees(space)
    union, flags = [frozenset()], {}
    for part in conjuncts(condition):
        if part.op == "const" and part.data:
            continue
        tree = trees.make(part)
        sets = trees.union(tree)
        joined = None if sets is None else _product(union, sets)
        if joined is not None:
            union = joined
        if joined is None or trees.has_data(tree):
            _add_data(mask, part, space, flags)
    # One einsum for all that is told from the same coordinates.
    mask.flags = [_joined(parts) for parts in flags.values()]
    if union != [frozenset()]:
        mask.sets = [sorted(constraints, key=trees.order.get) for constraints in union]
    return mask


def conjuncts(value):
    """What has to hold for `value` to hold, each once."""
    out, seen, left = [], set(), [(value, False)]
    while left:
        value, negated = left.pop()
        if value.op == "not":
            left.append((value.args[0], not negated))
        elif (id(value), negated) in seen:
            continue
        elif value.op == ("or" if negated else "and"):
            left += [(a, negated) for a in reversed(value.args)]
        else:
            out.append(ops.negate(value) if negated else value)
        seen.add((id(value), negated))
    return out


def _joined(parts):
    """All of them, as a tree that is not deep."""
    while len(parts) > 1:
        pairs = [ops.logic("and", a, b) for a, b in zip(parts[::2], parts[1::2])]
        parts = pairs + parts[2 * len(pairs):]
    return parts[0]


def _add_data(mask, part, space, flags):
    if part.op == "read" and space.has_view(part):
        mask.bools.append(part)
    elif (
        part.op == "eq"
        and all(a.op == "read" and a.kind == expr.INT and space.has_view(a) for a in part.args)
        and str(part.args[0].data.dtype) == str(part.args[1].data.dtype)
    ):
        mask.equal.append(part.args)
    else:
        flags.setdefault(coords_of(part), []).append(part)


class Trees:
    """Conditions as trees of affine constraints; what stands in many places is made once.

    A tree: ("and" | "or", trees), ("affine", text) or ("data",).
    """

    def __init__(self, space):
        self.affine = Affine(space)
        self.order = {}  # constraint -> when it was first seen
        self.choices = MAX_CHOICES
        self._made, self._unions, self._data = {}, {}, {}

    def make(self, value, negated=False, cases=MAX_CASES):
        key = (id(value), negated, cases)
        if key not in self._made:
            self._made[key] = (value, self._make(value, negated, cases))
        return self._made[key][1]

    def _make(self, value, negated, cases):
        if value.op == "const":
            return TRUE if value.data != negated else FALSE
        if value.op == "not":
            return self.make(value.args[0], not negated, cases)
        if value.op in ("and", "or"):
            op = value.op if not negated else {"and": "or", "or": "and"}[value.op]
            return (op, tuple(self.make(a, negated, cases) for a in value.args))
        if value.op in ("lt", "le", "eq", "ne"):
            return self._comparison(value, negated, cases)
        return ("data",)

    def _comparison(self, value, negated, cases):
        a, b = value.args
        if a.kind != expr.INT:
            return ("data",)
        left, right = self.affine.form(a), self.affine.form(b)
        if left is None or right is None:
            return self._split_cases(value, negated, cases)
        op = value.op
        if negated:
            op = {"lt": "ge", "le": "gt", "eq": "ne", "ne": "eq"}[op]
        if len(left) == len(right) == 1:
            holds = ops.compare(value.op, left[None], right[None]).data
            return TRUE if holds != negated else FALSE
        left, right = text_of(left), text_of(right)
        if op == "ne":
            return ("or", (self._affine(f"{left} < {right}"), self._affine(f"{left} > {right}")))
        sign = {"lt": "<", "le": "<=", "eq": "==", "ge": ">=", "gt": ">"}[op]
        return self._affine(f"{left} {sign} {right}")

    def _affine(self, text):
        self.order.setdefault(text, len(self.order))
        return ("affine", text)

    def _split_cases(self, value, negated, cases):
        """|x|, min, max and where inside of a comparison, by cases of them."""
        node = _find_choice(value) if cases and self.choices else None
        if node is None:
            return ("data",)
        self.choices -= 1
        condition, yes, no = _as_choice(node)
        then = self.make(condition & _replace(value, node, yes, negated), False, cases - 1)
        other = self.make(~condition & _replace(value, node, no, negated), False, cases - 1)
        return ("or", (then, other))

    def has_data(self, tree):
        if id(tree) not in self._data:
            found = tree[0] == "data" or (
                tree[0] in ("and", "or") and any(self.has_data(t) for t in tree[1])
            )
            self._data[id(tree)] = (tree, found)
        return self._data[id(tree)][1]

    def union(self, tree):
        """Disjunctive form: a list of sets of constraints; None if it is too long."""
        if id(tree) not in self._unions:
            self._unions[id(tree)] = (tree, self._union(tree))
        return self._unions[id(tree)][1]

    def _union(self, tree):
        if tree[0] == "data":
            return [frozenset()]
        if tree[0] == "affine":
            return [frozenset((tree[1],))]
        parts = [self.union(t) for t in tree[1]]
        if None in parts:
            # Without one of the conjuncts the union still contains the condition, but
            # nobody may take it for exact.
            return None
        out = [frozenset()] if tree[0] == "and" else []
        for part in parts:
            out = _product(out, part) if tree[0] == "and" else _prune(out + part)
            if out is None or len(out) > MAX_SETS:
                return None
        return out


def _find_choice(value):
    """The first choice in a comparison that is not inside of a tensor's index."""
    def args_of(part):
        return () if part.op == "read" or _is_choice(part) else part.args

    return next((v for v in expr.walk([value], args_of) if _is_choice(v)), None)


def _is_choice(value):
    if value.kind != expr.INT:
        return False
    return value.op in ("abs", "min", "max", "where") or (
        value.op == "convert" and value.args[0].kind == expr.BOOL
    )


def _as_choice(node):
    if node.op == "where":
        return node.args
    if node.op == "convert":
        return node.args[0], ops.lift(1), ops.lift(0)
    if node.op == "abs":
        x = node.args[0]
        return 0 <= x, x, -x
    a, b = node.args
    return (a <= b, a, b) if node.op == "min" else (b <= a, a, b)


def _replace(value, node, other, negated):
    out = _rebuild(value, node, other)
    return ~out if negated else out


def _rebuild(value, node, other):
    made = {id(node): other}

    def go(value):
        if id(value) not in made:
            made[id(value)] = again(value)
        return made[id(value)]

    def again(value):
        if not value.args or value.op == "read":
            return value
        args = [go(a) for a in value.args]
        if all(a is b for a, b in zip(args, value.args)):
            return value
        if value.op in ("add", "sub", "mul", "floordiv", "mod"):
            return ops.arithmetic(value.op, *args)
        if value.op in ("lt", "le", "eq", "ne"):
            return ops.compare(value.op, *args)
        return expr.Value(value.op, args, value.kind, value.data)

    return go(value)


def _product(left, right):
    out = _prune([a | b for a in left for b in right])
    fits = len(out) <= MAX_SETS and all(len(one) <= MAX_CONSTRAINTS for one in out)
    return out if fits else None


def _prune(sets):
    """Without sets that lie in others, by their constraints alone."""
    out = []
    for one in sets:
        if any(other <= one for other in out):
            continue
        out = [other for other in out if not one <= other] + [one]
    return out
