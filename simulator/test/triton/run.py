#!/usr/bin/env python3
# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs PTX that Triton compiles on ptx-sim, and compares with NumPy.

    run.py --tool=build/bin/ptx-sim --work=build/triton [--arch=80,90]
           [--cases=REGEX] [--settings=N] [--list]

The first run makes a virtual environment in the work folder and installs the
pinned Triton there (290 MB are downloaded, 1.1 GB lie on disk); later runs use
it again. Nothing is installed elsewhere. No GPU and no driver is needed: Triton
compiles for sm_80 and sm_90a, and its PTX is run with every check on.

Exit codes: 0 all is right, 1 a case is not, 2 Triton cannot be had or the command
line is wrong, 3 nothing was run, for ATTN_NO_NETWORK is set and Triton is not
there yet.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import elements  # noqa: F401  (enters its cases)
import foreign  # noqa: F401
import hopper  # noqa: F401
import lanes  # noqa: F401
import products  # noqa: F401
from cases import CASES, Case, Descriptor, Input, Output, Scalar, Scratch
from formats import BYTES_NAME, decode, encode, width
from packages import TRITON, Missing, kernels_of, prepare

FOLDER = Path(__file__).resolve().parent

# Schedule, completion, seed. The first is the tool's own choice.
SETTINGS = [
    ("round-robin", "lazy", 1),
    ("random", "eager", 2),
    ("adversarial", "random", 3),
    ("random", "lazy", 4),
    ("adversarial", "eager", 5),
    ("round-robin", "random", 6),
    ("adversarial", "lazy", 7),
    ("round-robin", "eager", 8),
    ("random", "random", 9),
]


def stop(message: str, code: int = 2) -> None:
    """Ends with one line."""
    print(f"triton: {message}", file=sys.stderr)
    sys.exit(code)


@dataclass
class Job:
    """A case for one architecture, on its way through the stages."""

    name: str
    arch: int
    case: Case
    stem: Path
    file: Path  # of the kernel


def specialized(case: Case) -> tuple[dict[str, str], dict[str, Any], list[str]]:
    """Signature, constants and multiples of 16, chosen as Triton's launcher does:
    an integer that is 1 becomes a constant."""
    signature, constants, divisible = {}, dict(case.constants), []
    for name, argument in case.arguments.items():
        if isinstance(argument, Scalar):
            if argument.kind.startswith("i") and argument.value == 1:
                constants[name] = 1
                continue
            signature[name] = argument.kind
            if argument.kind.startswith("i") and argument.value % 16 == 0:
                divisible.append(name)
        elif isinstance(argument, Descriptor):
            kind = argument.buffer.kind
            signature[name] = f"tensordesc<{kind}[{','.join(map(str, argument.box))}]>"
        else:
            signature[name] = "*" + argument.kind
            divisible.append(name)
    return signature, constants, divisible


