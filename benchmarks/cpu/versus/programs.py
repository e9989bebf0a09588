"""The cascade of a case: softmax attention as examples/dense.mlir and
examples/paged_gqa.mlir write it, with the element type, heads, page and mask of
the case; the result is rounded to the type of the operands, as that of peers is.

  b request   g KV head   r query head of its group   p query   m key
"""

TEXT = """!q = tensor<?x?x{g}x{r}x{c}x{t}>
!kv = tensor<?x?x{g}x{c}x{t}>
!scores = tensor<?x{g}x{r}x?x?xf32>
!rows = tensor<?x{g}x{r}x?xf32>
!wide = tensor<?x?x{g}x{r}x{c}xf32>

func.func @attend(%q: !q, {arguments}, %scale: f32) -> !q {{
{views}  %y = attn.cascade ranks(b, g, r, p, m, e, f) -> !q {{
    %qk = attn.einsum %q[b, p, g, r, e], %k[b, m, g, e], %scale -> [b, g, r, p, m]
        reduce add(e){where} : (!q, !kv, f32{symbols}) -> !scores
    %gm = attn.einsum %qk[b, g, r, p, m] -> [b, g, r, p] reduce max(m)
        : (!scores) -> !rows
    %sn = attn.einsum %qk[b, g, r, p, m], %gm[b, g, r, p] -> [b, g, r, p, m]
        : (!scores, !rows) -> !scores {{
    ^bb0(%s: f32, %x: f32):
      %shifted = arith.subf %s, %x : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }}
    %sd = attn.einsum %sn[b, g, r, p, m] -> [b, g, r, p] reduce add(m)
        : (!scores) -> !rows
    %a = attn.einsum %sn[b, g, r, p, m], %sd[b, g, r, p] -> [b, g, r, p, m]
        : (!scores, !rows) -> !scores {{
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }}
    %av = attn.einsum %a[b, g, r, p, m], %v[b, m, g, f] -> [b, p, g, r, f]
        reduce add(m) : (!scores, !kv) -> !wide
{result}  }}
  return %y : !q
}}
"""

ROUND = """    %o = attn.einsum %av[b, p, g, r, f] -> [b, p, g, r, f] : (!wide) -> !q {{
    ^bb0(%wide: f32):
      %narrow = arith.truncf %wide : f32 to {t}
      attn.yield %narrow : {t}
    }}
    attn.yield %o : !q
"""

VIEW = """  %{of} = attn.view (b, m, g, {c})
      symbols(pg = %table[b, m floordiv {page}], len = %len[b]) where (m < len)
      of %{of}p[pg, m mod {page}, g, {c}]
      : ({pool}, memref<?x?xi32>, tensor<?xi32>) -> !kv
"""


def text(case):
    """Arguments: q; k, v or k pool, v pool, table, lengths; scale. Result: as q."""
    names = {"g": case.heads, "r": case.group, "c": case.channels, "t": case.element}
    arguments, views, where, symbols = "%k: !kv, %v: !kv", "", "", ""
    if case.page:
        pool = f"memref<?x{case.page}x{case.heads}x{case.channels}x{case.element}>"
        arguments = f"%kp: {pool}, %vp: {pool}, %table: memref<?x?xi32>, %len: tensor<?xi32>"
        views = "".join(VIEW.format(of=of, c=channel, page=case.page, pool=pool)
                        for of, channel in ("ke", "vf"))
        where = "\n        symbols(len = %len[b]) where (len - 1 - m >= 0)"
        symbols = ", tensor<?xi32>"
    elif case.window:
        where = f"\n        where (p - m >= 0 and m - p + {case.window - 1} >= 0)"
    elif case.causal:
        where = "\n        where (p - m >= 0)"
    result = "    attn.yield %av : !wide\n" if case.element == "f32" else ROUND.format(**names)
    return TEXT.format(arguments=arguments, views=views, where=where, symbols=symbols, result=result, **names)
