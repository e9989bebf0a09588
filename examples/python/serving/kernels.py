"""The two kernels of a decoder over a paged cache, as cascades of Einsums.

`append` writes the keys and values of new tokens into their slots. `attend` is
causal grouped-query attention over the pages for a batch in which requests are in
any phase: some prefill a chunk, others decode one token or check a few drafts.
Both see the engine's tensors in place. Ranks: t new token; b request, p query of
it, m key; g KV head, r query head of its group; e and f channels.
"""

import attn_mlir


def append_text(heads, dim, page):
    new, cache = f"tensor<?x{heads}x{dim}xf32>", f"memref<?x{page}x{heads}x{dim}xf32>"

    def place(value, cache_name):
        return f"""  attn.place %{value}[t, g, e] symbols(s = %slots[t]) where (s >= 0)
      into %{cache_name}[s floordiv {page}, s mod {page}, g, e]
      : ({new}, {cache}, tensor<?xi32>) -> ()
"""

    return f"""func.func @append(%k: {new}, %v: {new}, %slots: tensor<?xi32>,
    %kp: {cache}, %vp: {cache}) {{
  %kn, %vn = attn.cascade ranks(t, g, e) -> ({new}, {new}) {{
    %k1 = attn.einsum %k[t, g, e] -> [t, g, e] : ({new}) -> {new}
    %v1 = attn.einsum %v[t, g, e] -> [t, g, e] : ({new}) -> {new}
    attn.yield %k1, %v1 : {new}, {new}
  }}
{place("kn", "kp")}{place("vn", "vp")}  return
}}
"""


def attend_text(heads, group, dim, page):
    flat = f"tensor<?x{heads}x{group}x{dim}xf32>"
    padded = f"tensor<?x?x{heads}x{group}x{dim}xf32>"
    keys = f"tensor<?x?x{heads}x{dim}xf32>"
    pool = f"memref<?x{page}x{heads}x{dim}xf32>"
    scores = f"tensor<?x{heads}x{group}x?x?xf32>"
    rows = f"tensor<?x{heads}x{group}x?xf32>"
    ends, table = "tensor<?xi32>", "memref<?x?xi32>"

    def view(name, channel):
        return f"""  %{name} = attn.view (b, m, g, {channel})
      symbols(pg = %table[b, m floordiv {page}], len = %len[b]) where (m < len)
      of %{name}p[pg, m mod {page}, g, {channel}] : ({pool}, {table}, {ends}) -> {keys}
"""

    return f"""func.func @attend(%q: {flat}, %kp: {pool}, %vp: {pool},
    %table: {table}, %len: {ends}, %qptr: {ends}, %scale: f32) -> {flat} {{
  %qv = attn.view (b, p, g, r, e)
      symbols(lo = %qptr[b], hi = %qptr[b + 1]) where (lo + p < hi)
      of %q[lo + p, g, r, e] : ({flat}, {ends}, {ends}) -> {padded}
{view("k", "e")}{view("v", "f")}  %o = attn.cascade ranks(b, g, r, p, m, e, f) -> {padded} {{
    %qk = attn.einsum %qv[b, p, g, r, e], %k[b, m, g, e], %scale -> [b, g, r, p, m]
        reduce add(e)
        symbols(lo = %qptr[b], hi = %qptr[b + 1], len = %len[b])
        where (m <= p + len - (hi - lo))
        : ({padded}, {keys}, f32, {ends}, {ends}, {ends}) -> {scores}
    %gm = attn.einsum %qk[b, g, r, p, m] -> [b, g, r, p] reduce max(m) : ({scores}) -> {rows}
    %sn = attn.einsum %qk[b, g, r, p, m], %gm[b, g, r, p] -> [b, g, r, p, m]
        : ({scores}, {rows}) -> {scores} {{
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }}
    %sd = attn.einsum %sn[b, g, r, p, m] -> [b, g, r, p] reduce add(m) : ({scores}) -> {rows}
    %a = attn.einsum %sn[b, g, r, p, m], %sd[b, g, r, p] -> [b, g, r, p, m]
        : ({scores}, {rows}) -> {scores} {{
    ^bb0(%x: f32, %y: f32):
      %z = arith.divf %x, %y : f32
      attn.yield %z : f32
    }}
    %av = attn.einsum %a[b, g, r, p, m], %v[b, m, g, f] -> [b, p, g, r, f] reduce add(m)
        : ({scores}, {keys}) -> {padded}
    attn.yield %av : {padded}
  }}
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %tokens = tensor.dim %q, %c0 : {flat}
  %out = tensor.splat %zero[%tokens] : {flat}
  %y = attn.place %o[b, p, g, r, f]
      symbols(lo = %qptr[b], hi = %qptr[b + 1]) where (lo + p < hi)
      into %out[lo + p, g, r, f] : ({padded}, {flat}, {ends}, {ends}) -> {flat}
  return %y : {flat}
}}
"""


class Kernels:
    """Compiled for one shape of heads and pages, with room for one step each."""

    def __init__(self, kv_heads, group, dim, page, workers=0):
        text = append_text(kv_heads, dim, page) + attend_text(kv_heads, group, dim, page)
        self.compiled = attn_mlir.compile(text)
        self.context = attn_mlir.Context()
        bundle = self.context.load(self.compiled.bundle)
        self.append = bundle.kernel("append").schedule(workers=workers)
        self.attend = bundle.kernel("attend").schedule(workers=workers)
