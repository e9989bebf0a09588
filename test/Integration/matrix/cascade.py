"""The cascade of a point of the matrix, as text of the dialect `attn`.

Requests b, KV heads g with r query heads each, queries p, keys m. Query p of
request b is at position p + off[b], and only the first nq[b] are there. Decode
has no rank p: its query is at off[b].
"""

from points import kv_heads_of, widths_of
from text import Function, subscript, type_of

CACHE_ELEMENTS = {"f16": "f16", "bf16": "bf16", "e4m3": "f8E4M3FN"}
SPECULATIVE = 4
# Narrower than a tile, so that a row's keys begin and end inside one.
WINDOW = 40
SINKS = 4
CAP = 30.0
# Keys and queries of a block; most blocks of a list.
BLOCK = 64
LISTED = 32

I32 = type_of("?", "i32")


class Shapes:
    """Types of the values of a point."""

    def __init__(self, point):
        self.cache = CACHE_ELEMENTS[point["dtype"]]
        self.query = "f16" if point["dtype"] == "e4m3" else self.cache
        e, f = widths_of(point)
        self.is_decode = point["phase"] == "decode"
        self.extents = {
            "b": "?",
            "g": kv_heads_of(point),
            "r": int(point["gqa"]),
            "p": SPECULATIVE if point["phase"] == "spec4" else "?",
            "m": "?",
            "e": e,
            "f": f,
        }
        self.p = "" if self.is_decode else "p"

    def tensor(self, ranks, element="f32"):
        """The type of a value with these ranks, "bgrpm"."""
        ranks = ranks.replace("p", self.p)
        return type_of([self.extents[x] for x in ranks], element)

    def at(self, name, ranks):
        """A value with its subscript: %qk[b, g, r, p, m]."""
        return f"%{name}{subscript(*ranks.replace('p', self.p))}"


def write_views(fn, shapes, point):
    """Keys and values: from pages, or the tokens of a request in a row."""
    page, is_paged = point["page"], point["page"] != "none"
    e, f, g = (shapes.extents[x] for x in "efg")
    slots, kind = (page, "memref") if is_paged else ("?", "tensor")
    sizes = ["?", g, slots] if point["pool"] == "hnd" else ["?", slots, g]
    if point["pool"] == "mixed":
        pools = {"kvp": e + f}
        parts = [("k", "kvp", "e", "e"), ("v", "kvp", "f", f"{e} + f")]
    else:
        pools = {"kp": e, "vp": f}
        parts = [("k", "kp", "e", "e"), ("v", "vp", "f", "f")]
    types = {
        name: fn.argument(name, type_of([*sizes, width], shapes.cache, kind))
        for name, width in pools.items()
    }
    symbols = {}
    if is_paged:
        table = fn.argument("table", "memref<?x?xi32>")
        symbols["pg"] = (f"%table[b, m floordiv {page}]", table)
    symbols["len"] = ("%len[b]", fn.argument("len", I32))
    first, slot = ("pg", f"m mod {page}") if is_paged else ("b", "m")
    for name, pool, rank, channel in parts:
        places = ["g", slot] if point["pool"] == "hnd" else [slot, "g"]
        fn.view(
            (name, shapes.tensor(f"bmg{rank}", shapes.cache)),
            ["b", "m", "g", rank],
            symbols,
            (pool, types[pool]),
            subscript(first, *places, channel),
        )


