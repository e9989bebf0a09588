// RUN: attn-opt %s --attn-partition=tile=16 --attn-online --convert-attn-to-tile --canonicalize --cse | FileCheck %s
// Rows of several requests share an item and are taken for one, or an entry says that
// it can hold them although it cannot, if this fails.

// Keys, and what they are scaled by, are the segment's; queries, the factor of a request
// and its bias are each row's own.
// CHECK-LABEL: tile.kernel items @shared(
// CHECK:         %[[P:[^,]+]], %{{[^,]+}}, %{{[^,]+}}, %[[SYM:[^,]+]] = tile.rows
// CHECK:         %[[B:.+]] = tile.item param
// CHECK-DAG:     tile.load %{{.+}}[%[[SYM]], %[[P]], %{{.+}}] axes [0, 0, 1]
// CHECK-DAG:     tile.load %[[TEMPERATURE:.+]][%[[SYM]]] axes [0]
// CHECK:         step
// CHECK:         tile.load %{{.+}}[%[[B]], %[[KEYS:.+]], %{{.+}}] axes [-1, 0, 1] live(
// CHECK-DAG:     tile.load %{{.+}}[%[[B]], %[[KEYS]]] axes [-1, 0] live(
// CHECK-DAG:     tile.load %{{.+}}[%[[SYM]], %[[P]], %[[KEYS]]] axes [0, 0, 1]
// CHECK:         epilogue
// CHECK:         %[[P1:[^,]+]], %{{[^,]+}}, %{{[^,]+}}, %[[SYM1:[^,]+]] = tile.rows %{{.+}} again
// CHECK:         tile.store %{{.+}}[%[[SYM1]], %[[P1]], %{{.+}}] axes [0, 0, 1]
// Rows of a merge are of any request, and its state may stay one.
// CHECK-LABEL: tile.kernel merge @shared.merge(
// CHECK-NOT:     tile.item param
// CHECK:         %[[P:[^,]+]], %{{[^,]+}}, %{{[^,]+}}, %[[SYM:[^,]+]] = tile.rows
// CHECK:         %[[SLOT:.+]] = tile.item slot
// CHECK:         %[[AT:.+]] = arith.select %{{.+}}, %{{.+}}, %[[SLOT]]
// CHECK:         tile.finish %[[AT]]
// CHECK:         tile.store %{{.+}}[%[[SYM]], %[[P]], %{{.+}}] axes [0, 0, 1]
// CHECK:         tile.launch @shared {{.*}}shares
func.func @shared(%q: tensor<?x?x16xf32>, %k: tensor<?x?x16xf32>, %t: tensor<?xf32>,
                  %scale: tensor<?x?xf32>, %bias: tensor<?x?x?xf32>) -> tensor<?x?x16xf32> {
  %o = attn.cascade ranks(b, p, m, e, f) -> tensor<?x?x16xf32> {
    %s = attn.einsum %q[b, p, e], %k[b, m, e] -> [b, p, m] reduce add(e)
        : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x?xf32>
    %w = attn.einsum %s[b, p, m], %t[b], %scale[b, m], %bias[b, p, m] -> [b, p, m]
        : (tensor<?x?x?xf32>, tensor<?xf32>, tensor<?x?xf32>, tensor<?x?x?xf32>)
        -> tensor<?x?x?xf32>
    %o = attn.einsum %w[b, p, m], %k[b, m, f] -> [b, p, f] reduce add(m)
        : (tensor<?x?x?xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
    attn.yield %o : tensor<?x?x16xf32>
  }
  return %o : tensor<?x?x16xf32>
}

// A flag for each key of a request serves all rows of an item: of one request.
// CHECK-LABEL: tile.kernel items @flags(
// CHECK:         %[[OWN:.+]] = tile.item sym_first
// CHECK:         tile.load %{{.+}}[%[[OWN]], %{{.+}}, %{{.+}}] axes [-1, 0, 1]
// CHECK:         step
// CHECK:         tile.load %{{.+}}[%[[OWN]], %{{.+}}] axes [-1, 0]
// CHECK:         tile.launch @flags
// CHECK-NOT:     shares
func.func @flags(%q: tensor<?x?x16xf32>, %k: tensor<?x?x16xf32>, %on: tensor<?x?xi1>)
    -> tensor<?x?x16xf32> {
  %o = attn.cascade ranks(b, p, m, e, f) -> tensor<?x?x16xf32> {
    %s = attn.einsum %q[b, p, e], %k[b, m, e] -> [b, p, m] reduce add(e)
        where %on[b, m]
        : (tensor<?x?x16xf32>, tensor<?x?x16xf32>, tensor<?x?xi1>) -> tensor<?x?x?xf32>
    %o = attn.einsum %s[b, p, m], %k[b, m, f] -> [b, p, f] reduce add(m)
        : (tensor<?x?x?xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
    attn.yield %o : tensor<?x?x16xf32>
  }
  return %o : tensor<?x?x16xf32>
}
