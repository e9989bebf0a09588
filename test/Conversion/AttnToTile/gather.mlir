// RUN: attn-opt %s --attn-partition=tile=64 --attn-online=rank=m1 --convert-attn-to-tile=rows=64 --canonicalize --cse | FileCheck %s
// If this fails, an operand at an index of two coordinates is not read point by point, or reads what is not there.

// Row coordinates minus those of the tile; what points past the last row or key
// would read is moved inside of the table.
// CHECK-LABEL: tile.kernel items @apart(
// CHECK-SAME:    %[[T:[a-z0-9]+]]: memref<?xf32, strided<[1]>>
// CHECK: %[[ROWS:.+]], %{{.+}}, %{{.+}}, %{{.+}} = tile.rows
// CHECK: tile.fold
// CHECK:   %[[APART:.*]] = arith.addi %{{.*}} : vector<64x64xi32>
// CHECK:   %[[LOW:.*]] = arith.minsi %{{.*}}, %{{.*}} : vector<64x64xi32>
// CHECK:   %[[IN:.*]] = arith.maxsi %[[LOW]], %{{.*}} : vector<64x64xi32>
// CHECK:   tile.gather %[[T]][%[[IN]]] : (memref<?xf32, strided<[1]>>, vector<64x64xi32>) -> vector<64x64xf32>
func.func @apart(%t: tensor<?xf32>, %x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<?xf32> {
    %s = attn.einsum %t[p - m + 9], %x[m], %y[p] -> [p] reduce add(m)
        : (tensor<?xf32>, tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    attn.yield %s : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}
