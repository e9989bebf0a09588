// RUN: attn-opt %s --attn-partition=tile=16 --attn-online --convert-attn-to-tile --canonicalize --cse | FileCheck %s
// The planner gets wrong coordinates of a row, or the runtime wrong extents, if this fails.

// Keys of a row, in whole tiles of 16. The mask differs by head and heads are
// no segments: the hull over all heads.
// CHECK-LABEL: tile.kernel host @ragged.range(
// CHECK-SAME:      %[[SEG:[^ ]+]]: memref<?xi32>, %[[COORD:[^ ]+]]: memref<?xi32>, %[[LO:[^ ]+]]: memref<?xi32>, %[[HI:[^ ]+]]: memref<?xi32>, %[[N:[^ ]+]]: index)
// CHECK-DAG:     %[[T:.+]] = arith.constant 16 : index
// CHECK-DAG:     %[[HEADS:.+]] = arith.constant 4 : index
// CHECK:         scf.for %[[I:[^ ]+]] = %{{.+}} to %[[N]] step
// CHECK:           memref.load %[[SEG]][%[[I]]]
// CHECK:           memref.load %[[COORD]][%[[I]]]
// CHECK:           %[[HULL:.+]]:2 = scf.for %[[H:[^ ]+]] = %{{.+}} to %[[HEADS]] step {{.*}} iter_args(%[[OLDLO:.+]] = %{{.+}}, %[[OLDHI:.+]] = %{{.+}})
// CHECK:             arith.muli %[[H]],
// CHECK:             %[[MIN:.+]] = arith.minsi %{{.+}}, %[[OLDLO]]
// CHECK:             %[[MAX:.+]] = arith.maxsi %{{.+}}, %[[OLDHI]]
// CHECK:             scf.yield %[[MIN]], %[[MAX]]
// CHECK:           %[[L:.+]] = arith.muli %[[HULL]]#0, %[[T]]
// CHECK:           %[[L32:.+]] = arith.index_cast %[[L]]
// CHECK:           memref.store %[[L32]], %[[LO]][%[[I]]]
// CHECK:           %[[U:.+]] = arith.muli %[[HULL]]#1, %[[T]]
// CHECK:           %[[U32:.+]] = arith.index_cast %[[U]]
// CHECK:           memref.store %[[U32]], %[[HI]][%[[I]]]

// Requests: as many as the table and the lengths both have. Keys: the longest
// request; a negative length is none.
// CHECK-LABEL: tile.kernel host @ragged.extents(
// CHECK-DAG:     %[[ZERO:.+]] = arith.constant 0 : index
// CHECK:         %[[TABLES:.+]] = memref.dim %[[TABLE:.+]], %{{.+}} : memref<?x?xi32
// CHECK:         %[[LENS:.+]] = memref.dim %[[LEN:.+]], %{{.+}} : memref<?xi32
// CHECK:         %[[LEAST:.+]] = arith.minsi %[[TABLES]], %[[LENS]]
// CHECK:         %[[REQUESTS:.+]] = arith.maxsi %[[LEAST]], %[[ZERO]]
// CHECK:         %[[LONGEST:.+]] = scf.for %[[B:[^ ]+]] = {{.*}} to %[[REQUESTS]] {{.*}} iter_args(%[[OLD:.+]] = %[[ZERO]])
// CHECK:           memref.load %[[LEN]][%[[B]]]
// CHECK:           %[[ANY:.+]] = arith.cmpi sgt
// CHECK:           %[[KEYS:.+]] = arith.select %[[ANY]], %{{.+}}, %[[ZERO]]
// CHECK:           arith.maxsi %[[OLD]], %[[KEYS]]
// CHECK:         arith.ceildivui %[[LONGEST]], %{{.+}}

// CHECK-LABEL: tile.program @ragged.program extents(@ragged.extents)
// CHECK-DAG:     tile.extent "argument 0, axis 0" rank "b" group [[B:[0-9]+]]
// CHECK-DAG:     tile.extent "a view of argument 1, axis 0" rank "b" group [[B]]
// CHECK:         tile.launch @ragged {fold = {{.+}}, heads = array<i64: {{[0-9]+}}>, merge = @ragged.merge, range = @ragged.range, row = {{.+}}, segments = array<i64: {{[0-9]+}}>
func.func @ragged(%q: tensor<?x?x4x16xf32>, %kp: memref<?x8x4x16xf32>, %table: memref<?x?xi32>,
                  %len: tensor<?xi32>) -> tensor<?x?x4x16xf32> {
  %k = attn.view (b, m, h, e) symbols(pg = %table[b, m floordiv 8], len = %len[b]) where (m < len)
       of %kp[pg, m mod 8, h, e]
       : (memref<?x8x4x16xf32>, memref<?x?xi32>, tensor<?xi32>) -> tensor<?x?x4x16xf32>
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<?x?x4x16xf32> {
    %s = attn.einsum %q[b, p, h, e], %k[b, m, h, e] -> [b, h, p, m] reduce add(e)
        where (p + 8 * h - m >= 0)
        : (tensor<?x?x4x16xf32>, tensor<?x?x4x16xf32>) -> tensor<?x4x?x?xf32>
    %o = attn.einsum %s[b, h, p, m], %k[b, m, h, f] -> [b, p, h, f] reduce add(m)
        : (tensor<?x4x?x?xf32>, tensor<?x?x4x16xf32>) -> tensor<?x?x4x16xf32>
    attn.yield %o : tensor<?x?x4x16xf32>
  }
  return %o : tensor<?x?x4x16xf32>
}
