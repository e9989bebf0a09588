"""The decoder of examples/python/serve_tiny.py: every token is eager attention's.

    check_serve.py EXAMPLES PLOT [options of serve_tiny.py]

Everything that the scheduler can do has to happen in the run.
"""

import pathlib
import sys
import xml.etree.ElementTree

sys.path.insert(0, sys.argv[1])
import serve_tiny

PLOT = pathlib.Path(sys.argv[2])
NEEDED = (
    "steps", "mixed steps", "reused", "forks", "copied pages", "drafts", "accepted drafts",
    "cancelled", "preempted", "steps with shared keys",
)


def main():
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
