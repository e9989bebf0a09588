// RUN: attn-opt %s --sm-split-loops --canonicalize | FileCheck %s

#mover = #sm.mover<8, 1>
#acc = #sm.acc<1 x 1>
!block = !sm.buf<16, 64, f16>
!slot = !sm.slot<16, 64, f16>
!ring = !sm.ring<1 of !sm.buf<16, 64, f16>>

// A loop of scalars counts the turns before the first that is in part; they have
// no branch, and the others go on from what they leave.
// CHECK-LABEL: sm.kernel @known
// CHECK-SAME: (%[[N:[a-z0-9]+]]: index, %[[LAST:[a-z0-9]+]]: index
// CHECK-DAG: %[[ZERO:.+]] = arith.constant 0 : index
// CHECK-DAG: %[[ONE:.+]] = arith.constant 1 : index
// CHECK-DAG: %[[TRUE:.+]] = arith.constant true
// CHECK: %[[PLAIN:.+]]:2 = scf.for %[[I:.+]] = %[[ZERO]] to %[[N]] step %[[ONE]] iter_args(%[[END:.+]] = %[[ZERO]], %[[ALL:.+]] = %[[TRUE]])
// CHECK: %[[WHOLE:.+]] = arith.cmpi slt, %[[I]], %[[LAST]]
// CHECK: %[[STILL:.+]] = arith.andi %[[ALL]], %[[WHOLE]]
// CHECK: %[[NEXT:.+]] = arith.addi %[[I]], %[[ONE]]
// CHECK: %[[COUNT:.+]] = arith.select %[[STILL]], %[[NEXT]], %[[END]]
// CHECK: scf.yield %[[COUNT]], %[[STILL]]
// CHECK: %[[FIRST:.+]]:2 = scf.for %{{.+}} = %[[ZERO]] to %[[PLAIN]]#0 step %[[ONE]]
// CHECK: sm.gemm
// CHECK-NOT: scf.if
// CHECK: scf.yield
// CHECK: scf.for %{{.+}} = %[[PLAIN]]#0 to %[[N]] step %[[ONE]] iter_args(%{{.+}} = %[[FIRST]]#0, %{{.+}} = %[[FIRST]]#1)
// CHECK: sm.gemm
// CHECK: scf.if
sm.kernel @known(%n: index, %last: index, %pool: i64, %q: tensor<16x64xf16, #acc>) warps(1) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %ring = sm.ring : !ring
  sm.roles ["all"] warps [1] registers [0] {
    sm.items {
    ^bb0(%item: !sm.item):
      %all = arith.constant dense<true> : tensor<16xi1, #mover>
      %none = arith.constant dense<0.0> : tensor<16x16xf32, #acc>
      %rows = sm.splat %pool : i64 -> tensor<16xi64, #mover>
      %at = sm.cursor %ring : !ring
      %sum, %end = scf.for %i = %zero to %n step %one iter_args(%s = %none, %c = %at)
          -> (tensor<16x16xf32, #acc>, !sm.cursor) {
        %t = sm.fill %ring, %c {
        ^bb0(%slot: !slot):
          %u = sm.copy %rows live %all to %slot : tensor<16xi64, #mover>, tensor<16xi1, #mover>, !slot
          sm.yield
        } : !ring
        %k = sm.take %ring, %c after %t : !ring -> !block
        %x = sm.gemm %q, %k acc(%none) {transposeB} : tensor<16x64xf16, #acc>, !block -> tensor<16x16xf32, #acc>
        sm.release %ring, %c : !ring
        %d = sm.advance %ring, %c : !ring
        %partial = arith.cmpi sge, %i, %last : index
        %y = scf.if %partial -> (tensor<16x16xf32, #acc>) {
          %m = arith.negf %x : tensor<16x16xf32, #acc>
          scf.yield %m : tensor<16x16xf32, #acc>
        } else {
          scf.yield %x : tensor<16x16xf32, #acc>
        }
        %sums = arith.addf %s, %y : tensor<16x16xf32, #acc>
        scf.yield %sums, %d : tensor<16x16xf32, #acc>, !sm.cursor
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

// What a turn reads is not known before it.
// CHECK-LABEL: sm.kernel @read
// CHECK: scf.for
// CHECK: scf.if
// CHECK-NOT: scf.for
sm.kernel @read(%n: index, %last: index, %pool: i64, %table: memref<?xi1>, %q: tensor<16x64xf16, #acc>) warps(1) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %ring = sm.ring : !ring
  sm.roles ["all"] warps [1] registers [0] {
    sm.items {
    ^bb0(%item: !sm.item):
      %all = arith.constant dense<true> : tensor<16xi1, #mover>
      %none = arith.constant dense<0.0> : tensor<16x16xf32, #acc>
      %rows = sm.splat %pool : i64 -> tensor<16xi64, #mover>
      %at = sm.cursor %ring : !ring
      %sum, %end = scf.for %i = %zero to %n step %one iter_args(%s = %none, %c = %at)
          -> (tensor<16x16xf32, #acc>, !sm.cursor) {
        %t = sm.fill %ring, %c {
        ^bb0(%slot: !slot):
          %u = sm.copy %rows live %all to %slot : tensor<16xi64, #mover>, tensor<16xi1, #mover>, !slot
          sm.yield
        } : !ring
        %k = sm.take %ring, %c after %t : !ring -> !block
        %x = sm.gemm %q, %k acc(%none) {transposeB} : tensor<16x64xf16, #acc>, !block -> tensor<16x16xf32, #acc>
        sm.release %ring, %c : !ring
        %d = sm.advance %ring, %c : !ring
        %partial = memref.load %table[%i] : memref<?xi1>
        %y = scf.if %partial -> (tensor<16x16xf32, #acc>) {
          %m = arith.negf %x : tensor<16x16xf32, #acc>
          scf.yield %m : tensor<16x16xf32, #acc>
        } else {
          scf.yield %x : tensor<16x16xf32, #acc>
        }
        %sums = arith.addf %s, %y : tensor<16x16xf32, #acc>
        scf.yield %sums, %d : tensor<16x16xf32, #acc>, !sm.cursor
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

// A branch that leaves the state as it was, not a block of the turn, is a turn
// that is left out.
// CHECK-LABEL: sm.kernel @left_out
// CHECK: scf.for
// CHECK: scf.if
// CHECK-NOT: scf.for
sm.kernel @left_out(%n: index, %last: index, %pool: i64, %q: tensor<16x64xf16, #acc>) warps(1) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %ring = sm.ring : !ring
  sm.roles ["all"] warps [1] registers [0] {
    sm.items {
    ^bb0(%item: !sm.item):
      %all = arith.constant dense<true> : tensor<16xi1, #mover>
      %none = arith.constant dense<0.0> : tensor<16x16xf32, #acc>
      %rows = sm.splat %pool : i64 -> tensor<16xi64, #mover>
      %at = sm.cursor %ring : !ring
      %sum, %end = scf.for %i = %zero to %n step %one iter_args(%s = %none, %c = %at)
          -> (tensor<16x16xf32, #acc>, !sm.cursor) {
        %t = sm.fill %ring, %c {
        ^bb0(%slot: !slot):
          %u = sm.copy %rows live %all to %slot : tensor<16xi64, #mover>, tensor<16xi1, #mover>, !slot
          sm.yield
        } : !ring
        %k = sm.take %ring, %c after %t : !ring -> !block
        %x = sm.gemm %q, %k acc(%none) {transposeB} : tensor<16x64xf16, #acc>, !block -> tensor<16x16xf32, #acc>
        sm.release %ring, %c : !ring
        %d = sm.advance %ring, %c : !ring
        %partial = arith.cmpi sge, %i, %last : index
        %y = scf.if %partial -> (tensor<16x16xf32, #acc>) {
          %m = arith.negf %x : tensor<16x16xf32, #acc>
          scf.yield %m : tensor<16x16xf32, #acc>
        } else {
          scf.yield %s : tensor<16x16xf32, #acc>
        }
        %sums = arith.addf %s, %y : tensor<16x16xf32, #acc>
        scf.yield %sums, %d : tensor<16x16xf32, #acc>, !sm.cursor
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
