"""Runs examples as bundles against the reference.

    run_examples.py FOLDER --seed=N [--slice=K]

test/Integration/run_program.py does it for one. With --slice every fourth is
taken, another quarter for each K.
"""

import argparse
import pathlib
import subprocess
import sys

PROGRAM = pathlib.Path(__file__).parents[2] / "Integration/run_program.py"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--slice", type=int)
    options = parser.parse_args()
    examples = sorted(options.folder.glob("*.mlir"))
    if not examples:
        sys.exit(f"no example lies in {options.folder}")
    if options.slice is not None:
        examples = examples[options.slice % 4 :: 4]
    bad = []
    for example in examples:
        command = [sys.executable, PROGRAM, example, f"--seed={options.seed}",
                   "--devices=reference,bundle", "--splits=1,3", "--workers=1,2"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(done.stdout + done.stderr, flush=True)
        ran = any(" bundle workers" in line for line in done.stdout.splitlines())
        if done.returncode or not ran:
            bad.append(example.stem)
    if bad:
        sys.exit(f"{len(bad)} of {len(examples)} are wrong: {', '.join(bad)}")


main()
