// RUN: attn-opt %s -split-input-file -verify-diagnostics

// What the hardware could not do, and reading what is still being written.

#acc = #sm.acc<4 x 1>
func.func @rows_of_one_layout_in_another(%a: tensor<64x16xf32, #acc>, %b: tensor<64x16xf32, #sm.acc<2 x 2>>) {
  // expected-error@+1 {{requires the same encoding for all operands and results}}
  %c = "arith.addf"(%a, %b) : (tensor<64x16xf32, #acc>, tensor<64x16xf32, #sm.acc<2 x 2>>) -> tensor<64x16xf32, #acc>
  return
}

// -----

#acc = #sm.acc<4 x 1>
func.func @block_does_not_fit(%a: f32) {
  // expected-error@+1 {{must be tensor with a layout that its shape fits}}
  %c = sm.splat %a : f32 -> tensor<48x16xf32, #acc>
  return
}

// -----

// expected-error@+1 {{expects a multiple of 8 rows and rows of a multiple of 16 bytes, but got 64 rows of 200 bytes}}
func.func private @rows_of_a_buffer(!sm.buf<64, 100, f16>)

// -----

// expected-error@+1 {{expects a layout of two axes, but got #sm.mover<16, 4>}}
func.func private @slice_of_rows(tensor<64xf32, #sm.slice<1, #sm.mover<16, 4>>>)

// -----

// expected-error@+1 {{expects axis 0 or 1, but got 2}}
func.func private @axis(tensor<64xf32, #sm.slice<2, #sm.acc<4 x 1>>>)

// -----

#acc = #sm.acc<4 x 1>
func.func @early_read(%a: tensor<64x128xf16, #acc>, %acc: tensor<64x64xf32, #acc>) {
  %room = sm.alloc : !sm.slot<64, 128, f16>
  // expected-error@+1 {{operand #1 must be a block of a matrix in shared memory, which may be read}}
  %c = "sm.gemm"(%a, %room, %acc) {transposeB} : (tensor<64x128xf16, #acc>, !sm.slot<64, 128, f16>, tensor<64x64xf32, #acc>) -> tensor<64x64xf32, #acc>
  return
}

// -----

func.func @another_buffer(%room: !sm.slot<64, 128, f16>, %token: !sm.token) {
  // expected-error@+1 {{expects a buffer like '!sm.slot<64, 128, f16>', but got '!sm.buf<64, 64, f16>'}}
  %b = sm.wait %room after %token : !sm.slot<64, 128, f16> -> !sm.buf<64, 64, f16>
  return
}

// -----

#acc = #sm.acc<4 x 1>
func.func @sums_of_another_length(%a: tensor<64x64xf16, #acc>, %b: !sm.buf<64, 32, f16>, %acc: tensor<64x64xf32, #acc>) {
  // expected-error@+1 {{expects [M, K] * [K, N] + [M, N], but got}}
  %c = sm.gemm %a, %b acc(%acc) {transposeB} : tensor<64x64xf16, #acc>, !sm.buf<64, 32, f16> -> tensor<64x64xf32, #acc>
  return
}

// -----

#acc = #sm.acc<4 x 1>
func.func @sums_of_8(%a: tensor<64x8xf16, #acc>, %b: !sm.buf<8, 64, f16>, %acc: tensor<64x64xf32, #acc>) {
  // expected-error@+1 {{expects a multiple of 16 products to sum, but got 8}}
  %c = sm.gemm %a, %b acc(%acc) : tensor<64x8xf16, #acc>, !sm.buf<8, 64, f16> -> tensor<64x64xf32, #acc>
  return
}

// -----

#acc = #sm.acc<4 x 1>
func.func @other_rows(%a: tensor<64x16xf16, #sm.acc<2 x 1>>, %b: !sm.buf<16, 64, f16>, %acc: tensor<64x64xf32, #acc>) {
  // expected-error@+1 {{expects a thread to have the rows of a that it has of the result}}
  %c = sm.gemm %a, %b acc(%acc) : tensor<64x16xf16, #sm.acc<2 x 1>>, !sm.buf<16, 64, f16> -> tensor<64x64xf32, #acc>
  return
}

// -----

#acc = #sm.acc<4 x 1>
func.func @two_types(%a: tensor<64x16xbf16, #acc>, %b: !sm.buf<16, 64, f16>, %acc: tensor<64x64xf32, #acc>) {
  // expected-error@+1 {{expects operands of one type, but got 'bf16' and 'f16'}}
  %c = sm.gemm %a, %b acc(%acc) : tensor<64x16xbf16, #acc>, !sm.buf<16, 64, f16> -> tensor<64x64xf32, #acc>
  return
}

// -----

#acc = #sm.acc<4 x 1>
func.func @parts_as_sums(%a: tensor<64xf32, #sm.partial<add, 1, #acc>>) {
  // expected-error@+1 {{expects #sm.slice<1, #sm.acc<4 x 1>> of axis 0}}
  %c = sm.expand %a along 1 : tensor<64xf32, #sm.partial<add, 1, #acc>> -> tensor<64x64xf32, #acc>
  return
}

// -----

#acc = #sm.acc<4 x 1>
func.func @reduction_without_its_parts(%a: tensor<64x64xf32, #acc>) {
  // expected-error@+1 {{expects #sm.partial<add, 1, #sm.acc<4 x 1>> of axis 0}}
  %c = sm.reduce add %a along 1 : tensor<64x64xf32, #acc> -> tensor<64xf32, #sm.slice<1, #acc>>
  return
}

// -----

#acc = #sm.acc<4 x 1>
func.func @complete_sum(%a: tensor<64xf32, #sm.slice<1, #acc>>) {
  // expected-error@+1 {{expects a source with layout sm.partial}}
  %c = sm.complete %a : tensor<64xf32, #sm.slice<1, #acc>> -> tensor<64xf32, #sm.slice<1, #acc>>
  return
}

// -----

func.func @warps_of_a_row(%x: i64) {
  // expected-error@+1 {{must be tensor with a layout that its shape fits}}
  %c = sm.splat %x : i64 -> tensor<64xi64, #sm.mover<8, 4, columnWarps = 3>>
  return
}

// -----

#mover = #sm.mover<16, 4>
func.func @rows_of_a_copy(%a: tensor<32xi64, #mover>, %l: tensor<32xi1, #mover>, %to: !sm.slot<64, 128, f16>) {
  // expected-error@+1 {{expects an address and a flag in one layout for each of 64 rows}}
  %c = sm.copy %a live %l to %to : tensor<32xi64, #mover>, tensor<32xi1, #mover>, !sm.slot<64, 128, f16>
  return
}

// -----

#acc = #sm.acc<4 x 1>
func.func @part_of_a_buffer(%b: !sm.buf<64, 64, f16>) {
  // expected-error@+1 {{but got 64 x 32 from row 0 and column 48}}
  %c = sm.lds %b {column = 48 : i64} : !sm.buf<64, 64, f16> -> tensor<64x32xf16, #acc>
  return
}

// -----

func.func @taken(%ring: !sm.ring<2 of !sm.buf<64, 64, f16>>, %c: !sm.cursor) {
  // expected-error@+1 {{expects the buffers of the ring}}
  %b:2 = sm.take %ring, %c : !sm.ring<2 of !sm.buf<64, 64, f16>> -> !sm.buf<64, 64, f16>, !sm.buf<64, 64, f16>
  return
}

// -----

#mover = #sm.mover<8, 4>
func.func @elsewhere(%ring: !sm.ring<2 of !sm.buf<64, 64, f16>>, %c: !sm.cursor, %a: tensor<64xi64, #mover>, %l: tensor<64xi1, #mover>) {
  %other = sm.alloc : !sm.slot<64, 64, f16>
  %t = sm.fill %ring, %c {
  ^bb0(%s: !sm.slot<64, 64, f16>):
    // expected-error@+1 {{expects to copy into a slot of the sm.fill around it}}
    %u = sm.copy %a live %l to %other : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !sm.slot<64, 64, f16>
    sm.yield
  } : !sm.ring<2 of !sm.buf<64, 64, f16>>
  return
}

// -----

// expected-error@+1 {{expects roles for its 8 warps, but got roles for 4}}
sm.kernel @idle_warps() warps(8) {
  sm.roles ["all"] warps [4] registers [0] {
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @warps_of_another_role(%x: f32) warps(8) {
  sm.roles ["load", "math"] warps [4, 4] registers [24, 240] {
    // expected-error@+1 {{expects a value over the 4 warps of its role, but got one over 8}}
    %c = sm.splat %x : f32 -> tensor<128x16xf32, #sm.acc<8 x 1>>
    sm.yield
  }, {
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @names() warps(4) {
  // expected-error@+1 {{expects a name, a number of warps and one of registers for each of 1 roles, but got 2, 1 and 1}}
  sm.roles ["load", "math"] warps [4] registers [24] {
    sm.yield
  }
  sm.return
}

// -----

sm.kernel @carried(%x: i32) warps(4) {
  sm.roles ["all"] warps [4] registers [0] {
    // expected-error@+1 {{expects sm.yield of the types that it carries}}
    %c = sm.items init(%x : i32) {
    ^bb0(%item: !sm.item, %y: i32):
      sm.yield
    }
    sm.yield
  }
  sm.return
}

// -----

func.func @axis_of_memory(%m: memref<?x4xf32>) {
  // expected-error@+1 {{expects an axis below 2, but got 2}}
  %s = sm.stride %m, 2 : memref<?x4xf32>
  return
}

// -----

#acc = #sm.acc<4 x 1>
func.func @behind_the_last_column(%a: tensor<64x64xf16, #acc>, %b: !sm.buf<64, 128, f16>, %acc: tensor<64x64xf32, #acc>) {
  // expected-error@+1 {{expects [M, K] * [K, N] + [M, N], but got}}
  %c = sm.gemm %a, %b acc(%acc) {column = 72} : tensor<64x64xf16, #acc>, !sm.buf<64, 128, f16> -> tensor<64x64xf32, #acc>
  return
}

// -----

#acc = #sm.acc<4 x 1>
func.func @transposed_fragment(%a: tensor<64x16xf16, #acc>, %b: tensor<16x64xf16, #sm.rhs<4 x 1, transposed = true>>, %acc: tensor<64x64xf32, #acc>) {
  // expected-error@+1 {{expects a buffer or a fragment with layout #sm.rhs<4 x 1>, but got}}
  %c = sm.gemm %a, %b acc(%acc) : tensor<64x16xf16, #acc>, tensor<16x64xf16, #sm.rhs<4 x 1, transposed = true>> -> tensor<64x64xf32, #acc>
  return
}

// -----

#mover = #sm.mover<8, 4>
func.func @odd_addresses(%at: tensor<64xi64, #mover>, %live: tensor<64xi1, #mover>, %to: !sm.slot<64, 64, f16>) {
  // expected-error@+1 {{expects addresses that are multiples of 4, 8 or 16 bytes, but got 2}}
  %t = sm.copy %at live %live to %to {alignment = 2 : i64} : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !sm.slot<64, 64, f16>
  return
}

// -----

#mover = #sm.mover<8, 4>
func.func @more_columns(%at: tensor<64xi64, #mover>, %live: tensor<64xi1, #mover>, %to: !sm.slot<64, 64, f16>) {
  // expected-error@+1 {{expects whole bytes of 1 to 64 columns, but got 72}}
  %t = sm.copy %at live %live to %to {columns = 72 : i64} : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !sm.slot<64, 64, f16>
  return
}

// -----

func.func @no_room(%x: tensor<64x64xf16, #sm.acc<4 x 1>>, %to: !sm.slot<32, 64, f16>) {
  // expected-error@+1 {{expects a slot with room for a block and a buffer like it, but got}}
  %b = sm.sts %x to %to : tensor<64x64xf16, #sm.acc<4 x 1>>, !sm.slot<32, 64, f16> -> !sm.buf<32, 64, f16>
  return
}

// -----

func.func @no_room_to_meet(%x: tensor<16xf32, #sm.partial<add, 0, #sm.acc<8 x 1>>>, %room: !sm.slot<16, 4, f32>) {
  // expected-error@+1 {{expects a slot of 16 rows of at least 8 elements, but got '!sm.slot<16, 4, f32>'}}
  %c = sm.complete %x through %room : !sm.slot<16, 4, f32> : tensor<16xf32, #sm.partial<add, 0, #sm.acc<8 x 1>>> -> tensor<16xf32, #sm.slice<0, #sm.acc<8 x 1>>>
  return
}
