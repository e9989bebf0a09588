"""Runs points of the matrix on every device and compares row by row.

    run_matrix.py --seed=N [--ways=W | --product=K] [--slice=I/N] [--part=I/N]
        [--seeds=K] [--point=TEXT ..] [--devices=reference,cpu,sim] [--cpu=TARGET]
        [--keep=FOLDER] [--list] [--gate] [--split-loops]

The points are a cover of all pairs of values (points.py, cover.py), or with
--ways=3 of all three values, which is another one for each seed; or those of
--point. --slice takes a part of it that moves with the seed; then the cover
changes when all slices had their turn. --product takes K points of the product of
all axes, others for each seed: all of them have been there when the seed has moved
by its size over K. --part cuts what is left for tests that run side by side.
--seeds runs each point with K seeds from N on: data, schedule and completion of the
simulator.

The reference is compared with NumPy, the other devices with the reference. What
the simulator is known to refuse (refusals.py) is no part of the cover; points of
it are drawn that must be refused, and are counted apart. Each point is printed
before it runs, and `--point=TEXT --seed=N` runs it again. --gate has ptxas assemble
the kernels of each point for one chip, and runs nothing. --cpu names what the
device cpu is to use of this machine, as attn-run takes it. --split-loops compiles the
kernels for the simulator so.
"""

import argparse
import collections
import pathlib
import subprocess
import sys
import tempfile
import time
import zlib

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

import cascade
import points
import refusals
from cover import cover, of_product
from draw import Draw
from inputs import draw_point
from rows import REFERENCE_TOLERANCE, TOLERANCE, worst_row
from runner import Runner, RunError

# Half of the last place of bf16 is 4e-3, and weights may be rounded to it too.
TOLERANCES = {"f16": TOLERANCE, "bf16": 4 * TOLERANCE, "e4m3": TOLERANCE}
DEVICES = ["reference", "cpu", "sim"]
WORKERS = 3
# One after another: the code for them has the same instructions.
CHIPS = ["sm_80", "sm_86", "sm_89", "sm_90", "sm_120"]


def run_point(point, seed, devices, folder, verbose, chosen=()):
    """(state, what to print). States: agrees, refused, FAILED."""
    text = points.text_of(point)
    number = zlib.crc32(text.encode())
    source = folder / "point.mlir"
    source.write_text(cascade.write(point), encoding="utf-8")
    draw = Draw([seed, number], point["data"])
    problem = draw_point(draw, point)
    runner = Runner(str(source), folder, verbose, chosen)
    runner.num_simulated = seed + number
    runner.chip = CHIPS[(seed + number) % len(CHIPS)]
    runner.take([problem.args[x] for x in cascade.names_of(point)])
    expected, said = problem.expected, []
    for device in devices:
        known = device == "sim" and not refusals.runs(point)
        try:
            split = int(point["split"])
            results = runner.run("point", len(expected), device, WORKERS, split)
        except RunError as error:
            if known and refusals.is_met(point, error.message):
                return "refused", f"{', '.join(said)}; {device}: {error.message}"
            return "FAILED", f"{', '.join(said)}; {device}: {error.message}"
        if known:
            return "FAILED", f"{device}: expects a refusal, but it ran (refusals.py)"
        if device != "reference" and not runner.stats["folds"]:
            return "FAILED", f"{device}: expects a fold, but none was launched"
        bar = TOLERANCES[point["dtype"]]
        if device == "reference":
            bar = REFERENCE_TOLERANCE
        worst, i, row = worst_row(results, expected, problem.logs)
        said.append(f"{device} {worst:.1e}")
        if worst > bar:
            where = f"of {bar:.0e} at result {i} row {row}"
            return "FAILED", f"{', '.join(said)} {where}"
        if device == "reference":
            expected = [x.astype(np.float64) for x in results]
    return "agrees", ", ".join(said)


def gate_point(point, seed, folder, chosen=()):
    """(state, what to print): what ptxas says of the kernels, for one chip."""
    source = folder / "point.mlir"
    source.write_text(cascade.write(point), encoding="utf-8")
    chip = CHIPS[(seed + zlib.crc32(points.text_of(point).encode())) % len(CHIPS)]
    command = ["attn-translate", "--emit=cubin", f"--chip={chip}", *chosen]
    made = subprocess.run(
        [*command, str(source), "-o", str(folder / "point.cubin")],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode or "warning" in made.stderr:
        return "FAILED", f"{chip}: {made.stderr.strip()}"
    return "agrees", f"{chip}, no warnings"


def fraction(text):
    """ "2/6": the third of six parts."""
    i, n = (int(x) for x in text.split("/"))
    return i % n, n


def choose(options):
    """The points of this run."""
    if options.point:
        return options.point
    _, slices = options.slice
    rng = np.random.default_rng(options.seed // slices)
    possible = refusals.runs if "sim" in options.devices else points.possible
    axes = points.GATE_AXES if options.gate else points.AXES
    if options.product:
        found = of_product(axes, possible, options.product, options.seed)
    else:
        found = cover(axes, possible, rng, options.ways)
        found = found[options.seed % slices :: slices]
    if "sim" in options.devices:
        found += [x.draw(rng) for x in refusals.SIM]
    i, n = options.part
    return found[i::n]


def parse_options():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--ways", type=int, default=2)
    parser.add_argument("--product", type=int, default=0)
    parser.add_argument("--slice", type=fraction, default=(0, 1))
    parser.add_argument("--part", type=fraction, default=(0, 1))
    parser.add_argument("--point", type=points.parse, action="append")
    parser.add_argument("--devices", type=lambda x: x.split(","), default=DEVICES)
    parser.add_argument("--cpu", default="cpu")
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--gate", action="store_true")
    parser.add_argument("--split-loops", action="store_true")
    return parser.parse_args()


def main():
    options = parse_options()
    chosen = choose(options)
    how = [f"--cpu={options.cpu}"] if options.cpu != "cpu" else []
    how += ["--split-loops"] if options.split_loops else []
    if options.list:
        print("\n".join(points.text_of(point) for point in chosen))
        return
    count = collections.Counter()
    start = time.time()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or pathlib.Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for seed in range(options.seed, options.seed + options.seeds):
            for point in chosen:
                print(f"--point={points.text_of(point)} --seed={seed}", flush=True)
                begin = time.time()
                if options.gate:
                    state, text = gate_point(point, seed, folder, how)
                else:
                    verbose = options.keep is not None
                    state, text = run_point(
                        point, seed, options.devices, folder, verbose, how
                    )
                count[state] += 1
                print(f"    {state} ({time.time() - begin:.1f} s): {text}", flush=True)
    print(
        f"{count['agrees']} runs agree, {count['refused']} are refused as known,"
        f" {count['FAILED']} failed, {time.time() - start:.0f} s"
    )
    sys.exit(1 if count["FAILED"] or not count["agrees"] + count["refused"] else 0)


main()
