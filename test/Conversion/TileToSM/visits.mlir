// RUN: attn-opt %S/../../../examples/block_lists.mlir --attn-split-sums --attn-defer --attn-partition=tile=64 --attn-online --convert-attn-to-tile="rows=64 row-step=16" --inline --canonicalize --cse --convert-tile-to-sm --canonicalize --cse | FileCheck %s

// A tile that no row's list has is neither copied nor multiplied.

// CHECK: sm.kernel @block_lists.1(
// CHECK: scf.for
// CHECK: %[[ANY:.+]] = scf.for
// CHECK: memref.load
// CHECK: %[[VISIT:.+]] = arith.ori %[[ANY]],
// CHECK: sm.fill %{{.+}}, %{{.+}} when %[[VISIT]]
// CHECK: scf.if %[[VISIT]]
// CHECK: sm.gemm
// CHECK: } else {
// CHECK: sm.return
