// RUN: attn-opt %s -split-input-file -verify-diagnostics

// What several roles, tensor maps and products in flight cannot do.

sm.kernel @registers() warps(8) {
  // expected-error@+1 {{expects a multiple of 8 registers from 24 to 256 for each role, or 0 for all, but got 250}}
  sm.roles ["load", "math"] warps [4, 4] registers [24, 250] {
    sm.yield
  }, {
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @groups() warps(6) {
  // expected-error@+1 {{expects roles with registers of their own to be groups of 4 warps that begin at a multiple of it, but got 2 warps from warp 0 on}}
  sm.roles ["load", "math"] warps [2, 4] registers [24, 240] {
    sm.yield
  }, {
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @counts() warps(8) {
  // expected-error@+1 {{expects a number of instances for each of 2 roles, but got 1}}
  sm.roles ["load", "math"] warps [4, 4] instances [1] registers [0, 0] {
    sm.yield
  }, {
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @number() warps(8) {
  // expected-error@+1 {{expects a role to take nothing but the number of its instance, an index}}
  sm.roles ["load", "math"] warps [4, 4] registers [0, 0] {
    sm.yield
  }, {
  ^bb0(%i: i32):
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @taken_by_its_filler() warps(8) {
  // expected-error@+1 {{expects one role to fill a ring and another to take from it}}
  %ring = sm.ring : !sm.ring<2 of !sm.buf<64, 64, f16>>
  sm.roles ["load", "math"] warps [4, 4] registers [0, 0] {
    %at = sm.cursor %ring : !sm.ring<2 of !sm.buf<64, 64, f16>>
    %b = sm.take %ring, %at : !sm.ring<2 of !sm.buf<64, 64, f16>> -> !sm.buf<64, 64, f16>
    sm.yield
  }, {
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @taken_twice() warps(12) {
  %ring = sm.ring : !sm.ring<2 of !sm.buf<64, 64, f16>>
  sm.roles ["a", "b", "c"] warps [4, 4, 4] registers [0, 0, 0] {
    %at = sm.cursor %ring : !sm.ring<2 of !sm.buf<64, 64, f16>>
    // expected-error@+1 {{expects one role to take from a ring, but got "b" and "a"}}
    sm.release %ring, %at : !sm.ring<2 of !sm.buf<64, 64, f16>>
    sm.yield
  }, {
    %at = sm.cursor %ring : !sm.ring<2 of !sm.buf<64, 64, f16>>
    %b = sm.take %ring, %at : !sm.ring<2 of !sm.buf<64, 64, f16>> -> !sm.buf<64, 64, f16>
    sm.yield
  }, {
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @product_of_eight_warps(%b: !sm.buf<64, 64, f16>) warps(8) {
  sm.roles ["all"] warps [8] registers [0] {
    // expected-error@+1 {{expects a role of 4 warps that begins at a multiple of it, but got 8 from warp 0 on}}
    %i = sm.gemm_async %b, %b : !sm.buf<64, 64, f16>, !sm.buf<64, 64, f16> -> !sm.inflight<tensor<64x64xf32, #sm.acc<4 x 1>>>
    sm.yield
  }
  sm.return
}

// -----

func.func @result_layout(%b: !sm.buf<64, 64, f16>) {
  // expected-error@+1 {{expects a result of f32 with layout #sm.acc<4 x 1>, but got 'tensor<64x64xf32, #sm.acc<2 x 2>>'}}
  %i = sm.gemm_async %b, %b : !sm.buf<64, 64, f16>, !sm.buf<64, 64, f16> -> !sm.inflight<tensor<64x64xf32, #sm.acc<2 x 2>>>
  return
}

// -----

func.func @columns(%a: !sm.buf<64, 64, f16>, %b: !sm.buf<64, 264, f16>) {
  // expected-error@+1 {{expects a multiple of 64 rows, a multiple of 16 products to sum and at most 256 columns, but got 64, 64 and 264}}
  %i = sm.gemm_async %a, %b : !sm.buf<64, 64, f16>, !sm.buf<64, 264, f16> -> !sm.inflight<tensor<64x264xf32, #sm.acc<4 x 1>>>
  return
}

// -----

func.func @product_shape(%a: !sm.buf<64, 64, f16>, %b: !sm.buf<32, 64, f16>) {
  // expected-error@+1 {{expects [M, K] * [K, N] + [M, N], but got}}
  %i = sm.gemm_async %a, %b : !sm.buf<64, 64, f16>, !sm.buf<32, 64, f16> -> !sm.inflight<tensor<64x64xf32, #sm.acc<4 x 1>>>
  return
}

// -----

func.func @product_types(%a: !sm.buf<64, 64, bf16>, %b: !sm.buf<64, 64, f16>) {
  // expected-error@+1 {{expects operands of one type, but got 'bf16' and 'f16'}}
  %i = sm.gemm_async %a, %b : !sm.buf<64, 64, bf16>, !sm.buf<64, 64, f16> -> !sm.inflight<tensor<64x64xf32, #sm.acc<4 x 1>>>
  return
}

// -----

func.func @carried_product(%i: !sm.inflight<tensor<64x64xf32, #sm.acc<4 x 1>>>) {
  // expected-error@+1 {{expects the result of an sm.gemm_async, and no tokens}}
  %s = sm.wait %i : !sm.inflight<tensor<64x64xf32, #sm.acc<4 x 1>>> -> tensor<64x64xf32, #sm.acc<4 x 1>>
  return
}

// -----

func.func @early_use(%b: !sm.buf<64, 64, f16>) {
  %i = sm.gemm_async %b, %b : !sm.buf<64, 64, f16>, !sm.buf<64, 64, f16> -> !sm.inflight<tensor<64x64xf32, #sm.acc<4 x 1>>>
  // expected-error@+1 {{must be tensor with a layout that its shape fits}}
  %s = "sm.complete"(%i) : (!sm.inflight<tensor<64x64xf32, #sm.acc<4 x 1>>>) -> tensor<64xf32, #sm.slice<1, #sm.acc<4 x 1>>>
  return
}

// -----

// expected-error@+1 {{expects a multiple of 8 rows and rows of a multiple of 16 bytes, but got 4 rows of 128 bytes}}
func.func private @small_boxes(!sm.tensormap<[1, 4, 1, 64], f16>)

// -----

// expected-error@+1 {{expects 1 to 256 elements of a box along an axis, but got 512}}
func.func private @large_boxes(!sm.tensormap<[512, 64], f16>)

// -----

// expected-error@+1 {{expects boxes of 2 to 5 axes, but got one of 6}}
func.func private @many_axes(!sm.tensormap<[1, 1, 1, 1, 8, 64], f16>)

// -----

sm.kernel @axes(%k: memref<?x16x64xf16, strided<[?, ?, 1]>>) warps(4) {
  // expected-error@+1 {{expects boxes of 3 axes of 'f16', but got '!sm.tensormap<[16, 64], f16>'}}
  %map = sm.tensor_map %k : memref<?x16x64xf16, strided<[?, ?, 1]>> -> !sm.tensormap<[16, 64], f16>
  sm.roles ["all"] warps [4] registers [0] {
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @apart(%k: memref<?x64xf16, strided<[?, ?]>>) warps(4) {
  // expected-error@+1 {{expects elements of the last axis side by side, but got 'memref<?x64xf16, strided<[?, ?]>>'}}
  %map = sm.tensor_map %k : memref<?x64xf16, strided<[?, ?]>> -> !sm.tensormap<[16, 64], f16>
  sm.roles ["all"] warps [4] registers [0] {
    sm.yield
  }
  sm.return
}

// -----

func.func @too_few_boxes(%ring: !sm.ring<2 of !sm.buf<64, 64, f16>>, %c: !sm.cursor, %map: !sm.tensormap<[16, 64], f16>,
    %l: tensor<2xi1, #sm.lanes<4>>, %row: index) {
  %t = sm.fill %ring, %c {
  ^bb0(%s: !sm.slot<64, 64, f16>):
    // expected-error@+1 {{expects 2 boxes of '!sm.tensormap<[16, 64], f16>' to fill the slot, but got '!sm.slot<64, 64, f16>'}}
    %u = sm.copy_boxes %map[%row : index] live %l to %s : !sm.tensormap<[16, 64], f16>, tensor<2xi1, #sm.lanes<4>>, !sm.slot<64, 64, f16>
    sm.yield
  } : !sm.ring<2 of !sm.buf<64, 64, f16>>
  return
}

// -----

func.func @coordinates(%ring: !sm.ring<2 of !sm.buf<64, 64, f16>>, %c: !sm.cursor, %map: !sm.tensormap<[16, 64], f16>,
    %l: tensor<4xi1, #sm.lanes<4>>, %row: index) {
  %t = sm.fill %ring, %c {
  ^bb0(%s: !sm.slot<64, 64, f16>):
    // expected-error@+1 {{expects a coordinate for each of the 1 axes before the last, but got 2}}
    %u = sm.copy_boxes %map[%row, %row : index, index] live %l to %s : !sm.tensormap<[16, 64], f16>, tensor<4xi1, #sm.lanes<4>>, !sm.slot<64, 64, f16>
    sm.yield
  } : !sm.ring<2 of !sm.buf<64, 64, f16>>
  return
}

// -----

func.func @boxes_elsewhere(%map: !sm.tensormap<[16, 64], f16>, %l: tensor<4xi1, #sm.lanes<4>>, %row: index, %s: !sm.slot<64, 64, f16>) {
  // expected-error@+1 {{expects parent op 'sm.fill'}}
  %u = sm.copy_boxes %map[%row : index] live %l to %s : !sm.tensormap<[16, 64], f16>, tensor<4xi1, #sm.lanes<4>>, !sm.slot<64, 64, f16>
  return
}

// -----

func.func @factor_of_whole(%x: tensor<64xf32, #sm.slice<1, #sm.acc<4 x 1>>>) {
  // expected-error@+1 {{expects what threads know of}}
  %y = sm.factor %x : tensor<64xf32, #sm.slice<1, #sm.acc<4 x 1>>> -> tensor<64xf32, #sm.slice<1, #sm.acc<4 x 1>>>
  return
}

// -----

func.func @scaled_largest(%x: tensor<64xf32, #sm.partial<maximum, 1, #sm.acc<4 x 1>>>, %f: tensor<64xf32, #sm.slice<1, #sm.acc<4 x 1>>>) {
  // expected-error@+1 {{expects to scale parts of a sum or to choose between parts}}
  %y = sm.factor %f : tensor<64xf32, #sm.slice<1, #sm.acc<4 x 1>>> -> tensor<64xf32, #sm.partial<maximum, 1, #sm.acc<4 x 1>>>
  %z = arith.mulf %x, %y : tensor<64xf32, #sm.partial<maximum, 1, #sm.acc<4 x 1>>>
  return
}

// -----

func.func @factor_added(%x: tensor<64xf32, #sm.partial<add, 1, #sm.acc<4 x 1>>>, %f: tensor<64xf32, #sm.slice<1, #sm.acc<4 x 1>>>) {
  // expected-error@+1 {{expects to scale parts of a sum or to choose between parts}}
  %y = sm.factor %f : tensor<64xf32, #sm.slice<1, #sm.acc<4 x 1>>> -> tensor<64xf32, #sm.partial<add, 1, #sm.acc<4 x 1>>>
  %z = arith.addf %x, %y : tensor<64xf32, #sm.partial<add, 1, #sm.acc<4 x 1>>>
  return
}

// -----

func.func @lanes(%x: i32) {
  // expected-error@+1 {{must be tensor with a layout that its shape fits}}
  %y = sm.splat %x : i32 -> tensor<24xi32, #sm.lanes<4>>
  return
}
