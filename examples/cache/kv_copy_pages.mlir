// Copies pages of a cache: page pairs[i, 0] of the one to page pairs[i, 1] of the
// other, as when a prefix is forked. A pair whose source is below 0 copies
// nothing. The two may be the same memory as long as no page is in both columns.
//
//   i pair   s place in a page   h KV head   c channel

!cache = memref<?x16x8x64xf16>
!pages = tensor<?x16x8x64xf16>

func.func @kv_copy_pages(%from: !cache, %to: !cache, %pairs: tensor<?x2xi32>) {
  %old = attn.view (i, s, h, c) symbols(pg = %pairs[i, 0]) where (pg >= 0)
      of %from[pg, s, h, c] : (!cache, tensor<?x2xi32>) -> !pages
  %new = attn.cascade ranks(i, s, h, c) -> !pages {
    %copy = attn.einsum %old[i, s, h, c] -> [i, s, h, c] : (!pages) -> !pages
    attn.yield %copy : !pages
  }
  attn.place %new[i, s, h, c]
      symbols(src = %pairs[i, 0], dst = %pairs[i, 1]) where (src >= 0)
      into %to[dst, s, h, c]
      : (!pages, !cache, tensor<?x2xi32>, tensor<?x2xi32>) -> ()
  return
}
