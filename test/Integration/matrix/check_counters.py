"""Holds what the simulator counts against what a kernel must do at least.

    check_counters.py --seed=N [--point=TEXT ..]

For programs with ragged requests the expected numbers come from the masks in
NumPy and from the work items that the kernel was given:
  products  those of tiles in which some row of the item sees some key, no more
  bytes     of keys and values: those of such tiles, once per item
  sectors   of 32 bytes, all of them full
  shared    wavefronts of all that reads or writes it: no bank conflict
  local     none
  balance   the tiles of the longest and the shortest worker differ by one
"""

import argparse
import pathlib
import sys
import tempfile

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]

import cascade
import points
from draw import Draw
from inputs import draw_point
from runner import Runner

# How many more bytes than needed may be read.
SLACK = 1.02
# Keys of the requests; keys and queries of those that have more than one.
DECODE = [1253, 1, 700, 0, 611]
CHUNKS = [(320, 320), (417, 64), (192, 192), (64, 64), (0, 0)]
POINTS = [
    "phase=decode,head=128,gqa=16,mask=none",
    "phase=decode,head=64,page=24,gqa=64,pool=hnd,mask=causal,dtype=bf16,split=3",
    "phase=decode,head=192x128,page=1,gqa=16,mask=window",
    "phase=decode,head=64,page=none,gqa=7,mask=sinks",
    "page=none,gqa=1,mask=none,head=64",
    "page=16,gqa=4,mask=causal,head=128,split=3",
    "page=64,gqa=5,mask=window,head=96,pool=hnd,dtype=bf16",
    "page=24,gqa=7,mask=sinks,head=64",
    "page=none,gqa=1,mask=prefix,head=256",
    "page=16,gqa=1,mask=blocks,head=64",
    # Rows of few pieces, which threads do not divide among them.
    "dtype=e4m3,page=16,gqa=4,head=16",
    "dtype=e4m3,page=64,gqa=1,head=32",
    "dtype=e4m3,page=24,gqa=4,head=40,mask=window",
    "dtype=e4m3,page=16,gqa=4,head=72",
    "dtype=e4m3,page=none,gqa=4,head=80,mask=none",
    "dtype=e4m3,page=16,gqa=4,head=96",
    "dtype=e4m3,page=16,gqa=5,head=128",
    "dtype=e4m3,page=1,gqa=4,head=192",
    "dtype=e4m3,page=16,gqa=4,head=192x128",
    "dtype=e4m3,phase=decode,page=16,gqa=7,head=96",
    # Where the estimate of registers says that no tile fits.
    "dtype=e4m3,head=256,gqa=16,page=none,mask=window,score=table",
    "dtype=e4m3,head=192,gqa=64,page=24,mask=blocks",
    "dtype=e4m3,head=256,gqa=1,mask=none,score=table",
    "dtype=e4m3,phase=decode,head=256,gqa=16,page=24,mask=blocks,score=alibi",
    "dtype=f16,page=16,gqa=4,head=40",
    "dtype=bf16,page=16,gqa=4,head=112",
]
BALANCED = [
    "phase=decode,head=64,mask=none",
    "phase=decode,head=128,page=24,gqa=16",
    "page=none,gqa=1,mask=none,head=64",
    "page=16,gqa=4,mask=none,head=128",
]


class Report:
    """Collects what does not hold."""

    def __init__(self, name):
        self.name = name
        self.good = True

    def expect(self, what, got, low, high=None):
        high = low if high is None else high
        holds = low <= got <= high
        self.good &= holds
        wanted = f"{low}" if low == high else f"{low} to {high}"
        end = "" if holds else f" FAILED: expects {wanted}"
        print(f"    {what}: {got}{end}")


def sizes_of(point):
    if point["phase"] == "decode":
        return np.array(DECODE, dtype=np.int32), np.ones(len(DECODE), dtype=np.int32)
    lens, counts = np.array(CHUNKS, dtype=np.int32).T.copy()
    return lens, counts


