"""Compares the tools that the pack calls with those that scripts/bench-gpu has built.

check_targets.py SOURCE BUILD
"""

import pathlib
import re
import subprocess
import sys

source, build = (pathlib.Path(x) for x in sys.argv[1:])
called = set(re.findall(r'binaries / "([\w-]+)"', (source / "benchmarks/gpu/pack.py").read_text()))
assert called, "expects pack.py to name its tools as binaries / \"NAME\""
script = (source / "scripts/bench-gpu").read_text()
(targets,) = re.findall(r"^configure_and_build (.+)$", script, re.M)
inputs = subprocess.run(
    ["ninja", "-C", str(build), "-t", "inputs", *targets.split()],
    capture_output=True, text=True, check=True,
).stdout
made = set(re.findall(r"^bin/([\w-]+)$", inputs, re.M)) | set(targets.split())
if called - made:
    sys.exit(f"expects scripts/bench-gpu to build {', '.join(sorted(called - made))}")
