// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Causal GQA on the flat layout of serving engines: the queries of all requests
// stand one after another without padding; those of request b are the rows
// qptr[b] .. qptr[b + 1] - 1 of q and of the result. K and V are in pages of
// 16.
//
// A view gives the flat queries their two ranks (b, p), and `attn.place` is its
// inverse: it writes the present points of the result back to flat rows.
//
//   b request   p query of the request   g KV head   r query head in its group

!scores = tensor<?x8x4x?x?xf32>
!rows = tensor<?x8x4x?xf32>

func.func @varlen(
    %q: tensor<?x8x4x128xf16>, %kp: memref<?x16x8x128xf16>,
    %vp: memref<?x16x8x128xf16>, %table: memref<?x?xi32>, %len: tensor<?xi32>,
    %qptr: tensor<?xi32>, %scale: f32) -> tensor<?x8x4x128xf32> {
  %qv = attn.view (b, p, g, r, e)
      symbols(lo = %qptr[b], hi = %qptr[b + 1]) where (lo + p < hi)
      of %q[lo + p, g, r, e]
      : (tensor<?x8x4x128xf16>, tensor<?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x4x128xf16>
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
    // QK: the last query of a request stands at its last key, so query p is at
    // position p + len - (hi - lo).
    %qk = attn.einsum %qv[b, p, g, r, e], %k[b, m, g, e], %scale
        -> [b, g, r, p, m] reduce add(e)
        symbols(lo = %qptr[b], hi = %qptr[b + 1], len = %len[b])
        where (m <= p + len - (hi - lo))
        : (tensor<?x?x8x4x128xf16>, tensor<?x?x8x128xf16>, f32, tensor<?xi32>,
           tensor<?xi32>, tensor<?xi32>) -> !scores

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

  // One result row per row of q. Rows of no request keep what the destination
  // holds, 0.
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %tokens = tensor.dim %q, %c0 : tensor<?x8x4x128xf16>
  %dst = tensor.splat %zero[%tokens] : tensor<?x8x4x128xf32>
  %y = attn.place %o[b, p, g, r, f]
      symbols(lo = %qptr[b], hi = %qptr[b + 1]) where (lo + p < hi)
      into %dst[lo + p, g, r, f]
      : (tensor<?x?x8x4x128xf32>, tensor<?x8x4x128xf32>, tensor<?xi32>,
         tensor<?xi32>) -> tensor<?x8x4x128xf32>
  return %y : tensor<?x8x4x128xf32>
}
