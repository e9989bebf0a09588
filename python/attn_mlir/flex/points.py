# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Traced functions at some points, with NumPy, and which keys without a page they see."""

from . import expr
from .errors import bad

_OPS = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b, "floordiv": lambda a, b: a // b, "mod": lambda a, b: a % b,
    "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b, "and": lambda a, b: a & b, "or": lambda a, b: a | b,
    "not": lambda a: ~a, "narrow": lambda a: a,
}
_NUMPY = {"min": "minimum", "max": "maximum"}
_TYPES = {expr.INT: "int64", expr.FLOAT: "float64", expr.BOOL: "bool"}


def evaluate(root, at, contents):
    """An expression at points {coordinate: array}; scores are 0."""
    import numpy as np

    made = {}

    def compute(value):
        args = [made[id(a)] for a in value.args]
        if value.op == "coord":
            return at[value.data]
        if value.op in ("const", "score"):
            return np.asarray(0.0 if value.op == "score" else value.data)
        if value.op == "read":
            array = contents.array(value.data)
            return array[tuple(np.clip(i, 0, n - 1) for i, n in zip(args, array.shape))]
        if value.op == "convert":
            return np.asarray(args[0]).astype(_TYPES[value.kind])
        if value.op in _OPS:
            return _OPS[value.op](*args)
        return getattr(np, _NUMPY.get(value.op, value.op))(*args)

    with np.errstate(all="ignore"):
        for value in expr.walk([root]):
            made[id(value)] = np.asarray(compute(value)).astype(_TYPES[value.kind])
    return made[id(root)]


def check_missing(problem, mask, score):
    """Pages that tables do not have (-1): the first and the last of their keys, for the
    first and the last query of each request. Error: one of them is seen."""
    import numpy as np

    missing = problem.missing
    page, lengths = problem.shape.page, problem.lengths.numpy()
    no = np.zeros((len(missing), 1), bool)
    padded = np.concatenate([no, missing, no], 1)
    b, column = np.nonzero(padded[:, 1:] & ~padded[:, :-1])
    ends, past = np.nonzero(~padded[:, 1:] & padded[:, :-1])
    b = np.concatenate([b, ends])
    kv = np.concatenate([column * page, np.minimum(past * page, lengths[ends]) - 1])
    first = problem.first.numpy()[b].astype(np.int64)
    h = np.arange(problem.extents["h"])[:, None]
    for q in (first, first + problem.extents["q"] - 1):
        at = {"b": b, "h": h, "q": q, "kv": kv}
        seen = np.broadcast_to(q >= 0, (len(h), len(b)))
        if mask is not None:
            seen = seen & evaluate(mask, at, problem.contents)
        if score is not None:
            seen = seen & (evaluate(score, at, problem.contents) > -np.inf)
        wrong = np.argwhere(seen)
        if wrong.size:
            head, i = wrong[0].tolist()
            raise bad(
                f"expects a page of each key that is seen, but got -1 for key {kv[i]} of request "
                f"{b[i]}, which query head {head} sees at position {q[i]}"
            )
