"""Runs attn-run on arguments in .npy files, and attnrt-run for device bundle."""

import json
import pathlib
import subprocess

import numpy as np


# A run takes seconds; one that takes this long hangs.
LIMIT = 300


class RunError(Exception):
    """What attn-run said when it did not run; `command` does it again."""

    def __init__(self, command, status, message):
        super().__init__(f"{command}\nexit {status}: {message}")
        self.command = command
        self.message = message


class Runner:
    """Writes arguments as .npy files and runs attn-run on them."""

    def __init__(self, example, folder, verbose, options=()):
        self.options = list(options)
        self.example = example
        self.folder = pathlib.Path(folder)
        self.verbose = verbose
        self.specs = []
        self.num_simulated = 0
        self.chip = "sm_80"
        # What the last run was, and told of itself.
        self.command = ""
        self.stats = {}

    def take(self, args):
        self.specs = []
        for i, arg in enumerate(args):
            if isinstance(arg, np.ndarray) and arg.ndim:
                path = self.folder / f"arg{i}.npy"
                np.save(path, np.ascontiguousarray(arg))
                self.specs.append(f"--arg={path}")
            else:
                number = arg if isinstance(arg, int) else float(arg)
                self.specs.append(f"--arg={number!r}")

    def run(self, entry, count, device, workers=1, split=1):
        """`count` results. A `split` of None leaves it to the planner."""
        outs = [self.folder / f"out{i}.npy" for i in range(count)]
        for out in outs:
            out.unlink(missing_ok=True)
        if device == "bundle":
            return self.run_bundle(entry, outs, workers, split)
        command = ["attn-run", self.example, f"--entry={entry}", f"--device={device}"]
        if device != "reference":
            command += [f"--workers={workers}"]
            command += self.options
        if device != "reference" and split is not None:
            command += [f"--split={split}"]
        if device == "sim":
            # Each run has its own order of what may happen in any order.
            n = self.num_simulated
            self.num_simulated += 1
            command += [
                f"--chip={self.chip}",
                f"--sim-seed={n + 1}",
                f"--schedule={n % 3}",
                f"--completion={n // 3 % 3}",
            ]
        stats = self.folder / "stats.json"
        command += self.specs + [f"--out={out}" for out in outs]
        command += [f"--stats={stats}"]
        self.call(command)
        self.stats = json.loads(stats.read_text(encoding="utf-8"))
        return [np.load(out) for out in outs]

    def run_bundle(self, entry, outs, workers, split):
        """Compiled once to a file, then run without a compiler."""
        bundle = self.folder / f"{pathlib.Path(self.example).stem}.attnb"
        if not bundle.exists():
            self.call(["attn-translate", "--emit=bundle", "--target=cpu",
                       *self.options, self.example, "-o", str(bundle)])
        command = ["attnrt-run", str(bundle), f"--entry={entry}", "--verify", "--validate",
                   f"--workers={workers}", f"--threads={workers}"]
        if split is not None:
            command.append(f"--split={split}")
        self.call(command + self.specs + [f"--out={out}" for out in outs])
        return [np.load(out) for out in outs]

    def call(self, command):
        """Raises RunError if it does not end well."""
        self.command = " ".join(command)
        if self.verbose:
            print(self.command)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=LIMIT
            )
        except subprocess.TimeoutExpired as hung:
            message = f"no result after {LIMIT} s"
            raise RunError(self.command, "none", message) from hung
        if done.returncode:
            raise RunError(self.command, done.returncode, done.stderr.strip())
