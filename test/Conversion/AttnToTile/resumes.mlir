// RUN: attn-opt %s --attn-partition=tile=16 --attn-online --convert-attn-to-tile=resumes=true | FileCheck %s
// RUN: attn-opt %s --attn-partition=tile=16 --attn-online --convert-attn-to-tile | FileCheck %s --check-prefix=PLAIN
// RUN: attn-opt %s --attn-partition=tile=16 --attn-online --convert-attn-to-tile=resumes=true --inline --symbol-dce --canonicalize --cse --convert-tile-to-vector | FileCheck %s --check-prefix=VECTOR
// An item does not go on with the state of the one before, or asks for flags although nobody sets them, if this fails.

// CHECK-LABEL: tile.kernel items @sums(
// CHECK:         tile.fold resumes from(
// CHECK:         tile.finish keeps
// CHECK-LABEL: tile.kernel merge @sums.merge(
// CHECK-NOT:     resumes
// CHECK-NOT:     keeps
// CHECK:         tile.launch @sums {{.*}}resumes

// PLAIN-NOT: {{resumes|keeps}}

// The state is started where bit 2 is not set, and written where bit 1 is not.
// VECTOR-LABEL: func.func @sums(
// VECTOR-DAG:     %[[TWO:.+]] = arith.constant 2 : index
// VECTOR-DAG:     %[[FOUR:.+]] = arith.constant 4 : index
// VECTOR:         %[[RESUMED:.+]] = arith.andi %[[FLAGS:.+]], %[[FOUR]] : index
// VECTOR:         %[[IS:.+]] = arith.cmpi ne, %[[RESUMED]]
// VECTOR:         scf.if %[[IS]] {
// VECTOR-NEXT:    } else {
// VECTOR:         %[[KEPT:.+]] = arith.andi %[[FLAGS]], %[[TWO]] : index
// VECTOR:         %[[STAYS:.+]] = arith.cmpi ne, %[[KEPT]]
// VECTOR:         scf.if %[[STAYS]] {
// VECTOR-NEXT:    } else {
func.func @sums(%w: tensor<?x?x?xf32>, %k: tensor<?x?x16xf32>) -> tensor<?x?x16xf32> {
  %o = attn.cascade ranks(b, p, m, f) -> tensor<?x?x16xf32> {
    %o = attn.einsum %w[b, p, m], %k[b, m, f] -> [b, p, f] reduce add(m)
        : (tensor<?x?x?xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
    attn.yield %o : tensor<?x?x16xf32>
  }
  return %o : tensor<?x?x16xf32>
}
