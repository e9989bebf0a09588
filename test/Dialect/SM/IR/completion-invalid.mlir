// RUN: attn-opt %s --split-input-file --verify-diagnostics

// A buffer that may be read before its copies are complete is refused where the
// ops tell.

#mover = #sm.mover<8, 4>
!block = !sm.buf<64, 64, f16>
!slot = !sm.slot<64, 64, f16>
sm.kernel @token_of_another_slot(%rows: tensor<64xi64, #mover>, %all: tensor<64xi1, #mover>) warps(4) {
  %a = sm.alloc : !slot
  %b = sm.alloc : !slot
  sm.roles ["all"] warps [4] registers [0] {
    %t0 = sm.copy %rows live %all to %a : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    %t1 = sm.copy %rows live %all to %b : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    // expected-error@+1 {{expects the token of a copy into its slot, but got none}}
    %w = sm.wait %a after %t1 : !slot -> !block
    sm.yield
  }
  sm.return
}

// -----

#mover = #sm.mover<8, 4>
!block = !sm.buf<64, 64, f16>
!slot = !sm.slot<64, 64, f16>
!ring = !sm.ring<3 of !sm.buf<64, 64, f16>>
sm.kernel @token_of_a_fill(%rows: tensor<64xi64, #mover>, %all: tensor<64xi1, #mover>) warps(4) {
  %a = sm.alloc : !slot
  %ring = sm.ring : !ring
  sm.roles ["all"] warps [4] registers [0] {
    %at = sm.cursor %ring : !ring
    %t = sm.fill %ring, %at {
    ^bb0(%s: !slot):
      %c = sm.copy %rows live %all to %s : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
      sm.yield
    } : !ring
    // expected-error@+1 {{expects the token of a copy into its slot, but got none}}
    %w = sm.wait %a after %t : !slot -> !block
    sm.yield
  }
  sm.return
}

// -----

#mover = #sm.mover<8, 4>
!block = !sm.buf<64, 64, f16>
!slot = !sm.slot<64, 64, f16>
sm.kernel @one_of_two_copies(%rows: tensor<64xi64, #mover>, %all: tensor<64xi1, #mover>) warps(4) {
  %a = sm.alloc : !slot
  sm.roles ["all"] warps [4] registers [0] {
    %t0 = sm.copy %rows live %all to %a : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    // expected-note@+1 {{the copy}}
    %t1 = sm.copy %rows live %all to %a : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    // expected-error@+1 {{expects the token of each copy into its slot in front of it, but got none of one}}
    %w = sm.wait %a after %t0 : !slot -> !block
    sm.yield
  }
  sm.return
}

// -----

// What a loop carries stands for what enters and what comes around.

#mover = #sm.mover<8, 4>
!block = !sm.buf<64, 64, f16>
!slot = !sm.slot<64, 64, f16>
sm.kernel @token_around_a_loop(%n: index, %rows: tensor<64xi64, #mover>, %all: tensor<64xi1, #mover>) warps(4) {
  %one = arith.constant 1 : index
  %a = sm.alloc : !slot
  %b = sm.alloc : !slot
  sm.roles ["all"] warps [4] registers [0] {
    %t0 = sm.copy %rows live %all to %b : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    %t = scf.for %i = %one to %n step %one iter_args(%u = %t0) -> (!sm.token) {
      %t1 = sm.copy %rows live %all to %b : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
      scf.yield %t1 : !sm.token
    }
    // expected-error@+1 {{expects the token of a copy into its slot, but got none}}
    %w = sm.wait %a after %t : !slot -> !block
    sm.yield
  }
  sm.return
}

// -----

#mover = #sm.mover<8, 4>
!block = !sm.buf<64, 64, f16>
!slot = !sm.slot<64, 64, f16>
sm.kernel @read_behind_the_next_copy(%odd: i1, %rows: tensor<64xi64, #mover>, %all: tensor<64xi1, #mover>) warps(4) {
  %a = sm.alloc : !slot
  sm.roles ["all"] warps [4] registers [0] {
    %t0 = sm.copy %rows live %all to %a : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    %w = sm.wait %a after %t0 : !slot -> !block
    %x = sm.lds %w : !block -> tensor<64x64xf16, #sm.acc<4 x 1>>
    scf.if %odd {
      // expected-note@+1 {{the copy}}
      %t1 = sm.copy %rows live %all to %a : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
    }
    // expected-error@+1 {{expects a buffer that no copy has been started into since it was waited for}}
    %y = sm.lds %w : !block -> tensor<64x64xf16, #sm.acc<4 x 1>>
    sm.yield
  }
  sm.return
}

