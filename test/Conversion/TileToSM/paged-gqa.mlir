// RUN: attn-opt %S/../../../examples/paged_gqa.mlir --attn-split-sums --attn-defer --attn-partition=tile=64 --attn-online --convert-attn-to-tile="rows=64 row-step=16" --inline --canonicalize --cse --convert-tile-to-sm="warps=4 stages=2" --canonicalize --cse | FileCheck %s

// Decode and prefill over pages: 64 packed rows, 16 for each of four warps.

// CHECK: sm.kernel @paged_gqa({{.*}}) warps(4)
// CHECK-DAG: %[[ROOM:.+]] = sm.alloc : <64, 128, f16>
// CHECK-DAG: %[[VALUES:.+]] = sm.ring : <2 of <64, 128, f16>>
// CHECK-DAG: %[[KEYS:.+]] = sm.ring : <2 of <64, 128, f16>>
// CHECK: sm.roles ["all"] warps [4]
// CHECK: sm.items {
// CHECK: ^bb0(%[[ITEM:.+]]: !sm.item):

// Queries come to shared memory once, in front of the loop; with a mask there are
// no registers left to keep them in.
// CHECK: sm.copy %{{.+}} live %{{.+}} to %[[ROOM]] : tensor<64xi64, #sm.mover<8, 4>>
// CHECK: sm.wait
// CHECK: scf.for

// A token has its page: an entry of the table is looked at only where the token
// is below the length and the table has the entry, and a page of 16 costs a
// shift. Pages that the pool does not have are not copied.
// CHECK: %[[LIVE:.+]] = arith.cmpi sge, {{.+}} : tensor<64xi64, #sm.mover<8, 4>>
// CHECK: %[[AT:.+]] = arith.shrsi {{.+}} : tensor<64xi64, #sm.mover<8, 4>>
// CHECK: %[[THERE:.+]] = arith.cmpi ult, %[[AT]], {{.+}} : tensor<64xi64, #sm.mover<8, 4>>
// CHECK: %[[BOTH:.+]] = arith.andi %[[LIVE]], %[[THERE]]
// CHECK: %[[ENTRY:.+]] = sm.load %{{.+}} live %[[BOTH]] : tensor<64xi64, #sm.mover<8, 4>>, tensor<64xi1, #sm.mover<8, 4>> -> tensor<64xi32, #sm.mover<8, 4>>
// CHECK: %[[PAGE:.+]] = arith.extsi %[[ENTRY]]
// CHECK: %[[INSIDE:.+]] = arith.cmpi ult, %[[PAGE]], {{.+}} : tensor<64xi64, #sm.mover<8, 4>>
// CHECK: %[[PRESENT:.+]] = arith.andi %{{.+}}, %[[INSIDE]]
// Keys and values look it up once.
// CHECK-NOT: sm.load
// CHECK: %[[K:.+]] = sm.fill %[[R1:.+]], %[[C1:.+]] {
// CHECK-NEXT: ^bb0(%[[SLOT:.+]]: !sm.slot<64, 128, f16>):
// CHECK-NEXT: sm.copy %{{.+}} live %[[PRESENT]] to %[[SLOT]]
// CHECK-NEXT: sm.yield
// CHECK: %[[V:.+]] = sm.fill %[[R2:.+]], %[[C2:.+]] {

// The mask of a full tile is not computed. The dot of f32 extensions is a
// product of f16.
// CHECK: scf.if %{{.+}} -> (tensor<64x64xi1, #sm.acc<4 x 1>>)
// CHECK: %[[Q:.+]] = sm.lds %{{.+}} : <64, 128, f16> -> tensor<64x128xf16, #sm.acc<4 x 1>>
// CHECK: %[[KB:.+]] = sm.take %[[R1]], %[[C1]] after %[[K]]
// CHECK: %[[S:.+]] = sm.gemm %[[Q]], %[[KB]] acc(%{{.+}}) {transposeB} :
// CHECK: sm.reduce{{ +}}maximum %{{.+}} along 1 : {{.+}} -> tensor<64xf32, #sm.partial<maximum, 1, #sm.acc<4 x 1>>>
// CHECK: sm.complete
// CHECK: sm.expand %{{.+}} along 1
// CHECK: math.exp
// CHECK: sm.reduce{{ +}}add %{{.+}} along 1
// CHECK: %[[P:.+]] = arith.truncf %{{.+}} : tensor<64x64xf32, #sm.acc<4 x 1>> to tensor<64x64xf16, #sm.acc<4 x 1>>
// CHECK: %[[VB:.+]] = sm.take %[[R2]], %[[C2]] after %[[V]]
// CHECK: sm.gemm %[[P]], %[[VB]] acc(%{{.+}}) :
// CHECK-DAG: sm.release %[[R1]], %[[C1]]
// CHECK-DAG: sm.release %[[R2]], %[[C2]]
// CHECK: scf.yield

// The row sums are completed once, behind the loop.
// CHECK: sm.complete %{{.+}} : tensor<64xf32, #sm.partial<add, 1, #sm.acc<4 x 1>>>

// A part of a row goes to its slot, a whole one through the epilogue.
// CHECK: scf.if
// CHECK-DAG: sm.store %{{.+}} to
// CHECK-DAG: sm.store_rows
// CHECK: } else {
// CHECK: arith.divf
// CHECK: sm.store_rows
// CHECK-NOT: tile.
// CHECK: sm.return

// Merges are kernels like others: what was derived, on fragments.
// CHECK: sm.kernel merges @paged_gqa.merge({{.*}}) warps(1)
// CHECK: scf.for
// CHECK: scf.for
// CHECK: sm.part
// CHECK: sm.load_rows
// CHECK: scf.yield
// CHECK: arith.divf
// CHECK: sm.store_rows
// CHECK-NOT: func.call
// CHECK: sm.return