def write_mask(fn, shapes, mask):
    """Text behind the reduction of QK and the types of what it names."""
    at = "off" if shapes.is_decode else "p + off"
    there = "" if shapes.is_decode else "p < nq"
    past, near = f"m <= {at}", f"m > {at} - {WINDOW}"
    sets = {
        "none": [[]],
        "presence": [[]],
        "window": [[past, near]],
        "sinks": [[past, near], [past, f"m < {SINKS}"]],
        "prefix": [[past], ["m < pre"]],
    }.get(mask, [[past]])
    sets = [[x for x in [there, *terms] if x] for terms in sets]
    where = " or ".join(f"({' and '.join(terms)})" for terms in sets if terms)
    conditions, types = [where] if where else [], []
    symbols = ["nq"] if there else []
    if any(at in term for terms in sets for term in terms):
        symbols.append("off")
    if mask == "prefix":
        symbols.append("pre")
        fn.argument("pre", I32)
    types += [I32] * len(symbols)
    behind = ""
    if mask == "presence":
        conditions.append(shapes.at("tree", "bpm"))
        types.append(fn.argument("tree", shapes.tensor("bpm", "i1")))
    elif mask == "documents":
        conditions.append(f"{shapes.at('qdoc', 'bp')} == %kdoc[b, m]")
        types.append(fn.argument("qdoc", shapes.tensor("bp", "i32")))
        types.append(fn.argument("kdoc", shapes.tensor("bm", "i32")))
    elif mask == "blocks":
        t = [] if shapes.is_decode else ["?"]
        lists = fn.argument("list", type_of(["?", *t, "?"], "i32"))
        count = fn.argument("count", type_of(["?", *t], "i32"))
        ranks = subscript("b", "t" if t else "")
        coords = f"!attn.coords<{BLOCK}, {LISTED}>"
        fn.lines += [
            f"    %tiles = attn.select listed %list{ranks}, %count{ranks}",
            f"        -> {ranks} : ({lists}, {count}) -> {coords}",
        ]
        tile = subscript("b", f"p floordiv {BLOCK}" if t else "")
        behind = f" at m in %tiles{tile}"
        types.append(coords)
    text = f"symbols({', '.join(f'{s} = %{s}[b]' for s in symbols)})" if symbols else ""
    if conditions:
        text += f" where {' and '.join(conditions)}"
    return text + behind, types


def write_scores(fn, shapes, score):
    """What happens to scores in front of the softmax; the name of the result."""
    type_ = shapes.tensor("bgrpm")
    raw = (shapes.at("qk", "bgrpm"), type_, "s", "f32")
    to = subscript(*"bgrpm".replace("p", shapes.p))
    if score == "softcap":
        body = [
            f"%cap = arith.constant {CAP} : f32",
            "%ratio = arith.divf %s, %cap : f32",
            "%tanh = math.tanh %ratio : f32",
            "%capped = arith.mulf %tanh, %cap : f32",
            "attn.yield %capped : f32",
        ]
        fn.einsum(("sc", type_), [raw], to, body=body)
        return "sc"
    if score == "alibi":
        slope = fn.argument("slope", shapes.tensor("gr"))
        operands = [
            raw,
            ("%slope[g, r]", slope, "falls", "f32"),
            ("%off[b]", I32, "first", "i32"),
        ]
        body = [
            "%key = attn.coord m",
            "%key32 = arith.index_cast %key : index to i32",
            "%behind = arith.subi %key32, %first : i32",
        ]
        ahead = "behind"
        if not shapes.is_decode:
            body += [
                "%query = attn.coord p",
                "%query32 = arith.index_cast %query : index to i32",
                "%ahead = arith.subi %behind, %query32 : i32",
            ]
            ahead = "ahead"
        body += [
            f"%distance = arith.sitofp %{ahead} : i32 to f32",
            "%bias = arith.mulf %falls, %distance : f32",
            "%biased = arith.addf %s, %bias : f32",
            "attn.yield %biased : f32",
        ]
        fn.einsum(("sb", type_), operands, to, body=body)
        return "sb"
    return "qk"


def binary(op, x, y):
    return [f"%r = {op} %{x}, %{y} : f32", "attn.yield %r : f32"]


