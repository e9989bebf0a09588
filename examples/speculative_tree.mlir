// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One verification step of speculative decoding: a tree of drafted tokens is
// checked at once, over a paged KV cache.
//
// Request b has len[b] keys, the drafted tokens last. Query p is a node of the
// draft tree; it sees the whole context, itself and its ancestors. Which of the
// drafted keys those are is data: tree[b, p, m], one i1 per query and key, as
// engines hand it to their kernels (1 in all of the context). Queries past the
// tree of a request see no key: O = 0.
//
//   b request   g KV head   r query head in its group   p drafted token   m key

!scores = tensor<?x8x4x?x?xf32>
!rows = tensor<?x8x4x?xf32>

func.func @speculative_tree(
    %q: tensor<?x?x8x4x64xf16>, %kp: memref<?x16x8x64xf16>,
    %vp: memref<?x16x8x64xf16>, %table: memref<?x?xi32>, %len: tensor<?xi32>,
    %tree: tensor<?x?x?xi1>) -> tensor<?x?x8x4x64xf32> {
  // 1 / sqrt(64)
  %scale = arith.constant 0.125 : f32
  %k = attn.view (b, m, g, e)
      symbols(pg = %table[b, m floordiv 16], len = %len[b]) where (m < len)
      of %kp[pg, m mod 16, g, e]
      : (memref<?x16x8x64xf16>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x64xf16>
  %v = attn.view (b, m, g, f)
      symbols(pg = %table[b, m floordiv 16], len = %len[b]) where (m < len)
      of %vp[pg, m mod 16, g, f]
      : (memref<?x16x8x64xf16>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x64xf16>

  %o = attn.cascade ranks(b, g, r, p, m, e, f) -> tensor<?x?x8x4x64xf32> {
    // QK: scores of the context and of a node's ancestors.
    %qk = attn.einsum %q[b, p, g, r, e], %k[b, m, g, e], %scale
        -> [b, g, r, p, m] reduce add(e) where %tree[b, p, m]
        : (tensor<?x?x8x4x64xf16>, tensor<?x?x8x64xf16>, f32,
           tensor<?x?x?xi1>) -> !scores

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
        : (!scores, tensor<?x?x8x64xf16>) -> tensor<?x?x8x4x64xf32>
    attn.yield %av : tensor<?x?x8x4x64xf32>
  }
  return %o : tensor<?x?x8x4x64xf32>
}
