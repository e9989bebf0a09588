// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Softmax attention with the LSE (log-sum-exp) of its scores as second result:
//
//   O[p] = sum_m exp(s[p, m] - LSE[p]) v[m]     LSE[p] = log sum_m exp(s[p, m])
//
// The natural logarithm, as a caller needs it who joins two parts of a context
// or trains. A query that sees no key has O = 0 and LSE = -inf; nothing below
// says so: a maximum over no point is -inf, and a sum over no point is 0.
//
//   b batch   h head   p query, at position p + off   m key

!scores = tensor<2x8x?x?xf32>
!rows = tensor<2x8x?xf32>

func.func @softmax_lse(
    %q: tensor<2x?x8x64xf16>, %k: tensor<2x?x8x64xf16>,
    %v: tensor<2x?x8x64xf16>, %off: index, %scale: f32)
    -> (tensor<2x?x8x64xf32>, tensor<2x8x?xf32>) {
  %o, %lse_out = attn.cascade ranks(b, h, p, m, e, f)
      -> (tensor<2x?x8x64xf32>, tensor<2x8x?xf32>) {
    // QK: causal scores. With off < 0 the first queries see no key.
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e) symbols(off = %off) where (p + off - m >= 0)
        : (tensor<2x?x8x64xf16>, tensor<2x?x8x64xf16>, f32, index) -> !scores

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

    // LSE: log SD + GM.
    %lse = attn.einsum %sd[b, h, p], %gm[b, h, p] -> [b, h, p]
        : (!rows, !rows) -> !rows {
    ^bb0(%d: f32, %g: f32):
      %log = math.log %d : f32
      %sum = arith.addf %log, %g : f32
      attn.yield %sum : f32
    }
    attn.yield %av, %lse : tensor<2x?x8x64xf32>, tensor<2x8x?xf32>
  }
  return %o, %lse_out : tensor<2x?x8x64xf32>, tensor<2x8x?xf32>
}
