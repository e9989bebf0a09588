// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dense softmax attention, as a textbook writes it.
//
//   O[p, f] = sum_m softmax_m(scale * q[p] . k[m]) v[m, f]
//
// Three passes over the keys m: the maximum, the sum of the exponentials, and
// the weighted sum of the values; each waits for the one before it. Nothing
// here says how to run it in one pass: the compiler derives that.
//
//   b batch   h head   p query   m key   e channel of q and k   f channel of v

!scores = tensor<2x8x128x256xf32>
!rows = tensor<2x8x128xf32>

func.func @dense(
    %q: tensor<2x128x8x64xf16>, %k: tensor<2x256x8x64xf16>,
    %v: tensor<2x256x8x64xf16>) -> tensor<2x128x8x64xf32> {
  // 1 / sqrt(64)
  %scale = arith.constant 0.125 : f32
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x128x8x64xf32> {
    // QK: scores. No region: the float operands multiply, each first extended
    // to f32, the element type of the result.
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e)
        : (tensor<2x128x8x64xf16>, tensor<2x256x8x64xf16>, f32) -> !scores

    // GM: the maximum of a row, so that no exponential overflows.
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

    // A: attention weights; they sum to 1 over m.
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }

    // AV: weighted sum of the values.
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f]
        reduce add(m)
        : (!scores, tensor<2x256x8x64xf16>) -> tensor<2x128x8x64xf32>
    attn.yield %av : tensor<2x128x8x64xf32>
  }
  return %o : tensor<2x128x8x64xf32>
}
