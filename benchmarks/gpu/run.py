#!/usr/bin/env python3
"""Checks and times the carried kernels on this GPU, beside what else is there.

    python3 run.py [--quick] [--selfcheck] [--only=TEXT] [--out=FOLDER]
                   [--no-peers] [--dry-run]

Needs NumPy, and but for a dry run PyTorch with CUDA.

Every kernel is held against attention in f32 before it is timed. Prefill is in
TFLOP/s (masked pairs are no work), decode in GB/s of keys and values. Beside them
in the same run: PyTorch SDPA with its cuDNN and flash back ends, FlexAttention,
FlashInfer where it is installed, a copy of memory, and a product of 8192 x 8192.
Ratios are what to compare: `of peer` to the fastest peer, `of card` to the
product (prefill) or the copy (decode).

--quick takes a few sizes of each. --selfcheck runs every program once with the
longest request one token shorter than it is, and fails unless the check catches
it. --dry-run goes through everything at tiny sizes on the simulator, whose driver
the pack has.
"""

import argparse
import json
import pathlib
import sys

try:
    import numpy as np
except ImportError:
    sys.exit(f"expects NumPy in {sys.executable}: '{sys.executable} -m pip install numpy'; "
             "PyTorch too, but for --dry-run")

HERE = pathlib.Path(__file__).resolve().parent
# In the tree these two lie with the benchmark of the CPU; a pack has them here.
sys.path.insert(1, str(HERE.parent / "cpu"))

import attnrt  # noqa: E402
import byhand  # noqa: E402
import cases  # noqa: E402
import checks  # noqa: E402
import devices  # noqa: E402
import machine  # noqa: E402
import peers  # noqa: E402
import programs  # noqa: E402
import report  # noqa: E402

ROTATION = 4  # times the L2 cache: so much is read before anything is read again
MOST_SETS = 64


def open_device(options):
    """The runtime, and the GPU or what stands in for it."""
    driver = None
    if options.dry_run:
        driver = options.driver or options.pack / "libattnrt_sim_driver.so"
    try:
        runtime = attnrt.Runtime(options.pack / "libattnrt.so", driver)
        return runtime, devices.Dry(runtime) if options.dry_run else devices.Torch(runtime)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        sys.exit(f"expects PyTorch with CUDA in {sys.executable}, for memory, streams and peers: "
                 f"'{sys.executable} -m pip install torch'; --dry-run needs none")
    except (attnrt.Error, RuntimeError, OSError) as error:
        sys.exit(str(error) if options.dry_run else f"{error}; --dry-run needs no GPU")


def choose_chip(chips, info):
    """PTX for a chip runs on every later one."""
    mine = info.major * 10 + info.minor
    fitting = [chip for chip in chips if int(chip[3:]) <= mine]
    if not fitting:
        sys.exit(f"expects one of {', '.join(chips)} or later, but got sm_{mine}")
    return max(fitting, key=lambda chip: int(chip[3:]))


