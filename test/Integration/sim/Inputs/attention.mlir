// Attention with sizes that a test fills in: GROUPS KV heads of HEADS query
// heads, WIDTH channels of keys, VALUES channels of values, all of TYPE.
// Query p of 5 sees keys up to p + 60.

!scores = tensor<2xGROUPSxHEADSx5x?xf32>
!rows = tensor<2xGROUPSxHEADSx5xf32>

func.func @attention(
    %q: tensor<2x5xGROUPSxHEADSxWIDTHxTYPE>, %k: tensor<2x?xGROUPSxWIDTHxTYPE>,
    %v: tensor<2x?xGROUPSxVALUESxTYPE>, %scale: f32)
    -> tensor<2x5xGROUPSxHEADSxVALUESxf32> {
  %o = attn.cascade ranks(b, g, r, p, m, e, f)
      -> tensor<2x5xGROUPSxHEADSxVALUESxf32> {
    %qk = attn.einsum %q[b, p, g, r, e], %k[b, m, g, e], %scale
        -> [b, g, r, p, m] reduce add(e) where (p + 60 - m >= 0)
        : (tensor<2x5xGROUPSxHEADSxWIDTHxTYPE>, tensor<2x?xGROUPSxWIDTHxTYPE>,
           f32) -> !scores
    %gm = attn.einsum %qk[b, g, r, p, m] -> [b, g, r, p] reduce max(m)
        : (!scores) -> !rows
    %sn = attn.einsum %qk[b, g, r, p, m], %gm[b, g, r, p] -> [b, g, r, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %x: f32):
      %shifted = arith.subf %s, %x : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }
    %sd = attn.einsum %sn[b, g, r, p, m] -> [b, g, r, p] reduce add(m)
        : (!scores) -> !rows
    %a = attn.einsum %sn[b, g, r, p, m], %sd[b, g, r, p] -> [b, g, r, p, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%n: f32, %d: f32):
      %weight = arith.divf %n, %d : f32
      attn.yield %weight : f32
    }
    %av = attn.einsum %a[b, g, r, p, m], %v[b, m, g, f] -> [b, p, g, r, f]
        reduce add(m)
        : (!scores, tensor<2x?xGROUPSxVALUESxTYPE>)
        -> tensor<2x5xGROUPSxHEADSxVALUESxf32>
    attn.yield %av : tensor<2x5xGROUPSxHEADSxVALUESxf32>
  }
  return %o : tensor<2x5xGROUPSxHEADSxVALUESxf32>
}
