// RUN: attn-opt --sm-allocate-shared --sm-check-limits="chip=sm_80" %s | FileCheck %s
// RUN: not attn-opt --sm-allocate-shared --sm-check-limits="chip=sm_86" %s 2>&1 | FileCheck %s --check-prefix=SM86
// RUN: not attn-opt --sm-check-limits %s 2>&1 | FileCheck %s --check-prefix=PLACES
// RUN: not attn-opt --sm-check-limits="chip=z80" %s 2>&1 | FileCheck %s --check-prefix=CHIP

// 2 x 64 KiB fit sm_80 (163 KiB) and not sm_86 (99 KiB).
// CHECK: sm.kernel @two_places
// CHECK-SAME: shared_bytes = 131072
// SM86: error: expects at most 101376 bytes of shared memory per CTA on sm_86, but got 131072: 'stages' of 1 (about 65536 bytes) would fit
// SM86-NOT: error:
// PLACES: error: expects places in shared memory, but got none: sm-allocate-shared gives them
// CHIP: error: expects a chip of sm_80, sm_86, sm_89, sm_90, sm_120, but got 'z80'
sm.kernel @two_places() warps(1) {
  %r = sm.ring : !sm.ring<2 of !sm.buf<256, 128, f16>>
  sm.roles ["all"] warps [1] registers [0] {
    sm.yield
  }
  sm.return
}
