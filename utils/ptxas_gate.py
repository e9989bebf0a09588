#!/usr/bin/env python3
"""Holds every kernel of the examples and the catalogue against ptxas.

usage: ptxas_gate.py --build=BUILD [--write] [--chips=sm_80,..] [--programs=name,..]
                     [--rotate=SEED] ROOT

Each program is compiled for each chip and assembled. A kernel is good if
nothing is spilled and ptxas has none of the messages that cost speed (C7504,
C7508, C7511, C7512, C7514, C7517, C7519: attn-translate --strict). What is not
good must stand in test/Target/PTX/Inputs/ptxas-known.txt, and what stands there
must not be good: the run fails either way, and prints the lines to change.

docs/ptxas.md has registers and shared memory of all kernels. --write writes it;
otherwise kernels, threads and shared memory must be those of the page, and
registers close to it, for they depend on the version of ptxas.

--rotate takes one chip for each program, another one for the next seed.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

CHIPS = ["sm_80", "sm_86", "sm_89", "sm_90", "sm_120"]
KNOWN = pathlib.Path("test/Target/PTX/Inputs/ptxas-known.txt")
PAGE = pathlib.Path("docs/ptxas.md")
# Registers that another version of ptxas, or a change elsewhere, may take.
MARGIN = 32
ROW = re.compile(r"^(\S+)((?:\s+\d+){6})$")
COMMAND = "python3 utils/ptxas_gate.py --build=build --write ."

HEADER = """# Registers and shared memory

What ptxas makes of each kernel of `examples` and `test/Catalogue`, with the
tiles that are chosen where nothing is said: registers per thread, and in the
last column threads and dynamic shared memory of a CTA. `+n` are bytes that are
spilled. Written by `{command}`
with {version}.

"""


def find_programs(root):
    """{name: (file, function)}; a name has the function where a file has several."""
    found = {}
    for folder in ("examples", "test/Catalogue"):
        for file in sorted((root / folder).glob("*.mlir")):
            functions = re.findall(r"^func\.func @(\w+)", file.read_text(encoding="utf-8"), re.M)
            for function in functions:
                name = f"{file.parent.name}/{file.stem}"
                found[name if len(functions) == 1 else f"{name}.{function}"] = (file, function)
    return found


def read_launches(ptx):
    """{kernel: threads} as the text declares them."""
    found = {}
    for part in ptx.split(".visible .entry ")[1:]:
        threads = re.search(r"^\.reqntid (\d+)", part, re.M)
        found[re.match(r"[\w$]+", part)[0]] = int(threads[1]) if threads else 0
    return found


def read_shared(bundle):
    """{kernel: bytes of dynamic shared memory} of attn-opt's gpu.binary."""
    entry = re.compile(r'#gpu\.kernel_metadata<"?([\w$]+)"?, [^{]*?metadata = \{([^}]*)\}')
    found = {}
    for name, facts in entry.findall(bundle):
        found[name] = int(re.search(r"shared_bytes = (\d+)", facts)[1])
    return found


class Gate:
    def __init__(self, build):
        self.tools = pathlib.Path(build).resolve() / "bin"

    def run(self, tool, *arguments):
        return subprocess.run(
            [self.tools / tool, *map(str, arguments)], capture_output=True, text=True, check=False
        )

    def compile(self, name, program, chip):
        """(name, chip, rows by kernel, messages); rows is None without PTX."""
        with tempfile.TemporaryDirectory() as folder:
            ptx = pathlib.Path(folder) / "out.ptx"
            file, entry = program
            done = self.run(
                "attn-translate", f"--chip={chip}", f"--entry={entry}", "--ptxas-table",
                "--strict", file, "-o", ptx
            )
            if done.returncode == 2:
                return name, chip, None, [done.stderr.strip().splitlines()[-1]]
            threads = read_launches(ptx.read_text(encoding="utf-8"))
            binary = self.run("attn-opt", f"--attn-to-ptx=chip={chip} entry={entry}", file).stdout
        shared = read_shared(binary)
        rows, messages = {}, []
        for line in done.stderr.splitlines():
            found = ROW.match(line)
            if found:
                numbers = [int(n) for n in found[2].split()]
                kernel = found[1]
                rows[kernel] = {
                    "registers": numbers[0],
                    "spilled": numbers[4] + numbers[5],
                    "threads": threads.get(kernel, 0),
                    "shared": shared.get(kernel, 0) + numbers[2],
                }
            elif "warning: " in line and "kernel '" in line:  # not of the program
                messages.append(line.split("warning: ", 1)[1])
        if not rows:
            messages.append("ptxas names no kernel")
        if done.returncode == 1 and not messages:
            messages.append("attn-translate --strict refuses it")
        return name, chip, rows, messages

    def measure(self, programs, chips_of):
        jobs = [(name, of, chip) for name, of in programs.items() for chip in chips_of(name)]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(lambda job: self.compile(*job), jobs))


