"""The cascade of a point of the matrix, as text of the dialect `attn`.

Requests b, KV heads g with r query heads each, queries p, keys m. Query p of
request b is at position p + off[b], and only the first nq[b] are there. Decode
has no rank p: its query is at off[b].
"""

from operands import CAP, FAR, Shapes, write_mask, write_views
from text import Function, subscript, type_of

I32 = "tensor<?xi32>"


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
    if score == "table":
        table = type_of([shapes.extents["g"], shapes.extents["r"], FAR + 1], "f32")
        fn.argument("biases", table)
        body = ["%g = attn.coord g", "%r = attn.coord r", "%key = attn.coord m"]
        body += ["%begin = arith.index_cast %first : i32 to index"]
        position = "begin"
        if not shapes.is_decode:
            body += ["%query = attn.coord p", "%position = arith.addi %begin, %query : index"]
            position = "position"
        body += [
            f"%behind = arith.subi %{position}, %key : index",
            "%zero = arith.constant 0 : index",
            f"%far = arith.constant {FAR} : index",
            "%least = arith.maxsi %behind, %zero : index",
            "%distance = arith.minsi %least, %far : index",
            f"%bias = tensor.extract %biases[%g, %r, %distance] : {table}",
            "%biased = arith.addf %s, %bias : f32",
            "attn.yield %biased : f32",
        ]
        fn.einsum(("st", type_), [raw, ("%off[b]", I32, "first", "i32")], to, body=body)
        return "st"
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
        body = binary("arith.maximumf", "x", "l")
        fn.einsum(("gms", row), operands, to_row, body=body)
        top = "gms"
    body = [
        "%d = arith.subf %s, %x : f32",
        "%r = math.exp %d : f32",
        "attn.yield %r : f32",
    ]
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


def names_of(point):
    """The names of the arguments of a point's function, in order."""
    head = write(point).partition("->")[0]
    return [x.rpartition("%")[2] for x in head.split(":") if "%" in x]


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
    left, types = ", ".join(names), ", ".join(out)
    fn.lines.append(f"  {left} = attn.cascade ranks({ranks}) -> ({types}) {{")
    where, extra = write_mask(fn, shapes, point["mask"])
    operands = [(shapes.at("q", "bpgre"), q), *keys, ("%scale", "f32")]
    to = subscript(*"bgrpm".replace("p", shapes.p))
    more = f"reduce add(e) {where}"
    fn.einsum(("qk", shapes.tensor("bgrpm")), operands, to, more, extra)
    scores = write_scores(fn, shapes, point["score"])
    total, top = write_softmax(fn, shapes, point["score"], scores)
    operands = [(shapes.at("a", "bgrpm"), shapes.tensor("bgrpm")), *values]
    to = subscript(*"bpgrf".replace("p", shapes.p))
    fn.einsum(("av", out[0]), operands, to, "reduce add(m)")
    results = ["%av"]
    if point["out"] == "lse":
        row = out[1]
        operands = [
            (shapes.at(total, "bgrp"), row, "t", "f32"),
            (shapes.at(top, "bgrp"), row, "x", "f32"),
        ]
        body = ["%log = math.log %t : f32", *binary("arith.addf", "log", "x")]
        to = subscript(*"bgrp".replace("p", shapes.p))
        fn.einsum(("lse", row), operands, to, body=body)
        results.append("%lse")
    fn.lines += [f"    attn.yield {', '.join(results)} : {types}", "  }"]
    return fn.text(name, out, left)