def find_tiles(plan, point, problem):
    """The tiles that some row of each item sees: (item, keys of the tile)."""
    found = []
    cols = plan["cols"]
    for item in plan["items"]:
        seen = problem.seen[item["segment"]]
        # Decode has one query; the rows of an item are its heads.
        rows = slice(0, 1)
        if point["phase"] != "decode":
            rows = slice(item["row"], item["row"] + item["rows"])
        end = item["begin"] + item["count"]
        for low in range(item["begin"], end, cols):
            tile = seen[rows, low : min(low + cols, end)]
            if tile.any():
                found.append((item, tile.shape[1]))
    return found


def total_of(launch, name, *prefixes):
    """A counter, over the instructions whose name begins like that."""
    return sum(
        counts[name]
        for opcode, counts in launch["opcodes"].items()
        if opcode.startswith(prefixes)
    )


def check_point(report, plan, point, problem):
    """All but the balance, on the launch of the items."""
    # Stages beside the fold multiply nothing.
    launch = next(x for x in plan["launches"] if x["matrix_macs"])
    tiles = find_tiles(plan, point, problem)
    e, f = points.widths_of(point)
    size = 1 if point["dtype"] == "e4m3" else 2
    # Products come in blocks of 16 channels, over warps beside each other in as
    # many of them.
    low, high = (
        sum(-(-width // step) * step for width in (e, f)) for step in (16, 32)
    )
    area = len(tiles) * plan["rows"] * plan["cols"]
    products = sum(launch["matrix_macs"].values())
    report.expect("products", products, area * low, area * high)
    # Queries of an item come once, those that are there or all rows of a tile:
    # one number where tiles are full, as they are for most points here.
    there = sum(x["rows"] * x["subs"] for x in plan["items"]) * e * 2
    whole = len(plan["items"]) * plan["rows"] * e * 2
    needed = sum(keys for _, keys in tiles) * (e + f) * size
    read = total_of(launch, "global_read_bytes", "cp.async")
    most = int(SLACK * needed) + whole
    report.expect("bytes of queries, keys and values", read, needed + there, most)
    sectors = total_of(launch, "global_sectors", "cp.async") * 32
    # Rows that begin inside of a sector share it with their neighbours; which
    # threads copy them is a choice between sectors and banks.
    is_whole = e * size % 32 == 0 and f * size % 32 == 0
    report.expect("bytes of sectors", sectors, needed + there, read * (1 if is_whole else 2))
    # Of each instruction alone: a conflict in a few loads is none in all of them.
    for opcode, counts in launch["opcodes"].items():
        if counts["shared_requests"]:
            ideal = counts["shared_ideal_wavefronts"]
            most = ideal
            if opcode.startswith("cp.async") and not is_whole:
                most = int(ideal * 1.5)
            report.expect(f"wavefronts of {opcode}", counts["shared_wavefronts"], ideal, most)
    ideal = total_of(launch, "shared_ideal_wavefronts", "ldmatrix")
    loads = total_of(launch, "shared_requests", "ldmatrix")
    report.expect("loads of matrices", loads, 1, ideal)
    local = total_of(launch, "warp_instructions", "ld.local", "st.local")
    report.expect("local loads and stores", local, 0)


def check_balance(report, plan, workers):
    tiles = [0] * workers
    for item in plan["items"]:
        tiles[item["worker"]] += -(-item["count"] // plan["cols"])
    report.expect(f"tiles of workers {tiles}: difference", max(tiles) - min(tiles), 0, 1)


def run(text, seed, folder, workers, split):
    """The plan and counters of a point's fold, and its problem."""
    point = points.parse(text)
    source = pathlib.Path(folder) / "point.mlir"
    source.write_text(cascade.write(point), encoding="utf-8")
    draw = Draw([seed, 0], "random")
    problem = draw_point(draw, point, sizes_of(point))
    runner = Runner(str(source), folder, False)
    runner.take([problem.args[x] for x in cascade.names_of(point)])
    runner.run("point", len(problem.expected), "sim", workers, split)
    (plan,) = runner.stats["plans"]
    return point, problem, plan


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--point", action="append")
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for text in options.point or POINTS:
            print(text)
            report = Report(text)
            split = int(points.parse(text)["split"])
            point, problem, plan = run(text, options.seed, folder, 4, split)
            check_point(report, plan, point, problem)
            good &= report.good
        for text in [] if options.point else BALANCED:
            print(text)
            report = Report(text)
            check_balance(report, run(text, options.seed, folder, 5, None)[2], 5)
            good &= report.good
    sys.exit(0 if good else 1)


main()
