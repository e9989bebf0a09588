// RUN: attn-opt %s --attn-partition=tile=16 --attn-online --convert-attn-to-tile | FileCheck %s
// The runtime cannot tell whether requests that share keys find them in one place if this fails.

// Views by number: which of their axes is the rank of the segments, which the key (-2), and
// which anything else (-1). What has no number, and what no fold streams, is not among them.
// CHECK: tile.launch @paged {{.*}}keys = [array<i64: 3, -2, 0, -1>, array<i64: 5, 0, -2>]
func.func @paged(%q: tensor<?x?x16xf32>, %kp: memref<?x4x16xf32>, %table: memref<?x?xi32>,
                 %scales: memref<?x?xf32>, %len: tensor<?xi32>) -> tensor<?x?x16xf32> {
  %k = attn.view (m, b, e) symbols(pg = %table[b, m floordiv 4], len = %len[b])
      where (m < len) of %kp[pg, m mod 4, e] attributes {attn.number = 3 : index}
      : (memref<?x4x16xf32>, memref<?x?xi32>, tensor<?xi32>) -> tensor<?x?x16xf32>
  %scale = attn.view (b, m) of %scales[b, m] attributes {attn.number = 5 : index}
      : (memref<?x?xf32>) -> tensor<?x?xf32>
  %o = attn.cascade ranks(b, p, m, e, f) -> tensor<?x?x16xf32> {
    %s = attn.einsum %q[b, p, e], %k[m, b, e], %scale[b, m] -> [b, p, m] reduce add(e)
        : (tensor<?x?x16xf32>, tensor<?x?x16xf32>, tensor<?x?xf32>) -> tensor<?x?x?xf32>
    %o = attn.einsum %s[b, p, m], %k[m, b, f] -> [b, p, f] reduce add(m)
        : (tensor<?x?x?xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
    attn.yield %o : tensor<?x?x16xf32>
  }
  return %o : tensor<?x?x16xf32>
}
