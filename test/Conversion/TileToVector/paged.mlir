// RUN: attn-opt %S/../../Dialect/Tile/IR/paged-items.mlir -convert-tile-to-vector | FileCheck %s
// N-D values become loops over registers: none survives, the mask is computed in partial tiles only, and no math function is left.

// CHECK-LABEL: func.func @paged(
// CHECK-SAME: !llvm.ptr {llvm.noalias, llvm.nonnull}
// CHECK-SAME: llvm.align = 64
// CHECK-SAME: tile.scratch_bytes =
// CHECK-NOT: vector<{{[0-9]+}}x{{[0-9]+}}x
// CHECK-NOT: math.
// The tiles:
// CHECK: scf.for
// CHECK: %[[PARTIAL:[0-9]+]] = arith.ori
// The maximum, once with and once without mask.
// CHECK: scf.if %[[PARTIAL]] {
// CHECK: arith.cmpi sge, {{.*}} : vector<16xi32>
// CHECK: arith.maximumf
// CHECK: } else {
// CHECK-NOT: vector<16xi32>
// CHECK: arith.maximumf
// The weights, and their sum in one register per row; then of sixteen rows.
// CHECK: scf.if %[[PARTIAL]] {
// CHECK: arith.cmpi sge, {{.*}} : vector<16xi32>
// CHECK: vector.store
// CHECK: arith.addf {{.*}} : vector<16xf32>
// CHECK: } else {
// CHECK-NOT: arith.cmpi {{.*}} : vector<16xi32>
// CHECK: arith.addf {{.*}} : vector<16xf32>
// CHECK: vector.shuffle
// CHECK-NOT: vector.reduction
// CHECK-NOT: vector<{{[0-9]+}}x{{[0-9]+}}x
// CHECK-NOT: math.
// CHECK: return
