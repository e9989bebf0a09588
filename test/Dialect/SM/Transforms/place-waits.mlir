// RUN: attn-opt %s --sm-place-waits | FileCheck %s

// Groups of copies that are certain to begin between the one that is waited for
// and the wait may stay in flight.

#mover = #sm.mover<8, 4>
!block = !sm.buf<64, 64, f16>
!slot = !sm.slot<64, 64, f16>
!ring = !sm.ring<3 of !sm.buf<64, 64, f16>>
sm.kernel @waits(%n: index, %odd: i1, %address: i64) warps(4) {
  %one = arith.constant 1 : index
  %a = sm.alloc : !slot
  %b = sm.alloc : !slot
  %ring = sm.ring : !ring
  sm.roles ["all"] warps [4] registers [0] {
    %rows = sm.splat %address : i64 -> tensor<64xi64, #mover>
    %all = arith.constant dense<true> : tensor<64xi1, #mover>
    %at = sm.cursor %ring : !ring
    %t0 = sm.copy %rows live %all to %a : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    // A fill is one group, however many copies it holds.
    %t1 = sm.fill %ring, %at {
    ^bb0(%s: !slot):
      %c0 = sm.copy %rows live %all to %s : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
      %c1 = sm.copy %rows live %all to %s : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
      sm.yield
    } : !ring
    %at1 = sm.advance %ring, %at : !ring
    %t2 = sm.fill %ring, %at1 {
    ^bb0(%s: !slot):
      %c0 = sm.copy %rows live %all to %s : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
      sm.yield
    } : !ring
    // CHECK: sm.wait {{.*}} {pending = 2 : i64}
    %w0 = sm.wait %a after %t0 : !slot -> !block

    // Around the loop two fills are under way behind each token.
    // CHECK: scf.for
    %x, %y, %z = scf.for %i = %one to %n step %one iter_args(%c = %at, %u = %t1, %v = %t2)
        -> (!sm.cursor, !sm.token, !sm.token) {
      %next = sm.advance %ring, %c : !ring
      %behind = sm.advance %ring, %next : !ring
      %f = sm.fill %ring, %behind {
      ^bb0(%s: !slot):
        %c0 = sm.copy %rows live %all to %s : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
        sm.yield
      } : !ring
      // CHECK: sm.take {{.*}} {pending = 2 : i64}
      %k = sm.take %ring, %c after %u : !ring -> !block
      sm.release %ring, %c : !ring
      scf.yield %next, %v, %f : !sm.cursor, !sm.token, !sm.token
    }
    // CHECK: sm.take {{.*}} {pending = 1 : i64}
    %k0 = sm.take %ring, %x after %y : !ring -> !block
    // CHECK: sm.take {{.*}} {pending = 0 : i64}
    %x1 = sm.advance %ring, %x : !ring
    %k1 = sm.take %ring, %x1 after %z : !ring -> !block

    // What a branch does not do on both arms, or a loop perhaps not at all, is
    // not counted.
    %t3 = sm.copy %rows live %all to %a : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    scf.if %odd {
      %t4 = sm.copy %rows live %all to %b : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    }
    scf.for %i = %one to %n step %one {
      %t5 = sm.copy %rows live %all to %b : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    }
    // CHECK: sm.wait {{.*}} {pending = 0 : i64}
    %w1 = sm.wait %a after %t3 : !slot -> !block
    scf.if %odd {
      %t6 = sm.copy %rows live %all to %b : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    } else {
      %t7 = sm.copy %rows live %all to %b : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    }
    // The newest of several tokens counts, and nothing is known of a token that
    // a branch chose.
    // CHECK: sm.wait {{.*}} {pending = 1 : i64}
    %w2 = sm.wait %a after %t0, %t3 : !slot -> !block
    %t8 = arith.select %odd, %t0, %t1 : !sm.token
    // CHECK: sm.wait {{.*}} {pending = 0 : i64}
    %w3 = sm.wait %a after %t8 : !slot -> !block
    // Without a token everything is waited for.
    // CHECK: sm.take {{.*}} {pending = 0 : i64}
    %k2 = sm.take %ring, %x : !ring -> !block
    sm.yield
  }
  sm.return
}

// Products are counted apart from copies.

#acc = #sm.acc<4 x 1>
!product = !sm.inflight<tensor<64x64xf32, #acc>>
// CHECK-LABEL: sm.kernel @products
sm.kernel @products(%odd: i1, %address: i64) warps(4) {
  %a = sm.alloc : !slot
  %b = sm.alloc : !slot
  sm.roles ["all"] warps [4] registers [0] {
    %rows = sm.splat %address : i64 -> tensor<64xi64, #mover>
    %all = arith.constant dense<true> : tensor<64xi1, #mover>
    %t0 = sm.copy %rows live %all to %a : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    // CHECK: sm.wait {{.*}} {pending = 0 : i64} : !sm.slot
    %w0 = sm.wait %a after %t0 : !slot -> !block
    %t1 = sm.copy %rows live %all to %b : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    %i = sm.gemm_async %w0, %w0 : !block, !block -> !product
    %j = sm.gemm_async %w0, %w0 : !block, !block -> !product
    // A product begun behind a copy keeps nobody from waiting for the copy.
    // CHECK: sm.wait {{.*}} {pending = 0 : i64} : !sm.slot
    %w1 = sm.wait %b after %t1 : !slot -> !block
    // CHECK: sm.wait {{.*}} {pending = 1 : i64} : !sm.inflight
    %x = sm.wait %i : !product -> tensor<64x64xf32, #acc>
    scf.if %odd {
      %k = sm.gemm_async %w1, %w1 : !block, !block -> !product
      // CHECK: sm.wait {{.*}} {pending = 0 : i64} : !sm.inflight
      %z = sm.wait %k : !product -> tensor<64x64xf32, #acc>
    }
    // CHECK: sm.wait {{.*}} {pending = 0 : i64} : !sm.inflight
    %y = sm.wait %j : !product -> tensor<64x64xf32, #acc>
    sm.yield
  }
  sm.return
}
