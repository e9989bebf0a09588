# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The text of the cascade of traced functions.

Ranks: b batch; h head, or g KV head and r query head of its group; p query; m key;
e and f channels. Each tensor that is read at an affine index becomes an argument
with one axis per coordinate of that index, a view of the user's memory: the index
`q_idx - kv_idx + n` of a table is an axis p of stride 1 and an axis m of stride -1.
"""

import dataclasses
import re

from . import expr
from .affine import affine_text, coords_of, linear
from .errors import TraceError
from .masks import split
from .region import Region

_ELEMENTS = {
    "bool": "i1", "bool_": "i1", "int8": "i8", "int16": "i16", "int32": "i32",
    "int64": "i64", "float16": "f16", "bfloat16": "bf16", "float32": "f32",
    "float64": "f64",
}


def element_type(dtype, place):
    name = str(dtype).rsplit(".", 1)[-1]
    if name not in _ELEMENTS:
        raise TraceError(
            "expects captured tensors of type "
            f"{', '.join(sorted(set(_ELEMENTS) - {'bool_'}))}, but got {name}",
            place,
        )
    return _ELEMENTS[name]


@dataclasses.dataclass(frozen=True)
class Shape:
    """What the text is made for; lengths and the batch are free but for reports."""

    head_dim: int = 64
    value_dim: int = 64
    group: int = 1  # query heads per KV head
    element: str = "f32"
    lengths: tuple = ()  # batch, KV heads, queries, keys; (): free
    page: int = 0  # tokens of a page of the cache; 0: k and v are dense

    def size(self, rank):
        """The size of a rank in types."""
        known = {"r": self.group, "e": self.head_dim, "f": self.value_dim}
        if self.lengths:
            batch, heads, rows, keys = self.lengths
            known |= {"b": batch, "h": heads, "g": heads, "p": rows, "m": keys}
        return str(known.get(rank, "?"))


@dataclasses.dataclass
class Access:
    """An argument: which tensor, and how it is seen.

    `coords`: its axes, by coordinate; None: the tensor as it is. `indices`: one
    linear form per axis of the tensor.
    """

    tensor: object
    element: str
    coords: tuple = None
    indices: tuple = ()
    place: tuple = ("", 0)
    # A last axis of size 1: for strides that are not 1.
    padded: bool = False


class Space:
    """Names of coordinates, symbols and arguments of one cascade."""

    def __init__(self, shape):
        self.shape = shape
        self.accesses, self._known = [], {}
        self.symbols = {}  # name -> (argument name, map)
        self.ranks = ("b", "h") if shape.group == 1 else ("b", "g", "r")

    def coord(self, name):
        if name == "q" and self.shape.page:
            # The position of a request's first query is data of the call.
            self.symbols["off"] = ("%off", "[b]", "tensor<?xi32>")
            return "(p + off)"
        if name == "h" and self.shape.group > 1:
            return f"(g * {self.shape.group} + r)"
        return {"q": "p", "kv": "m"}.get(name, name)

    def rank_names(self, coords):
        out = []
        for c in coords:
            both = c == "h" and self.shape.group > 1
            out += ["g", "r"] if both else [{"q": "p", "kv": "m"}.get(c, c)]
        return out

    def has_view(self, read):
        """Whether a read is an element of a view of its tensor at ranks."""
        # Queries of paged requests begin anywhere: no view has such an index.
        if self.shape.page and "q" in coords_of(read):
            return False
        return all(linear(i) is not None for i in read.args)

    def access(self, read):
        """(name, map, type) of an argument for a read, or None if no view has it."""
        if not self.has_view(read):
            return None
        indices = tuple(linear(i) for i in read.args)
        coords = coords_of(read)
        # The same view for equal indices, with the memory as it is if it can.
        bare = [i for i in indices if set(i.values()) - {0}]
        last = indices[-1] if indices else {}
        padded = bool(coords) and not (
            coords[-1] in ("q", "kv", "b")
            and last.get(coords[-1]) == 1
            and sum(1 for i in bare if i.get(coords[-1])) == 1
            and _is_contiguous(read.data)
        )
        key = (id(read.data), tuple(tuple(sorted(i.items(), key=str)) for i in indices))
        if key not in self._known:
            element = element_type(read.data.dtype, read.place)
            self._known[key] = len(self.accesses)
            self.accesses.append(
                Access(read.data, element, coords, indices, read.place, padded)
            )
        number = self._known[key]
        return f"%x{number}", self.map(number), self.type(number)

    def whole(self, read):
        """(name, type) of the tensor itself, for indices that are computed."""
        key = (id(read.data), None)
        if key not in self._known:
            element = element_type(read.data.dtype, read.place)
            self._known[key] = len(self.accesses)
            self.accesses.append(Access(read.data, element, None, (), read.place))
        number = self._known[key]
        return f"%x{number}", self.type(number)

    def map(self, number):
        """Of an operand; "" for a scalar."""
        access = self.accesses[number]
        names = self.rank_names(access.coords) + (["0"] if access.padded else [])
        return f"[{', '.join(names)}]" if names else ""

    def type(self, number):
        access = self.accesses[number]
        if access.coords is None:
            sizes = ["?"] * len(access.tensor.shape)
        else:
            sizes = [self.shape.size(n) for n in self.rank_names(access.coords)]
            sizes += ["1"] if access.padded else []
        return f"tensor<{'x'.join(sizes)}x{access.element}>" if sizes else access.element

    def symbol(self, read):
        """A name for an integer that is read at the query's side, or None."""
        if read.kind != expr.INT or "kv" in coords_of(read):
            return None
        found = self.access(read)
        if found is None:
            return None
        name = f"s{found[0][2:]}"
        self.symbols[name] = found
        return name


