// RUN: attn-opt %s -split-input-file -verify-diagnostics -convert-tile-to-vector
// A kernel that cannot be lowered is refused at the op that is the reason; if this fails, the error is lost or the pass aborts.

tile.kernel stage @unknown(%r: memref<4xf32>) program(1) {
  %c0 = arith.constant 0 : index
  %c = tile.coord %c0 : vector<4xi32>
  %x = arith.constant dense<1.0> : vector<2x2xf32>
  // expected-error @+1 {{expects a shape cast that only adds or drops unit axes}}
  %y = vector.shape_cast %x : vector<2x2xf32> to vector<4xf32>
  tile.store %y, %r[%c] axes [0] : vector<4xf32>, memref<4xf32>, vector<4xi32>
  tile.return
}

// -----

tile.kernel items @part() program(0) rows(4) {
  // expected-error @+1 {{expects a merge kernel}}
  %n = tile.item part_count
  tile.return
}

// -----

tile.kernel host @item() program(0) {
  // expected-error @+1 {{expects a kernel that is called with an item}}
  %n = tile.item head
  tile.return
}

// -----

func.func private @outside(%x: vector<4xf32>) -> vector<4xf32>
tile.kernel stage @call() program(0) {
  %x = arith.constant dense<1.0> : vector<4xf32>
  // expected-error @+1 {{expects a function of one block}}
  %y = func.call @outside(%x) : (vector<4xf32>) -> vector<4xf32>
  tile.return
}
