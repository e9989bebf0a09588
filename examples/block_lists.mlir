// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Block-sparse attention by lists: for each tile of 64 queries a list of the
// tiles of 64 keys that it sees, as block-sparse methods give it.
//
// list[b, t] holds the key tiles of query tile t in any order; only its first
// count[b, t] entries are read. `attn.select listed` makes the lists a set of
// coordinates, and `at m in ..` makes all other keys absent. Lists join with
// sets: here the causal one.
//
//   b batch   h head   t tile of 64 queries
//   p query, at position p + off   m key

!scores = tensor<2x8x?x?xf32>
!rows = tensor<2x8x?xf32>

func.func @block_lists(
    %q: tensor<2x?x8x64xf16>, %k: tensor<2x?x8x64xf16>,
    %v: tensor<2x?x8x64xf16>, %list: tensor<2x?x?xi32>, %count: tensor<2x?xi32>,
    %off: index) -> tensor<2x?x8x64xf32> {
  // 1 / sqrt(64)
  %scale = arith.constant 0.125 : f32
  %o = attn.cascade ranks(b, h, t, p, m, e, f) -> tensor<2x?x8x64xf32> {
    // At most 32 tiles of 64 keys in one list.
    %tiles = attn.select listed %list[b, t], %count[b, t] -> [b, t]
        : (tensor<2x?x?xi32>, tensor<2x?xi32>) -> !attn.coords<64, 32>

    // QK: causal scores of the listed keys.
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e) symbols(off = %off) where (p + off - m >= 0)
        at m in %tiles[b, p floordiv 64]
        : (tensor<2x?x8x64xf16>, tensor<2x?x8x64xf16>, f32, index,
           !attn.coords<64, 32>) -> !scores

    // GM: maximum of a row.
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
        : (!scores) -> !rows

    // SN: softmax numerator.
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %g: f32):
      %shifted = arith.subf %s, %g : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }

    // SD: softmax denominator.
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
        : (!scores) -> !rows

    // A: attention weights.
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }

    // AV: weighted sum of the values.
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f]
        reduce add(m)
        : (!scores, tensor<2x?x8x64xf16>) -> tensor<2x?x8x64xf32>
    attn.yield %av : tensor<2x?x8x64xf32>
  }
  return %o : tensor<2x?x8x64xf32>
}
