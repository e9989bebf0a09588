// RUN: attn-opt %s --attn-online=rank=n --convert-attn-to-tile --canonicalize --cse | FileCheck %s
// A rank that is reduced together with the folded one does not become an axis of the tile if this fails.

// The fold runs over nodes n one by one; their 16 tokens m lie in the tile. Rows
// are (b, r), and no rank is left for segments or heads.
// CHECK-LABEL: tile.kernel items @nodes(
// CHECK-SAME:      rows(64) cols(1)
// CHECK-DAG:     %[[M:.+]] = tile.coord %{{.+}} : vector<16xi32>
// CHECK-DAG:     %[[E:.+]] = tile.coord %{{.+}} : vector<8xi32>
// CHECK:         %[[B:[^,]+]], %[[R:[^,]+]], %{{[^,]+}}, %{{[^,]+}} = tile.rows
// CHECK:         tile.load %{{.+}}[%[[B]], %[[R]], %[[E]]] axes [0, 0, 1]
// CHECK:         tile.fold from(%{{[^,]+}}) to(%{{[^,]+}})
// CHECK:         step
// CHECK:         ^bb0(%[[N:.+]]: index, %[[PARTIAL:.+]]: i1,
// CHECK:           tile.load %{{.+}}[%[[N]], %[[M]], %[[E]]] axes [-1, 0, 1]
// CHECK:           tile.dot %{{.+}} {transposeB} : (vector<64x8xf32>, vector<16x8xf32>) -> vector<64x16xf32>
// CHECK:           tile.load %{{.+}}[%[[N]], %[[M]], %[[E]]] axes [-1, 0, 1]
// The mask varies along m only.
// CHECK:           scf.if %[[PARTIAL]] -> (vector<64x16xi1>) {
// CHECK:           tile.dot %{{.+}} : (vector<64x16xf32>, vector<16x8xf32>) -> vector<64x8xf32>
// CHECK-LABEL: tile.program @nodes.program
// CHECK:         tile.extent "argument 0, axis 0" rank "b"
// CHECK:         tile.launch @nodes {fold = {{.+}}, row = 0 : i64, shares, states = {{.+}}, subs = array<i64: 1>}
func.func @nodes(%q: tensor<?x4x8xf32>, %k: tensor<?x16x8xf32>, %v: tensor<?x16x8xf32>,
                 %len: index) -> tensor<?x4x8xf32> {
  %o = attn.cascade ranks(b, r, n, m, e, f) -> tensor<?x4x8xf32> {
    %s = attn.einsum %q[b, r, e], %k[n, m, e] -> [b, r, n, m] reduce add(e)
        symbols(len = %len) where (n * 16 + m < len)
        : (tensor<?x4x8xf32>, tensor<?x16x8xf32>, index) -> tensor<?x4x?x16xf32>
    %o = attn.einsum %s[b, r, n, m], %v[n, m, f] -> [b, r, f] reduce add(n, m)
        : (tensor<?x4x?x16xf32>, tensor<?x16x8xf32>) -> tensor<?x4x8xf32>
    attn.yield %o : tensor<?x4x8xf32>
  }
  return %o : tensor<?x4x8xf32>
}

// Without rows an item is one segment; the segment's index stands for its row.
// CHECK-LABEL: tile.kernel items @no_rows(
// CHECK-SAME:      rows(1) cols(1)
// CHECK:         %[[P:.+]] = tile.item param
// CHECK:         %[[SYM:.+]] = tile.item sym_first
// CHECK:         tile.load %{{.+}}[%[[P]], %{{.+}}, %{{.+}}] axes [-1, -1, 0]
// CHECK:         tile.finish
// CHECK:           %[[P32:.+]] = arith.index_cast %[[SYM]] : index to i32
// CHECK:           %[[ROW:.+]] = vector.broadcast %[[P32]] : i32 to vector<1xi32>
// CHECK:           tile.store %{{.+}}, %{{.+}}[%[[ROW]]] axes [0]
func.func @no_rows(%x: tensor<?x?x32xf32>) -> tensor<?xf32> {
  %o = attn.cascade ranks(p, n, m) -> tensor<?xf32> {
    %o = attn.einsum %x[p, n, m] -> [p] reduce add(n, m) : (tensor<?x?x32xf32>) -> tensor<?xf32>
    attn.yield %o : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}
