// RUN: attn-opt %s -split-input-file -verify-diagnostics --convert-sm-to-nvvm

sm.kernel @instances() warps(2) {
  // expected-error @below {{expects one instance of the only role, but got 2}}
  sm.roles ["all"] warps [1] instances [2] registers [0] {
    sm.yield
  }
  sm.return
}

// -----

!ring = !sm.ring<2 of !sm.buf<64, 64, f16>>
sm.kernel @barriers() warps(2) {
  // expected-error @below {{expects barriers in shared memory, but got none: sm-allocate-shared gives them}}
  %ring = sm.ring : !ring
  sm.roles ["load", "math"] warps [1, 1] registers [0, 0] {
    %at = sm.cursor %ring : !ring
    %t = sm.fill %ring, %at {
    ^bb0(%s: !sm.slot<64, 64, f16>):
      sm.yield
    } : !ring
    sm.yield
  }, {
    %at = sm.cursor %ring : !ring
    %b = sm.take %ring, %at : !ring -> !sm.buf<64, 64, f16>
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @hardware_barriers() warps(18) {
  // expected-error @below {{expects instances and turns to share 15 barriers, but got 18}}
  sm.roles ["load", "math"] warps [1, 1] instances [2, 16] registers [0, 0] {
    sm.yield
  }, {
    sm.yield
  }
  sm.return
}

// -----

!ring = !sm.ring<2 of !sm.buf<64, 64, f16>>
!map = !sm.tensormap<[16, 64], f16>
sm.kernel @boxes_of_one_role(%k: memref<?x64xf16>) warps(4) {
  %zero = arith.constant 0 : index
  %map = sm.tensor_map %k : memref<?x64xf16> -> !map
  %ring = sm.ring {offset = 0 : i64} : !ring
  sm.roles ["all"] warps [4] registers [0] {
    %at = sm.cursor %ring : !ring
    %live = arith.constant dense<true> : tensor<4xi1, #sm.lanes<4>>
    %t = sm.fill %ring, %at {
    ^bb0(%s: !sm.slot<64, 64, f16>):
      // expected-error @below {{expects a ring between roles: nothing else tells when boxes are there}}
      // expected-error @below {{failed to legalize}}
      %u = sm.copy_boxes %map[%zero : index] live %live to %s : !map, tensor<4xi1, #sm.lanes<4>>, !sm.slot<64, 64, f16>
      sm.yield
    } : !ring
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @place() warps(1) {
  // expected-error @below {{expects a place in shared memory, but got none: sm-allocate-shared gives it}}
  // expected-error @below {{failed to legalize}}
  %a = sm.alloc : !sm.slot<64, 64, f16>
  sm.roles ["all"] warps [1] registers [0] {
    sm.yield
  }
  sm.return
}

// -----

#acc = #sm.acc<4 x 1>
sm.kernel @across(%x: f32) warps(4) {
  sm.roles ["all"] warps [4] registers [0] {
    %a = sm.splat %x : f32 -> tensor<64x16xf32, #acc>
    %p = sm.reduce add %a along 0 : tensor<64x16xf32, #acc> -> tensor<16xf32, #sm.partial<add, 0, #acc>>
    // expected-error @below {{expects parts in the lanes of one warp, or room for those of several to meet, but got}}
    // expected-error @below {{failed to legalize}}
    %s = sm.complete %p : tensor<16xf32, #sm.partial<add, 0, #acc>> -> tensor<16xf32, #sm.slice<0, #acc>>
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @field() warps(1) {
  sm.roles ["all"] warps [1] registers [0] {
    sm.items {
    ^bb0(%item: !sm.item):
      // expected-error @below {{expects a field of a work item, but got 'part_count'}}
      // expected-error @below {{failed to legalize}}
      %n = sm.field %item "part_count"
      sm.yield
    }
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @unknown() warps(1) {
  sm.roles ["all"] warps [1] registers [0] {
    sm.items {
    ^bb0(%item: !sm.item):
      // expected-error @below {{expects a field of tile.item, but got 'colour'}}
      // expected-error @below {{failed to legalize}}
      %n = sm.field %item "colour"
      sm.yield
    }
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @part() warps(1) {
  sm.roles ["all"] warps [1] registers [0] {
    sm.items {
    ^bb0(%item: !sm.item):
      %c = arith.constant 0 : index
      // expected-error @below {{expects a kernel of merges, but got one of work items}}
      // expected-error @below {{failed to legalize}}
      %n = sm.part %item, %c
      sm.yield
    }
    sm.yield
  }
  sm.return
}
