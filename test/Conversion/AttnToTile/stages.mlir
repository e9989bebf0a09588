// RUN: attn-opt %s --convert-attn-to-tile --canonicalize --cse | FileCheck %s
// An einsum without a fold reads absent points, or stages do not meet in a workspace, if this fails.

// One point per coordinate of the result's ranks, row-major.
// CHECK-LABEL: tile.kernel stage @stages(
// CHECK-DAG:     %[[ZERO:.+]] = arith.constant 0.000000e+00 : f32
// CHECK-DAG:     %[[BEGIN:.+]] = tile.item row_begin
// CHECK-DAG:     %[[COUNT:.+]] = tile.item row_count
// CHECK:         %[[END:.+]] = arith.addi %[[BEGIN]], %[[COUNT]]
// CHECK:         scf.for %[[I:[^ ]+]] = %[[BEGIN]] to %[[END]]
// CHECK:           %[[M:.+]] = arith.remui %[[I]], %[[EXTENT:.+]] : index
// CHECK:           %[[P:.+]] = arith.divui %[[I]], %[[EXTENT]] : index
// What is absent is not looked at.
// CHECK-NOT:       tile.load
// CHECK:           arith.subi %[[N:.+]], %[[M]]
// CHECK:           %[[IN:.+]] = arith.cmpi sge
// CHECK:           scf.if %[[IN]] -> (f32) {
// CHECK:             tile.load %{{.+}}[%[[P]], %[[M]]]
// CHECK:             %[[Y:.+]] = tile.load %{{.+}}[%[[P]], %[[M]]]
// CHECK:             %[[WIDE:.+]] = arith.extf %[[Y]] : f16 to f32
// CHECK:             arith.mulf %{{.+}}, %[[WIDE]] : f32
// CHECK:           } else {
// CHECK-NEXT:        scf.yield %[[ZERO]] : f32
// CHECK:           tile.store %{{.+}}, %[[WORKSPACE:.+]][%[[P]], %[[M]]]

// The second stage skips what the first one handed on as absent.
// CHECK-LABEL: tile.kernel stage @stages.1(
// CHECK:         %[[UNIT:.+]] = arith.constant 0xFF800000 : f32
// CHECK:         scf.for %[[P:[^ ]+]] =
// CHECK:           %[[MAX:.+]] = scf.for %[[M:[^ ]+]] = {{.*}} iter_args(%[[OLD:.+]] = %[[UNIT]])
// CHECK:             %[[IN:.+]] = arith.cmpi sge
// CHECK:             %[[X:.+]] = scf.if %[[IN]]
// CHECK:               tile.load %[[WORKSPACE]][%[[P]], %[[M]]]
// CHECK:             } else {
// CHECK-NEXT:          scf.yield %[[UNIT]] : f32
// CHECK:             arith.maximumf %[[OLD]], %[[X]]
// CHECK:           tile.store %[[MAX]], %{{.+}}[%[[P]]]

// CHECK-LABEL: tile.program @stages.program
// CHECK-DAG:     tile.extent "argument 0, axis 0" rank "p" group [[P:[0-9]+]]
// CHECK-DAG:     tile.extent "argument 1, axis 0" rank "p" group [[P]]
// CHECK:         tile.buffer workspace 0 shape [{{[0-9]+}}, {{[0-9]+}}] : memref<?x?xf32
// CHECK:         tile.launch @stages {size = array<i64: {{[0-9]+, [0-9]+}}>}
// CHECK:         tile.launch @stages.1 {size = array<i64: {{[0-9]+}}>}
func.func @stages(%x: tensor<?x?xf32>, %y: tensor<?x?xf16>, %n: index) -> tensor<?xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<?xf32> {
    %s = attn.einsum %x[p, m], %y[p, m] -> [p, m] symbols(n = %n) where (m < n)
        : (tensor<?x?xf32>, tensor<?x?xf16>, index) -> tensor<?x?xf32>
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<?x?xf32>) -> tensor<?xf32>
    attn.yield %g : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}
