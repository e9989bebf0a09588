"""Runs the cascades of test/Catalogue on every device and compares row by row.

    run_catalogue.py FOLDER --seed=N [--only=NAME ..] [--cpu=TARGET]

What is known of a cascade stands below: that it has a fold, that it has none and
is stages alone, that its results are 0, or that the simulated device refuses it,
and how. Anything else is a failure, a cascade that nothing is known of too.
With `--cpu` they run on the CPU alone, by the instructions of that target.
"""

import argparse
import pathlib
import re
import sys
import tempfile

import numpy as np

from draw import Draw
from rows import TOLERANCE, worst_row
from runner import Runner, RunError

# A rank of any extent; no multiple of 16, and more than three tiles of 64.
KEYS = 201
FOLD, FLAT, ZEROS = "a fold", "no fold", "zeros"
KNOWN = {
    "differential": FOLD,
    "differential_split": FOLD,
    "entropy": FLAT,
    "entropy_raw": FOLD,
    "kernel_moments": FOLD,
    "layernorm": FLAT,
    "layernorm_twopass_moments": FLAT,
    "linear_norm": FOLD,
    "lse_out": FOLD,
    "quant_p": FOLD,
    "rmsnorm_matmul": FLAT,
    "sigmoid_attn": FOLD,
    "softcap_after_max": FLAT,
    "softmax_noshift": FOLD,
    "softmax_only": FOLD,
    # Its threshold is the maximum, below which nothing is left.
    "sparsemax_given_tau": ZEROS,
}


def draw_arguments(draw, text):
    """Arguments of the first function of the text, and how many results it has."""
    signature = re.sub(r"\s+", " ", text.partition("func.func @")[2].partition(" {")[0])
    head, _, results = signature.partition(" -> ")
    args = []
    for name, type_ in re.findall(r"%(\w+): ([\w<>?]+)", head):
        shaped = re.fullmatch(r"tensor<((?:[\d?]+x)+)(\w+)>", type_)
        if shaped:
            sizes = [KEYS if x == "?" else int(x) for x in shaped[1].split("x")[:-1]]
            values = draw.rng.standard_normal(sizes)
            args.append(values.astype({"f16": np.half, "f32": np.single}[shaped[2]]))
        elif type_ == "index":
            args.append(KEYS - 5)
        else:
            fixed = {"scale": 0.25, "inv_n": 1 / KEYS, "lambda": 0.4}
            args.append(np.float32(fixed[name]))
    return args, len(re.findall(r"tensor<", results))


def run(path, seed, folder, cpu):
    """(what there is, what to print)"""
    text = path.read_text(encoding="utf-8")
    args, count = draw_arguments(Draw(seed, "random"), text)
    runner = Runner(str(path), folder, False, [f"--cpu={cpu}"] if cpu else [])
    runner.num_simulated = seed
    runner.take(args)
    name = re.search(r"func.func @(\w+)", text)[1]
    expected = runner.run(name, count, "reference")
    said = []
    for device in ("cpu",) if cpu else ("cpu", "sim"):
        try:
            results = runner.run(name, count, device, workers=3, split=1 + seed % 3)
        except RunError as error:
            return f"{device} refuses", error.message
        worst, i, row = worst_row(results, expected, ())
        said.append(f"{device} {worst:.1e}")
        if worst > TOLERANCE:
            return "wrong", f"{', '.join(said)} at result {i} row {row}"
    if not all(x.any() for x in expected):
        return ZEROS, ", ".join(said)
    return (FOLD if runner.stats["folds"] else FLAT), ", ".join(said)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append")
    parser.add_argument("--cpu")
    options = parser.parse_args()
    good = True
    paths = sorted(options.folder.glob("*.mlir"))
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            if options.only and path.stem not in options.only:
                continue
            state, said = run(path, options.seed, folder, options.cpu)
            known = KNOWN.get(path.stem, "nothing")
            fits = known == state or (state.endswith("refuses") and known in said)
            # What is known of folds is known of the simulated device.
            fits |= bool(options.cpu) and {known, state} <= {FOLD, FLAT}
            good &= fits
            more = "" if fits else f" FAILED: what is known is '{known}'"
            print(f"{path.stem}: {state}, {said}{more}")
    sys.exit(0 if good and paths else 1)


main()
