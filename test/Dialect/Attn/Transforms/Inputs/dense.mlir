// Softmax attention as a front end writes it: three passes over m.
func.func @dense(%q: tensor<2x128x8x64xf16>, %k: tensor<2x256x8x64xf16>, %v: tensor<2x256x8x64xf16>) -> tensor<2x128x8x64xf32> {
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x128x8x64xf32> {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e] -> [b, h, p, m] reduce add(e)
      : (tensor<2x128x8x64xf16>, tensor<2x256x8x64xf16>) -> tensor<2x8x128x256xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x8x128x256xf32>) -> tensor<2x8x128xf32>
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
      : (tensor<2x8x128x256xf32>, tensor<2x8x128xf32>) -> tensor<2x8x128x256xf32> {
    ^bb0(%s: f32, %g: f32):
      %d = arith.subf %s, %g : f32
      %x = math.exp %d : f32
      attn.yield %x : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x8x128x256xf32>) -> tensor<2x8x128xf32>
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
      : (tensor<2x8x128x256xf32>, tensor<2x8x128xf32>) -> tensor<2x8x128x256xf32> {
    ^bb0(%s: f32, %g: f32):
      %d = arith.divf %s, %g : f32
      attn.yield %d : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x8x128x256xf32>, tensor<2x256x8x64xf16>) -> tensor<2x128x8x64xf32>
    attn.yield %av : tensor<2x128x8x64xf32>
  }
  return %o : tensor<2x128x8x64xf32>
}
