// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sigmoid attention: every weight is the sigmoid of its own score, and no row
// is normalised.
//
//   O[p] = sum_m sigmoid(s[p, m] + bias[h]) v[m]
//
// No reduction feeds a map, so it is one pass as written; a split over the keys
// is joined by plain addition.
//
//   b batch   h head   p query, at position p + off   m key

!scores = tensor<2x8x?x?xf32>

func.func @sigmoid(
    %q: tensor<2x?x8x64xf16>, %k: tensor<2x?x8x64xf16>,
    %v: tensor<2x?x8x64xf16>, %bias: tensor<8xf32>, %off: index)
    -> tensor<2x?x8x64xf32> {
  // 1 / sqrt(64)
  %scale = arith.constant 0.125 : f32
  %one = arith.constant 1.0 : f32
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x?x8x64xf32> {
    // QK: causal scores.
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e) symbols(off = %off) where (p + off - m >= 0)
        : (tensor<2x?x8x64xf16>, tensor<2x?x8x64xf16>, f32, index) -> !scores

    // A: attention weights, 1 / (1 + exp(-(s + bias))).
    %a = attn.einsum %qk[b, h, p, m], %bias[h] -> [b, h, p, m]
        : (!scores, tensor<8xf32>) -> !scores {
    ^bb0(%s: f32, %w: f32):
      %biased = arith.addf %s, %w : f32
      %minus = arith.negf %biased : f32
      %exp = math.exp %minus : f32
      %sum = arith.addf %exp, %one : f32
      %weight = arith.divf %one, %sum : f32
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