def read_known(path):
    """{(program, chip): "slow" or "none"}; lines with the chip * are for all."""
    known = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split("#")[0].split()
        if words:
            name, chip, what = words
            known.update({(name, each): what for each in (CHIPS if chip == "*" else [chip])})
    return known


def hold_against_known(results, known):
    """Lines of what is bad and not known, and of what is known and not bad."""
    for name, chip, rows, messages in results:
        listed = known.get((name, chip))
        found = "none" if rows is None else "slow" if messages else None
        if found == listed:
            continue
        if found == "none":
            yield f"{name} reaches no PTX for {chip}: {messages[0]}"
        elif found == "slow":
            yield from (f"{name} for {chip}: {message}" for message in messages)
        if listed:
            yield f"{name} is better for {chip} now: '{name} {chip} {listed}' in {KNOWN} no longer holds"


def version():
    text = subprocess.run(
        [find_ptxas(), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return "ptxas " + re.search(r"V([\d.]+)", text)[1]


def find_ptxas():
    for folder in [*os.environ["PATH"].split(":"), os.environ.get("CUDA_HOME", "") + "/bin",
                   "/usr/local/cuda/bin"]:
        path = pathlib.Path(folder) / "ptxas"
        if os.access(path, os.X_OK):
            return path
    sys.exit("expects ptxas on PATH, in CUDA_HOME/bin or in /usr/local/cuda/bin")


def cell(row):
    return f"{row['registers']}" + (f" +{row['spilled']}" if row["spilled"] else "")


def page(results):
    lines = [HEADER.format(command=COMMAND, version=version())]
    lines.append("| kernel | " + " | ".join(CHIPS) + " | threads, bytes |\n")
    lines.append("|---" * (len(CHIPS) + 2) + "|\n")
    table = {}
    for name, chip, rows, _ in results:
        for kernel, row in (rows or {}).items():
            table.setdefault((name, kernel), {})[chip] = row
    for (name, kernel), row in sorted(table.items()):
        sizes = sorted({(r["threads"], r["shared"]) for r in row.values()})
        last = "; ".join(f"{threads}, {shared}" for threads, shared in sizes)
        cells = [cell(row[chip]) if chip in row else "" for chip in CHIPS]
        lines.append(f"| {name}: `{kernel}` | " + " | ".join(cells) + f" | {last} |\n")
    return "".join(lines)


def read_page(text):
    """{(name, kernel): (registers by chip, {(threads, bytes)})}"""
    table = {}
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip("| ").split("|")]
        head = re.fullmatch(r"(\S+): `(\S+)`", cells[0])
        if head:
            registers = {
                chip: int(text.split()[0]) for chip, text in zip(CHIPS, cells[1:]) if text
            }
            sizes = {tuple(map(int, part.split(", "))) for part in cells[-1].split("; ")}
            table[head.groups()] = (registers, sizes)
    return table


def hold_against_page(results, table):
    for name, chip, rows, _ in results:
        for kernel, row in (rows or {}).items():
            registers, sizes = table.get((name, kernel), ({}, set()))
            gap = abs(registers.get(chip, -1000) - row["registers"])
            if gap > MARGIN or (row["threads"], row["shared"]) not in sizes:
                yield (f"{PAGE}: {name}: {kernel} for {chip} has {row['registers']} registers, "
                       f"{row['threads']} threads and {row['shared']} bytes now; {COMMAND} writes it")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--chips", default=",".join(CHIPS))
    parser.add_argument("--programs")
    parser.add_argument("--rotate", type=int)
    parser.add_argument("root", type=pathlib.Path)
    options = parser.parse_args()
    programs = find_programs(options.root)
    if options.programs:
        programs = {name: programs[name] for name in options.programs.split(",")}
    chips = options.chips.split(",")
    order = list(programs)

    def chips_of(name):
        if options.rotate is None:
            return chips
        return [chips[(options.rotate + order.index(name)) % len(chips)]]

    results = Gate(options.build).measure(programs, chips_of)
    mistakes = list(hold_against_known(results, read_known(options.root / KNOWN)))
    if options.write:
        (options.root / PAGE).write_text(page(results), encoding="utf-8")
    else:
        text = (options.root / PAGE).read_text(encoding="utf-8")
        mistakes += hold_against_page(results, read_page(text))
    print("\n".join(mistakes))
    kernels = sum(len(rows or {}) for _, _, rows, _ in results)
    print(f"{len(results)} compilations, {kernels} kernels, {len(mistakes)} mistakes")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
