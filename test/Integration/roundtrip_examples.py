"""Verifies and round-trips every example, in text and in bytecode."""

import pathlib
import subprocess
import sys


def attn_opt(path, *flags, data=None):
    run = subprocess.run(
        ["attn-opt", *flags, str(path)], input=data, capture_output=True, check=False
    )
    if run.returncode:
        sys.exit(f"{path}: attn-opt {' '.join(flags)} failed\n{run.stderr.decode()}")
    return run.stdout


def main():
    files = sorted(pathlib.Path(sys.argv[1]).glob("*.mlir"))
    if not files:
        sys.exit(f"expects examples in {sys.argv[1]}, but got none")
    for path in files:
        attn_opt(path, "--verify-roundtrip")
        text = attn_opt(path)
        bytecode = attn_opt(path, "-emit-bytecode")
        if attn_opt("-", data=bytecode) != text:
            sys.exit(f"{path}: bytecode reads back as another module")
        if attn_opt("-", data=text) != text:
            sys.exit(f"{path}: text reads back as another module")
    print(f"{len(files)} examples")


main()
