// RUN: attn-opt %s --convert-attn-to-tile -split-input-file -verify-diagnostics
// What has no kernel is not refused, or not with its reason, if this fails.

func.func @dynamic_axis(%y: tensor<?x?xf32>, %n: index) -> tensor<f32> {
  %zero = arith.constant 0.0 : f32
  %o = attn.cascade ranks(m to %n, e) -> tensor<f32> {
    // expected-remark @+2 {{no tile kernel: rank 'e' lies inside the tile but is dynamic}}
    // expected-error @+1 {{cannot become a tile kernel (see the remark)}}
    %s = attn.fold over m to %n state(%a[] = %zero) : tensor<f32> step {
      %u = attn.einsum %y[m, e] -> [] reduce add(e) : (tensor<?x?xf32>) -> tensor<f32>
      attn.yield %u : tensor<f32>
    } merge(%la) with(%ra) {
      attn.yield %ra : tensor<f32>
    }
    attn.yield %s : tensor<f32>
  }
  return %o : tensor<f32>
}

// -----

// A state without axes: an item has one row, and the result no index for it.
// expected-error @+3 {{no tile kernel: a result has fewer axes than its value}}
func.func @no_axes(%y: tensor<?x8xf32>, %n: index) -> tensor<f32> {
  %zero = arith.constant 0.0 : f32
  %o = attn.cascade ranks(m to %n, e) -> tensor<f32> {
    %s = attn.fold over m to %n state(%a[] = %zero) : tensor<f32> step {
      %u = attn.einsum %y[m, e] -> [] reduce add(e) : (tensor<?x8xf32>) -> tensor<f32>
      attn.yield %u : tensor<f32>
    } merge(%la) with(%ra) {
      attn.yield %ra : tensor<f32>
    }
    attn.yield %s : tensor<f32>
  }
  return %o : tensor<f32>
}

// -----

