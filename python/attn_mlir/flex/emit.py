# Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The text of the cascade of traced functions.

Ranks: b batch; h head, or g KV head and r query head of its group; p query; m key;
e and f channels. Each tensor that is read at an affine index becomes an argument
with one axis per coordinate of that index, a view of the user's memory: the index
`q_idx - kv_idx + n` of a table is an axis p of stride 1 and an axis m of stride -1.
"""

import math
import re

from . import expr, ops
from .affine import COORDS, coords_of
from .masks import split
from .region import Region, number
from .space import Space


def _keep_rows(parts):
    """Makes every condition one on the keys.

    What names a row alone makes the row absent, and absent rows are written as 0:
    right for sums of values, but the logarithm of no sum is -inf. A union with a set
    that only names keys, though none is in it, says nothing about rows, and flags
    have an axis of keys.
    """
    if parts.sets:
        parts.sets = [*parts.sets, ("m < 0",)]
    of_rows = [p for p in parts.equal if "kv" not in coords_of(p[0]) + coords_of(p[1])]
    # By identity: == of expressions is an expression.
    parts.equal = [p for p in parts.equal if not any(p is o for o in of_rows)]
    parts.flags += [ops.compare("eq", a, b) for a, b in of_rows]
    parts.flags += [r for r in parts.bools if "kv" not in coords_of(r)]
    parts.bools = [r for r in parts.bools if "kv" in coords_of(r)]


def may_be_minus_infinity(score):
    """Whether a finite q k can become -inf, as far as operations tell."""
    return any(
        value.op in ("read", "log")
        or (value.op == "const" and math.isinf(value.data))
        or (value.op == "div" and not ops.is_const(value.args[1]))
        for value in expr.walk([score])
        if value.kind == expr.FLOAT
    )


def _tells_keys_by_request(condition):
    return any(
        v.op == "read" and {"b", "kv"} <= v.coords and "q" not in v.coords
        for v in expr.walk([condition])
    )


class Cascade:
    """Text of one shape and the arguments behind q, k and v."""

    def __init__(self, mask, score, shape, scale):
        self.space = Space(shape)
        self.shape, self.scale = shape, scale
        g = "" if shape.group == 1 else "g"
        self.head = "h" if not g else "g, r"
        self.kv_head = g or "h"
        self.lines = []
        self.heads_differ = False  # whether each KV head of a request has its own keys
        self.where, self.where_types = self._where(mask)
        self.traced_score = score
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
        if self.shape.lse:
            _keep_rows(parts)
        if parts.sets is not None:
            sets = parts.sets or [("m < 0",)]
            clauses.append(" or ".join("(" + " and ".join(s or ("m >= 0",)) + ")" for s in sets))
            text = clauses[0]
            used = set(re.findall(r"\b(?:s\d+|off)\b", text))
            for name, (argument, where, kind) in self.space.symbols.items():
                if name in used:
                    symbols.append((f"{name} = {argument}{where}", kind))
                    self.heads_differ |= name != "off" and self.space.names_head(name)
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
        # What only tells requests apart is one of their rows, or else requests that
        # share keys would each have keys of their own.
        if self.shape.page and "b" in coords and not _tells_keys_by_request(condition):
            coords = [c for c in COORDS if c in (*coords, "q")]
        # A flag is computed with the keys of a tile: what names a row alone too.
        if "kv" not in coords:
            coords = (*coords, "kv")
        names = ", ".join(self.space.rank_names(coords))
        name = f"%flag{sum('%flag' in line for line in self.lines)}"
        region = Region(self.space)
        result = region.value(condition)
        kind = self.tensor(names, "i1")
        self.lines.append(region.einsum(name, names, kind, [], result, "i1"))
        return f"{name}[{names}]", [kind]

    def _score(self, score):
        if score is None or score.op == "score":
            return None
        names = f"b, {self.head}, p, m"
        kind = self.tensor(names, "f32")
        region = Region(self.space)
        region.take_score()
        if "kv" not in coords_of(score) and not any(v.op == "score" for v in expr.walk([score])):
            # What is the same for all keys is nothing along them: what positions
            # choose is, and no two of them are that far apart.
            apart = expr.Value("coord", (), expr.INT, "kv") - expr.Value("coord", (), expr.INT, "q")
            score = ops.where(-(2**30) < apart, score, 0.0)
        result = region.value(ops.convert(score, expr.FLOAT))
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

    def _at_least(self, name, of, bits):
        row = f"b, {self.head}, p"
        rows = self.tensor(row, "f32")
        return f"""    {name} = attn.einsum {of}[{row}] -> [{row}] : ({rows}) -> {rows} {{
    ^bb0(%x: f32):
      %least = arith.constant {bits} : f32
      %y = arith.maximumf %x, %least : f32
      attn.yield %y : f32
    }}
"""

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
        # Where scores may be -inf by data, a row may hold nothing else: its maximum is
        # taken as a finite one and its sum, 0, as a positive one, so that its weights
        # are exp(-inf) / least = 0. Rows above keep their numbers: their sum is 1 or
        # more. Half of the least float, as kernels multiply by log2(e) before exp2.
        shift, total, lows, sums = "%gm", "%sd", "", ""
        if self.score and may_be_minus_infinity(self.traced_score):
            shift, total = "%gl", "%sl"
            lows = self._at_least(shift, "%gm", "0xFEFFFFFF")  # -FLT_MAX / 2
            sums = self._at_least(total, "%sd", "0x00800000")  # FLT_MIN
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
        lse, names, results, yields = "", "%o", out, last
        if s.lse:
            lse = f"""    %lse = attn.einsum %sd[{row}], %gm[{row}] -> [{row}] : ({rows}, {rows}) -> {rows} {{
    ^bb0(%x: f32, %y: f32):
      %d = math.log %x : f32
      %z = arith.addf %d, %y : f32
      attn.yield %z : f32
    }}
"""
            names, results, yields = "%o, %l", f"({out}, {rows})", f"{last}, %lse"
        types = results.strip("()")
        return f"""func.func @flex(%q: {q}, {parameters}{arguments}) -> {results} {{
  %scale = arith.constant {number(self.scale)} : f32
{views}  {names} = attn.cascade ranks(b, {head}, p, m, e, f) -> {results} {{
{''.join(self.lines)}    %qk = attn.einsum %q[{row}, e], %k[b, {kv}, m, e], %scale -> [{point}] reduce add(e)
{self.where}        : ({q}, {k}, f32{extra}) -> {scores}
{self.score or ''}    %gm = attn.einsum {top}[{point}] -> [{row}] reduce max(m) : ({scores}) -> {rows}
{lows}    %sn = attn.einsum {top}[{point}], {shift}[{row}] -> [{point}] : ({scores}, {rows}) -> {scores} {{
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }}
    %sd = attn.einsum %sn[{point}] -> [{row}] reduce add(m) : ({scores}) -> {rows}
{sums}    %a = attn.einsum %sn[{point}], {total}[{row}] -> [{point}] : ({scores}, {rows}) -> {scores} {{
    ^bb0(%x: f32, %y: f32):
      %z = arith.divf %x, %y : f32
      attn.yield %z : f32
    }}
    %av = attn.einsum %a[{point}], %v[b, {kv}, m, f] -> [{row}, f] reduce add(m)
        : ({scores}, {v}) -> {wide}
{narrow}{lse}    attn.yield {yields} : {types}
  }}
  return {names} : {types}
}}
"""