def emit(python: Path, jobs: list[Job], work: Path) -> None:
    """Compiles all jobs, in a few processes."""
    requests = []
    for job in jobs:
        signature, constants, divisible = specialized(job.case)
        requests.append({
            "kernel": job.case.kernel, "file": str(job.file), "signature": signature,
            "constants": constants, "divisible": divisible, "options": job.case.options,
            "arch": job.arch, "output": str(job.stem),
        })  # fmt: skip
    workers = min(len(requests), os.cpu_count() or 1)
    environment = os.environ | {
        "TRITON_CACHE_DIR": str(work / "cache"),
        "TRITON_DEFAULT_FP_FUSION": "1",  # else it warns that the default will change
    }

    def run(number: int) -> str:
        file = work / f"requests-{number}.json"
        file.write_text(json.dumps(requests[number::workers]))
        command = [str(python), str(FOLDER / "emit.py"), str(file)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr

    with ThreadPoolExecutor(workers) as pool:
        for problem in pool.map(run, range(workers)):
            if problem:
                stop(f"cannot compile: {problem.strip().splitlines()[-1]}")


def tool_type(kind: str) -> str:
    """The tool's name for elements of a type, or of their size."""
    return {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}.get(kind, BYTES_NAME[width(kind)])


def buffer_words(job: Job, name: str, buffer: Input | Output) -> tuple[str, str, int]:
    """Type, path of the values or "none", and number of elements."""
    kind = tool_type(buffer.kind)
    values = buffer.values if isinstance(buffer, Input) else buffer.start
    count = (buffer.want if isinstance(buffer, Output) else buffer.values).size
    if values is None:
        return kind, "none", count
    path = Path(f"{job.stem}.{name}.in")
    path.write_bytes(encode(values, buffer.kind).tobytes())
    return kind, str(path), count


def descriptor_words(
    job: Job, name: str, descriptor: Descriptor, facts: dict[str, Any] | None
) -> list[str]:
    """What Triton's launcher makes of a descriptor: the map if the kernel was
    compiled for one (`facts`), else the address and more; shape and strides."""
    buffer = descriptor.buffer
    kind, path, count = buffer_words(job, name, buffer)
    shape = (buffer.want if isinstance(buffer, Output) else buffer.values).shape
    strides = [int(np.prod(shape[d + 1 :])) for d in range(len(shape))]
    words = [f"--arg=s32:{size}" for size in shape]
    words += [f"--arg=s64:{stride}" for stride in strides]
    if facts is None:
        plain = f"buf:{kind}:{count}:none" if path == "none" else f"file:{kind}:{path}"
        both = [f"--arg=s64:{number}" for number in (*shape, *strides)]
        # Two flags: pads with NaN, rounds to tf32.
        return [f"--arg={plain}", *both, "--arg=u8:0", "--arg=u8:0", *words]
    dims = ",".join(str(size) for size in reversed(shape))
    box = ",".join(str(size) for size in reversed(facts["block_size"]))
    swizzle = (0, 32, 64, 128)[facts["swizzle"]]
    return [f"--arg=map:{kind}:{path}:{dims}:{box}:{swizzle}", *words]


def arguments_of(job: Job, launch: dict[str, Any]) -> tuple[list[str], dict[str, int]]:
    """--arg for each parameter, and the places of the outputs among them."""
    words: list[str] = []
    places: dict[str, int] = {}
    descriptors = list(launch["descriptors"])
    for name in launch["order"]:
        argument = job.case.arguments[name]
        buffer = argument.buffer if isinstance(argument, Descriptor) else argument
        if isinstance(buffer, Output):
            places[name] = len(words)
        if isinstance(argument, Scalar):
            kind = "f32" if argument.kind == "fp32" else f"s{argument.kind[1:]}"
            words.append(f"--arg={kind}:{argument.value!r}")
        elif isinstance(argument, Scratch):
            words.append(f"--arg=buf:{tool_type(argument.kind)}:{argument.count}:zero")
        elif isinstance(argument, Descriptor):
            facts = descriptors.pop(0) if descriptors else None
            words += descriptor_words(job, name, argument, facts)
        else:
            kind, path, count = buffer_words(job, name, argument)
            plain = f"buf:{kind}:{count}:none" if path == "none" else f"file:{kind}:{path}"
            words.append(f"--arg={plain}")
    # Triton's own: scratch of the kernel, and of a profiler that is not there.
    programs = int(np.prod(job.case.grid)) * launch["num_ctas"]
    scratch = launch["global_scratch_size"] * programs
    words.append(f"--arg=buf:u8:{scratch}:none" if scratch else "--arg=u64:0")
    return words + ["--arg=u64:0"], places


def compare(name: str, output: Output, data: bytes) -> str:
    """What is wrong with a buffer; empty if nothing is."""
    got = decode(data, output.kind)
    if got.size != output.want.size:
        return f"{name}: expects {output.want.size} elements, but got {got.size}"
    want = output.want.reshape(-1, output.want.shape[-1])
    got = got.reshape(want.shape)
    if output.sorted_rows:
        got = got[np.lexsort(got.T[::-1])]
    if output.tolerance == 0:
        wrong = ~(got == want)
        size = np.ones((len(want), 1))
    else:
        size = np.maximum(np.abs(want).max(axis=1, keepdims=True), output.least)
        # A NaN on either side is not within any tolerance.
        wrong = ~(np.abs(got - want) <= output.tolerance * size)
    if not wrong.any():
        return ""
    row, column = np.argwhere(wrong)[0]
    bad = np.isnan(got.astype(float)) | np.isnan(want.astype(float))
    return (
        f"{name}: {wrong.sum()} of {want.size} wrong ({bad.sum()} NaN), first row {row} "
        f"column {column}: expects {want[row, column]}, but got {got[row, column]}"
    )


def complaints(done: subprocess.CompletedProcess[str], accepted: tuple[str, ...]) -> list[str]:
    """What the tool says against a run: its findings but for those that are
    accepted, or why it did not run."""
    lines = done.stdout.strip().splitlines()
    if done.returncode not in (0, 1) or not lines or not lines[-1].startswith("findings: "):
        return (done.stderr + done.stdout).strip().splitlines()[-3:] or ["it says nothing"]
    found = [line for line in lines if "[kernel " in line and " warning: " not in line]
    if done.returncode == 1 and not found:
        return lines[-1:]
    found = [line for line in found if not any(re.search(a, line) for a in accepted)]
    return found[:3] + ([f"... {len(found)} findings"] if len(found) > 3 else [])


def check(
    job: Job, tool: Path, settings: int, checks: str
) -> tuple[list[str], float]:
    """Runs a job under each setting; says what is wrong, and the seconds."""
    launch = json.loads(job.stem.with_suffix(".json").read_text())
    if "error" in launch:
        return [f"does not compile: {launch['error']}"], 0.0
    words, places = arguments_of(job, launch)
    grid = (job.case.grid[0] * launch["num_ctas"], *job.case.grid[1:])
    command = [
        str(tool), str(job.stem.with_suffix(".ptx")), f"--kernel={launch['name']}",
        f"--grid={','.join(map(str, grid))}", f"--block={32 * launch['num_warps']}",
        f"--cluster={launch['num_ctas']}", f"--smem={launch['shared']}",
        f"--check={checks}", "--max-instructions=50000000", *words,
    ]  # fmt: skip
    dumps = {name: Path(f"{job.stem}.{name}.out") for name in places}
    command += [f"--dump={place}:{dumps[name]}" for name, place in places.items()]
    problems: list[str] = []
    start = time.monotonic()
    for schedule, completion, seed in SETTINGS[:settings]:
        for path in dumps.values():
            path.unlink(missing_ok=True)
        run = command + [f"--schedule={schedule}", f"--completion={completion}", f"--seed={seed}"]
        done = subprocess.run(run, capture_output=True, text=True)
        found = complaints(done, job.case.accepts)
        for name in places:
            if dumps[name].exists():
                output = job.case.arguments[name]
                output = output.buffer if isinstance(output, Descriptor) else output
                found.append(compare(name, output, dumps[name].read_bytes()))
            elif not found:
                found.append(f"{name}: was not written to a file")
        found = [problem for problem in found if problem]
        if found:
            problems += [f"[{schedule}, {completion}, seed {seed}]", *found, " ".join(run)]
            break
    return problems, time.monotonic() - start


def parse_command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", type=Path, help="ptx-sim")
    parser.add_argument("--work", type=Path, help="a folder for Triton and the PTX")
    parser.add_argument("--arch", default="80,90", help="of 80, 90")
    parser.add_argument("--cases", default="", help="only those that match")
    parser.add_argument("--settings", type=int, default=3, help=f"1 to {len(SETTINGS)}")
    parser.add_argument("--check", default="all", help="passed on to ptx-sim")
    parser.add_argument("--list", action="store_true", help="print the cases and stop")
    return parser.parse_args()


def main() -> int:
    options = parse_command_line()
    names = [name for name in CASES if re.search(options.cases, name)]
    if options.list:
        print("\n".join(names))
        return 0
    if not options.tool or not options.work:
        stop("expects --tool and --work")
    if not names:
        stop(f"no case matches '{options.cases}'")
    if not 1 <= options.settings <= len(SETTINGS):
        stop(f"expects --settings of 1 to {len(SETTINGS)}, but got {options.settings}")
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    jobs = []
    try:
        python = prepare(work)
        for name in names:
            made = CASES[name]()
            library, colon, path = made.file.partition(":")
            file = kernels_of(library, path, python, work) if colon else FOLDER / library
            for arch in (int(word) for word in options.arch.split(",")):
                if arch in made.archs:
                    jobs.append(Job(name, arch, made, work / f"{name}-sm{arch}", file))
    except Missing as missing:
        stop(str(missing), 3 if missing.is_wanted else 2)
    if not jobs:
        stop(f"no case for --arch={options.arch}")
    for job in jobs:
        job.stem.with_suffix(".json").unlink(missing_ok=True)
    emit(python, jobs, work)
    failures = 0
    for job in jobs:
        problems, seconds = check(
            job, options.tool.resolve(), options.settings, options.check
        )
        failures += bool(problems)
        verdict = "FAIL" if problems else "ok"
        print(f"{verdict:4} {job.name} sm_{job.arch} ({seconds:.1f} s)", flush=True)
        for problem in problems:
            print(f"     {problem}", flush=True)
    print(f"triton {TRITON}: {len(jobs) - failures} of {len(jobs)} right")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
