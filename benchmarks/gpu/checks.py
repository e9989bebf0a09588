"""Results held against attention in f64, row by row.

Twice: on random data, where every key has its share, and again with one key per
(request, KV head) that has nearly all the weight of the last query of its first
head. These keys lie at the ends of requests, pages and tiles, so that a token
which is left out, or taken for another, shows whatever the length is. Weights
and results are rounded to bf16, by up to 1/256 each: a good row is within 8e-3
of its largest value, a wrong one is far outside.
"""

import numpy as np

TOLERANCE = 8e-3
ROWS = 64  # of a head that are looked at: ends, and some between
NEEDLE_SCORE = 24.0


class Mismatch(Exception):
    """A result that differs."""


def needle_positions(case, rng):
    """Ends of the request, of pages and of tiles, and anywhere."""
    edges = [case.keys - 1, 0, 15, 16, 63, 64, case.keys // 2, case.keys - 2]
    edges = [min(max(e, 0), case.keys - 1) for e in edges]
    return lambda: int(rng.choice(edges)) if rng.random() < 0.75 else int(rng.integers(case.keys))


def needle_key(query, scale):
    """A key whose score with the query is NEEDLE_SCORE."""
    return query * np.float32(NEEDLE_SCORE / max(float((query * query).sum()) * scale, 1e-6))


def attend(q, k, v, scale, visible):
    """Rows of q over all keys in f64; `visible[row]` keys are seen."""
    scores = q.astype(np.float64) @ k.T.astype(np.float64) * scale
    scores[np.arange(k.shape[0])[None, :] >= visible[:, None]] = -np.inf
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights @ v.astype(np.float64) / weights.sum(axis=1, keepdims=True)


def row_error(got, want):
    """The largest error of a row by the row's largest value; inf for a NaN."""
    size = np.maximum(np.abs(want).max(axis=-1), 1e-30)
    error = (np.abs(got.astype(np.float64) - want).max(axis=-1) / size).max()
    return float(error) if np.isfinite(error) else float("inf")


def rows_to_look_at(case, rng):
    rows = {0, 1, 15, 16, 63, 64, case.queries // 2, case.queries - 2, case.queries - 1}
    while len(rows) < min(ROWS, case.queries):
        rows.add(int(rng.integers(case.queries)))
    return np.array(sorted(r for r in rows if 0 <= r < case.queries))


def pairs_to_look_at(case, program, rng, most=12):
    """(request, KV head): the ends, and some between."""
    last = (case.batch - 1, program.heads - 1)
    pairs = {(0, 0), last, (0, last[1]), (last[0], 0)}
    while len(pairs) < min(most, case.batch * program.heads):
        pairs.add((int(rng.integers(case.batch)), int(rng.integers(program.heads))))
    return sorted(pairs)


def check(setting, result, read):
    """The largest error; Mismatch if it is too large. `setting` is a Setting of
    run.py, `read` gives parts of the result as f32."""
    case, program, rng = setting.case, setting.program, np.random.default_rng(7)
    worst, where = 0.0, None
    for request, head in pairs_to_look_at(case, program, rng):
        k, v = setting.keys_of(request, head)
        if program.kind == "prefill":
            rows = rows_to_look_at(case, rng)
            q = setting.read_q((request, slice(None), head))[rows]
            got = read(result, (request, slice(None), head))[rows]
            visible = rows + 1 if program.causal else np.full(len(rows), case.keys)
        else:
            q = setting.read_q((request, 0, head))
            got = read(result, (request, 0, head))
            visible = np.full(len(q), case.keys)
        error = row_error(got, attend(q, k, v, setting.scale, visible))
        if error >= worst:
            worst, where = error, (request, head)
    if worst > TOLERANCE:
        raise Mismatch(f"request {where[0]}, KV head {where[1]}: an error of {worst:.3g} of the row's "
                       f"largest value (at most {TOLERANCE:.3g} is good)")
    return worst
