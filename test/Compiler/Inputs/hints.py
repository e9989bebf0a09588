"""Compiles what errors about tile options suggest.

    hints.py EXAMPLES FOLDER

A suggestion must be taken, and ptxas must have nothing to say of its kernel.
"""

import itertools
import pathlib
import re
import subprocess
import sys

examples, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)

# Sizes of a head of examples/dense.mlir, chips, and tile options that are too
# much.
SIZES = [64, 128, 256, 512, 2048]
CHIPS = ["sm_86"]
CHOICES = [
    {"tile": 256, "stages": 4},
    {"tile": 1024, "stages": 1},
    {"tile": 128, "stages": 8},
    {"rows": 256, "warps": 2},
    {"rows": 128, "tile": 128, "stages": 8},
    {"tile": 16, "warps": 2},
    {"rows": 64, "tile": 16, "stages": 1},
    {"warps": 1},
]


def compile_with(program, chip, choices, emit):
    options = [f"--{name}={value}" for name, value in choices.items()]
    return subprocess.run(
        ["attn-translate", f"--emit={emit}", "--strict", f"--chip={chip}", *options,
         program, "-o", "/dev/null"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


taken = wrong = 0
for size, chip, choices in itertools.product(SIZES, CHIPS, CHOICES):
    program = folder / f"dense{size}.mlir"
    text = (examples / "dense.mlir").read_text(encoding="utf-8")
    program.write_text(re.sub(r"x64x(f16|f32)", rf"x{size}x\1", text), encoding="utf-8")
    refused = compile_with(program, chip, choices, "ptx").stderr
    if "expects at most" not in refused:
        continue
    hint = re.search(r": ([^:]*) would fit", refused)
    if not hint:
        if "no choice of rows, tile, warps and stages fits" not in refused:
            print(f"hd{size} {chip} {choices}: WRONG: {refused}")
        continue
    changed = {name: int(value) for name, value in re.findall(r"'(\w+)' of (\d+)", hint[1])}
    said = compile_with(program, chip, choices | changed, "cubin").stderr.strip()
    taken += not said
    wrong += bool(said)
    print(f"hd{size} {chip} {choices}: {hint[1]}: {said or 'fits'}")
print(f"{taken} suggestions fit, {wrong} do not")
