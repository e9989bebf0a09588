// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// 2-D neighbourhood attention: the tokens are the pixels of an image, and a
// query sees the 7 x 7 pixels around itself, fewer at the border.
//
// The image keeps its two axes: queries have ranks (py, px), keys (my, mx), and
// the reductions run over both key ranks at once. The window is one affine set.
//
//   b image   h head   py, px query row and column   my, mx key row and column

!scores = tensor<2x4x?x?x?x?xf32>
!rows = tensor<2x4x?x?xf32>

func.func @neighborhood(
    %q: tensor<2x?x?x4x32xf16>, %k: tensor<2x?x?x4x32xf16>,
    %v: tensor<2x?x?x4x32xf16>, %scale: f32) -> tensor<2x?x?x4x32xf32> {
  %o = attn.cascade ranks(b, h, py, px, my, mx, e, f)
      -> tensor<2x?x?x4x32xf32> {
    // QK: scores inside the window.
    %qk = attn.einsum %q[b, py, px, h, e], %k[b, my, mx, h, e], %scale
        -> [b, h, py, px, my, mx] reduce add(e)
        where (my - py <= 3 and py - my <= 3 and mx - px <= 3 and px - mx <= 3)
        : (tensor<2x?x?x4x32xf16>, tensor<2x?x?x4x32xf16>, f32) -> !scores

    // GM: maximum of a row, over both key ranks.
    %gm = attn.einsum %qk[b, h, py, px, my, mx] -> [b, h, py, px]
        reduce max(my, mx) : (!scores) -> !rows

    // SN: softmax numerator.
    %sn = attn.einsum %qk[b, h, py, px, my, mx], %gm[b, h, py, px]
        -> [b, h, py, px, my, mx] : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %g: f32):
      %shifted = arith.subf %s, %g : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }

    // SD: softmax denominator.
    %sd = attn.einsum %sn[b, h, py, px, my, mx] -> [b, h, py, px]
        reduce add(my, mx) : (!scores) -> !rows

    // A: attention weights.
    %a = attn.einsum %sn[b, h, py, px, my, mx], %sd[b, h, py, px]
        -> [b, h, py, px, my, mx] : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }

    // AV: weighted sum of the values.
    %av = attn.einsum %a[b, h, py, px, my, mx], %v[b, my, mx, h, f]
        -> [b, py, px, h, f] reduce add(my, mx)
        : (!scores, tensor<2x?x?x4x32xf16>) -> tensor<2x?x?x4x32xf32>
    attn.yield %av : tensor<2x?x?x4x32xf32>
  }
  return %o : tensor<2x?x?x4x32xf32>
}
