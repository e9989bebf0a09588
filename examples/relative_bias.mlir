// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Relative position bias: a learned number for each distance between query and
// key, up to 127; farther keys have that of 127. The table is read where a point
// is, by an index that is computed from coordinates, so no bias of all pairs is
// made.
//
//   b batch   h head   p query, at position p + off   m key

!scores = tensor<2x8x?x?xf32>
!rows = tensor<2x8x?xf32>

func.func @relative_bias(
    %q: tensor<2x?x8x64xf16>, %k: tensor<2x?x8x64xf16>,
    %v: tensor<2x?x8x64xf16>, %bias: tensor<8x128xf32>, %off: index)
    -> tensor<2x?x8x64xf32> {
  // 1 / sqrt(64)
  %scale = arith.constant 0.125 : f32
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x?x8x64xf32> {
    // QK: causal scores.
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e) symbols(off = %off) where (p + off - m >= 0)
        : (tensor<2x?x8x64xf16>, tensor<2x?x8x64xf16>, f32, index) -> !scores

    // SB: scores with bias, s + bias[h, min(p + off - m, 127)].
    %sb = attn.einsum %qk[b, h, p, m] -> [b, h, p, m]
        : (!scores) -> !scores {
    ^bb0(%s: f32):
      %head = attn.coord h
      %query = attn.coord p
      %key = attn.coord m
      %position = arith.addi %query, %off : index
      %behind = arith.subi %position, %key : index
      // Points ahead are hidden; their index has to lie in the table still.
      %zero = arith.constant 0 : index
      %least = arith.maxsi %behind, %zero : index
      %last = arith.constant 127 : index
      %distance = arith.minsi %least, %last : index
      %falls = tensor.extract %bias[%head, %distance] : tensor<8x128xf32>
      %biased = arith.addf %s, %falls : f32
      attn.yield %biased : f32
    }

    // GM: maximum of a row.
    %gm = attn.einsum %sb[b, h, p, m] -> [b, h, p] reduce max(m)
        : (!scores) -> !rows

    // SN: softmax numerator.
    %sn = attn.einsum %sb[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
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
