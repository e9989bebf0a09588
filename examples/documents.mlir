// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention inside documents that are packed into one sequence, where the
// tokens of a document need not stand together (interleaved turns, packed
// training).
//
// A key is seen if it is not ahead of the query and has the query's document
// id. The id stands at the key, so no affine set can say it: it is presence by
// data, an equality of two integer operands in `where`. A point where it fails
// is absent, exactly as one outside an affine set.
//
//   b batch   h head   p query, at position p + off   m key

!scores = tensor<2x8x?x?xf32>
!rows = tensor<2x8x?xf32>

func.func @documents(
    %q: tensor<2x?x8x64xf16>, %k: tensor<2x?x8x64xf16>,
    %v: tensor<2x?x8x64xf16>, %qdoc: tensor<2x?xi32>, %kdoc: tensor<2x?xi32>,
    %off: index) -> tensor<2x?x8x64xf32> {
  // 1 / sqrt(64)
  %scale = arith.constant 0.125 : f32
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x?x8x64xf32> {
    // QK: causal scores inside a document.
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m]
        reduce add(e) symbols(off = %off)
        where (p + off - m >= 0) and %qdoc[b, p] == %kdoc[b, m]
        : (tensor<2x?x8x64xf16>, tensor<2x?x8x64xf16>, f32, index,
           tensor<2x?xi32>, tensor<2x?xi32>) -> !scores

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
