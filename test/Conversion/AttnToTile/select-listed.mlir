// RUN: attn-opt %s --attn-partition=tile=16 --attn-online --convert-attn-to-tile --canonicalize --cse | FileCheck %s
// A listed selection is read past its count or its rank, or tiles that no row lists are visited, if this fails.

// The lists become a table of flags, one per block of 64 keys.
// CHECK-LABEL: tile.kernel stage @listed(
// CHECK-DAG:     %[[NO:.+]] = arith.constant false
// CHECK-DAG:     %[[YES:.+]] = arith.constant true
// CHECK:         scf.for %[[T:[^ ]+]] =
// CHECK:           scf.for %[[N:[^ ]+]] = %{{.+}} to %[[BLOCKS:.+]] step
// CHECK-NEXT:        memref.store %[[NO]], %[[TABLE:.+]][%[[T]], %[[N]]] : memref<?x?xi1
// CHECK:           %[[COUNT:.+]] = tile.load %{{.+}}[%[[T]]]
// CHECK:           %[[SAID:.+]] = arith.index_cast %[[COUNT]]
// No more than the list has, and than the selection may hold.
// CHECK:           %[[LISTED:.+]] = memref.dim %{{.+}}, %c1
// CHECK:           %[[THERE:.+]] = arith.minsi %[[SAID]], %[[LISTED]]
// CHECK:           %[[END:.+]] = arith.minsi %[[THERE]], %c32
// CHECK:           scf.for %[[I:[^ ]+]] = %{{.+}} to %[[END]] step
// CHECK:             memref.load %{{.+}}[%[[T]], %[[I]]] : memref<?x?xi32
// CHECK:             %[[C:.+]] = arith.index_cast
// CHECK:             %[[IN:.+]] = arith.cmpi ult, %[[C]], %[[BLOCKS]]
// CHECK:             scf.if %[[IN]] {
// CHECK-NEXT:          memref.store %[[YES]], %[[TABLE]][%[[T]], %[[C]]]

// A tile is visited if any row of the item lists its block; it is partial then.
// CHECK-LABEL: tile.kernel items @listed.1(
// CHECK-DAG:     %[[TRUE:.+]] = arith.constant true
// CHECK:         %[[P:[^,]+]], %{{[^,]+}}, %{{[^,]+}}, %{{[^,]+}} = tile.rows
// CHECK:         tile.fold
// CHECK:         ^bb0(%[[K:.+]]: index):
// CHECK:           %[[ANY:.+]] = scf.for %[[ROW:[^ ]+]] = {{.+}} -> (i1) {
// CHECK-DAG:         %[[QTILE:.+]] = arith.shrsi %[[ROW]],
// CHECK-DAG:         %[[BLOCK:.+]] = arith.shrsi %[[K]],
// CHECK:             %[[FLAG:.+]] = tile.load %[[TABLE]][%[[QTILE]], %[[BLOCK]]]
// CHECK:             arith.ori %{{.+}}, %[[FLAG]]
// CHECK:           %[[VISIT:.+]] = arith.ori %[[ANY]], %{{.+}} : i1
// CHECK:           tile.yield %[[VISIT]], %[[TRUE]] : i1, i1
// In the step every row asks its own list; a row without it keeps its state.
// CHECK:         step
// CHECK:         ^bb0(%{{.+}}: index, %{{.+}}: i1, %[[STATE:.+]]: vector<64x16xf32>):
// CHECK:           %[[QTILES:.+]] = arith.shrsi %[[P]],
// CHECK:           %[[FLAGS:.+]] = tile.load %[[TABLE]][%[[QTILES]], %{{.+}}] axes [0, -1]
// CHECK:           %[[SPREAD:.+]] = tile.expand %[[FLAGS]] [0]
// CHECK:           %[[MASK:.+]] = arith.andi %{{.+}}, %[[SPREAD]]
// CHECK:           arith.select %[[MASK]]
// CHECK:           %[[NEXT:.+]] = arith.addf %[[STATE]]
// CHECK:           %[[KEPT:.+]] = arith.select %[[SPREAD]], %[[NEXT]], %[[STATE]]
// CHECK:           tile.yield %[[KEPT]]
func.func @listed(%q: tensor<?x16xf32>, %k: tensor<?x16xf32>, %list: tensor<?x?xi32>,
                  %count: tensor<?xi32>) -> tensor<?x16xf32> {
  %o = attn.cascade ranks(t, p, m, e, f) -> tensor<?x16xf32> {
    %c = attn.select listed %list[t], %count[t] -> [t]
        : (tensor<?x?xi32>, tensor<?xi32>) -> !attn.coords<64, 32>
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e) at m in %c[p floordiv 8]
        : (tensor<?x16xf32>, tensor<?x16xf32>, !attn.coords<64, 32>) -> tensor<?x?xf32>
    %o = attn.einsum %s[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<?x?xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    attn.yield %o : tensor<?x16xf32>
  }
  return %o : tensor<?x16xf32>
}