// -----

#mover = #sm.mover<8, 4>
!block = !sm.buf<64, 64, f16>
!slot = !sm.slot<64, 64, f16>
!ring = !sm.ring<3 of !sm.buf<64, 64, f16>>
sm.kernel @token_of_another_ring(%rows: tensor<64xi64, #mover>, %all: tensor<64xi1, #mover>) warps(4) {
  %ring = sm.ring : !ring
  %other = sm.ring : !ring
  sm.roles ["all"] warps [4] registers [0] {
    %at = sm.cursor %ring : !ring
    // expected-note@+1 {{what it stands for}}
    %t = sm.fill %other, %at {
    ^bb0(%s: !slot):
      %c = sm.copy %rows live %all to %s : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
      sm.yield
    } : !ring
    // expected-error@+1 {{expects the token of the fill of its place, but got another one}}
    %k = sm.take %ring, %at after %t : !ring -> !block
    sm.yield
  }
  sm.return
}

// -----

#mover = #sm.mover<8, 4>
!block = !sm.buf<64, 64, f16>
!slot = !sm.slot<64, 64, f16>
!ring = !sm.ring<3 of !sm.buf<64, 64, f16>>
sm.kernel @token_of_another_place(%rows: tensor<64xi64, #mover>, %all: tensor<64xi1, #mover>) warps(4) {
  %ring = sm.ring : !ring
  sm.roles ["all"] warps [4] registers [0] {
    %at = sm.cursor %ring : !ring
    // expected-note@+1 {{what it stands for}}
    %t = sm.fill %ring, %at {
    ^bb0(%s: !slot):
      %c = sm.copy %rows live %all to %s : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
      sm.yield
    } : !ring
    %first = sm.take %ring, %at after %t : !ring -> !block
    %next = sm.advance %ring, %at : !ring
    // expected-error@+1 {{expects the token of the fill of its place, but got another one}}
    %k = sm.take %ring, %next after %t : !ring -> !block
    sm.yield
  }
  sm.return
}

// -----

// The token that comes around is of the place that the turn fills, not of the
// one that the next turn takes.

#mover = #sm.mover<8, 4>
!block = !sm.buf<64, 64, f16>
!slot = !sm.slot<64, 64, f16>
!ring = !sm.ring<3 of !sm.buf<64, 64, f16>>
sm.kernel @late_by_a_place(%n: index, %rows: tensor<64xi64, #mover>, %all: tensor<64xi1, #mover>) warps(4) {
  %one = arith.constant 1 : index
  %ring = sm.ring : !ring
  sm.roles ["all"] warps [4] registers [0] {
    %at = sm.cursor %ring : !ring
    %t0 = sm.fill %ring, %at {
    ^bb0(%s: !slot):
      %c = sm.copy %rows live %all to %s : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
      sm.yield
    } : !ring
    %c1, %t1 = scf.for %i = %one to %n step %one iter_args(%c = %at, %t = %t0) -> (!sm.cursor, !sm.token) {
      // expected-error@+1 {{expects the token of the fill of its place, but got another one}}
      %k = sm.take %ring, %c after %t : !ring -> !block
      %next = sm.advance %ring, %c : !ring
      // expected-note@+1 {{what it stands for}}
      %f = sm.fill %ring, %c {
      ^bb0(%s: !slot):
        %copy = sm.copy %rows live %all to %s : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
        sm.yield
      } : !ring
      scf.yield %next, %f : !sm.cursor, !sm.token
    }
    sm.yield
  }
  sm.return
}

// -----

#mover = #sm.mover<8, 4>
!block = !sm.buf<64, 64, f16>
!slot = !sm.slot<64, 64, f16>
!ring = !sm.ring<3 of !sm.buf<64, 64, f16>>
sm.kernel @read_behind_the_release(%rows: tensor<64xi64, #mover>, %all: tensor<64xi1, #mover>) warps(4) {
  %ring = sm.ring : !ring
  sm.roles ["all"] warps [4] registers [0] {
    %at = sm.cursor %ring : !ring
    %t = sm.fill %ring, %at {
    ^bb0(%s: !slot):
      %c = sm.copy %rows live %all to %s : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
      sm.yield
    } : !ring
    %k = sm.take %ring, %at after %t : !ring -> !block
    // expected-note@+1 {{the release}}
    sm.release %ring, %at : !ring
    // expected-error@+1 {{expects a buffer of a place that has not been released}}
    %y = sm.lds %k : !block -> tensor<64x64xf16, #sm.acc<4 x 1>>
    sm.yield
  }
  sm.return
}
