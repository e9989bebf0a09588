"""Asks attn-translate, attn-opt and attn-run for what does not fit.

    refusals.py EXAMPLES FOLDER

Prints one line for each request: the error, which must be the only one and the
same from all three.
"""

import pathlib
import re
import subprocess
import sys

examples, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)

# The size of a head of examples/dense.mlir, the chip, and tile options.
REQUESTS = [
    (64, "sm_75", {}),
    (64, "sm_100", {}),
    (64, "sm_80", {"rows": 24}),
    (64, "sm_80", {"rows": 8}),
    (64, "sm_80", {"tile": 36}),
    (64, "sm_80", {"tile": 131072}),
    (64, "sm_80", {"warps": -1}),
    (64, "sm_80", {"warps": 17}),
    (64, "sm_80", {"stages": -1}),
    (64, "sm_80", {"stages": 9}),
    (64, "sm_86", {"tile": 256, "stages": 4}),
    (64, "sm_86", {"tile": 1024, "stages": 1}),
    (256, "sm_80", {"tile": 16, "warps": 2}),
    (2048, "sm_90", {"rows": 64, "tile": 16, "stages": 1}),
    (4096, "sm_90", {}),
]


def errors(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ["accepted"]
    found = []
    for line in done.stderr.splitlines():
        match = re.search(r"(?:error: |^attn-\w+: )(.*)$", line)
        if match:
            # Without the place, which only some tools have.
            found.append(re.sub(r"^\S*\.mlir:(?:\d+:\d+:)? ", "", match[1]))
    return found


for size, chip, choices in REQUESTS:
    program = folder / f"dense{size}.mlir"
    text = (examples / "dense.mlir").read_text(encoding="utf-8")
    program.write_text(re.sub(r"x64x(f16|f32)", rf"x{size}x\1", text), encoding="utf-8")
    options = [f"--{name}={value}" for name, value in choices.items()]
    pipeline = " ".join([f"chip={chip}", *(f"{name}={value}" for name, value in choices.items())])
    arguments = [f"--arg=zeros:2x{rows}x8x{size}" for rows in (128, 256, 256)]
    said = {
        "attn-translate": errors(["attn-translate", f"--chip={chip}", *options, program]),
        "attn-opt": errors(["attn-opt", f"--attn-to-ptx={pipeline}", program]),
        "attn-run": errors(["attn-run", program, "--entry=dense", "--device=sim", f"--chip={chip}",
                            *options, *arguments]),
    }
    first = said["attn-translate"]
    if len(first) != 1 or any(lines != first for lines in said.values()):
        print(f"NOT THE SAME: {said}")
    print(f"hd{size} {pipeline}: {' / '.join(first)}")
