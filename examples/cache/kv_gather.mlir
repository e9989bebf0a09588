// Gathers the keys of each sequence from a paged cache of 8 bits into rows behind
// each other, times the cache's scale. Rows past the end of a sequence are 0.
//
//   b sequence   m token   h KV head   c channel

!cache = memref<?x16x8x64xf8E4M3FN>

func.func @kv_gather(%kp: !cache, %table: memref<?x?xi32>, %len: tensor<?xi32>,
    %scale: f32) -> tensor<?x?x8x64xf16> {
  %k = attn.view (b, m, h, c)
      symbols(pg = %table[b, m floordiv 16], len = %len[b]) where (m < len)
      of %kp[pg, m mod 16, h, c]
      : (!cache, memref<?x?xi32>, tensor<?xi32>) -> tensor<?x?x8x64xf8E4M3FN>
  %rows = attn.cascade ranks(b, m, h, c) -> tensor<?x?x8x64xf16> {
    %out = attn.einsum %k[b, m, h, c], %scale -> [b, m, h, c]
        : (tensor<?x?x8x64xf8E4M3FN>, f32) -> tensor<?x?x8x64xf16> {
    ^bb0(%x: f8E4M3FN, %s: f32):
      %wide = arith.extf %x : f8E4M3FN to f32
      %scaled = arith.mulf %wide, %s : f32
      %half = arith.truncf %scaled : f32 to f16
      attn.yield %half : f16
    }
    attn.yield %out : tensor<?x?x8x64xf16>
  }
  return %rows : tensor<?x?x8x64xf16>
}
