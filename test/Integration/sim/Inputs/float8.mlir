// Decode over keys and values of 8-bit floats with a scale for each head.

!scores = tensor<2x2x4x?xf32>
!rows = tensor<2x2x4xf32>

func.func @float8(
    %q: tensor<2x2x4x64xf16>, %k: tensor<2x?x2x64xTYPE>, %ks: tensor<2xf32>,
    %v: tensor<2x?x2x64xTYPE>, %vs: tensor<2xf32>, %scale: f32)
    -> tensor<2x2x4x64xf32> {
  %o = attn.cascade ranks(b, g, r, m, e, f) -> tensor<2x2x4x64xf32> {
    %qk = attn.einsum %q[b, g, r, e], %k[b, m, g, e], %ks[g], %scale
        -> [b, g, r, m] reduce add(e)
        : (tensor<2x2x4x64xf16>, tensor<2x?x2x64xTYPE>, tensor<2xf32>, f32)
        -> !scores {
    ^bb0(%query: f16, %code: TYPE, %step: f32, %t: f32):
      %query32 = arith.extf %query : f16 to f32
      %code32 = arith.extf %code : TYPE to f32
      %key = arith.mulf %code32, %step : f32
      %product = arith.mulf %query32, %key : f32
      %scaled = arith.mulf %product, %t : f32
      attn.yield %scaled : f32
    }
    %gm = attn.einsum %qk[b, g, r, m] -> [b, g, r] reduce max(m)
        : (!scores) -> !rows
    %sn = attn.einsum %qk[b, g, r, m], %gm[b, g, r] -> [b, g, r, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %x: f32):
      %shifted = arith.subf %s, %x : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }
    %sd = attn.einsum %sn[b, g, r, m] -> [b, g, r] reduce add(m)
        : (!scores) -> !rows
    %a = attn.einsum %sn[b, g, r, m], %sd[b, g, r] -> [b, g, r, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }
    %av = attn.einsum %a[b, g, r, m], %v[b, m, g, f], %vs[g] -> [b, g, r, f]
        reduce add(m)
        : (!scores, tensor<2x?x2x64xTYPE>, tensor<2xf32>)
        -> tensor<2x2x4x64xf32> {
    ^bb0(%weight: f32, %code: TYPE, %step: f32):
      %code32 = arith.extf %code : TYPE to f32
      %value = arith.mulf %code32, %step : f32
      %term = arith.mulf %weight, %value : f32
      attn.yield %term : f32
    }
    attn.yield %av : tensor<2x2x4x64xf32>
  }
  return %o : tensor<2x2x4x64xf32>
}
