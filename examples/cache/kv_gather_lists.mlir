// Gathers the keys of each sequence as kv_gather does, from lists of pages behind
// each other: those of sequence b are indices[indptr[b]] .. indices[indptr[b + 1]
// - 1], and last[b] tokens stand on the last of them (0 where there is none). The
// lookup of a page looks up where its list begins.
//
//   b sequence   m token   h KV head   c channel

!cache = memref<?x16x8x64xf16>

func.func @kv_gather_lists(%kp: !cache, %indptr: tensor<?xi32>,
    %indices: tensor<?xi32>, %last: tensor<?xi32>) -> tensor<?x?x8x64xf16> {
  %k = attn.view (b, m, h, c)
      symbols(lo = %indptr[b], hi = %indptr[b + 1], last = %last[b],
              pg = %indices[lo + m floordiv 16])
      where (m < 16 * (hi - lo - 1) + last)
      of %kp[pg, m mod 16, h, c]
      : (!cache, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x64xf16>
  %rows = attn.cascade ranks(b, m, h, c) -> tensor<?x?x8x64xf16> {
    %out = attn.einsum %k[b, m, h, c] -> [b, m, h, c]
        : (tensor<?x?x8x64xf16>) -> tensor<?x?x8x64xf16>
    attn.yield %out : tensor<?x?x8x64xf16>
  }
  return %rows : tensor<?x?x8x64xf16>
}
