// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Entropy of the attention weights, written twice:
//
//   H[p] = - sum_m A[p, m] log A[p, m]        A[p, m] = exp(s[p, m] - LSE[p])
//
// @entropy is the definition, with log A = (s - GM) - log SD. Its last sum
// multiplies two terms that both change with the maximum: no single factor
// corrects it, the derivation says so by the name of the op, and the cascade
// stays multi-pass. It still compiles and runs.
//
// @entropy_one_pass is the same quantity by algebra, H = LSE - sum_m A s: its
// sums are corrected by one factor, so it becomes one pass.
//
//   b batch   h head   p query, at position p + off   m key

!scores = tensor<2x8x?x?xf32>
!rows = tensor<2x8x?xf32>

func.func @entropy(
    %q: tensor<2x?x8x64xf16>, %k: tensor<2x?x8x64xf16>, %off: index,
    %scale: f32) -> tensor<2x8x?xf32> {
  %o = attn.cascade ranks(b, h, p, m, e) -> tensor<2x8x?xf32> {
    // QK: causal scores.
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e) symbols(off = %off) where (p + off - m >= 0)
        : (tensor<2x?x8x64xf16>, tensor<2x?x8x64xf16>, f32, index) -> !scores

    // GM: maximum of a row; D: shifted scores, s - GM.
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
        : (!scores) -> !rows
    %d = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %g: f32):
      %shifted = arith.subf %s, %g : f32
      attn.yield %shifted : f32
    }

    // SN, SD: softmax numerator and denominator; A: attention weights.
    %sn = attn.einsum %d[b, h, p, m] -> [b, h, p, m] : (!scores) -> !scores {
    ^bb0(%x: f32):
      %exp = math.exp %x : f32
      attn.yield %exp : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
        : (!scores) -> !rows
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %z: f32):
      %weight = arith.divf %n, %z : f32
      attn.yield %weight : f32
    }

    // H: sum of A (log SD - D).
    %h = attn.einsum %a[b, h, p, m], %d[b, h, p, m], %sd[b, h, p] -> [b, h, p]
        reduce add(m) : (!scores, !scores, !rows) -> !rows {
    ^bb0(%w: f32, %x: f32, %z: f32):
      %log = math.log %z : f32
      %surprise = arith.subf %log, %x : f32
      %term = arith.mulf %w, %surprise : f32
      attn.yield %term : f32
    }
    attn.yield %h : tensor<2x8x?xf32>
  }
  return %o : tensor<2x8x?xf32>
}

func.func @entropy_one_pass(
    %q: tensor<2x?x8x64xf16>, %k: tensor<2x?x8x64xf16>, %off: index,
    %scale: f32) -> tensor<2x8x?xf32> {
  // Keeps a row without a key at 0: its LSE is -inf.
  %zero = arith.constant 0.0 : f32
  %o = attn.cascade ranks(b, h, p, m, e) -> tensor<2x8x?xf32> {
    // QK: causal scores.
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e) symbols(off = %off) where (p + off - m >= 0)
        : (tensor<2x?x8x64xf16>, tensor<2x?x8x64xf16>, f32, index) -> !scores

    // GM: maximum of a row; SN, SD: softmax numerator and denominator.
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
        : (!scores) -> !rows
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %g: f32):
      %shifted = arith.subf %s, %g : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
        : (!scores) -> !rows

    // A: attention weights; MS: the expected score, sum of A s.
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %z: f32):
      %weight = arith.divf %n, %z : f32
      attn.yield %weight : f32
    }
    %ms = attn.einsum %a[b, h, p, m], %qk[b, h, p, m] -> [b, h, p]
        reduce add(m) : (!scores, !scores) -> !rows

    // H: log SD + GM - MS, where a key was seen.
    %h = attn.einsum %sd[b, h, p], %gm[b, h, p], %ms[b, h, p] -> [b, h, p]
        : (!rows, !rows, !rows) -> !rows {
    ^bb0(%z: f32, %g: f32, %mean: f32):
      %log = math.log %z : f32
      %lse = arith.addf %log, %g : f32
      %difference = arith.subf %lse, %mean : f32
      %none = arith.cmpf oeq, %z, %zero : f32
      %entropy = arith.select %none, %zero, %difference : f32
      attn.yield %entropy : f32
    }
    attn.yield %h : tensor<2x8x?xf32>
  }
  return %o : tensor<2x8x?xf32>
}
