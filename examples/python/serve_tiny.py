#!/usr/bin/env python3
"""Serves ragged requests with a small decoder, end to end on the CPU.

A Llama-shaped model of transformers with random weights (8 query heads over 2 KV
heads, nothing is downloaded) answers requests that share prefixes. Everything around
its attention is this project's: a page pool says which page holds which tokens, one
compiled kernel computes a batch in which some requests prefill a chunk, others
decode a token or check drafts, and another one writes new keys and values in place.

What the schedule does: continuous batching, prefill in chunks, prefixes from the
cache, preemption where pages are short, forks (two answers to one prompt, pages
shared until they differ), drafts that are checked and truncated, cancelled requests.

At the end each text is given to transformers' own eager attention in f32, which has
no cache and no pages: every token must be the one that it would choose. The same
requests are then served with PyTorch's SDPA on gathered pages, for comparison.
"""

import argparse
import os
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

try:
    import attn_mlir
    from serving import timeline
    from serving.cache import CACHES
    from serving.engine import Engine, Request, pages_of
    from serving.model import KV_HEADS, VOCABULARY, eager_choices, make_model, register
except ImportError as error:
    sys.exit(f"expects attn_mlir, NumPy, PyTorch and transformers, but got: {error}")


def make_requests(count, seed):
    """Prompts with a few common beginnings and ends of their own."""
    rng = random.Random(seed)

    def draw(n):
        return [rng.randrange(VOCABULARY) for _ in range(n)]

    beginnings = [draw(rng.randint(20, 180)) for _ in range(4)]
    return [
        Request(
            number, rng.choice(beginnings) + draw(rng.randint(1, 60)), rng.randint(2, 32),
            answers=2 if number % 8 == 1 else 1,
            cancel_after=rng.randint(1, 8) if number % 10 == 3 else 0,
        )
        for number in range(count)
    ]


def serve(model, name, options, requests, on_step=None):
    """All requests through one engine: (engine, seconds)."""
    cache = CACHES[name](model.config, options.pages, options.page, options.workers)
    pool = attn_mlir.PagePool(options.pages, options.page, seed=1)
    engine = Engine(
        model, cache, pool, batch=options.batch, chunk=options.chunk,
        step_tokens=options.step_tokens, drafts=options.drafts, share=options.share,
    )
    for request in requests:
        engine.submit(request)
    start, shown = time.perf_counter(), 0.0
    while engine.waiting or engine.running:
        engine.step()
        if on_step:
            on_step(engine)
        now = time.perf_counter()
        if now - shown > 1.0:
            shown = now
            left = len(engine.waiting) + len(engine.running)
            print(f"  {name}: step {engine.counts['steps']}, {left} answers to go", flush=True)
    pool.audit()
    held = pool.stats
    if held["pages_held"] or held["pages_limbo"] or held["sequences"]:
        raise RuntimeError(f"expects an empty pool at the end, but got {held}")
    return engine, time.perf_counter() - start


def compare(model, engine):
    """Tokens that eager attention would not choose: (wrong, all)."""
    wrong = total = 0
    for answer in engine.finished:
        first = len(answer.request.prompt)
        logits = eager_choices(model, answer.tokens[:-1])
        for at in range(first, len(answer.tokens)):
            # The second answer to a prompt begins with the second best token.
            place = 1 if answer.branch and at == first else 0
            total += 1
            if int(logits[at - 1].topk(2).indices[place]) != answer.tokens[at]:
                wrong += 1
                print(f"  request {answer.request.number}, token {at}: not what eager chooses")
    return wrong, total


class Recorder:
    """Keeps the plan of the step with the most work items that mixes phases."""

    def __init__(self):
        self.items, self.batch = None, None

    def __call__(self, engine):
        sizes = [new for _, new, _ in engine.last_batch]
        if min(sizes) > 1 and self.items is not None:
            return
        items = engine.cache.kernels.attend.items()
        if self.items is None or len(items) > len(self.items):
            self.items, self.batch = items, list(engine.last_batch)


def report(name, engine, seconds):
    c, tokens = engine.counts, engine.counts["new tokens"]
    print(
        f"  {name:9} {seconds:6.2f} s, {tokens / seconds:7.1f} tokens/s, attention "
        f"{engine.cache.seconds:6.2f} s in {c['steps']} steps"
    )


