# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Scores of minus infinity as absence.

A score of -inf has the weight exp(-inf) = 0, as an absent point has; but absent
points let the compiler leave out tiles. So `where(c, score, -inf)` is a mask. -inf passes
through sums with finite terms and through products with positive numbers.

A condition that reads the score is no mask, which is there before the score: what
it decides stays a score of -inf.
"""

import functools
import math
import operator

from . import expr, ops
from .masks import conjuncts

_TRUE = None


def peel(score):
    """(condition, score): equal weights, and no constant of -inf where possible.

    The condition is None if all points are present.
    """
    known = {}  # an expression may stand in several places: id -> (it, what it gave)

    def go(value, infinity):
        key = (id(value), infinity)
        if key not in known:
            known[key] = (value, _peel(value, infinity, go))
        return known[key][1]

    return go(score, -math.inf)


def _without_score(keep, remade, score, infinity):
    """(keep, remade), or what is left if parts of keep read the score."""
    of_score, rest = [], []
    for part in conjuncts(keep):
        reads = any(value.op == "score" for value in expr.walk([part]))
        (of_score if reads else rest).append(part)
    if not of_score:
        return keep, remade
    if not rest:
        return _TRUE, score
    kept = ops.where(functools.reduce(operator.and_, of_score), remade, infinity)
    return functools.reduce(operator.and_, rest), kept


def _peel(score, infinity, peel):
    if score.op == "const" and score.data == infinity:
        return ops.lift(False), ops.lift(0.0)
    if score.op == "where":
        condition, a, b = score.args
        (keep_a, a2), (keep_b, b2) = peel(a, infinity), peel(b, infinity)
        if keep_a is _TRUE and keep_b is _TRUE:
            return _TRUE, score
        keep_a = ops.lift(True) if keep_a is _TRUE else keep_a
        keep_b = ops.lift(True) if keep_b is _TRUE else keep_b
        keep = (condition & keep_a) | (~condition & keep_b)
        if ops.is_const(keep_b, False):
            remade = a2
        elif ops.is_const(keep_a, False):
            remade = b2
        else:
            remade = ops.where(condition, a2, b2)
        return _without_score(keep, remade, score, infinity)
    if score.op in ("add", "sub"):
        # What is subtracted is absent at the other infinity.
        of_b = infinity if score.op == "add" else -infinity
        (keep_a, a), (keep_b, b) = peel(score.args[0], infinity), peel(score.args[1], of_b)
        if keep_a is _TRUE and keep_b is _TRUE:
            return _TRUE, score
        keep = keep_b if keep_a is _TRUE else keep_a if keep_b is _TRUE else keep_a & keep_b
        return keep, ops.arithmetic(score.op, a, b)
    if score.op in ("mul", "div"):
        a, b = score.args
        if score.op == "mul" and ops.is_const(a):
            a, b = b, a
        if ops.is_const(b) and 0 < b.data < math.inf:
            keep, a = peel(a, infinity)
            if keep is not _TRUE:
                remade = ops.arithmetic("mul", a, b) if score.op == "mul" else ops.divide(a, b)
                return keep, remade
    return _TRUE, score
