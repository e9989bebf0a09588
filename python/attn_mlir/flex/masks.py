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
from .affine import affine_text

# More sets than this are no help: what is left becomes a flag.
MAX_SETS = 16
MAX_CASES = 6

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
    mask = Mask()
    union = [()]
    for part in conjuncts(condition):
        if part.op == "const" and part.data:
            continue
        tree = _tree(part, False, space, MAX_CASES)
        exact = not _has_data(tree)
        sets = _union(tree)
        joined = None if sets is None else _product(union, sets)
        if joined is None:
            exact = False
        else:
            union = joined
        if not exact:
            _add_data(mask, part, space)
    mask.sets = None if union == [()] else _prune(union)
    return mask


def conjuncts(value):
    if value.op == "and":
        return conjuncts(value.args[0]) + conjuncts(value.args[1])
    if value.op == "not" and value.args[0].op == "or":
        a, b = value.args[0].args
        return conjuncts(ops.negate(a)) + conjuncts(ops.negate(b))
    return [value]


def _add_data(mask, part, space):
    if part.op == "read" and space.has_view(part):
        mask.bools.append(part)
    elif (
        part.op == "eq"
        and all(a.op == "read" and a.kind == expr.INT and space.has_view(a) for a in part.args)
        and str(part.args[0].data.dtype) == str(part.args[1].data.dtype)
    ):
        mask.equal.append(part.args)
    else:
        mask.flags.append(part)


# A tree: ("and" | "or", trees), ("affine", text) or ("data",).


def _tree(value, negated, space, cases):
    if value.op == "const":
        return TRUE if value.data != negated else FALSE
    if value.op == "not":
        return _tree(value.args[0], not negated, space, cases)
    if value.op in ("and", "or"):
        op = value.op if not negated else {"and": "or", "or": "and"}[value.op]
        return (op, tuple(_tree(a, negated, space, cases) for a in value.args))
    if value.op in ("lt", "le", "eq", "ne"):
        return _comparison(value, negated, space, cases)
    return ("data",)


def _comparison(value, negated, space, cases):
    a, b = value.args
    if a.kind != expr.INT:
        return ("data",)
    left, right = affine_text(a, space), affine_text(b, space)
    if left is None or right is None:
        return _split_cases(value, negated, space, cases)
    op = value.op
    if negated:
        op = {"lt": "ge", "le": "gt", "eq": "ne", "ne": "eq"}[op]
    if op == "ne":
        return ("or", (("affine", f"{left} < {right}"), ("affine", f"{left} > {right}")))
    sign = {"lt": "<", "le": "<=", "eq": "==", "ge": ">=", "gt": ">"}[op]
    return ("affine", f"{left} {sign} {right}")


def _split_cases(value, negated, space, cases):
    """|x|, min, max and where inside of a comparison, by cases of them."""
    node = _find_choice(value) if cases else None
    if node is None:
        return ("data",)
    condition, yes, no = _as_choice(node)
    then = _tree(condition & _replace(value, node, yes, negated), False, space, cases - 1)
    other = _tree(~condition & _replace(value, node, no, negated), False, space, cases - 1)
    return ("or", (then, other))


def _find_choice(value):
    if value.kind == expr.INT and value.op in ("abs", "min", "max", "where"):
        return value
    if value.op == "convert" and value.kind == expr.INT and value.args[0].kind == expr.BOOL:
        return value
    if value.op == "read":
        return None
    for arg in value.args:
        found = _find_choice(arg)
        if found is not None:
            return found
    return None


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
    if value is node:
        return other
    if not value.args or value.op == "read":
        return value
    args = [_rebuild(a, node, other) for a in value.args]
    if value.op in ("add", "sub", "mul", "floordiv", "mod"):
        return ops.arithmetic(value.op, *args)
    if value.op in ("lt", "le", "eq", "ne"):
        return ops.compare(value.op, *args)
    return expr.Value(value.op, args, value.kind, value.data)


def _has_data(tree):
    return tree[0] == "data" or (
        tree[0] in ("and", "or") and any(_has_data(t) for t in tree[1])
    )


def _union(tree):
    """Disjunctive form: a list of tuples of constraints; None if it is too long."""
    if tree[0] == "data":
        return [()]
    if tree[0] == "affine":
        return [(tree[1],)]
    parts = [_union(t) for t in tree[1]]
    if None in parts:
        # Without one of the conjuncts the union still contains the condition, but
        # nobody may take it for exact.
        return None
    out = [()] if tree[0] == "and" else []
    for part in parts:
        out = _product(out, part) if tree[0] == "and" else _prune(out + part)
        if out is None or len(out) > MAX_SETS:
            return None
    return out


def _product(left, right):
    out = _prune([a + tuple(c for c in b if c not in a) for a in left for b in right])
    return out if len(out) <= MAX_SETS else None


def _prune(sets):
    """Without sets that lie in others, by their constraints alone."""
    out = []
    for one in sets:
        if any(set(other) <= set(one) for other in out):
            continue
        out = [other for other in out if not set(one) <= set(other)] + [one]
    return out
