"""Runs functions on drawn arguments on two devices and compares the results.

    run_drawn.py FILE... [--device=sim] [--extent=70] [--seed=1] [--tolerance=2e-3]
        [--option=--rows=16 ...]

Every function of the files runs on the reference and on the device. Arguments
are drawn by their types: floats are normal, extents that the type leaves open
are `--extent`, integers are what `--index` says, scalars 0.25. So it is for
functions without tables and lengths; those have programs of their own
(programs.py).
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile


def signatures(text):
    """(name, argument types, number of results) of each function."""
    pattern = re.compile(r"func\.func @(\w+)\((.*?)\)\s*->\s*(.*?)\s*\{", re.S)
    for name, arguments, results in pattern.findall(text):
        types = re.findall(r"%\w+\s*:\s*([a-z]+<[^>]*>|\w+)", arguments)
        yield name, types, max(1, len(re.findall(r"tensor<", results)))


def draw(kind, number, options):
    """What --arg says for an argument of this type."""
    shaped = re.match(r"(?:tensor|memref)<(.*)x(\w+)>", kind)
    if shaped:
        shape = shaped.group(1).replace("?", str(options.extent))
        return f"rand:{shape}:{options.seed + number}"
    return str(options.index) if kind in ("index", "i32", "i64") else "0.25"


def run(file, name, types, count, options, folder):
    specs = [f"--arg={draw(kind, i, options)}" for i, kind in enumerate(types)]
    outs = [f"{folder}/out{i}.npy" for i in range(count)]
    base = ["attn-run", str(file), f"--entry={name}"] + specs
    reference = base + [f"--out={out}" for out in outs]
    device = base + [f"--device={options.device}", "--workers=2"]
    device += [f"--expect={out}" for out in outs]
    device += [f"--rtol={options.tolerance}"] + options.option
    for command in (reference, device):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--device", default="sim")
    parser.add_argument("--extent", type=int, default=70)
    parser.add_argument("--index", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tolerance", type=float, default=2e-3)
    parser.add_argument("--option", action="append", default=[])
    options = parser.parse_args()
    failures = []
    ran = 0
    with tempfile.TemporaryDirectory() as folder:
        for file in options.files:
            for name, types, count in signatures(file.read_text()):
                failure = run(file, name, types, count, options, folder)
                ran += 1
                if failure:
                    failures.append(failure)
                    print(f"{file.name} @{name}: {failure}")
    if not ran:
        sys.exit("expects a function, but found none")
    print(f"{ran - len(failures)} of {ran} functions agree")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
