// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sliding-window attention with sink tokens, soft-capped scores and a learned
// sink logit per head.
//
// * A query at position p + off sees the 1024 newest keys up to itself and,
//   however old, the first 4 (the sink tokens of StreamingLLM).
// * Scores are capped smoothly at 50: 50 * tanh(s / 50). The cap comes before
//   the maximum, so it costs the derivation nothing.
// * The sink logit of a head takes part in the softmax like a key without a
//   value: it joins the maximum and the denominator, and adds no term to the
//   sum.
//
//   b batch   h head   p query   m key   e channel of q and k   f channel of v

!scores = tensor<2x8x?x?xf32>
!rows = tensor<2x8x?xf32>

func.func @window_sinks(
    %q: tensor<2x?x8x64xf16>, %k: tensor<2x?x8x64xf16>,
    %v: tensor<2x?x8x64xf16>, %sink: tensor<8xf32>, %off: index)
    -> tensor<2x?x8x64xf32> {
  // 1 / sqrt(64)
  %scale = arith.constant 0.125 : f32
  %cap = arith.constant 50.0 : f32
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x?x8x64xf32> {
    // QK: a union of two affine sets; a tile of 64 keys that neither set meets
    // is never visited, and no mask is built.
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e) symbols(off = %off)
        where (m <= p + off and m > p + off - 1024) or (m <= p + off and m <= 3)
        : (tensor<2x?x8x64xf16>, tensor<2x?x8x64xf16>, f32, index) -> !scores

    // SC: soft-capped scores.
    %sc = attn.einsum %qk[b, h, p, m] -> [b, h, p, m] : (!scores) -> !scores {
    ^bb0(%s: f32):
      %ratio = arith.divf %s, %cap : f32
      %tanh = math.tanh %ratio : f32
      %capped = arith.mulf %tanh, %cap : f32
      attn.yield %capped : f32
    }

    // GM: maximum over the keys; GMS: with the sink logit.
    %gm = attn.einsum %sc[b, h, p, m] -> [b, h, p] reduce max(m)
        : (!scores) -> !rows
    %gms = attn.einsum %gm[b, h, p], %sink[h] -> [b, h, p]
        : (!rows, tensor<8xf32>) -> !rows {
    ^bb0(%g: f32, %l: f32):
      %max = arith.maximumf %g, %l : f32
      attn.yield %max : f32
    }

    // SN: softmax numerator.
    %sn = attn.einsum %sc[b, h, p, m], %gms[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %g: f32):
      %shifted = arith.subf %s, %g : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }

    // SD: sum over the keys; SDS: softmax denominator, with the sink logit.
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
        : (!scores) -> !rows
    %sds = attn.einsum %sd[b, h, p], %gms[b, h, p], %sink[h] -> [b, h, p]
        : (!rows, !rows, tensor<8xf32>) -> !rows {
    ^bb0(%d: f32, %g: f32, %l: f32):
      %shifted = arith.subf %l, %g : f32
      %exp = math.exp %shifted : f32
      %sum = arith.addf %d, %exp : f32
      attn.yield %sum : f32
    }

    // A: attention weights; with the sink's own weight they sum to 1.
    %a = attn.einsum %sn[b, h, p, m], %sds[b, h, p] -> [b, h, p, m]
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
