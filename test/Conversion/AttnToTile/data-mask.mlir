// RUN: attn-opt %s --attn-partition=tile=16 --attn-online --convert-attn-to-tile --canonicalize --cse | FileCheck %s
// Presence by data is not asked in every tile, or reads past the keys, if this fails.

// CHECK-LABEL: tile.kernel items @data(
// CHECK-DAG:     %[[TRUE:.+]] = arith.constant true
// CHECK-DAG:     %[[M:.+]] = tile.coord %{{.+}} : vector<16xi32>
// CHECK:         %[[P:[^,]+]], %{{[^,]+}}, %{{[^,]+}}, %{{[^,]+}} = tile.rows
// The sets still bound the loop; inside it every tile is partial.
// CHECK:         tile.fold from
// CHECK:           tile.yield %[[TRUE]], %[[TRUE]] : i1, i1
// CHECK:         step
// CHECK:         ^bb0(%[[K:.+]]: index, %[[PARTIAL:.+]]: i1,
// CHECK:           %[[START:.+]] = arith.muli %[[K]],
// CHECK:           %[[KEYS:.+]] = arith.addi %{{.+}}, %[[M]] : vector<16xi32>
// CHECK:           %[[MINE:.+]] = tile.load %[[DOC:.+]][%[[P]]] axes [0]
// CHECK:           %[[SIZE:.+]] = memref.dim %[[DOC]]
// CHECK:           %[[LEFT:.+]] = arith.subi %[[SIZE]], %[[START]]
// CHECK:           %[[THEIRS:.+]] = tile.load %[[DOC]][%[[KEYS]]] axes [0] live(%{{.+}} to %[[LEFT]])
// CHECK:           %[[LEFT:.+]] = arith.subi %{{.+}}, %[[START]]
// CHECK:           %[[TREE:.+]] = tile.load %{{.+}}[%[[P]], %[[KEYS]]] axes [0, 1] live(%{{.+}} to %[[LEFT]]) {liveAxis = 1 : i64}
// CHECK:           %[[SETS:.+]] = scf.if %[[PARTIAL]]
// CHECK:           %[[ROWS:.+]] = tile.expand %[[MINE]] [0]
// CHECK:           %[[COLS:.+]] = tile.expand %[[THEIRS]] [1]
// CHECK:           %[[SAME:.+]] = arith.cmpi eq, %[[ROWS]], %[[COLS]]
// CHECK:           %[[BOTH:.+]] = arith.andi %[[SETS]], %[[SAME]]
// CHECK:           %[[ALL:.+]] = arith.andi %[[BOTH]], %[[TREE]]
// CHECK:           arith.select %[[ALL]]
func.func @data(%q: tensor<?x16xf32>, %k: tensor<?x16xf32>, %doc: tensor<?xi32>,
                %tree: tensor<?x?xi1>) -> tensor<?x16xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<?x16xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        where (p >= m) and %doc[p] == %doc[m] and %tree[p, m]
        : (tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi1>)
          -> tensor<?x?xf32>
    %o = attn.einsum %s[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<?x?xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    attn.yield %o : tensor<?x16xf32>
  }
  return %o : tensor<?x16xf32>
}
