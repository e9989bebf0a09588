"""The decoder of examples/python/serve_tiny.py: every token is eager attention's.

    check_serve.py EXAMPLES PLOT [options of serve_tiny.py]

Everything that the scheduler can do has to happen in the run.
"""

import pathlib
import sys
import xml.etree.ElementTree

sys.path.insert(0, sys.argv[1])
import numpy as np
import serve_tiny
from serving.cache import distinct_keys

PLOT = pathlib.Path(sys.argv[2])
NEEDED = (
    "steps", "mixed steps", "reused", "forks", "copied pages", "drafts", "accepted drafts",
    "cancelled", "preempted", "steps with shared keys",
)


def check_distinct_keys():
    """A page is counted once, as far as the longest request fills it."""
    table = np.int32([[4, 1, 9], [4, 2, 7], [3, 1, 7]])
    # 8 of page 4, 8 of 1, 4 of 9, 1 of 2, 8 of 3.
    assert distinct_keys(table, np.int32([20, 9, 12]), 8) == 29
    assert distinct_keys(table, np.int32([0, 3, 0]), 8) == 3


def main():
    check_distinct_keys()
    options = serve_tiny.parse([*sys.argv[3:], f"--plot={PLOT}"])
    serve_tiny.register()
    for head_dim in options.head_dim or (64, 128):
        good, counts = serve_tiny.run(head_dim, options)
        assert good, "some tokens are not those of eager attention"
        missing = [name for name in NEEDED if not counts[name]]
        assert not missing, f"never happened: {missing}"
        assert counts["accepted drafts"] < counts["drafts"], "no draft was ever wrong"
        tree = xml.etree.ElementTree.parse(PLOT.with_name(f"{PLOT.stem}-{head_dim}.svg"))
        bars = tree.findall(".//{http://www.w3.org/2000/svg}rect")
        assert len(bars) > 4 and all(float(bar.get("width")) > 0 for bar in bars)


if __name__ == "__main__":
    main()
