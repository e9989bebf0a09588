"""Every request of examples/python/serve_tiny.py is answered in the least pool it takes.

    check_scheduler.py EXAMPLES --seed=N

Schedules are drawn and run to their end with logits that are drawn too, then once with
the model.
"""

import argparse
import contextlib
import io
import random
import sys

import attn_mlir
import torch

sys.path.insert(0, sys.argv[1])
import serve_tiny
from serving import engine


class NoCache:
    """Sizes of a cache without keys and values."""

    kv_heads = 2

    def __init__(self, pages, page):
        self.page = page
        self.k = torch.empty(1, pages)

    def copy(self, copies):
        pass


def refused(arguments):
    """The last line of what serve_tiny.py says before it ends with status 2."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            serve_tiny.parse(arguments)
        except SystemExit as end:
            assert end.code == 2, end.code
            return said.getvalue().splitlines()[-1]
    raise AssertionError(f"{arguments} was taken")


# Options, and what is said of them.
REFUSED = {
    "--page=0": "expects --page from 1 to 2147483647, but got 0",
    "--pages=-1": "expects --pages from 2 to 2147483647, but got -1",
    "--step-tokens=0": "expects --step-tokens of 1 or more, but got 0",
    "--requests=0": "expects --requests of 1 or more, but got 0",
    "--workers=99999": "expects --workers from 0 to 65536, but got 99999",
    "--page=99999999": "of memory, but got 80 of 99999999 with --layers=4: 62499999 MiB",
    "--plot=no/folder/plan.svg": "in a folder that is there, but got no/folder/plan.svg",
}


def draw_logits(rng):
    """Of few tokens, so that texts repeat and drafts are made."""

    def logits(_model, tokens, positions, rows, _cache, _step):
        out = torch.zeros(len(rows), 8)
        for i, row in enumerate(rows):
            out[i, (7 * positions[row] + tokens[row]) % 3 + (rng.random() < 0.1)] = 1
        return out

    return logits


def serve_drawn(rng):
    """One schedule: its counts."""
    page, count = rng.choice([1, 2, 3, 7, 16, 32, 64, 300]), rng.randint(1, 14)
    requests = serve_tiny.make_requests(count, rng.randrange(10**6))
    pages = max(engine.pages_of(r, page) for r in requests) + 1 + rng.choice([0, 0, 1])
    made = engine.Engine(
        None, NoCache(pages, page), attn_mlir.PagePool(pages, page, seed=1),
        batch=rng.choice([1, 2, 16]), chunk=rng.choice([1, 48, 300]),
        step_tokens=rng.choice([1, 5, 128]), drafts=rng.choice([0, 3]), share=16,
    )
    for request in requests:
        made.submit(request)
    # A step moves one answer at least; preemption makes it compute anew.
    most = 20 * sum(len(r.prompt) + r.new_tokens for r in requests)
    while made.waiting or made.running:
        made.step()
        assert made.counts["steps"] < most, f"{len(made.finished)} of {count} in {most} steps"
    assert {a.request.number for a in made.finished} == set(range(count))
    made.pool.audit()
    return made.counts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("examples")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--schedules", type=int, default=40)
    options = parser.parse_args()
    with_model, rng = engine.logits_of, random.Random(options.seed)
    engine.logits_of = draw_logits(rng)
    happened = set()
    for _ in range(options.schedules):
        happened |= {name for name, n in serve_drawn(rng).items() if n}
    missing = {"preempted", "forks", "copied pages", "cancelled", "accepted drafts"} - happened
    assert not missing, f"never happened: {missing}"
    engine.logits_of = with_model

    for option, words in REFUSED.items():
        assert words in refused([option]), refused([option])
    few = ["--requests=3", "--layers=1", "--head-dim=64", "--no-sdpa", "--page=8"]
    least = int(refused([*few, "--pages=2"]).split("--pages of ")[1].split()[0])
    assert f"but got {least - 1}" in refused([*few, f"--pages={least - 1}"])
    serve_tiny.register()
    good, _ = serve_tiny.run(64, serve_tiny.parse([*few, f"--pages={least}"]))
    assert good, "some tokens are not those of eager attention"


if __name__ == "__main__":
    main()
