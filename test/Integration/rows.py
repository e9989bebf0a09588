"""Comparison of results row by row.

A row is the last axis of a result. It is good if its largest error is at most
the tolerance times its own largest value; a batch-wide scale would hide a wrong
row. A row of zeros must be exactly 0, and a NaN is an error. Logarithms (LSE,
entropy) are compared by absolute error, infinities by place.
"""

import sys

import numpy as np

# The reference computes and writes f64, as the models do.
REFERENCE_TOLERANCE = 1e-12
# Products of f16 values; weights may be rounded to f16.
TOLERANCE = 2e-3


def row_errors(got, want, is_log):
    """The relative error of each row; infinite where no number can be right."""
    if got.shape != want.shape:
        sys.exit(f"expects a result of shape {want.shape}, but got {got.shape}")
    got = got.astype(np.float64)
    with np.errstate(invalid="ignore"):
        gaps = np.where(got == want, 0.0, abs(got - want))
    if is_log:
        errors = gaps
    else:
        gaps, size = gaps.max(axis=-1), abs(want).max(axis=-1)
        # A row of zeros has no size: any error in it is infinite.
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.where(gaps == 0, 0.0, gaps / size)
    return np.where(np.isnan(errors), np.inf, errors)


def worst_row(results, expected, logs):
    """The worst relative error and where it is: (error, result, row)."""
    worst = (0.0, 0, ())
    for i, (got, want) in enumerate(zip(results, expected)):
        errors = row_errors(got, want, i in logs)
        if errors.size and errors.max() > worst[0]:
            row = np.unravel_index(errors.argmax(), errors.shape)
            worst = (float(errors.max()), i, tuple(int(x) for x in row))
    return worst
