// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Differential attention: the difference of two softmax maps weighs the values,
// so that what both maps attend to cancels.
//
//   O[p] = sum_m (A1[p, m] - lambda[h] A2[p, m]) v[m]
//
// The difference stands under the sum, as in the paper. It has no law as one
// value (the two maps are corrected by different factors), so the compiler
// first splits the sum; then both softmaxes share one fold over m.
//
//   b batch   h head   p query, at position p + off   m key

!scores = tensor<2x4x?x?xf32>
!rows = tensor<2x4x?xf32>

func.func @differential(
    %q1: tensor<2x?x4x64xf16>, %k1: tensor<2x?x4x64xf16>,
    %q2: tensor<2x?x4x64xf16>, %k2: tensor<2x?x4x64xf16>,
    %v: tensor<2x?x4x128xf16>, %lambda: tensor<4xf32>, %off: index)
    -> tensor<2x?x4x128xf32> {
  // 1 / sqrt(64)
  %scale = arith.constant 0.125 : f32
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x?x4x128xf32> {
    // The first map.
    %qk1 = attn.einsum %q1[b, p, h, e], %k1[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e) symbols(off = %off) where (p + off - m >= 0)
        : (tensor<2x?x4x64xf16>, tensor<2x?x4x64xf16>, f32, index) -> !scores
    %gm1 = attn.einsum %qk1[b, h, p, m] -> [b, h, p] reduce max(m)
        : (!scores) -> !rows
    %sn1 = attn.einsum %qk1[b, h, p, m], %gm1[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %g: f32):
      %shifted = arith.subf %s, %g : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }
    %sd1 = attn.einsum %sn1[b, h, p, m] -> [b, h, p] reduce add(m)
        : (!scores) -> !rows
    %a1 = attn.einsum %sn1[b, h, p, m], %sd1[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }

    // The second map.
    %qk2 = attn.einsum %q2[b, p, h, e], %k2[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e) symbols(off = %off) where (p + off - m >= 0)
        : (tensor<2x?x4x64xf16>, tensor<2x?x4x64xf16>, f32, index) -> !scores
    %gm2 = attn.einsum %qk2[b, h, p, m] -> [b, h, p] reduce max(m)
        : (!scores) -> !rows
    %sn2 = attn.einsum %qk2[b, h, p, m], %gm2[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %g: f32):
      %shifted = arith.subf %s, %g : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }
    %sd2 = attn.einsum %sn2[b, h, p, m] -> [b, h, p] reduce add(m)
        : (!scores) -> !rows
    %a2 = attn.einsum %sn2[b, h, p, m], %sd2[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }

    // A: the difference of the weights; AV: weighted sum of the values.
    %a = attn.einsum %a1[b, h, p, m], %a2[b, h, p, m], %lambda[h]
        -> [b, h, p, m]
        : (!scores, !scores, tensor<4xf32>) -> !scores {
    ^bb0(%x: f32, %y: f32, %l: f32):
      %scaled = arith.mulf %l, %y : f32
      %difference = arith.subf %x, %scaled : f32
      attn.yield %difference : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f]
        reduce add(m)
        : (!scores, tensor<2x?x4x128xf16>) -> tensor<2x?x4x128xf32>
    attn.yield %av : tensor<2x?x4x128xf32>
  }
  return %o : tensor<2x?x4x128xf32>
}