def _is_contiguous(tensor):
    """Last axis of stride 1, as far as Python can tell."""
    if not tensor.shape:
        return True
    if hasattr(tensor, "strides") and hasattr(tensor, "itemsize"):
        return tuple(tensor.strides)[-1] == tensor.itemsize
    return hasattr(tensor, "stride") and tensor.stride()[-1] == 1


class Cascade:
    """Text of one shape and the arguments behind q, k and v."""

    def __init__(self, mask, score, shape, scale):
        self.space = Space(shape)
        self.shape, self.scale = shape, scale
        g = "" if shape.group == 1 else "g"
        self.head = "h" if not g else "g, r"
        self.kv_head = g or "h"
        self.lines = []
        self.where, self.where_types = self._where(mask)
        self.score = self._score(score)
        self.text = self._text()

    # Types. Only the group, the channels and the elements are static.
    def tensor(self, names, element):
        sizes = [self.shape.size(n) for n in names.replace(" ", "").split(",")]
        return f"tensor<{'x'.join(sizes)}x{element}>"

    def _where(self, mask):
        if mask is None:
            return "", []
        parts = split(mask, self.space)
        clauses, types, symbols = [], [], []
        if parts.sets is not None:
            sets = parts.sets or [("m < 0",)]
            clauses.append(" or ".join("(" + " and ".join(s or ("m >= 0",)) + ")" for s in sets))
            text = clauses[0]
            used = set(re.findall(r"\b(?:s\d+|off)\b", text))
            for name, (argument, where, kind) in self.space.symbols.items():
                if name in used:
                    symbols.append((f"{name} = {argument}{where}", kind))
        data = []
        for a, b in parts.equal:
            (x, xm, xt), (y, ym, yt) = self.space.access(a), self.space.access(b)
            data.append((f"{x}{xm} == {y}{ym}", [xt, yt]))
        for read in parts.bools:
            x, xm, xt = self.space.access(read)
            data.append((f"{x}{xm}", [xt]))
        for flag in parts.flags:
            data.append(self._flag(flag))
        out = ""
        if symbols:
            out += f"        symbols({', '.join(s for s, _ in symbols)})\n"
            types += [t for _, t in symbols]
        clauses += [text for text, _ in data]
        for _, more in data:
            types += more
        if clauses:
            out += "        where " + "\n          and ".join(clauses) + "\n"
        return out, types

    def _flag(self, condition):
        coords = coords_of(condition)
        if self.shape.page and "q" in coords and "b" not in coords:
            coords = ("b", *coords)
        names = ", ".join(self.space.rank_names(coords))
        name = f"%flag{sum('%flag' in line for line in self.lines)}"
        region = Region(self.space)
        result = region.value(condition)
        kind = self.tensor(names, "i1") if coords else "tensor<i1>"
        self.lines.append(region.einsum(name, names, kind, [], result, "i1"))
        return f"{name}[{names}]", [kind]

    def _score(self, score):
        if score is None or score.op == "score":
            return None
        names = f"b, {self.head}, p, m"
        kind = self.tensor(names, "f32")
        region = Region(self.space)
        region.take_score()
        result = region.value(expr.convert(score, expr.FLOAT))
        return region.einsum(
            "%mod", names, kind, [(f"%qk[{names}]", kind, "f32")], result, "f32"
        )

    def _pages(self, k, v):
        """Parameters and views of a paged cache [pages, page, heads, channels]."""
        s, kv = self.shape, self.kv_head
        table, lengths = "memref<?x?xi32>", "tensor<?xi32>"
        pools, views = [], []
        for name, axis, size, kind in (("k", "e", s.head_dim, k), ("v", "f", s.value_dim, v)):
            pool = f"memref<?x{s.page}x?x{size}x{s.element}>"
            pools.append(f"%{name}p: {pool}")
            views.append(
                f"""  %{name} = attn.view (b, {kv}, m, {axis})
      symbols(pg = %table[b, m floordiv {s.page}], len = %len[b]) where (m < len)
      of %{name}p[pg, m mod {s.page}, {kv}, {axis}]
      : ({pool}, {table}, {lengths}) -> {kind}
"""
            )
        pools += [f"%table: {table}", f"%len: {lengths}", f"%off: {lengths}"]
        return ",\n    ".join(pools), "".join(views)

    def _text(self):
        s, head, kv = self.shape, self.head, self.kv_head
        point, row = f"b, {head}, p, m", f"b, {head}, p"
        scores, rows = self.tensor(point, "f32"), self.tensor(row, "f32")
        q = self.tensor(f"{row}, e", s.element)
        k = self.tensor(f"b, {kv}, m, e", s.element)
        v = self.tensor(f"b, {kv}, m, f", s.element)
        parameters, views = f"%k: {k},\n    %v: {v}", ""
        if s.page:
            parameters, views = self._pages(k, v)
        wide = self.tensor(f"{row}, f", "f32")
        out = self.tensor(f"{row}, f", s.element)
        top = "%mod" if self.score else "%qk"
        extra = "".join(f", {t}" for t in self.where_types)
        arguments = "".join(
            f", %x{i}: {self.space.type(i)}" for i in range(len(self.space.accesses))
        )
        narrow, last = "", "%av"
        if s.element != "f32":
            last = "%o32"
            narrow = f"""    %o32 = attn.einsum %av[{row}, f] -> [{row}, f] : ({wide}) -> {out} {{
    ^bb0(%x: f32):
      %y = arith.truncf %x : f32 to {s.element}
      attn.yield %y : {s.element}
    }}
"""
        return f"""func.func @flex(%q: {q}, {parameters}{arguments}) -> {out} {{
  %scale = arith.constant {_number(self.scale)} : f32
{views}  %o = attn.cascade ranks(b, {head}, p, m, e, f) -> {out} {{
{''.join(self.lines)}    %qk = attn.einsum %q[{row}, e], %k[b, {kv}, m, e], %scale -> [{point}] reduce add(e)
{self.where}        : ({q}, {k}, f32{extra}) -> {scores}
{self.score or ''}    %gm = attn.einsum {top}[{point}] -> [{row}] reduce max(m) : ({scores}) -> {rows}
    %sn = attn.einsum {top}[{point}], %gm[{row}] -> [{point}] : ({scores}, {rows}) -> {scores} {{
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }}
    %sd = attn.einsum %sn[{point}] -> [{row}] reduce add(m) : ({scores}) -> {rows}
    %a = attn.einsum %sn[{point}], %sd[{row}] -> [{point}] : ({scores}, {rows}) -> {scores} {{
    ^bb0(%x: f32, %y: f32):
      %z = arith.divf %x, %y : f32
      attn.yield %z : f32
    }}
    %av = attn.einsum %a[{point}], %v[b, {kv}, m, f] -> [{row}, f] reduce add(m)
        : ({scores}, {v}) -> {wide}
{narrow}    attn.yield {last} : {out}
  }}
  return %o : {out}
}}
"""


def _number(value):
    """A float as MLIR reads it."""
    text = repr(float(value))
    mantissa, sign, exponent = text.partition("e")
    return (mantissa if "." in mantissa else mantissa + ".0") + sign + exponent