// expected-error @+1 {{result #1 is neither computed by a cascade nor placed}}
func.func @argument_returned(%x: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %o = attn.cascade ranks(p) -> tensor<?xf32> {
    %y = attn.einsum %x[p] -> [p] : (tensor<?xf32>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  return %o, %x : tensor<?xf32>, tensor<?xf32>
}

// -----

// expected-error @+1 {{returns one value twice}}
func.func @twice(%x: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %o = attn.cascade ranks(p) -> tensor<?xf32> {
    %y = attn.einsum %x[p] -> [p] : (tensor<?xf32>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  return %o, %o : tensor<?xf32>, tensor<?xf32>
}

// -----

func.func @argument_yielded(%x: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error @+1 {{yields a value that it does not compute}}
  %o = attn.cascade ranks(p) -> tensor<?xf32> {
    attn.yield %x : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}

// -----

func.func @placed_over_an_argument(%x: tensor<?xf32>, %to: tensor<?xf32>) -> tensor<?xf32> {
  %o = attn.cascade ranks(p) -> tensor<?xf32> {
    %y = attn.einsum %x[p] -> [p] : (tensor<?xf32>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  // expected-error @+1 {{expects to write into a tensor.splat of 0 when its result is returned}}
  %z = attn.place %o[p] into %to[p] : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %z : tensor<?xf32>
}

// -----

func.func @argument_placed(%x: tensor<?xf32>, %to: memref<?xf32>) -> tensor<?xf32> {
  %o = attn.cascade ranks(p) -> tensor<?xf32> {
    %y = attn.einsum %x[p] -> [p] : (tensor<?xf32>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  // expected-error @+1 {{expects the result of a cascade as its source}}
  attn.place %x[p] into %to[p] : (tensor<?xf32>, memref<?xf32>) -> ()
  return %o : tensor<?xf32>
}

// -----

func.func @tensor_between(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{cannot be compiled outside of a cascade}}
  %c = arith.addf %x, %x : tensor<4xf32>
  %o = attn.cascade ranks(p) -> tensor<4xf32> {
    %y = attn.einsum %c[p] -> [p] : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield %y : tensor<4xf32>
  }
  return %o : tensor<4xf32>
}

// -----

func.func @tensor_inside(%x: tensor<4xf32>) -> tensor<4xf32> {
  %o = attn.cascade ranks(p) -> tensor<4xf32> {
    %y = attn.einsum %x[p] -> [p] : (tensor<4xf32>) -> tensor<4xf32>
    // expected-error @+1 {{cannot stand in a cascade that is compiled}}
    %c = arith.addf %y, %y : tensor<4xf32>
    %z = attn.einsum %c[p] -> [p] : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield %z : tensor<4xf32>
  }
  return %o : tensor<4xf32>
}

// -----

func.func @unbounded_axis(%x: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error @+1 {{axis 'm' has no bound in the domain and indexes nothing bare: give its size in the type}}
  %v = attn.view (m) of %x[m floordiv 2] : (tensor<?xf32>) -> tensor<?xf32>
  %o = attn.cascade ranks(p) -> tensor<?xf32> {
    %y = attn.einsum %v[p] -> [p] : (tensor<?xf32>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}

// -----

func.func @bound_by_division(%x: tensor<?x?xf32>, %len: tensor<?xi32>) -> tensor<?x?xf32> {
  // expected-error @+1 {{symbol 'len' bounds an axis but is looked up with a division}}
  %v = attn.view (b, m) symbols(len = %len[b floordiv 2]) where (m < len) of %x[b, m]
      : (tensor<?x?xf32>, tensor<?xi32>) -> tensor<?x?xf32>
  %o = attn.cascade ranks(b, p) -> tensor<?x?xf32> {
    %y = attn.einsum %v[b, p] -> [b, p] : (tensor<?x?xf32>) -> tensor<?x?xf32>
    attn.yield %y : tensor<?x?xf32>
  }
  return %o : tensor<?x?xf32>
}

// -----

func.func @view_of_a_view(%x: tensor<?xf32>) -> tensor<?xf32> {
  %v = attn.view (m) of %x[m] : (tensor<?xf32>) -> tensor<?xf32>
  // expected-error @+1 {{storage is not an argument or a result}}
  %w = attn.view (m) of %v[m] : (tensor<?xf32>) -> tensor<?xf32>
  %o = attn.cascade ranks(p) -> tensor<?xf32> {
    %y = attn.einsum %w[p] -> [p] : (tensor<?xf32>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}

// -----

func.func @region_of_a_loop(%x: tensor<4xf32>) -> tensor<4xf32> {
  %o = attn.cascade ranks(p) -> tensor<4xf32> {
    %y = attn.einsum %x[p] -> [p] : (tensor<4xf32>) -> tensor<4xf32> {
    ^bb0(%a: f32):
      %zero = arith.constant 0.0 : f32
      %c = arith.cmpf olt, %a, %zero : f32
      // expected-error @+1 {{cannot be computed on a tile}}
      %r = scf.if %c -> f32 {
        scf.yield %zero : f32
      } else {
        scf.yield %a : f32
      }
      attn.yield %r : f32
    }
    attn.yield %y : tensor<4xf32>
  }
  return %o : tensor<4xf32>
}

// -----

func.func @written_while_read(%pool: memref<?x4xf32>, %to: tensor<?xi32>) {
  %old = attn.view (i, s) of %pool[i, s] : (memref<?x4xf32>) -> tensor<?x4xf32>
  %new = attn.cascade ranks(i, s) -> tensor<?x4xf32> {
    %copy = attn.einsum %old[i, s] -> [i, s] : (tensor<?x4xf32>) -> tensor<?x4xf32>
    attn.yield %copy : tensor<?x4xf32>
  }
  // expected-error @+1 {{expects to write into memory that its cascade does not read: rows could be read behind the write}}
  attn.place %new[i, s] symbols(dst = %to[i]) into %pool[dst, s]
      : (tensor<?x4xf32>, memref<?x4xf32>, tensor<?xi32>) -> ()
  return
}

// -----

// Packed elements: the reference has them, loads of kernels do not.
// expected-error @+1 {{expects elements of 8, 16, 32 or 64 bits, or i1, where it is compiled, but got 'i4': elements of i8 can hold several, which a region takes apart}}
func.func @packed_argument(%codes: tensor<6x64xi4>) -> tensor<64xf32> {
  %o = attn.cascade ranks(m, e) -> tensor<64xf32> {
    %y = attn.einsum %codes[m, e] -> [e] reduce add(m) : (tensor<6x64xi4>) -> tensor<64xf32> {
    ^bb0(%x: i4):
      %r = arith.sitofp %x : i4 to f32
      attn.yield %r : f32
    }
    attn.yield %y : tensor<64xf32>
  }
  return %o : tensor<64xf32>
}

// -----

func.func @packed_result(%x: tensor<4xf32>) -> tensor<4xi4> {
  %o = attn.cascade ranks(p) -> tensor<4xi4> {
    // expected-error @+1 {{expects elements of 8, 16, 32 or 64 bits, or i1, where it is compiled, but got 'i4'}}
    %y = attn.einsum %x[p] -> [p] : (tensor<4xf32>) -> tensor<4xi4> {
    ^bb0(%a: f32):
      %r = arith.fptosi %a : f32 to i4
      attn.yield %r : i4
    }
    attn.yield %y : tensor<4xi4>
  }
  return %o : tensor<4xi4>
}
