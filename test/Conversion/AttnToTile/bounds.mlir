// RUN: attn-opt %s --attn-partition=tile=16 --attn-online --convert-attn-to-tile --canonicalize --cse | FileCheck %s
// A mask compares an element more often than the axes of its sets ask for, or a row
// that is not there sees keys, if this fails.

// A window, a length and absent rows: of the keys one lower and one upper bound for each
// row, computed in front of the fold, and no flag of a row is spread over keys.
// CHECK-LABEL: tile.kernel items @window(
// CHECK:         %[[M:.+]] = tile.coord %{{.+}} : vector<16xi32>
// CHECK:         %[[P:[^,]+]], %{{[^,]+}}, %{{[^,]+}}, %{{[^,]+}} = tile.rows
// CHECK-DAG:     %[[LOW:.+]] = arith.addi %[[P]], %{{.+}} : vector<[[R:[0-9]+]]xi32>
// CHECK-DAG:     %[[HERE:.+]] = arith.cmpi sle, %[[P]], %{{.+}} : vector<[[R]]xi32>
// CHECK-DAG:     %[[NEAR:.+]] = arith.minsi %{{.+}}, %[[P]] : vector<[[R]]xi32>
// CHECK:         %[[HIGH:.+]] = arith.select %[[HERE]], %[[NEAR]], %{{.+}} : vector<[[R]]xi1>
// CHECK:         tile.fold
// CHECK:         scf.if
// CHECK-DAG:       arith.addi %{{.+}}, %[[LOW]] : vector<[[R]]xi32>
// CHECK-DAG:       arith.addi %{{.+}}, %[[HIGH]] : vector<[[R]]xi32>
// CHECK-DAG:       arith.cmpi sge, %{{.+}}, %{{.+}} : vector<[[R]]x16xi32>
// CHECK-DAG:       arith.cmpi sle, %{{.+}}, %{{.+}} : vector<[[R]]x16xi32>
// CHECK-NOT:       arith.cmpi {{.+}} : vector<[[R]]x16xi32>
// CHECK:         } else {
func.func @window(%q: tensor<?x16xf32>, %k: tensor<?x16xf32>, %nq: index) -> tensor<?x16xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<?x16xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        symbols(nq = %nq) where (m <= p and m > p - 40 and p < nq)
        : (tensor<?x16xf32>, tensor<?x16xf32>, index) -> tensor<?x?xf32>
    %o = attn.einsum %s[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<?x?xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    attn.yield %o : tensor<?x16xf32>
  }
  return %o : tensor<?x16xf32>
}

// Behind the row's own end or a prefix that all rows see: the later of both bounds,
// computed in front of the fold; the tile's begin is taken from it in the loop.
// CHECK-LABEL: tile.kernel items @prefix(
// CHECK:         %[[P:[^,]+]], %{{[^,]+}}, %{{[^,]+}}, %{{[^,]+}} = tile.rows
// CHECK:         %[[LAST:.+]] = arith.maxsi %{{.+}}, %{{.+}} : vector<[[R:[0-9]+]]xi32>
// CHECK:         %[[NEAR:.+]] = arith.minsi %{{.+}}, %[[LAST]] : vector<[[R]]xi32>
// CHECK:         %[[HIGH:.+]] = arith.select %{{.+}}, %[[NEAR]], %{{.+}} : vector<[[R]]xi1>
// CHECK:         ^bb0(%{{.+}}: index, %{{.+}}: i1
// CHECK:         scf.if
// CHECK:           arith.addi %{{.+}}, %[[HIGH]] : vector<[[R]]xi32>
// CHECK:           arith.cmpi sle, %{{.+}}, %{{.+}} : vector<[[R]]x16xi32>
// CHECK-NOT:       arith.cmpi {{.+}} : vector<[[R]]x16xi32>
// CHECK-NOT:       arith.ori
// CHECK:         } else {
func.func @prefix(%q: tensor<?x16xf32>, %k: tensor<?x16xf32>, %nq: index, %n: index) -> tensor<?x16xf32> {
  %o = attn.cascade ranks(p, m, e, f) -> tensor<?x16xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        symbols(nq = %nq, n = %n) where (m <= p and p < nq) or (m < n and p < nq)
        : (tensor<?x16xf32>, tensor<?x16xf32>, index, index) -> tensor<?x?xf32>
    %o = attn.einsum %s[p, m], %k[m, f] -> [p, f] reduce add(m)
        : (tensor<?x?xf32>, tensor<?x16xf32>) -> tensor<?x16xf32>
    attn.yield %o : tensor<?x16xf32>
  }
  return %o : tensor<?x16xf32>
}
