// RUN: attn-opt %S/../../../examples/window_sinks.mlir --attn-split-sums --attn-defer --attn-partition=tile=64 --attn-online --convert-attn-to-tile="rows=64 row-step=16" --inline --canonicalize --cse --convert-tile-to-sm --canonicalize --cse | FileCheck %s

// Sinks and a window are two intervals of tiles and one loop: its counter says
// which of them, so that copies can run ahead across the gap.

// CHECK: sm.kernel @window_sinks
// CHECK: scf.for %[[I:.+]] = %c0 to %[[TOTAL:.+]] step %c1
// CHECK: %[[N:.+]] = arith.index_cast %[[I]] : index to i32
// CHECK: %[[FIRST:.+]] = arith.addi %{{.+}}, %[[N]]
// CHECK: %[[BEHIND:.+]] = arith.subi %[[N]], %[[COUNT:.+]] : i32
// CHECK: %[[SECOND:.+]] = arith.addi %{{.+}}, %[[BEHIND]]
// CHECK: %[[IS:.+]] = arith.cmpi sge, %[[N]], %[[COUNT]]
// CHECK: arith.select %[[IS]], %[[SECOND]], %[[FIRST]]
// CHECK: sm.fill
// CHECK: sm.gemm
// CHECK-NOT: scf.for
// CHECK: sm.return
