"""The short and the long tier of the lit suite.

A test with `REQUIRES: long` belongs to the long tier. `--param long=1` runs all
of them. Without it a slice of them runs, so that the short tier never goes
stale: the slice is a window over the sorted list of long tests that moves by
its own width when the seed grows by one, so consecutive seeds cover all.

The seed is --param seed=N, else ATTN_TEST_SEED, else the number of the day. It
is printed, and `%seed` hands it to tests that draw their own data.
"""

import copy
import datetime
import os
import re

import lit.formats

# The part of the long tier that a short run takes.
SLICES = 8
# Seconds that one test may take.
LIMIT_SHORT = 600
LIMIT_LONG = 3600
LONG = re.compile(r"\bREQUIRES:.*\blong\b")
SUFFIXES = (".mlir", ".test")


def read_seed(lit_config):
    text = lit_config.params.get("seed") or os.environ.get("ATTN_TEST_SEED")
    if not text:
        return datetime.date.today().toordinal()
    if not text.isdigit():
        lit_config.fatal(f"expects a seed that is a natural number, but got '{text}'")
    return int(text)


def find_long_tests(root):
    found = []
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            if name.endswith(SUFFIXES):
                with open(path, encoding="utf-8") as file:
                    if LONG.search(file.read()):
                        found.append(os.path.realpath(path))
    return sorted(found)


def choose(tests, seed):
    """The window of `tests` that belongs to `seed`."""
    width = -(-len(tests) // SLICES)
    return {tests[(seed * width + i) % len(tests)] for i in range(width)}


def limit_time(lit_config, every):
    """A test that hangs must fail, not stop the run. A command line wins."""
    supported, _ = lit_config.maxIndividualTestTimeIsSupported
    if supported and not lit_config.maxIndividualTestTime:
        lit_config.maxIndividualTestTime = LIMIT_LONG if every else LIMIT_SHORT


class Choice:
    """What this run takes: its seed and the long tests that it runs."""

    def __init__(self, lit_config, root):
        self.every = lit_config.params.get("long", "0") not in ("0", "", "no")
        self.seed = read_seed(lit_config)
        limit_time(lit_config, self.every)
        tests = find_long_tests(root) if root else []
        self.chosen = set(tests) if self.every else choose(tests, self.seed)
        if root:
            lit_config.note(
                f"seed {self.seed}, runs {len(self.chosen)} of {len(tests)} long tests"
                f" (the same again: ATTN_TEST_SEED={self.seed})"
            )


class TieredShTest(lit.formats.ShTest):
    """ShTest that lets the chosen long tests see the feature `long`."""

    def __init__(self, choice):
        super().__init__(execute_external=False)
        self.choice = choice

    def getTestsInDirectory(self, suite, path, lit_config, config):
        for test in super().getTestsInDirectory(suite, path, lit_config, config):
            if os.path.realpath(test.getSourcePath()) in self.choice.chosen:
                test.config = copy.copy(test.config)
                test.config.available_features = config.available_features | {"long"}
            yield test