class Setting:
    """Arguments of a case: one query array, and as many sets of keys and values
    as it takes to be read from memory, not from the cache."""

    def __init__(self, device, program, case, pools, seed=1):
        self.device, self.program, self.case = device, program, case
        self.scale = float(np.float32(program.channels**-0.5))
        self.rng = np.random.default_rng(seed)
        group = [program.group] if program.kind == "decode" else []
        self.q = device.randn((case.batch, case.queries, program.heads, *group, program.channels), seed)
        self.shape = (case.batch, case.keys, program.heads, program.channels)
        self.pools = pools
        elements = int(np.prod(self.shape))
        if program.page:
            self.pages = -(-case.keys // program.page)
            elements = case.batch * self.pages * program.page * program.heads * program.channels
        wanted = 1
        if program.kind == "decode":
            wanted = -(-ROTATION * device.info.l2_bytes // (4 * elements))
        have = int(np.prod(pools[0].shape)) // elements
        self.sets = [self.make_set(i, elements) for i in range(max(1, min(wanted, have, MOST_SETS)))]

    def make_set(self, number, elements):
        if not self.program.page:
            return [self.device.view(pool, number * elements, self.shape) for pool in self.pools]
        # One pool for all: sets differ in the pages that their tables name.
        first, count = number * self.case.batch * self.pages, self.case.batch * self.pages
        table = first + self.rng.permutation(count).astype(np.int32)
        return self.device.put(table.reshape(self.case.batch, self.pages))

    def pool_view(self):
        p = self.program
        slots = int(np.prod(self.pools[0].shape)) // (p.page * p.heads * p.channels)
        shape = (slots, p.page, p.heads, p.channels)
        return [self.device.view(pool, 0, shape) for pool in self.pools]

    def arguments(self, number, lengths=None):
        if self.program.kind == "prefill" and not self.program.page:
            return [self.q, *self.sets[number], self.scale]
        length = np.full(self.case.batch, self.case.keys, dtype=np.int32) if lengths is None else lengths
        length = self.device.put(length)
        if not self.program.page:
            return [self.q, *self.sets[number], length, self.scale]
        return [self.q, *self.pool_view(), self.sets[number], length, self.scale]

    def row_starts(self):
        """The row of each request's first token."""
        return (np.arange(self.case.batch) * self.case.queries).astype(np.int32)

    def place(self, request, token, head):
        """The array index of a key in the first set."""
        if not self.program.page:
            return (request, token, head)
        page = self.sets[0].host[request, token // self.program.page]
        return (int(page), token % self.program.page, head)

    def arrays(self):
        return self.pool_view() if self.program.page else self.sets[0]

    def place_needles(self):
        """One key of each head that is looked at gets nearly all the weight."""
        draw = checks.needle_positions(self.case, self.rng)
        keys = self.arrays()[0]
        for request, head in checks.pairs_to_look_at(self.case, self.program, np.random.default_rng(7)):
            last = () if self.program.kind == "prefill" else (0,)
            row = self.case.queries - 1
            q = self.read_q((request, row, head, *last))
            # The last token of the first one looked at: --selfcheck leaves it out.
            token = self.case.keys - 1 if (request, head) == (0, 0) else draw()
            self.device.write(keys, self.place(request, token, head), checks.needle_key(q, self.scale))

    def read_q(self, index):
        return self.device.read(self.q, index)

    def keys_of(self, request, head):
        arrays = self.arrays()
        if not self.program.page:
            return [self.device.read(a, (request, slice(None), head)) for a in arrays]
        pages = self.sets[0].host[request].astype(np.int64)
        tokens = [self.device.read(a, (pages, slice(None), head)) for a in arrays]
        return [t.reshape(-1, self.program.channels)[: self.case.keys] for t in tokens]


class Benchmark:
    def __init__(self, options, runtime, device, folder, chip):
        self.options, self.runtime, self.device = options, runtime, device
        self.folder, self.chip = folder, chip
        self.rows, self.loaded, self.pools = [], {}, None
        self.copy = self.matmul = None

    def say(self, text):
        print(text, flush=True)

    def measure_card(self):
        self.copy, self.matmul = self.device.copy_bandwidth(), self.device.matmul_rate()
        self.say(f"copy {self.copy:.0f} GB/s, product of 8192 x 8192 {self.matmul:.0f} TFLOP/s")

    def load(self, program):
        if program.name not in self.loaded and program.by_hand:
            text = self.folder / "kernels" / f"{program.name}.ptx"
            if not text.exists() or not byhand.fits(self.device.info):
                return None
            self.loaded[program.name] = byhand.Kernel(self.runtime, text, self.device.info.sms)
        elif program.name not in self.loaded:
            bundle = self.folder / "bundles" / f"{program.name}.attnb"
            if not bundle.exists():
                return None
            self.loaded[program.name] = attnrt.Program(self.runtime, bundle, self.chip)
        return self.loaded[program.name]

    def make_pools(self, chosen):
        """The keys and values of the largest case, or of what memory allows."""
        limit = int(0.25 * self.device.free_bytes) // 2  # elements of one of the two
        rotation = ROTATION * self.device.info.l2_bytes // 4
        wanted = 0
        for program, case in chosen:
            # The end of the last page.
            tokens = case.keys + program.page
            elements = case.batch * tokens * program.heads * program.channels
            extra = rotation if program.kind == "decode" else 0
            wanted = max([wanted] + [e for e in (elements + extra, elements) if e <= limit][:1])
        self.pools = [self.device.randn((wanted,), seed) for seed in (2, 3)]

    def fits(self, program, case):
        tokens = case.keys + program.page
        return case.batch * tokens * program.heads * program.channels <= int(np.prod(self.pools[0].shape))

    def prepare(self, compiled, setting, number, lengths=None):
        if setting.program.by_hand:
            return compiled.prepare(setting, number, lengths, self.device)
        return compiled.prepare(setting.arguments(number, lengths), self.device.empty)

    def launch_and_check(self, setting, call):
        call.enqueue(self.device.stream())
        self.device.synchronize()
        return checks.check(setting, call.results[0], self.device.read)

    def run_case(self, program, case):
        compiled = self.load(program)
        if compiled is None and program.by_hand and not byhand.fits(self.device.info):
            return self.say(f"{case.name}: left out, its kernel runs on compute capability 9.0 only")
        if compiled is None:
            return self.say(f"{case.name}: not in the pack for {self.chip}")
        if not self.fits(program, case):
            return self.say(f"{case.name}: left out, too large for this memory")
        setting = Setting(self.device, program, case, self.pools)
        calls = [self.prepare(compiled, setting, i) for i in range(len(setting.sets))]
        try:
            error = self.launch_and_check(setting, calls[0])
            setting.place_needles()
            error = max(error, self.launch_and_check(setting, calls[0]))
            enqueue = [lambda call=call: call.enqueue(self.device.stream()) for call in calls]
            median, least = self.device.time(enqueue)
            made = calls[0].describe()
        finally:
            self.device.synchronize()
            for call in calls:
                call.release()
        row = {"case": case.name, "kind": program.kind, "program": program.name, "batch": case.batch,
               "queries": case.queries, "keys": case.keys, "ms": median, "least_ms": least,
               "error": error, "sets": len(setting.sets),
               "registers": made.registers, "local_bytes": made.local_bytes,
               "resident_ctas": made.resident_ctas, "peers": {}, "no_peer": {}}
        if not self.options.no_peers:
            row["peers"], row["no_peer"] = peers.measure(self.device, setting)
        report.rate(row, cases.flops(program, case), cases.kv_bytes(program, case), self.copy, self.matmul)
        self.rows.append(row)
        self.say(report.line(row))

    def selfcheck(self, program, case):
        """True if the check sees that a token of the longest request is missing."""
        compiled = self.load(program)
        setting = Setting(self.device, program, case, self.pools)
        setting.place_needles()
        if program.kind == "prefill" and not program.page:
            whole = setting.sets[0]
            setting.sets[0] = [self.device.shorten(array) for array in whole]
            call = self.prepare(compiled, setting, 0)
            setting.sets[0] = whole
        else:
            lengths = np.full(case.batch, case.keys, dtype=np.int32)
            lengths[0] -= 1
            call = self.prepare(compiled, setting, 0, lengths)
        try:
            self.launch_and_check(setting, call)
        except checks.Mismatch as mismatch:
            self.say(f"{case.name}: caught, as it must be: {mismatch}")
            return True
        finally:
            call.release()
        self.say(f"{case.name}: NOT caught")
        return False


def choose_cases(options):
    everything = {p.name: p for p in programs.all_programs()}
    if options.dry_run:
        listed = cases.tiny(everything.values())
    elif options.quick:
        listed = [*cases.prefill(everything.values(), (4096,)),
                  *cases.decode(everything.values(), (16,), (8192,))]
    else:
        listed = [*cases.prefill(everything.values()), *cases.decode(everything.values())]
    return [(everything[c.program], c) for c in listed if options.only in c.name]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", type=pathlib.Path, default=HERE, help="what pack.py made")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--selfcheck", action="store_true")
    parser.add_argument("--only", default="", help="cases whose name has this text")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--driver", help="of a dry run, another libattnrt_sim_driver.so")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    in_tree = HERE.parent / "results"
    out = options.out or (in_tree if in_tree.exists() else HERE / "results")

    made = options.pack / "pack.json"
    if not made.exists():
        sys.exit(f"expects a pack, but {made} is missing: './scripts/bench-gpu --pack=FOLDER' makes one")
    facts = json.loads(made.read_text(encoding="utf-8"))
    runtime, device = open_device(options)
    chip = choose_chip(facts["chips"], device.info)
    name = device.info.name.decode()
    bench = Benchmark(options, runtime, device, options.pack, chip)
    bench.say(f"{name}, sm_{device.info.major}{device.info.minor}, {device.info.sms} SMs; kernels for {chip} "
              f"of commit {facts['commit']}")
    chosen = choose_cases(options)
    if not chosen:
        sys.exit("no case is left")
    bench.make_pools(chosen)
    bad = []
    if options.selfcheck:
        first = {}
        for program, case in chosen:
            if bench.load(program) and bench.fits(program, case):
                first.setdefault(program.name, (program, case))
        bad = [p.name for p, c in first.values() if not bench.selfcheck(p, c)]
        bench.say(f"selfcheck: {len(first) - len(bad)} of {len(first)} caught")
        return 1 if bad or not first else 0

    bench.measure_card()
    def result():
        return {"date": machine.today(), "gpu": name, "chip": chip, "commit": facts["commit"],
                "dry_run": options.dry_run, "sms": device.info.sms, "copy_gbs": bench.copy,
                "matmul_tflops": bench.matmul, "failed": bad, "versions": versions, "rows": bench.rows}

    versions = peers.versions(device)
    for number, (program, case) in enumerate(chosen):
        print(f"[{number + 1}/{len(chosen)}] ", end="")
        try:
            bench.run_case(program, case)
        except (attnrt.Error, checks.Mismatch, RuntimeError) as error:
            bad.append(case.name)
            bench.say(f"{case.name}: FAILED: {error}")
        # A run that is stopped leaves what it has.
        report.write(result(), out)
    print("\n".join(report.table(result())))
    for path in report.write(result(), out):
        print(f"wrote {path}")
    return 1 if bad or not bench.rows else 0


if __name__ == "__main__":
    sys.exit(main())
