// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decode over a quantised KV cache in the manner of KIVI: 8-bit keys with one
// scale per channel for each page of 32 tokens, 8-bit values with one scale per
// token.
//
// There is no quantisation op. Codes and scales are operands of the einsum that
// reads them, and a region dequantises; that a page shares its scales is a
// `floordiv` in their map. Scales live in pools of their own, by page id.
//
//   b request   g KV head   r query head in its group   m key
//   n page of a request   e channel of q and k   f channel of v

!scores = tensor<?x8x4x?xf32>
!rows = tensor<?x8x4xf32>

func.func @kivi(
    %q: tensor<?x8x4x128xf16>, %kp: memref<?x32x8x128xi8>,
    %ksp: memref<?x8x128xf16>, %vp: memref<?x32x8x128xi8>,
    %vsp: memref<?x32x8xf16>, %table: memref<?x?xi32>, %len: tensor<?xi32>,
    %scale: f32) -> tensor<?x8x4x128xf32> {
  // Codes, and the key scales by page: (page, KV head, channel).
  %k = attn.view (b, m, g, e)
      symbols(pg = %table[b, m floordiv 32], len = %len[b]) where (m < len)
      of %kp[pg, m mod 32, g, e]
      : (memref<?x32x8x128xi8>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x128xi8>
  %ks = attn.view (b, n, g, e)
      symbols(pg = %table[b, n], len = %len[b]) where (n * 32 < len)
      of %ksp[pg, g, e]
      : (memref<?x8x128xf16>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x128xf16>
  %v = attn.view (b, m, g, f)
      symbols(pg = %table[b, m floordiv 32], len = %len[b]) where (m < len)
      of %vp[pg, m mod 32, g, f]
      : (memref<?x32x8x128xi8>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x128xi8>
  %vs = attn.view (b, m, g)
      symbols(pg = %table[b, m floordiv 32], len = %len[b]) where (m < len)
      of %vsp[pg, m mod 32, g]
      : (memref<?x32x8xf16>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x8xf16>

  %o = attn.cascade ranks(b, g, r, m, e, f) -> tensor<?x8x4x128xf32> {
    // QK: scores of the dequantised keys.
    %qk = attn.einsum %q[b, g, r, e], %k[b, m, g, e],
        %ks[b, m floordiv 32, g, e], %scale -> [b, g, r, m] reduce add(e)
        : (tensor<?x8x4x128xf16>, tensor<?x?x8x128xi8>, tensor<?x?x8x128xf16>,
           f32) -> !scores {
    ^bb0(%query: f16, %code: i8, %step: f16, %t: f32):
      %query32 = arith.extf %query : f16 to f32
      %code32 = arith.sitofp %code : i8 to f32
      %step32 = arith.extf %step : f16 to f32
      %key = arith.mulf %code32, %step32 : f32
      %product = arith.mulf %query32, %key : f32
      %scaled = arith.mulf %product, %t : f32
      attn.yield %scaled : f32
    }

    // GM: maximum of a row.
    %gm = attn.einsum %qk[b, g, r, m] -> [b, g, r] reduce max(m)
        : (!scores) -> !rows

    // SN: softmax numerator.
    %sn = attn.einsum %qk[b, g, r, m], %gm[b, g, r] -> [b, g, r, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %x: f32):
      %shifted = arith.subf %s, %x : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }

    // SD: softmax denominator.
    %sd = attn.einsum %sn[b, g, r, m] -> [b, g, r] reduce add(m)
        : (!scores) -> !rows

    // A: attention weights.
    %a = attn.einsum %sn[b, g, r, m], %sd[b, g, r] -> [b, g, r, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }

    // AV: weighted sum of the dequantised values.
    %av = attn.einsum %a[b, g, r, m], %v[b, m, g, f], %vs[b, m, g]
        -> [b, g, r, f] reduce add(m)
        : (!scores, tensor<?x?x8x128xi8>, tensor<?x?x8xf16>)
        -> tensor<?x8x4x128xf32> {
    ^bb0(%weight: f32, %code: i8, %step: f16):
      %code32 = arith.sitofp %code : i8 to f32
      %step32 = arith.extf %step : f16 to f32
      %value = arith.mulf %code32, %step32 : f32
      %term = arith.mulf %weight, %value : f32
      attn.yield %term : f32
    }
    attn.yield %av : tensor<?x8x4x128xf32>
  }
  return %o : tensor<?x8x4x128xf32>
}
