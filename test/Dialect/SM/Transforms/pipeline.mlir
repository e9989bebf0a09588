// RUN: attn-opt %s --sm-pipeline --canonicalize --cse | FileCheck %s
// RUN: attn-opt %s --sm-pipeline --canonicalize --cse --sm-place-waits | FileCheck %s --check-prefix=WAITS

// What a turn copies is on its way two turns before, with three places; the
// number of its page was looked up a turn before that.

#mover = #sm.mover<8, 1>
#acc = #sm.acc<1 x 1>
!block = !sm.buf<16, 64, f16>
!slot = !sm.slot<16, 64, f16>
!ring = !sm.ring<3 of !sm.buf<16, 64, f16>>

// CHECK-LABEL: sm.kernel @ahead
// WAITS-LABEL: sm.kernel @ahead
sm.kernel @ahead(%n: index, %pool: i64, %table: memref<?xi64>, %q: tensor<16x64xf16, #acc>) warps(1) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %ring = sm.ring : !ring
  sm.roles ["all"] warps [1] registers [0] {
    sm.items {
    ^bb0(%item: !sm.item):
      %all = arith.constant dense<true> : tensor<16xi1, #mover>
      %none = arith.constant dense<0.0> : tensor<16x16xf32, #acc>
      %at = sm.cursor %ring : !ring

      // The prologue: nothing is read or copied of turns that there are not.
      // CHECK: %[[HAS0:.+]] = arith.cmpi {{.+}} : index
      // CHECK: scf.if %[[HAS0]] -> (i64) {
      // CHECK: memref.load
      // CHECK: sm.fill %{{.+}}, %{{.+}} when %[[HAS0]]
      // CHECK: sm.fill %{{.+}}, %{{.+}} when

      // In the loop: take; then copy; then look up; then multiply.
      // CHECK: scf.for %[[I:.+]] = %{{.+}} to %{{.+}} step
      // CHECK: %[[HAS3:.+]] = arith.cmpi slt, %[[I]],
      // CHECK: %[[HAS2:.+]] = arith.cmpi slt, %[[I]],
      // CHECK: sm.take
      // CHECK: sm.fill %{{.+}}, %{{.+}} when %[[HAS2]]
      // CHECK: scf.if %[[HAS3]] -> (i64) {
      // CHECK: memref.load
      // CHECK: sm.gemm
      // CHECK: sm.release

      // Only the items' first copy can meet a thread that still reads: the wait
      // of a turn stands between its own copies and the turn before.
      // WAITS: sm.fill
      // WAITS: {meet} :
      // WAITS: sm.fill
      // WAITS-NOT: {meet} :
      // WAITS: scf.for
      // WAITS: sm.take {{.+}} {pending = 1 : i64}
      // WAITS-NOT: meet
      // WAITS: sm.return
      %sum, %end = scf.for %i = %zero to %n step %one iter_args(%s = %none, %c = %at)
          -> (tensor<16x16xf32, #acc>, !sm.cursor) {
        %page = memref.load %table[%i] : memref<?xi64>
        %begin = arith.addi %pool, %page : i64
        %rows = sm.splat %begin : i64 -> tensor<16xi64, #mover>
        %t = sm.fill %ring, %c {
        ^bb0(%slot: !slot):
          %u = sm.copy %rows live %all to %slot : tensor<16xi64, #mover>, tensor<16xi1, #mover>, !slot
          sm.yield
        } : !ring
        %k = sm.take %ring, %c after %t : !ring -> !block
        %x = sm.gemm %q, %k acc(%s) {transposeB} : tensor<16x64xf16, #acc>, !block -> tensor<16x16xf32, #acc>
        sm.release %ring, %c : !ring
        %d = sm.advance %ring, %c : !ring
        scf.yield %x, %d : tensor<16x16xf32, #acc>, !sm.cursor
      }
      %to = sm.splat %pool : i64 -> tensor<16xi64, #sm.slice<1, #acc>>
      %flags = arith.constant dense<true> : tensor<16xi1, #sm.slice<1, #acc>>
      sm.store_rows %sum to %to live %flags : tensor<16x16xf32, #acc>, tensor<16xi64, #sm.slice<1, #acc>>, tensor<16xi1, #sm.slice<1, #acc>>
      sm.yield
    }
    sm.yield
  }
  sm.return
}

// One place: there is nothing to run ahead to, and each copy waits for readers.
// CHECK-LABEL: sm.kernel @one_place
// CHECK-NOT: sm.fill
// CHECK: scf.for
// CHECK: sm.fill %{{.+}}, %{{.+}} {
// CHECK: sm.take
// WAITS-LABEL: sm.kernel @one_place
// WAITS: {meet} :
// WAITS: sm.take {{.+}} {pending = 0 : i64}
sm.kernel @one_place(%n: index, %pool: i64, %q: tensor<16x64xf16, #acc>) warps(1) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %ring = sm.ring : !sm.ring<1 of !sm.buf<16, 64, f16>>
  sm.roles ["all"] warps [1] registers [0] {
    sm.items {
    ^bb0(%item: !sm.item):
      %rows = sm.splat %pool : i64 -> tensor<16xi64, #mover>
      %all = arith.constant dense<true> : tensor<16xi1, #mover>
      %none = arith.constant dense<0.0> : tensor<16x16xf32, #acc>
      %at = sm.cursor %ring : !sm.ring<1 of !sm.buf<16, 64, f16>>
      %sum = scf.for %i = %zero to %n step %one iter_args(%s = %none) -> (tensor<16x16xf32, #acc>) {
        %t = sm.fill %ring, %at {
        ^bb0(%slot: !slot):
          %u = sm.copy %rows live %all to %slot : tensor<16xi64, #mover>, tensor<16xi1, #mover>, !slot
          sm.yield
        } : !sm.ring<1 of !sm.buf<16, 64, f16>>
        %k = sm.take %ring, %at after %t : !sm.ring<1 of !sm.buf<16, 64, f16>> -> !block
        %x = sm.gemm %q, %k acc(%s) {transposeB} : tensor<16x64xf16, #acc>, !block -> tensor<16x16xf32, #acc>
        sm.release %ring, %at : !sm.ring<1 of !sm.buf<16, 64, f16>>
        scf.yield %x : tensor<16x16xf32, #acc>
      }
      %to = sm.splat %pool : i64 -> tensor<16xi64, #sm.slice<1, #acc>>
      %flags = arith.constant dense<true> : tensor<16xi1, #sm.slice<1, #acc>>
      sm.store_rows %sum to %to live %flags : tensor<16x16xf32, #acc>, tensor<16xi64, #sm.slice<1, #acc>>, tensor<16xi1, #sm.slice<1, #acc>>
      sm.yield
    }
    sm.yield
  }
  sm.return
}
