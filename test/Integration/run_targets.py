"""Runs examples, the catalogue and the matrix by the instructions of each CPU target.

    run_targets.py EXAMPLES CATALOGUE --seed=N [--all]

Targets that this machine does not run are named and left out. Without `--all` the
seed chooses what a target runs: one example, two cascades, some points of the
matrix. Points of bf16 are among them always, for it has a path of its own.
"""

import argparse
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TARGETS = ["x86-64-v2", "x86-64-v3", "x86-64-v4", "x86-64-v4+avx512bf16",
           "x86-64-v4+avx512bf16+amx-bf16"]
# Few rows and many, channels that fill no pair of registers, odd groups.
POINTS = [
    "dtype=bf16,head=128,gqa=4,phase=decode,split=3",
    "dtype=bf16,head=96,gqa=7,page=24,phase=spec4,mask=window",
    "dtype=bf16,head=64,gqa=16,page=1,phase=spec4,split=3",
    "dtype=bf16,head=24,page=none,phase=prefill,data=needle",
    "dtype=bf16,head=256,gqa=5,page=24,phase=chunk,mask=window,split=3",
    "dtype=bf16,head=64,gqa=1,phase=prefill,mask=blocks,data=needle",
    "head=128,gqa=7,pool=hnd,phase=decode,data=needle",
    "head=192x128,gqa=1,phase=decode,mask=blocks",
]
SLICES = 24


def call(*words):
    """Whether it ended well; prints what it said if not."""
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        print(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def runs_here(target, examples):
    done = subprocess.run(
        ["attn-run", str(examples / "dense.mlir"), "--entry=dense", "--device=cpu",
         f"--cpu={target}", "--arg=zeros:2x128x8x64", "--arg=zeros:2x256x8x64",
         "--arg=zeros:2x256x8x64"],
        capture_output=True, text=True, check=False,
    )
    if done.returncode and "expects a target that this machine runs" in done.stderr:
        return False
    if done.returncode:
        sys.exit(f"{target}: {done.stderr}")
    return True


def check(target, options):
    turn = options.seed + TARGETS.index(target)
    examples = sorted(
        path for path in options.examples.glob("*.mlir")
        if re.search(r"attn\.cascade", path.read_text(encoding="utf-8"))
    )
    cascades = sorted(options.catalogue.glob("*.mlir"))
    if not options.all:
        examples = [examples[turn % len(examples)]]
        cascades = [cascades[(2 * turn + i) % len(cascades)] for i in range(2)]
    good = True
    for example in examples:
        good &= call(HERE / "run_program.py", example, f"--seed={options.seed}",
                     "--splits=1,3", "--workers=2", f"--cpu={target}")
    good &= call(HERE / "run_catalogue.py", options.catalogue, f"--seed={options.seed}",
                 f"--cpu={target}", *[f"--only={path.stem}" for path in cascades])
    matrix = [HERE / "matrix" / "run_matrix.py", f"--seed={options.seed}",
              "--devices=reference,cpu", f"--cpu={target}"]
    good &= call(*matrix, *[f"--point={point}" for point in POINTS])
    if options.all:
        good &= call(*matrix)
    else:
        good &= call(*matrix, f"--slice={turn % SLICES}/{SLICES}")
    print(f"{target}: {len(examples)} examples, {len(cascades)} cascades"
          f"{'' if good else ' FAILED'}")
    return good


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("examples", type=pathlib.Path)
    parser.add_argument("catalogue", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all", action="store_true")
    options = parser.parse_args()
    good, ran = True, 0
    for target in TARGETS:
        if not runs_here(target, options.examples):
            print(f"{target}: not on this machine")
            continue
        good &= check(target, options)
        ran += 1
    sys.exit(0 if good and ran else 1)


main()
