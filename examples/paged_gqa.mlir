// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Causal grouped-query attention (GQA) over a paged KV cache, for a padded
// batch of requests: decode (one query), chunked prefill (some queries), full
// prefill.
//
// A page holds 16 tokens of 8 KV heads. Token m of request b lies in slot m mod
// 16 of page table[b, m floordiv 16]. Request b has len[b] keys; its queries
// are its newest tokens, so off[b] = len[b] - number of queries, and query p
// stands at position p + off[b]. Rows p past the number of queries are written
// as 0.
//
//   b request   g KV head   r query head in its group   p query   m key

!scores = tensor<?x8x4x?x?xf32>
!rows = tensor<?x8x4x?xf32>

func.func @paged_gqa(
    %q: tensor<?x?x8x4x128xf16>, %kp: memref<?x16x8x128xf16>,
    %vp: memref<?x16x8x128xf16>, %table: memref<?x?xi32>, %len: tensor<?xi32>,
    %off: tensor<?xi32>, %scale: f32) -> tensor<?x?x8x4x128xf32> {
  // The only two ops that know pages. Outside its domain (m < len) a view has
  // no points: neither the table entry nor the slot is looked at.
  %k = attn.view (b, m, g, e)
      symbols(pg = %table[b, m floordiv 16], len = %len[b]) where (m < len)
      of %kp[pg, m mod 16, g, e]
      : (memref<?x16x8x128xf16>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x128xf16>
  %v = attn.view (b, m, g, f)
      symbols(pg = %table[b, m floordiv 16], len = %len[b]) where (m < len)
      of %vp[pg, m mod 16, g, f]
      : (memref<?x16x8x128xf16>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x128xf16>

  %o = attn.cascade ranks(b, g, r, p, m, e, f) -> tensor<?x?x8x4x128xf32> {
    // QK: all r heads of a group read the same keys, because k has no rank r.
    // Causal; and the second conjunct ends the queries of a request. It does
    // not name m, so the reductions over m hand it on: those rows are absent.
    %qk = attn.einsum %q[b, p, g, r, e], %k[b, m, g, e], %scale
        -> [b, g, r, p, m] reduce add(e)
        symbols(off = %off[b], len = %len[b])
        where (p + off - m >= 0 and len - 1 - off - p >= 0)
        : (tensor<?x?x8x4x128xf16>, tensor<?x?x8x128xf16>, f32, tensor<?xi32>,
           tensor<?xi32>) -> !scores

    // GM: maximum of a row.
    %gm = attn.einsum %qk[b, g, r, p, m] -> [b, g, r, p] reduce max(m)
        : (!scores) -> !rows

    // SN: softmax numerator.
    %sn = attn.einsum %qk[b, g, r, p, m], %gm[b, g, r, p] -> [b, g, r, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %x: f32):
      %shifted = arith.subf %s, %x : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }

    // SD: softmax denominator.
    %sd = attn.einsum %sn[b, g, r, p, m] -> [b, g, r, p] reduce add(m)
        : (!scores) -> !rows

    // A: attention weights.
    %a = attn.einsum %sn[b, g, r, p, m], %sd[b, g, r, p] -> [b, g, r, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }

    // AV: weighted sum of the values.
    %av = attn.einsum %a[b, g, r, p, m], %v[b, m, g, f] -> [b, p, g, r, f]
        reduce add(m)
        : (!scores, tensor<?x?x8x128xf16>) -> tensor<?x?x8x4x128xf32>
    attn.yield %av : tensor<?x?x8x4x128xf32>
  }
  return %o : tensor<?x?x8x4x128xf32>
}