def run(head_dim, options):
    print(f"heads of {head_dim} channels, {options.layers} layers, {options.requests} requests")
    model = make_model(head_dim, options.layers, seed=options.seed)
    requests = make_requests(options.requests, options.seed)
    recorder = Recorder()
    engine, seconds = serve(model, "attn_mlir", options, requests, recorder)
    c, stats = engine.counts, engine.pool.stats
    print(
        f"  {c['mixed steps']} of {c['steps']} steps mixed prefill and decode; "
        f"{c['reused']} prompt tokens from the cache, {c['forks']} forks, "
        f"{c['copied pages']} pages copied, {c['accepted drafts']} of {c['drafts']} drafts accepted, "
        f"{c['cancelled']} cancelled, {c['preempted']} preempted; at most {stats['peak_held']} "
        f"pages held, {stats['pages_evicted']} evicted"
    )
    print(
        f"  {c['steps with shared keys']} steps shared keys; per layer, x KV heads: "
        f"{c['keys']} keys of all requests, {engine.cache.keys_stored} of them in different "
        f"slots, {engine.cache.keys_visited} in the tiles that work items visit"
    )
    wrong, total = compare(model, engine)
    print(f"  {total - wrong} of {total} tokens are those of eager attention")
    report("attn_mlir", engine, seconds)
    if not options.no_sdpa:
        report("sdpa", *serve(model, "sdpa", options, requests))
    if options.plot:
        path = pathlib.Path(options.plot)
        path = path.with_name(f"{path.stem}-{head_dim}{path.suffix or '.svg'}")
        balance = timeline.draw(recorder.items, recorder.batch, path)
        print(f"  plan of one step: {path}, the fullest worker has {balance:.2f} x the mean")
    return wrong == 0, c


# Least and largest values. No pool counts more pages than 32 bits do.
LIMITS = {
    "requests": (1, None), "layers": (1, None), "pages": (2, 2**31 - 1), "page": (1, 2**31 - 1),
    "batch": (1, None), "chunk": (1, None), "step_tokens": (1, None), "drafts": (0, None),
    "share": (0, None), "workers": (0, 65536), "seed": (0, 2**63 - 1),
}


def check(parser, options):
    """Ends the process with one line about the first option that cannot be served."""
    for name, (low, high) in LIMITS.items():
        given = getattr(options, name)
        if given < low or (high is not None and given > high):
            wanted = f"of {low} or more" if high is None else f"from {low} to {high}"
            parser.error(f"expects --{name.replace('_', '-')} {wanted}, but got {given}")
    requests = make_requests(options.requests, options.seed)
    longest = max(requests, key=lambda r: pages_of(r, options.page))
    needed = pages_of(longest, options.page)
    if options.pages < needed + 1:
        parser.error(
            f"expects --pages of {needed + 1} or more, as page 0 is nobody's and request {longest.number} has "
            f"{len(longest.prompt)} tokens and gets up to {longest.new_tokens} new ones in pages of "
            f"{options.page}, but got {options.pages}"
        )
    channels = 2 * KV_HEADS * max(options.head_dim or (64, 128))  # of K and V
    size = 4 * channels * options.layers * options.pages * options.page
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory:
        parser.error(
            f"expects --pages of --page tokens that fit into {memory >> 20} MiB of memory, but got "
            f"{options.pages} of {options.page} with --layers={options.layers}: {size >> 20} MiB"
        )
    folder = pathlib.Path(options.plot or ".").parent
    if not folder.is_dir():
        parser.error(f"expects --plot in a folder that is there, but got {options.plot}")


def parse(arguments):
    parser = argparse.ArgumentParser(
        usage="%(prog)s [OPTION]..", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--requests", type=int, default=64, help="number of requests (default: %(default)s)")
    add("--head-dim", type=int, action="append", choices=(64, 128), help="channels of a head; may be given twice (default: both)")
    add("--layers", type=int, default=4, help="layers of the model (default: %(default)s)")
    add("--pages", type=int, default=80, help="pages of the pool; few of them cause preemption (default: %(default)s)")
    add("--page", type=int, default=16, help="tokens of a page (default: %(default)s)")
    add("--batch", type=int, default=16, help="requests that run at the same time (default: %(default)s)")
    add("--chunk", type=int, default=48, help="most tokens of a prompt in one step (default: %(default)s)")
    add("--step-tokens", type=int, default=128, help="most tokens of a step (default: %(default)s)")
    add("--drafts", type=int, default=3, help="most draft tokens of a step (default: %(default)s)")
    add("--share", type=int, default=16, help="fewest keys that a step may read once for several requests, 0: never; the plan leaves out what costs more than it saves (default: %(default)s)")
    add("--workers", type=int, default=0, help="workers that share a launch, 0: one per CPU (default)")
    add("--seed", type=int, default=0, help="of weights and requests (default: %(default)s)")
    add("--plot", metavar="FILE.svg", help="draw the plan of one step over the workers; the head size is added to the name")
    add("--no-sdpa", action="store_true", help="leave the comparison with SDPA out")
    options = parser.parse_args(arguments)
    check(parser, options)
    return options


def main(arguments=None):
    options = parse(arguments)
    register()
    good = True
    for head_dim in options.head_dim or (64, 128):
        fine, _ = run(head_dim, options)
        good &= fine
    if not good:
        sys.exit("some tokens are not those of eager attention")


if __name__ == "__main__":
    main()
