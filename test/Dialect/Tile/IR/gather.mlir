// RUN: attn-opt %s --verify-roundtrip --split-input-file --verify-diagnostics -o /dev/null
// If this fails, tile.gather is not printed as it is read, or takes indices that do not fit its points.

tile.kernel items @good(%t: memref<?x?xf32>) program(1) rows(4) cols(8) {
  %b = tile.item param
  %i = arith.constant dense<0> : vector<4x8xi32>
  %x = tile.gather %t[%b, %i] : (memref<?x?xf32>, index, vector<4x8xi32>) -> vector<4x8xf32>
  tile.return
}

// -----

tile.kernel items @count(%t: memref<?x?xf32>) program(1) rows(4) cols(8) {
  %i = arith.constant dense<0> : vector<4x8xi32>
  // expected-error @+1 {{expects 2 indices, but got 1}}
  %x = tile.gather %t[%i] : (memref<?x?xf32>, vector<4x8xi32>) -> vector<4x8xf32>
  tile.return
}

// -----

tile.kernel items @shape(%t: memref<?x?xf32>) program(1) rows(4) cols(8) {
  %b = tile.item param
  %i = arith.constant dense<0> : vector<4xi32>
  // expected-error @+1 {{expects index #1 to be a number or of the shape of 'vector<4x8xf32>', but got 'vector<4xi32>'}}
  %x = tile.gather %t[%b, %i] : (memref<?x?xf32>, index, vector<4xi32>) -> vector<4x8xf32>
  tile.return
}