def write_softmax(fn, shapes, score, scores):
    """Weights %a; the names of the denominator and the maximum."""
    all_, row = shapes.tensor("bgrpm"), shapes.tensor("bgrp")
    to_all = subscript(*"bgrpm".replace("p", shapes.p))
    to_row = subscript(*"bgrp".replace("p", shapes.p))

    def value(name, ranks, parameter):
        return (shapes.at(name, ranks), shapes.tensor(ranks), parameter, "f32")

    has_sink = score == "sink"
    top, total = "gm", "sd"
    fn.einsum(("gm", row), [value(scores, "bgrpm", "s")], to_row, "reduce max(m)")
    if has_sink:
        fn.argument("sink", shapes.tensor("gr"))
        sink = ("%sink[g, r]", shapes.tensor("gr"), "l", "f32")
        operands = [value("gm", "bgrp", "x"), sink]
        fn.einsum(("gms", row), operands, to_row, body=binary("arith.maximumf", "x", "l"))
        top = "gms"
    body = ["%d = arith.subf %s, %x : f32", "%r = math.exp %d : f32", "attn.yield %r : f32"]
    operands = [value(scores, "bgrpm", "s"), value(top, "bgrp", "x")]
    fn.einsum(("sn", all_), operands, to_all, body=body)
    fn.einsum(("sd", row), [value("sn", "bgrpm", "s")], to_row, "reduce add(m)")
    if has_sink:
        operands = [value("sd", "bgrp", "t"), value(top, "bgrp", "x"), sink]
        body = [
            "%d = arith.subf %l, %x : f32",
            "%n = math.exp %d : f32",
            "%r = arith.addf %t, %n : f32",
            "attn.yield %r : f32",
        ]
        fn.einsum(("sds", row), operands, to_row, body=body)
        total = "sds"
    operands = [value("sn", "bgrpm", "n"), value(total, "bgrp", "t")]
    fn.einsum(("a", all_), operands, to_all, body=binary("arith.divf", "n", "t"))
    return total, top


def write(point, name="point"):
    """The text of the function @`name` of a point."""
    fn, shapes = Function(), Shapes(point)
    q = fn.argument("q", shapes.tensor("bpgre", shapes.query))
    write_views(fn, shapes, point)
    fn.argument("off", I32)
    if not shapes.is_decode:
        fn.argument("nq", I32)
    fn.argument("scale", "f32")
    keys = [("%k[b, m, g, e]", shapes.tensor("bmge", shapes.cache))]
    values = [("%v[b, m, g, f]", shapes.tensor("bmgf", shapes.cache))]
    if point["dtype"] == "e4m3":
        keys.append(("%kscale[g]", fn.argument("kscale", shapes.tensor("g"))))
        values.append(("%vscale[g]", fn.argument("vscale", shapes.tensor("g"))))
    out = [shapes.tensor("bpgrf")]
    if point["out"] == "lse":
        out.append(shapes.tensor("bgrp"))
    names = ["%o", "%lse_out"][: len(out)]
    ranks = subscript(*"bgr", shapes.p, *"mef").strip("[]")
    if point["mask"] == "blocks" and not shapes.is_decode:
        ranks += ", t"
    fn.lines.append(f"  {', '.join(names)} = attn.cascade ranks({ranks}) -> ({', '.join(out)}) {{")
    where, extra = write_mask(fn, shapes, point["mask"])
    operands = [(shapes.at("q", "bpgre"), q), *keys, ("%scale", "f32")]
    to = subscript(*"bgrpm".replace("p", shapes.p))
    fn.einsum(("qk", shapes.tensor("bgrpm")), operands, to, f"reduce add(e) {where}", extra)
    scores = write_scores(fn, shapes, point["score"])
    total, top = write_softmax(fn, shapes, point["score"], scores)
    operands = [(shapes.at("a", "bgrpm"), shapes.tensor("bgrpm")), *values]
    to = subscript(*"bpgrf".replace("p", shapes.p))
    fn.einsum(("av", out[0]), operands, to, "reduce add(m)")
    results = ["%av"]
    if point["out"] == "lse":
        row = out[1]
        operands = [(shapes.at(total, "bgrp"), row, "t", "f32"), (shapes.at(top, "bgrp"), row, "x", "f32")]
        body = ["%log = math.log %t : f32", *binary("arith.addf", "log", "x")]
        fn.einsum(("lse", row), operands, subscript(*"bgrp".replace("p", shapes.p)), body=body)
        results.append("%lse")
    fn.lines.append(f"    attn.yield {', '.join(results)} : {', '.join(out)}")
    fn.lines.append("  }")
    return fn.text(name, out, ", ".join(names))
