"""Rates, ratios and shares of the measured ceilings; the table; files."""

import json
import statistics

from . import draw


def spread(values):
    """Median, ends and the share of the median that half of the values lie within."""
    values = sorted(values)
    middle = statistics.median(values)
    quarters = statistics.quantiles(values, n=4) if len(values) > 2 else [values[0], middle, values[-1]]
    return {"median": middle, "min": values[0], "max": values[-1], "spread": (quarters[2] - quarters[0]) / middle}


def ceilings(peaks, workers):
    """{element: GFLOP/s} and GB/s: the best that this run reached with as many threads."""
    which = "one" if workers == 1 else "all"

    def best(*starts):
        found = [max(v) for k, v in peaks.items() if isinstance(v, list) and v and k.startswith(starts)
                 and k.endswith(f"_{which}")]
        return max(found, default=0.0)

    fma = best("fma_gflops")
    return {"f32": fma, "bf16": max(fma, best("amx_bf16", "dot_bf16")),
            "read": best("read_gbs"), "random pages": best("pages_gbs")}


def rate(case, seconds):
    """Of an entry: (value, unit)."""
    if case.kind == "decode":
        return case.kv_bytes() / seconds / 1e9, "GB/s"
    return case.flops() / seconds / 1e9, "GFLOP/s"


def finish(row, case, peaks, workers):
    """Fills in what the times of a row mean."""
    top = ceilings(peaks, workers)
    # Pages in any order are what a decode must read.
    ceiling = (top["random pages"] or top["read"]) if case.kind == "decode" else top[case.element]
    row["ceiling"], row["unit"] = ceiling, rate(case, 1.0)[1]
    row["flops"], row["kv_bytes"], row["all_bytes"] = case.flops(), case.kv_bytes(), case.all_bytes()
    for entry in row["entries"].values():
        entry |= {f"{key}_s" if key != "spread" else key: value
                  for key, value in spread(entry["seconds"]).items()}
        entry["rate"] = rate(case, entry["median_s"])[0]
        entry["gflops"] = case.flops() / entry["median_s"] / 1e9
        entry["gbs"] = case.all_bytes() / entry["median_s"] / 1e9
        entry["of_ceiling"] = entry["rate"] / ceiling if ceiling else None
    own = row["entries"].get("attn_mlir")
    if own:
        # Of runs that stood beside each other: what slows a machine down for a while
        # slows both.
        row["ratios"] = {name: statistics.median(theirs / ours for theirs, ours in zip(entry["seconds"], own["seconds"]))
                         for name, entry in row["entries"].items() if name != "attn_mlir"}


def table(result):
    names = [name for name in result["contenders"] if any(name in row["entries"] for row in result["rows"])]
    hardware = result["hardware"]
    yield ""
    yield (f"{hardware['cpu']}, {result['threads']} threads on CPUs {result['cpus']}; {result['date']}, "
           f"commit {result['commit']}")
    yield "rates by the median; (x): time of the peer by that of attn_mlir, run by run; ~: half of its times spread by over 10 %"
    yield f"{'':36} {'':8} {'ceiling':>8}" + "".join(f" {name:>18}" for name in names)
    for row in result["rows"]:
        line = f"{row['case']:36} {row['unit']:8} {row['ceiling']:8.1f}"
        for name in names:
            entry, text = row["entries"].get(name), "-"
            if entry:
                text = f"{entry['rate']:.1f}" + ("~" if entry["spread"] > 0.1 else "")
                text += f" ({row['ratios'][name]:.2f}x)" if name in row.get("ratios", {}) else \
                    f" {entry['of_ceiling']:.0%}" if entry["of_ceiling"] else ""
            line += f" {text:>18}"
        yield line
    yield ""
    yield from goals(result)
    for name, reason in result["missing"].items():
        yield f"{name}: not there: {reason}"
    reasons = {}
    for row in result["rows"]:
        for name, reason in row["missing"].items():
            reasons.setdefault((name, reason), []).append(row["case"])
    for (name, reason), found in reasons.items():
        yield f"{name}: {len(found)} cases without it ({found[0]} ..): {reason}"
    for name, text in result["amx"].items():
        yield f"AMX, {name}: {text}"
    for row in result["rows"]:
        if row.get("pool_by_cache") is not None and row["pool_by_cache"] < 2:
            yield f"{row['case']}: {row['pool_by_cache']:.2g} times the last cache, TOO SMALL to measure memory"


def goals(result):
    """What this project wants beside PyTorch, and the worst case of it."""
    for title, wanted, kinds, peers in (
        ("prefill by the best of PyTorch", 1.2, ("full", "causal"), ("SDPA", "FlexAttention")),
        ("decode by paged FlexAttention", 1.5, ("decode",), ("FlexAttention", "FlexAttention 128")),
        ("decode by gather and SDPA", 1.5, ("decode",), ("SDPA",)),
        ("decode by vLLM", 1.0, ("decode",), ("vLLM",)),
    ):
        found = []
        for row in result["rows"]:
            ratios = [row["ratios"][p] for p in peers if p in row.get("ratios", {})]
            if ratios and any(kind in row["case"] for kind in kinds):
                found.append((min(ratios), row["case"]))
        if found:
            reached = sum(value >= wanted for value, _ in found)
            yield (f"{title}: {min(found)[0]:.2f}x at least ({min(found)[1]}), {max(found)[0]:.2f}x at most; "
                   f"wanted {wanted}x, reached in {reached} of {len(found)} cases")


def write(result, folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    paths = [path]
    for kind, text in draw.all_plots(result).items():
        paths.append(folder / f"{name}-{kind}.svg")
        paths[-1].write_text(text, encoding="utf-8")
    return paths
