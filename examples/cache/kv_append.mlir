// Appends the keys and values of new tokens to a paged cache of 8 bits.
//
// Token t goes to slot slots[t]: page s floordiv 16, place s mod 16. A slot below
// 0 stores nothing, as engines mark padding. Both are multiplied by the inverse
// of the cache's scale, kept inside of what 8 bits hold, and rounded; what is read
// later, times the scale, is near what was written.
//
//   t new token   h KV head   c channel

!new = tensor<?x8x64xf16>
!cache = memref<?x16x8x64xf8E4M3FN>
!row = tensor<?x8x64xf8E4M3FN>

func.func @kv_append(%k: !new, %v: !new, %slots: tensor<?xi32>, %kp: !cache,
    %vp: !cache, %k_inverse: f32, %v_inverse: f32) {
  %kq, %vq = attn.cascade ranks(t, h, c) -> (!row, !row) {
    // KQ: keys as the cache has them.
    %kq = attn.einsum %k[t, h, c], %k_inverse -> [t, h, c]
        : (!new, f32) -> !row {
    ^bb0(%x: f16, %inverse: f32):
      %most = arith.constant 448.0 : f32
      %least = arith.constant -448.0 : f32
      %wide = arith.extf %x : f16 to f32
      %scaled = arith.mulf %wide, %inverse : f32
      %low = arith.maximumf %scaled, %least : f32
      %kept = arith.minimumf %low, %most : f32
      %narrow = arith.truncf %kept : f32 to f8E4M3FN
      attn.yield %narrow : f8E4M3FN
    }
    // VQ: values likewise.
    %vq = attn.einsum %v[t, h, c], %v_inverse -> [t, h, c]
        : (!new, f32) -> !row {
    ^bb0(%x: f16, %inverse: f32):
      %most = arith.constant 448.0 : f32
      %least = arith.constant -448.0 : f32
      %wide = arith.extf %x : f16 to f32
      %scaled = arith.mulf %wide, %inverse : f32
      %low = arith.maximumf %scaled, %least : f32
      %kept = arith.minimumf %low, %most : f32
      %narrow = arith.truncf %kept : f32 to f8E4M3FN
      attn.yield %narrow : f8E4M3FN
    }
    attn.yield %kq, %vq : !row, !row
  }
  attn.place %kq[t, h, c] symbols(s = %slots[t]) where (s >= 0)
      into %kp[s floordiv 16, s mod 16, h, c]
      : (!row, !cache, tensor<?xi32>) -> ()
  attn.place %vq[t, h, c] symbols(s = %slots[t]) where (s >= 0)
      into %vp[s floordiv 16, s mod 16, h, c]
      : (!row, !cache, tensor<?xi32>) -> ()
  return
}
