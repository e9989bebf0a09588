// RUN: attn-opt %s --sm-allocate-shared | FileCheck %s

// Blocks lie behind each other, each where its swizzle wants it; the buffers of
// a ring's place as well.

// CHECK: sm.kernel @places() warps(1) attributes {shared_bytes = 31744 : i64}
sm.kernel @places() warps(1) {
  // CHECK: sm.alloc {offset = 0 : i64} : <16, 24, f16>
  %a = sm.alloc : !sm.slot<16, 24, f16>
  // A place takes 8192 + 512 bytes, and the next begins at a multiple of 1024.
  // CHECK: sm.ring {offset = 1024 : i64}
  %r = sm.ring : !sm.ring<3 of !sm.buf<64, 64, f16>, !sm.buf<16, 16, f16>>
  // CHECK: sm.alloc {offset = 28672 : i64} : <8, 16, f16>
  %b = sm.alloc : !sm.slot<8, 16, f16>
  sm.roles ["all"] warps [1] registers [0] {
    // CHECK: sm.alloc {offset = 29696 : i64} : <16, 64, f16>
    %c = sm.alloc : !sm.slot<16, 64, f16>
    sm.yield
  }
  sm.return
}

// CHECK: sm.kernel @none() warps(1) attributes {shared_bytes = 0 : i64}
sm.kernel @none() warps(1) {
  sm.roles ["all"] warps [1] registers [0] {
    sm.yield
  }
  sm.return
}

// Between roles each place has three barriers of 8 bytes, behind the blocks.

// CHECK: sm.kernel @barriers() warps(8) attributes {shared_bytes = 24648 : i64}
sm.kernel @barriers() warps(8) {
  // CHECK: sm.ring {barriers = 24576 : i64, offset = 0 : i64}
  %r = sm.ring : !sm.ring<3 of !sm.buf<64, 64, f16>>
  sm.roles ["load", "math"] warps [4, 4] registers [0, 0] {
    %at = sm.cursor %r : !sm.ring<3 of !sm.buf<64, 64, f16>>
    %t = sm.fill %r, %at {
    ^bb0(%s: !sm.slot<64, 64, f16>):
      sm.yield
    } : !sm.ring<3 of !sm.buf<64, 64, f16>>
    sm.yield
  }, {
    %at = sm.cursor %r : !sm.ring<3 of !sm.buf<64, 64, f16>>
    %b = sm.take %r, %at : !sm.ring<3 of !sm.buf<64, 64, f16>> -> !sm.buf<64, 64, f16>
    sm.yield
  }
  sm.return
}
