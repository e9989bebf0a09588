// RUN: attn-opt %S/../../../examples/paged_gqa.mlir --attn-split-sums --attn-defer --attn-partition=tile=64 --attn-online --convert-attn-to-tile="rows=64 row-step=16 resumes=true" --inline --canonicalize --cse --convert-tile-to-sm="warps=4 stages=2" --canonicalize --cse | FileCheck %s

// The loop over items carries the state in registers: an item begins with it
// where bit 2 of its flags says so, and writes nothing where bit 1 does. Sums
// that threads hold parts of are carried in parts. Merges carry nothing.

// CHECK: sm.kernel @paged_gqa({{.*}}) warps(4)
// CHECK-DAG: %[[TWO:.+]] = arith.constant 2 : index
// CHECK-DAG: %[[FOUR:.+]] = arith.constant 4 : index
// CHECK: sm.items init(
// CHECK: ^bb0(%[[ITEM:.+]]: !sm.item, %[[A:[a-z0-9]+]]: tensor<64xf32, {{.*}}>, %[[B:[a-z0-9]+]]: tensor<64xf32, #sm.partial<add, {{.*}}>, %[[C:[a-z0-9]+]]: tensor<64x128xf32, {{.*}}>):
// CHECK: %[[FLAGS:.+]] = sm.field %[[ITEM]] "flags"
// CHECK: %[[BIT:.+]] = arith.andi %[[FLAGS]], %[[FOUR]]
// CHECK: %[[RESUMES:.+]] = arith.cmpi ne, %[[BIT]]
// CHECK: arith.select %[[RESUMES]], %[[A]],
// CHECK: arith.select %[[RESUMES]], %[[B]],
// CHECK: arith.select %[[RESUMES]], %[[C]],
// CHECK: %[[STATE:.+]]:5 = scf.for
// CHECK: %[[KEPT:.+]] = arith.andi %[[FLAGS]], %[[TWO]]
// CHECK: %[[ENDS:.+]] = arith.cmpi eq, %[[KEPT]]
// CHECK-NEXT: scf.if %[[ENDS]]
// CHECK: sm.yield %[[STATE]]#0, %[[STATE]]#1, %[[STATE]]#2

// CHECK: sm.kernel merges @paged_gqa.merge(
// CHECK: sm.items {
