"""Runs an example on drawn inputs and checks its results row by row.

    run_program.py EXAMPLE --seed=N --devices=reference,cpu
        --splits=1,2,3,7 --workers=1,2 [--large] [--sabotage=skip-token|seen-nan]
        [--rows=N] [--tile=N] [--cpu=TARGET] [--keep=FOLDER]

For random and for needle data (draw.py) each device runs the example through
attn-run. The reference is compared with the NumPy models (models.py), other
devices with the reference, or with the models where it was not asked for; rows.py
says how.

`--sabotage` shows that this catches something, and fails if it does not:
skip-token runs with the longest request one token shorter than the result that
it is compared with; seen-nan puts a NaN where some rows see it, and all of them
must show it. `--rows`, `--tile` and `--cpu` go to attn-run. `--keep` leaves arguments and results in a folder and prints the
commands that made them.
"""

import argparse
import pathlib
import sys
import tempfile

import numpy as np

import paged_programs
import programs
from draw import Draw
from rows import REFERENCE_TOLERANCE, TOLERANCE, worst_row
from runner import Runner, RunError

KINDS = ("random", "needle")
# What a run without --devices covers: every device that must agree.
DEVICES = ["reference", "cpu"]
MARK = 1000.0


def settings(device, options):
    """The (workers, split) pairs to run a device with."""
    if device == "reference":
        return [(1, 1)]
    return [(w, s) for s in options.splits for w in options.workers]


def check(runner, name, kind, problem, options):
    """Runs all devices and prints a line per run. True if all rows are good."""
    good = True
    for entry in problem.entries or (name,):
        expected, source = problem.expected, "models"
        runner.take(problem.args)
        for device in options.devices:
            bar = REFERENCE_TOLERANCE if device == "reference" else TOLERANCE
            for workers, split in settings(device, options):
                results = runner.run(entry, len(expected), device, workers, split)
                worst, i, row = worst_row(results, expected, problem.logs)
                good &= worst <= bar
                zeros = sum(int((abs(x).max(axis=-1) == 0).sum()) for x in expected)
                print(
                    f"{entry} {kind} {device} workers {workers} split {split}:"
                    f" worst row {worst:.2e} of {bar:.0e} (result {i} row {row},"
                    f" {zeros} rows of zeros) against {source}"
                    f"{'' if worst <= bar else ' FAILED'}"
                )
                if device == "reference":
                    reference = [x.astype(np.float64) for x in results]
            if device == "reference":
                expected, source = reference, "reference"
    return good


def catches_skipped_token(runner, name, kind, problem, options):
    """True if every run with one token less is told from the right result."""
    if problem.shorter is None:
        sys.exit(f"{name} has no length to shorten")
    caught = True
    runner.take(problem.shorter)
    for device in options.devices:
        for workers, split in settings(device, options):
            results = runner.run(name, len(problem.expected), device, workers, split)
            worst, i, row = worst_row(results, problem.expected, problem.logs)
            caught &= worst > TOLERANCE
            print(
                f"{name} {kind} {device} workers {workers} split {split}: one token"
                f" skipped, worst row {worst:.2e} (result {i} row {row}):"
                f" {'caught' if worst > TOLERANCE else 'FAILED to catch'}"
            )
    return caught


def shows_seen_nan(runner, name, kind, program, options):
    """True if a NaN shows in every row that sees it."""

    def draw(mark):
        return program(Draw(options.seed, kind, options.large, mark))

    plain, marked, poisoned = draw(None), draw(MARK), draw(np.nan)
    seeing = [
        abs(x - y).max(axis=-1) > 1e-3 if i not in plain.logs else abs(x - y) > 1e-3
        for i, (x, y) in enumerate(zip(plain.expected, marked.expected))
    ]
    count = sum(int(rows.sum()) for rows in seeing)
    if not count:
        sys.exit(f"{name} {kind}: no row sees the marked value")
    shown = True
    runner.take(poisoned.args)
    for entry in plain.entries or (name,):
        for device in options.devices:
            for workers, split in settings(device, options):
                results = runner.run(entry, len(seeing), device, workers, split)
                hidden = 0
                for i, (rows, result) in enumerate(zip(seeing, results)):
                    nan = np.isnan(result)
                    nan = nan if i in plain.logs else nan.any(axis=-1)
                    hidden += int((rows & ~nan).sum())
                shown &= hidden == 0
                print(
                    f"{entry} {kind} {device} workers {workers} split {split}:"
                    f" NaN hidden in {hidden} of {count} rows{' FAILED' if hidden else ''}"
                )
    return shown


def parse_options():
    def numbers(text):
        return [int(x) for x in text.split(",")]

    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("example")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--devices", type=lambda x: x.split(","), default=DEVICES)
    parser.add_argument("--splits", type=numbers, default=[1, 2, 3, 7])
    parser.add_argument("--workers", type=numbers, default=[1, 2])
    parser.add_argument("--kinds", type=lambda x: x.split(","), default=KINDS)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--sabotage", choices=("skip-token", "seen-nan"))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--tile", type=int)
    parser.add_argument("--cpu")
    parser.add_argument("--keep", type=pathlib.Path)
    return parser.parse_args()


def main():
    options = parse_options()
    name = pathlib.Path(options.example).stem
    program = getattr(paged_programs, name, None) or getattr(programs, name, None)
    if program is None:
        sys.exit(f"no inputs are known for '{name}'")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.kinds:
            if options.keep:
                folder = options.keep / kind
                folder.mkdir(parents=True, exist_ok=True)
            given = [
                f"--{option}={value}"
                for option in ("rows", "tile", "cpu")
                if (value := getattr(options, option))
            ]
            runner = Runner(
                options.example, folder, options.keep is not None, given
            )
            if options.sabotage == "seen-nan":
                good &= shows_seen_nan(runner, name, kind, program, options)
                continue
            problem = program(Draw(options.seed, kind, options.large))
            judge = catches_skipped_token if options.sabotage else check
            good &= judge(runner, name, kind, problem, options)
    sys.exit(0 if good else 1)


try:
    main()
except RunError as error:
    sys.exit(str(error))
