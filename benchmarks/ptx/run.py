#!/usr/bin/env python3
"""Times the way from the text of an example to PTX, in one process on one core.

    run.py --build=BUILD [--out=FOLDER] [--chip=sm_80] [--runs=N] [--smoke]

 first   in a new process: dialects and LLVM's target are set up on the way
 again   the median of N more in that process, as a server compiles
 cpu     what a core was used for of that: the same as `again` where nobody else
         uses the machine (`load` in the result), and what the goal is about
 nvcc    the same for simulator/test/kernels/flash.cu, which is one attention
         kernel written by hand, as a whole process: there is no other way

Phases are of `again`: parse, tile (derivation and tile kernels), kernels (to
LLVM and NVVM), lower, translate (to LLVM IR), optimise, codegen. The result goes
to FOLDER (default: benchmarks/results) as JSON. Nothing is asserted.
"""

import argparse
import json
import os
import pathlib
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "cpu"))

import machine  # noqa: E402

GOAL = 100.0  # milliseconds
PHASES = ("parse", "tile", "kernels", "lower", "translate", "optimise", "codegen")


def on_one_core():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def time_example(translate, example, chip, runs):
    with tempfile.TemporaryDirectory() as folder:
        times = pathlib.Path(folder) / "times.json"
        done = subprocess.run(
            [translate, f"--chip={chip}", f"--entry={example.stem}", f"--times={times}", f"--repeat={runs + 1}", example,
             "-o", os.devnull],
            capture_output=True, text=True, check=False, preexec_fn=on_one_core,
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()[-1]
            # Of the program, wherever that lies.
            return {"name": example.name, "error": said.replace(f"{example.parent}/", "")}
        measured = json.loads(times.read_text(encoding="utf-8"))
    again = [run["total"] for run in measured[1:]]
    return {
        "name": example.name, "first": measured[0]["total"], "again": statistics.median(again),
        "least": min(again), "values": again,
        "cpu": statistics.median(run["cpu"] for run in measured[1:]),
        "phases": {phase: statistics.median(run[phase] for run in measured[1:]) for phase in PHASES},
    }


def find_nvcc():
    for folder in [*os.environ["PATH"].split(":"), os.environ.get("CUDA_HOME", "") + "/bin",
                   "/usr/local/cuda/bin"]:
        if os.access(pathlib.Path(folder) / "nvcc", os.X_OK):
            return pathlib.Path(folder) / "nvcc"
    return None


def time_nvcc(nvcc, channels, chip, runs):
    source = ROOT / "simulator" / "test" / "kernels" / "flash.cu"
    command = [nvcc, "-ptx", "-O3", f"-arch={chip}", f"-DCHANNELS={channels}", source, "-o", os.devnull]
    values, used = [], []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, preexec_fn=on_one_core)
        values.append((time.perf_counter() - begin) * 1e3)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3)
    return {"name": f"nvcc flash.cu, {channels} channels", "first": values[0],
            "again": statistics.median(values), "least": min(values), "values": values,
            "cpu": statistics.median(used)}


def table(result):
    hardware = result["hardware"]
    yield f"{hardware['cpu']}, one core; {result['chip']}; {result['nvcc'] or 'no nvcc'}"
    yield f"date {result['date']}, commit {result['commit']}, load {result['load']:.1f}"
    yield ""
    yield f"{'ms':28} {'first':>8} {'again':>8} {'least':>8} {'cpu':>8}   " + " ".join(f"{p:>9}" for p in PHASES)
    for row in result["rows"]:
        if "error" in row:
            yield f"{row['name']:28} no PTX: {row['error']}"
            continue
        phases = " ".join(f"{row['phases'][p]:9.1f}" for p in PHASES) if "phases" in row else ""
        yield f"{row['name']:28} {row['first']:8.1f} {row['again']:8.1f} {row['least']:8.1f} {row['cpu']:8.1f}   {phases}".rstrip()
    made = [row for row in result["rows"] if "phases" in row]
    good = [row for row in made if row["cpu"] <= GOAL]
    yield ""
    yield f"{len(good)} of {len(made)} examples in {GOAL:.0f} ms of a core or less"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--out", default=ROOT / "benchmarks" / "results", type=pathlib.Path)
    parser.add_argument("--chip", default="sm_80")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--smoke", action="store_true", help="two examples, two runs")
    options = parser.parse_args()
    examples = sorted((ROOT / "examples").glob("*.mlir"))
    if options.smoke:
        examples = [e for e in examples if e.stem in ("dense", "softmax_lse")]
    runs = 2 if options.smoke else options.runs
    translate = pathlib.Path(options.build).resolve() / "bin" / "attn-translate"
    rows = [time_example(translate, example, options.chip, runs) for example in examples]
    nvcc, version = find_nvcc(), None
    if nvcc:
        text = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
        version = "nvcc " + text.split("release ")[1].split(",")[0]
        rows += [time_nvcc(nvcc, channels, options.chip, 1 if options.smoke else 3) for channels in (64, 128)]
    result = {
        "date": machine.today(), "commit": machine.commit(ROOT), "chip": options.chip, "nvcc": version,
        "command": shlex.join(["benchmarks/ptx/run.py", *(a for a in sys.argv[1:] if not a.startswith("--build"))]),
        "smoke": options.smoke, "load": os.getloadavg()[0], "hardware": machine.hardware(), "rows": rows,
    }
    print("\n".join(table(result)))
    options.out.mkdir(parents=True, exist_ok=True)
    name = f"ptx-{result['date']}-{machine.short_name(result['hardware']['cpu'])}.json"
    path = options.out / name
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
