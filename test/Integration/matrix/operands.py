"""Types of the values of a point, where its keys and values lie, and its mask."""

from points import kv_heads_of, widths_of
from text import subscript, type_of

CACHE_ELEMENTS = {"f16": "f16", "bf16": "bf16", "e4m3": "f8E4M3FN"}
SPECULATIVE = 4
# Narrower than a tile, so that a row's keys begin and end inside one.
WINDOW = 40
SINKS = 4
CAP = 30.0
FAR = 23  # largest distance that a table of biases tells from others
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
