#!/usr/bin/env python3
"""Makes what the GPU benchmark carries: kernels, the runtime, the programs.

    pack.py --build=BUILD -o FOLDER [--chips=sm_80,sm_90] [--programs=a,b] [--tar]

FOLDER then runs on a machine with a GPU, PyTorch and NumPy, without LLVM and
without CUDA's toolkit: python3 FOLDER/run.py. --tar packs it as FOLDER.tar.gz.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "cpu"))

import machine  # noqa: E402
import programs  # noqa: E402

# From benchmarks/gpu, and from benchmarks/cpu what both use.
SCRIPTS = ["run.py", "attnrt.py", "byhand.py", "cases.py", "checks.py", "devices.py", "driver.py",
           "peers.py", "plans.py", "programs.py", "report.py"]
SHARED = ["plot.py", "machine.py"]
# The runtime, and a driver on the simulator for --dry-run.
LIBRARIES = ["libattnrt.so", "libattnrt_sim_driver.so"]


def compile_one(translate, folder, program, chips):
    source = folder / "programs" / f"{program.name}.mlir"
    source.write_text(program.text(), encoding="utf-8")
    out = folder / "bundles" / f"{program.name}.attnb"
    done = subprocess.run(
        [translate, "--emit=bundle", f"--target={','.join(chips)}", source, "-o", out],
        capture_output=True, text=True, check=False,
    )
    return program.name, done.stderr.strip() if done.returncode else None


def read_facts(lowered):
    """What the host must know of the one function in text that is lowered: the
    attributes that convert-sm-to-nvvm writes."""
    maps = re.search(r"sm\.tensor_maps = \[(.*?)\]", lowered).group(1)
    recipe = (r"\{box = array<i64: ([0-9, ]+)>, element = (\w+), swizzle = (\d+) : i64, "
              r"tensor = (\d+) : i64\}")
    found = [{"box": [int(n) for n in box.split(",")], "element": element, "swizzle": int(swizzle),
              "tensor": int(tensor)} for box, element, swizzle, tensor in re.findall(recipe, maps)]
    if len(found) != maps.count("{"):
        raise ValueError(f"expects recipes of tensor maps, but got {maps}")
    return {"name": re.search(r"llvm\.func @(\w+)", lowered).group(1),
            "threads": int(re.search(r"nvvm\.reqntid = array<i32: (\d+)>", lowered).group(1)),
            "shared_bytes": int(re.search(r"sm\.shared_bytes = (\d+)", lowered).group(1)),
            "tensor_maps": found}


def lower_by_hand(binaries, folder, program):
    """PTX of a kernel in `sm`, and the facts of its launch."""
    lowered = subprocess.run(
        [binaries / "attn-opt", ROOT / program.by_hand, "--sm-allocate-shared", "--sm-place-waits",
         "--convert-sm-to-nvvm", "--cse"], capture_output=True, text=True, check=False)
    if lowered.returncode:
        return program.name, lowered.stderr.strip()
    out = folder / "kernels" / f"{program.name}.ptx"
    done = subprocess.run([binaries / "attn-translate", "--emit=ptx", "--chip=sm_90a", "-", "-o", out],
                          input=lowered.stdout, capture_output=True, text=True, check=False)
    if done.returncode:
        return program.name, done.stderr.strip()
    out.with_suffix(".json").write_text(json.dumps(read_facts(lowered.stdout)) + "\n", encoding="utf-8")
    return program.name, None


def make_one(binaries, folder, program, chips):
    """(name, what went wrong)"""
    if program.by_hand:
        return lower_by_hand(binaries, folder, program)
    return compile_one(binaries / "attn-translate", folder, program, chips)


def make(build, folder, chips, names=None):
    """Fills the folder; returns the programs that could not be compiled."""
    build = pathlib.Path(build).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("programs", "bundles", "kernels"):
        (folder / part).mkdir(parents=True)
    wanted = [p for p in programs.all_programs() if not names or p.name in names]
    if not wanted:
        sys.exit("expects programs of " + ", ".join(p.name for p in programs.all_programs()))
    jobs = [(build / "bin", folder, p, chips) for p in wanted]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(lambda job: make_one(*job), jobs))
    failed = [(name, error) for name, error in done if error is not None]
    for name in SCRIPTS:
        shutil.copy(HERE / name, folder)
    for name in SHARED:
        shutil.copy(HERE.parent / "cpu" / name, folder)
    for name in LIBRARIES:
        shutil.copy(build / "runtime" / name, folder)
    facts = {"commit": machine.commit(ROOT), "date": machine.today(), "chips": list(chips)}
    (folder / "pack.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("-o", dest="out", type=pathlib.Path, required=True)
    parser.add_argument("--chips", default=",".join(programs.CHIPS))
    parser.add_argument("--programs")
    parser.add_argument("--tar", action="store_true")
    options = parser.parse_args()
    names = options.programs.split(",") if options.programs else None
    failed = make(options.build, options.out, options.chips.split(","), names)
    for name, error in failed:
        print(f"{name}: {error}", file=sys.stderr)
    if options.tar:
        with tarfile.open(f"{options.out}.tar.gz", "w:gz") as tar:
            tar.add(options.out, arcname=options.out.name)
        print(f"wrote {options.out}.tar.gz")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
