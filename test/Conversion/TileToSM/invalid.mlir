// RUN: attn-opt %s -split-input-file -verify-diagnostics --convert-tile-to-sm

// expected-error@+1 {{expects a multiple of 16 rows in a kernel for an SM, but got 8}}
tile.kernel items @rows(%a: memref<?xf32>) rows(8) {
  tile.return
}

// -----

tile.kernel items @columns_apart(%k: memref<?x?xf16>, %o: memref<?x64xf32>) rows(64) cols(64) {
  %c0 = arith.constant 0 : index
  %coord, %minor, %count, %sym = tile.rows %c0 : vector<64xi32>
  %e = tile.coord %c0 : vector<64xi32>
  %x = tile.load %o[%coord, %e] axes [0, 1] : (memref<?x64xf32>, vector<64xi32>, vector<64xi32>) -> vector<64x64xf32>
  // expected-error@+1 {{expects columns of a block to be neighbours in memory}}
  tile.store %x, %o[%e, %coord] axes [1, 0] : vector<64x64xf32>, memref<?x64xf32>, vector<64xi32>, vector<64xi32>
  tile.return
}

// -----

tile.kernel items @transposed_left(%k: memref<?x64xf32>, %o: memref<?x64xf32>) rows(64) cols(64) {
  %c0 = arith.constant 0 : index
  %coord, %minor, %count, %sym2 = tile.rows %c0 : vector<64xi32>
  %e = tile.coord %c0 : vector<64xi32>
  %x = tile.load %k[%coord, %e] axes [0, 1] : (memref<?x64xf32>, vector<64xi32>, vector<64xi32>) -> vector<64x64xf32>
  // expected-error@+1 {{expects a product of f32 whose left operand is not transposed}}
  %y = tile.dot %x, %x {transposeA} : (vector<64x64xf32>, vector<64x64xf32>) -> vector<64x64xf32>
  tile.store %y, %o[%coord, %e] axes [0, 1] : vector<64x64xf32>, memref<?x64xf32>, vector<64xi32>, vector<64xi32>
  tile.return
}

// -----

tile.kernel items @three_axes(%a: memref<?x64xf32>, %o: memref<?xf32>) rows(64) cols(64) {
  %c0 = arith.constant 0 : index
  %unit = arith.constant dense<0.0> : vector<64x8xf32>
  %row = arith.constant dense<0.0> : vector<64xf32>
  %coord, %minor, %count, %sym3 = tile.rows %c0 : vector<64xi32>
  %e = tile.coord %c0 : vector<64xi32>
  %x = tile.load %a[%coord, %e] axes [0, 1] : (memref<?x64xf32>, vector<64xi32>, vector<64xi32>) -> vector<64x64xf32>
  %w = tile.expand %x [0, 2] : vector<64x64xf32> to vector<64x8x64xf32>
  // expected-error@+1 {{expects a reduction of a block by add, mul, maximum or minimum along one of its two axes}}
  %y = vector.multi_reduction <add>, %w, %unit [2] : vector<64x8x64xf32> to vector<64x8xf32>
  %z = vector.multi_reduction <add>, %y, %row [1] : vector<64x8xf32> to vector<64xf32>
  tile.store %z, %o[%coord] axes [0] : vector<64xf32>, memref<?xf32>, vector<64xi32>
  tile.return
}
