// RUN: attn-opt %s -split-input-file -verify-diagnostics --convert-sm-to-nvvm

sm.kernel @roles() warps(2) {
  // expected-error @below {{expects one role of all warps, but got 2: this lowering has no barriers between roles}}
  sm.roles ["load", "compute"] warps [1, 1] registers [0, 0] {
    sm.yield
  }, {
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
    // expected-error @below {{nothing takes them from warp to warp yet}}
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
