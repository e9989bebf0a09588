// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decode over pages of 24 tokens: one query per request, and a page size that
// is no power of two and divides no tile. A page is an address in a view,
// nothing more; any size from 1 up does.
//
//   b request   g KV head   r query head in its group   m key

!scores = tensor<?x8x4x?xf32>
!rows = tensor<?x8x4xf32>

func.func @pages24(
    %q: tensor<?x8x4x64xf16>, %kp: memref<?x24x8x64xf16>,
    %vp: memref<?x24x8x64xf16>, %table: memref<?x?xi32>, %len: tensor<?xi32>)
    -> tensor<?x8x4x64xf32> {
  // 1 / sqrt(64)
  %scale = arith.constant 0.125 : f32
  %k = attn.view (b, m, g, e)
      symbols(pg = %table[b, m floordiv 24], len = %len[b]) where (m < len)
      of %kp[pg, m mod 24, g, e]
      : (memref<?x24x8x64xf16>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x64xf16>
  %v = attn.view (b, m, g, f)
      symbols(pg = %table[b, m floordiv 24], len = %len[b]) where (m < len)
      of %vp[pg, m mod 24, g, f]
      : (memref<?x24x8x64xf16>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x64xf16>

  %o = attn.cascade ranks(b, g, r, m, e, f) -> tensor<?x8x4x64xf32> {
    // QK: scores. No mask: the domain of the view ends the keys of a request.
    %qk = attn.einsum %q[b, g, r, e], %k[b, m, g, e], %scale -> [b, g, r, m]
        reduce add(e)
        : (tensor<?x8x4x64xf16>, tensor<?x?x8x64xf16>, f32) -> !scores

    // GM: maximum of a row.
    %gm = attn.einsum %qk[b, g, r, m] -> [b, g, r] reduce max(m)
        : (!scores) -> !rows

    // SN: softmax numerator.
    %sn = attn.einsum %qk[b, g, r, m], %gm[b, g, r] -> [b, g, r, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %x: f32):
      %shifted = arith.subf %s, %x : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }

    // SD: softmax denominator.
    %sd = attn.einsum %sn[b, g, r, m] -> [b, g, r] reduce add(m)
        : (!scores) -> !rows

    // A: attention weights.
    %a = attn.einsum %sn[b, g, r, m], %sd[b, g, r] -> [b, g, r, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }

    // AV: weighted sum of the values.
    %av = attn.einsum %a[b, g, r, m], %v[b, m, g, f] -> [b, g, r, f]
        reduce add(m)
        : (!scores, tensor<?x?x8x64xf16>) -> tensor<?x8x4x64xf32>
    attn.yield %av : tensor<?x8x4x64xf32>
  }
  return %o : tensor<?x8x4x64xf32>
}
