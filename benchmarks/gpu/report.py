"""Rates, ratios, the table, the JSON and the plot of a result of run.py."""

import json
import re

import plot


def rate(row, flops, kv_bytes, copy, matmul):
    """Adds what the times mean: TFLOP/s or GB/s, and ratios."""
    prefill = row["kind"] == "prefill"
    work, row["unit"] = (flops / 1e9, "TFLOP/s") if prefill else (kv_bytes / 1e6, "GB/s")
    row["rate"] = work / row["ms"]
    row["of_card"] = row["rate"] / (matmul if prefill else copy)
    row["peer_rates"] = {name: work / ms for name, ms in row["peers"].items()}
    best = max(row["peer_rates"].items(), key=lambda item: item[1], default=None)
    row["best_peer"] = best[0] if best else None
    row["of_peer"] = row["rate"] / best[1] if best else None


def line(row):
    text = (f"{row['case']}: {row['ms']:.4f} ms, {row['rate']:.1f} {row['unit']}, "
            f"{row['of_card']:.1%} of card")
    if row["of_peer"] is not None:
        text += f", {row['of_peer']:.2f} of {row['best_peer']}"
    if row["local_bytes"]:
        text += f", {row['local_bytes']} local bytes per thread"
    return f"{text}; error {row['error']:.2g}"


def table(result):
    yield ""
    yield (f"{result['gpu']}, {result['date']}, commit {result['commit']}; copy "
           f"{result['copy_gbs']:.0f} GB/s, product {result['matmul_tflops']:.0f} TFLOP/s")
    if result["dry_run"]:
        yield "DRY RUN on the simulator: these times mean nothing"
    yield f"{'':44} {'ms':>9} {'rate':>8} {'':8} {'of card':>8} {'of peer':>8}  best peer"
    for row in result["rows"]:
        peer = f"{row['of_peer']:8.2f}  {row['best_peer']}" if row["of_peer"] else f"{'':8}"
        yield (f"{row['case']:44} {row['ms']:9.4f} {row['rate']:8.1f} {row['unit']:8} "
               f"{row['of_card']:8.1%} {peer}")
    yield from goals(result)
    for name in result["failed"]:
        yield f"FAILED: {name}"


def goals(result):
    """What this project wants of each kind, and the worst case of it."""
    def worst(rows, value):
        rows = [(value(row), row["case"]) for row in rows]
        return min(rows) if rows else None

    rows = result["rows"]
    long = [r for r in rows if r["kind"] == "prefill" and 4096 <= r["keys"] <= 16384]
    for name, goal in (("full", 330), ("causal", 300)):
        found = worst([r for r in long if r["program"].endswith(name)], lambda r: r["rate"])
        if found:
            yield f"prefill {name}, 4k to 16k: at least {found[0]:.0f} TFLOP/s ({found[1]}); wanted {goal}"
    found = worst([r for r in long if r["program"].endswith("hopper")], lambda r: r["rate"])
    if found:
        yield f"prefill by hand for sm_90a, causal, 4k to 16k: at least {found[0]:.0f} TFLOP/s ({found[1]})"
    found = worst([r for r in rows if r["kind"] == "decode" and r["keys"] >= 65536],
                  lambda r: r["of_card"])
    if found:
        yield f"decode, 64k and longer: at least {found[0]:.1%} of the copy ({found[1]}); wanted 92%"
    by_case = {r["case"]: r for r in rows}
    gaps = [(r["ms"] / by_case[other]["ms"] - 1, r["case"]) for r in rows
            if (other := r["case"].replace("page16", "contiguous")) != r["case"] and other in by_case]
    if gaps:
        yield f"pages of 16 beside contiguous: at most {max(gaps)[0]:+.1%} ({max(gaps)[1]}); wanted 3%"


def draw(result):
    """Bars: this project's rate by that of the card, and of the peers."""
    y, body = 40, [f'<text x="10" y="20">{result["gpu"]}, {result["date"]}, '
                   f'commit {result["commit"]}</text>']
    for kind, of in (("prefill", "a product of 8192 x 8192"), ("decode", "a copy of memory")):
        bars = []
        for row in (r for r in result["rows"] if r["kind"] == kind):
            card = row["rate"] / row["of_card"]
            bars.append((row["case"], row["of_card"], f"{row['of_card']:.0%} ({row['rate']:.0f} {row['unit']})",
                         plot.COLOURS[1]))
            bars += [(name, value / card, f"{value / card:.0%}", plot.COLOURS[3])
                     for name, value in row["peer_rates"].items()]
        if bars:
            lines, y = plot.panel(f"{kind}: share of {of}", bars, 1.0, y)
            body += lines
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{plot.WIDTH}" height="{y + 10}" '
            f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
            + "\n".join(body) + "\n</svg>\n")


def write(result, folder):
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    gpu = re.sub(r"[^a-z0-9]+", "-", result["gpu"].lower()).strip("-")
    for suffix, text in ((".json", json.dumps(result, indent=1) + "\n"), (".svg", draw(result))):
        path = folder / f"{result['date']}-{gpu}{suffix}"
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
