// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Multi-head latent attention (MLA), decode with the weights absorbed: the
// cache keeps one latent row per token for all heads, 512 channels of content
// and 64 of rotated position.
//
// Scores use all 576 channels; the values are the first 512 of the same row. So
// K and V are two views of one pool, of different width; a kernel that holds a
// tile of the pool has both.
//
//   b request   h head   m key   c latent channel of a score   f of a value

!scores = tensor<?x16x?xf32>
!rows = tensor<?x16xf32>

func.func @mla(
    %q: tensor<?x16x576xf16>, %pool: memref<?x64x576xf16>,
    %table: memref<?x?xi32>, %len: tensor<?xi32>, %scale: f32)
    -> tensor<?x16x512xf32> {
  %k = attn.view (b, m, c)
      symbols(pg = %table[b, m floordiv 64], len = %len[b]) where (m < len)
      of %pool[pg, m mod 64, c]
      : (memref<?x64x576xf16>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x576xf16>
  %v = attn.view (b, m, f)
      symbols(pg = %table[b, m floordiv 64], len = %len[b]) where (m < len)
      of %pool[pg, m mod 64, f]
      : (memref<?x64x576xf16>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x512xf16>

  %o = attn.cascade ranks(b, h, m, c, f) -> tensor<?x16x512xf32> {
    // QK: scores; k has no rank h, all heads read the same row.
    %qk = attn.einsum %q[b, h, c], %k[b, m, c], %scale -> [b, h, m]
        reduce add(c)
        : (tensor<?x16x576xf16>, tensor<?x?x576xf16>, f32) -> !scores

    // GM: maximum of a row.
    %gm = attn.einsum %qk[b, h, m] -> [b, h] reduce max(m) : (!scores) -> !rows

    // SN: softmax numerator.
    %sn = attn.einsum %qk[b, h, m], %gm[b, h] -> [b, h, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %g: f32):
      %shifted = arith.subf %s, %g : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }

    // SD: softmax denominator.
    %sd = attn.einsum %sn[b, h, m] -> [b, h] reduce add(m) : (!scores) -> !rows

    // A: attention weights.
    %a = attn.einsum %sn[b, h, m], %sd[b, h] -> [b, h, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }

    // AV: weighted sum of the latent content.
    %av = attn.einsum %a[b, h, m], %v[b, m, f] -> [b, h, f] reduce add(m)
        : (!scores, tensor<?x?x512xf16>) -> tensor<?x16x512xf32>
    attn.yield %av : tensor<?x16x512xf32>
  }
  return %o : tensor<?x16x512xf32>
}
