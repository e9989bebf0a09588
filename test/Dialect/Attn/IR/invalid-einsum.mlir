// RUN: attn-opt %s --split-input-file --verify-diagnostics
// An einsum that breaks one of its constraints is accepted.

func.func @einsum_c1_generic(%x: tensor<4xf32>) {
  // expected-error @below {{'attn.einsum' op must be inside an attn.cascade}}
  %y = "attn.einsum"(%x) <{maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], operandSegmentSizes = array<i32: 1, 0, 0, 0>}> ({}) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @einsum_c1(%x: tensor<4xf32>) {
  // expected-error @below {{must be written inside an attn.cascade, which declares the rank names (inside one in generic form, write this op in generic form)}}
  %y = attn.einsum %x[b] -> [b] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @einsum_c2_maps(%x: tensor<4xf32>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.einsum' op expects one map per input and one for the result, but got 1 maps and 1 inputs}}
    %y = "attn.einsum"(%x) <{maps = [affine_map<(d0) -> (d0)>], operandSegmentSizes = array<i32: 1, 0, 0, 0>}> ({}) : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#id = affine_map<(d0) -> (d0)>
func.func @einsum_c2_arity(%x: tensor<4xf32>, %f: tensor<4xi1>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.einsum' op expects data terms of 1 or 2 operands, but got 3}}
    %y = "attn.einsum"(%x, %f) <{maps = [#id, #id], presenceMaps = [#id], presenceArity = array<i32: 3>, operandSegmentSizes = array<i32: 1, 0, 1, 0>}> ({}) : (tensor<4xf32>, tensor<4xi1>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#id = affine_map<(d0) -> (d0)>
func.func @einsum_c2_presence(%x: tensor<4xf32>, %f: tensor<4xi1>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.einsum' op expects one map and one place in a data term per presence operand, but got 1 maps and 2 places for 1 operands}}
    %y = "attn.einsum"(%x, %f) <{maps = [#id, #id], presenceMaps = [#id], presenceArity = array<i32: 2>, operandSegmentSizes = array<i32: 1, 0, 1, 0>}> ({}) : (tensor<4xf32>, tensor<4xi1>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#id = affine_map<(d0) -> (d0)>
func.func @einsum_c2_selection(%x: tensor<4xf32>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.einsum' op expects a selection, its rank and its map together}}
    %y = "attn.einsum"(%x) <{maps = [#id, #id], selectedRank = 0 : i64, operandSegmentSizes = array<i32: 1, 0, 0, 0>}> ({}) : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#id = affine_map<(d0) -> (d0)>
func.func @einsum_c3_dims(%x: tensor<4xf32>) {
  attn.cascade ranks(b, p) {
    // expected-error @below {{'attn.einsum' op map #0 has 1 dims but the cascade has 2 ranks}}
    %y = "attn.einsum"(%x) <{maps = [#id, #id], operandSegmentSizes = array<i32: 1, 0, 0, 0>}> ({}) : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#id = affine_map<(d0)[s0] -> (d0)>
func.func @einsum_c3_symbols(%x: tensor<4xf32>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.einsum' op map #0 has 1 symbols but 0 symbol operand(s) are bound}}
    %y = "attn.einsum"(%x) <{maps = [#id, #id], operandSegmentSizes = array<i32: 1, 0, 0, 0>}> ({}) : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#id = affine_map<(d0) -> (d0)>
func.func @einsum_c3_set_dims(%x: tensor<4xf32>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.einsum' op domain set has 2 dims but the cascade has 1 ranks}}
    %y = "attn.einsum"(%x) <{maps = [#id, #id], where = [affine_set<(d0, d1) : (d0 >= 0)>], operandSegmentSizes = array<i32: 1, 0, 0, 0>}> ({}) : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#id = affine_map<(d0) -> (d0)>
func.func @einsum_c3_set_symbols(%x: tensor<4xf32>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.einsum' op domain set has 1 symbols but 0 symbol operand(s) are bound}}
    %y = "attn.einsum"(%x) <{maps = [#id, #id], where = [affine_set<(d0)[s0] : (d0 + s0 >= 0)>], operandSegmentSizes = array<i32: 1, 0, 0, 0>}> ({}) : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#id = affine_map<(d0) -> (d0)>
func.func @einsum_c3_empty_union(%x: tensor<4xf32>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.einsum' op expects at least one set in its domain}}
    %y = "attn.einsum"(%x) <{maps = [#id, #id], where = [], operandSegmentSizes = array<i32: 1, 0, 0, 0>}> ({}) : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c4_product(%x: tensor<4xf32>, %len: index) {
  attn.cascade ranks(p) {
    %y = attn.einsum %x[p] -> [p] symbols(len = %len)
         // expected-error @below {{expects an affine expression, but got 'p * len'}}
         where (p * len >= 0) : (tensor<4xf32>, index) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c4_zero(%x: tensor<4xf32>) {
  attn.cascade ranks(m) {
    // expected-error @below {{expects a positive constant divisor, but got 'm floordiv 0'}}
    %y = attn.einsum %x[m floordiv 0] -> [m] : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c4_negative(%x: tensor<4xf32>) {
  attn.cascade ranks(m) {
    // expected-error @below {{expects a positive constant divisor, but got 'm mod -3'}}
    %y = attn.einsum %x[m mod -3] -> [m] : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c4_symbol(%x: tensor<4xf32>, %len: index) {
  attn.cascade ranks(m) {
    %y = attn.einsum %x[m] -> [m] symbols(len = %len)
         // expected-error @below {{expects a positive constant divisor, but got 'm floordiv len'}}
         where (m floordiv len >= 0) : (tensor<4xf32>, index) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c4_overflow(%x: tensor<4xf32>) {
  attn.cascade ranks(m) {
    // expected-error @below {{coefficient of 'm' does not fit 64 bits}}
    %y = attn.einsum %x[m * 4611686018427387904 * 4] -> [m] : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c4_constant(%x: tensor<4xf32>) {
  attn.cascade ranks(m) {
    %y = attn.einsum %x[m] -> [m]
         // expected-error @below {{constant does not fit 64 bits}}
         where (m + 9223372036854775807 + 1 >= 0)
         : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

// Passes multiply it by the size of a tile.
func.func @einsum_c4_large(%x: tensor<4xf32>, %n: index) {
  attn.cascade ranks(m) {
    // expected-error @below {{'attn.einsum' op expects numbers of at most 48 bits in an index, but got 140737488355328}}
    %y = attn.einsum %x[m] -> [m] symbols(n = %n) where (m * 140737488355328 + n >= 0)
         : (tensor<4xf32>, index) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c4_generic(%x: tensor<4xf32>, %n: index) {
  attn.cascade ranks(p, m) {
    // expected-error @below {{'attn.einsum' op expects an affine expression, but got 'p * s'}}
    %y = "attn.einsum"(%x, %n) <{maps = [affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0)>], symbolNames = ["s"], symbolMaps = [affine_map<(d0, d1) -> ()>], where = [affine_set<(d0, d1)[s0] : (d0 * s0 >= 0)>], operandSegmentSizes = array<i32: 1, 1, 0, 0>}> ({}) : (tensor<4xf32>, index) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c5(%x: tensor<4xf32>) {
  attn.cascade ranks(p, m) {
    // expected-error @below {{'attn.einsum' op expects the normal form 'p + m * 4', but got 'm * 4 + p'}}
    %y = "attn.einsum"(%x) <{maps = [affine_map<(d0, d1) -> (d1 * 4 + d0)>, affine_map<(d0, d1) -> (d0, d1)>], operandSegmentSizes = array<i32: 1, 0, 0, 0>}> ({}) : (tensor<4xf32>) -> tensor<4x4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c6_coordinates(%x: tensor<2x3x4x5xf32>) {
  attn.cascade ranks(a, b, c) {
    // expected-error @below {{'attn.einsum' op map #0 yields 3 coordinates but the tensor has rank 4}}
    %y = attn.einsum %x[a, b, c] -> [a, b, c]
         : (tensor<2x3x4x5xf32>) -> tensor<2x3x4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c6_scalar(%x: f32) {
  attn.cascade ranks(a) {
    // expected-error @below {{'attn.einsum' op map #0 yields 1 coordinates but the operand is a scalar of type 'f32'}}
    %y = attn.einsum %x[a] -> [a] : (f32) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c6_type(%x: memref<4xf32>) {
  attn.cascade ranks(a) {
    // expected-error @below {{'attn.einsum' op expects ranked tensors or scalars as inputs, but got 'memref<4xf32>'}}
    %y = attn.einsum %x[a] -> [a] : (memref<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c7(%x: tensor<4xf32>) {
  attn.cascade ranks(a) {
    // expected-error @below {{'attn.einsum' op the result map must name each rank at most once (a projected permutation)}}
    %y = attn.einsum %x[a] -> [a, a] : (tensor<4xf32>) -> tensor<4x4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c7_coordinates(%x: tensor<4xf32>) {
  attn.cascade ranks(a) {
    // expected-error @below {{'attn.einsum' op the result map yields 1 coordinates but the tensor has rank 2}}
    %y = attn.einsum %x[a] -> [a] : (tensor<4xf32>) -> tensor<4x4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c8_monoid(%x: tensor<4xf32>) {
  attn.cascade ranks(m) {
    // expected-error @below {{expects a monoid (add, mul, max or min), but got 'avg'}}
    %y = attn.einsum %x[m] -> [] reduce avg(m) : (tensor<4xf32>) -> tensor<f32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c8_unknown(%x: tensor<4xf32>) {
  attn.cascade ranks(b, h, p, m) {
    // expected-error @below {{unknown rank 'x'; the cascade has ranks b, h, p, m}}
    %y = attn.einsum %x[m] -> [] reduce add(x) : (tensor<4xf32>) -> tensor<f32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c8_range(%x: tensor<4xf32>) {
  attn.cascade ranks(m) {
    // expected-error @below {{'attn.einsum' op reduces over rank #9 but the cascade has 1 ranks}}
    %y = "attn.einsum"(%x) <{maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], reduce = [#attn.reduce<add, [9]>], operandSegmentSizes = array<i32: 1, 0, 0, 0>}> ({}) : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c8_twice(%x: tensor<4xf32>) {
  attn.cascade ranks(m) {
    // expected-error @below {{'attn.einsum' op rank 'm' is reduced twice}}
    %y = attn.einsum %x[m] -> [] reduce add(m), max(m)
         : (tensor<4xf32>) -> tensor<f32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c8_none(%x: tensor<4xf32>) {
  attn.cascade ranks(m) {
    // expected-error @below {{'attn.einsum' op expects at least one rank in a reduce action}}
    %y = attn.einsum %x[m] -> [m] reduce add() : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c9(%x: tensor<4xf32>) {
  attn.cascade ranks(m) {
    // expected-error @below {{'attn.einsum' op rank 'm' is reduced but also appears in the result}}
    %y = attn.einsum %x[m] -> [m] reduce add(m)
         : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c10(%x: tensor<4xf32>) {
  attn.cascade ranks(m, x) {
    // expected-error @below {{'attn.einsum' op rank 'x' is reduced but no operand has it}}
    %y = attn.einsum %x[m] -> [m] reduce add(x)
         : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c11(%x: tensor<4x8xf32>) {
  attn.cascade ranks(m, e) {
    // expected-error @below {{'attn.einsum' op rank 'e' is dropped without a reduce action}}
    %y = attn.einsum %x[m, e] -> [m] : (tensor<4x8xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c12(%x: tensor<?xf32>, %n: index, %zero: f32) {
  attn.cascade ranks(m1, p) {
    %s = attn.fold over m1 to %n state(%a[p] = %zero) : tensor<4xf32> step {
      // expected-error @below {{'attn.einsum' op rank 'm1' is bound by the enclosing attn.fold and cannot be iterated here}}
      %y = attn.einsum %x[m1] -> [m1] : (tensor<?xf32>) -> tensor<?xf32>
      attn.yield %a : tensor<4xf32>
    } merge(%l) with(%r) {
      attn.yield %l : tensor<4xf32>
    }
    attn.yield
  }
  return
}

// -----

func.func @einsum_c12_reduce(%x: tensor<?xf32>, %n: index, %zero: f32) {
  attn.cascade ranks(m1, p) {
    %s = attn.fold over m1 to %n state(%a[p] = %zero) : tensor<4xf32> step {
      // expected-error @below {{'attn.einsum' op rank 'm1' is bound by the enclosing attn.fold and cannot be iterated here}}
      %y = attn.einsum %x[m1] -> [] reduce add(m1) : (tensor<?xf32>) -> tensor<f32>
      attn.yield %a : tensor<4xf32>
    } merge(%l) with(%r) {
      attn.yield %l : tensor<4xf32>
    }
    attn.yield
  }
  return
}

// -----

func.func @einsum_c13_where(%x: tensor<4xf32>) {
  attn.cascade ranks(p, m) {
    // expected-error @below {{'attn.einsum' op rank 'm' is used by a clause, but it is not iterated here}}
    %y = attn.einsum %x[p] -> [p] where (p >= m)
         : (tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c13_symbol(%x: tensor<4xf32>, %len: tensor<?xi32>) {
  attn.cascade ranks(p, m) {
    // expected-error @below {{'attn.einsum' op rank 'm' is used by a clause, but it is not iterated here}}
    %y = attn.einsum %x[p] -> [p] symbols(len = %len[m]) where (p < len)
         : (tensor<4xf32>, tensor<?xi32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c13_presence(%x: tensor<4xf32>, %f: tensor<?xi1>) {
  attn.cascade ranks(p, m) {
    // expected-error @below {{'attn.einsum' op rank 'm' is used by a clause, but it is not iterated here}}
    %y = attn.einsum %x[p] -> [p] where %f[m]
         : (tensor<4xf32>, tensor<?xi1>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c14_type(%x: tensor<4xf32>, %len: f32) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op expects an index or integer as symbol 'len', or a tensor or memref of them, but got 'f32'}}
    %y = attn.einsum %x[p] -> [p] symbols(len = %len) where (p < len)
         : (tensor<4xf32>, f32) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c14_coordinates(%x: tensor<4xf32>, %len: tensor<?xi32>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op map of symbol 'len' yields 0 coordinates but the tensor has rank 1}}
    %y = attn.einsum %x[p] -> [p] symbols(len = %len) where (p < len)
         : (tensor<4xf32>, tensor<?xi32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c14_taken(%x: tensor<4xf32>, %len: index) {
  attn.cascade ranks(p) {
    // expected-error @below {{symbol 'p' is already a rank or symbol name}}
    %y = attn.einsum %x[p] -> [p] symbols(p = %len)
         : (tensor<4xf32>, index) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c14_twice(%x: tensor<4xf32>, %len: index) {
  attn.cascade ranks(p) {
    // expected-error @below {{symbol 'len' is already a rank or symbol name}}
    %y = attn.einsum %x[p] -> [p] symbols(len = %len, len = %len)
         : (tensor<4xf32>, index, index) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c14_unbound(%x: tensor<4xf32>, %len: index) {
  attn.cascade ranks(p, m) {
    %y = attn.einsum %x[p] -> [p] symbols(len = %len)
         // expected-error @below {{unknown rank or symbol 'w'; the cascade has ranks p, m and symbols len}}
         where (p < w) : (tensor<4xf32>, index) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#id = affine_map<(d0) -> (d0)>
func.func @einsum_c14_generic(%x: tensor<4xf32>, %len: index) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op symbol 'p' is declared twice}}
    %y = "attn.einsum"(%x, %len) <{maps = [#id, #id], symbolNames = ["p"], symbolMaps = [affine_map<(d0) -> ()>], operandSegmentSizes = array<i32: 1, 1, 0, 0>}> ({}) : (tensor<4xf32>, index) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#id = affine_map<(d0) -> (d0)>
func.func @einsum_c14_count(%x: tensor<4xf32>, %len: index) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op expects one name and one map per symbol operand, but got 0 names, 0 maps and 1 operands}}
    %y = "attn.einsum"(%x, %len) <{maps = [#id, #id], operandSegmentSizes = array<i32: 1, 1, 0, 0>}> ({}) : (tensor<4xf32>, index) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c15(%x: tensor<?xf32>, %doc: tensor<?xi32>, %n: index, %zero: f32) {
  attn.cascade ranks(m1, m0, p) {
    %s = attn.fold over m1 to %n state(%a[p] = %zero) : tensor<4xf32> step {
      // expected-error @below {{'attn.einsum' op symbol 'd' is indexed by rank 'm1', which a fold iterates; write it as presence by data}}
      %y = attn.einsum %x[m1 * 16 + m0] -> [m0]
           symbols(d = %doc[m1]) where (m0 < d)
           : (tensor<?xf32>, tensor<?xi32>) -> tensor<16xf32>
      attn.yield %a : tensor<4xf32>
    } merge(%l) with(%r) {
      attn.yield %l : tensor<4xf32>
    }
    attn.yield
  }
  return
}

// -----

func.func @einsum_c16_flag(%x: tensor<4xf32>, %f: tensor<4xf32>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op expects an i1 presence operand, but got 'f32'}}
    %y = attn.einsum %x[p] -> [p] where %f[p]
         : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c16_pair(%x: tensor<4xf32>, %f: tensor<4xi32>, %g: tensor<4xi64>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op expects two presence operands of one integer type, but got 'i32' and 'i64'}}
    %y = attn.einsum %x[p] -> [p] where %f[p] == %g[p]
         : (tensor<4xf32>, tensor<4xi32>, tensor<4xi64>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c16_coordinates(%x: tensor<4xf32>, %f: tensor<4x4xi1>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op map of presence operand #0 yields 1 coordinates but the tensor has rank 2}}
    %y = attn.einsum %x[p] -> [p] where %f[p]
         : (tensor<4xf32>, tensor<4x4xi1>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c16_memref(%x: tensor<4xf32>, %f: memref<4xi1>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op expects a ranked tensor or a scalar as presence operand, but got 'memref<4xi1>'}}
    %y = attn.einsum %x[p] -> [p] where %f[p]
         : (tensor<4xf32>, memref<4xi1>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c17_foreign(%x: tensor<4xf32>, %l: tensor<4x?xi32>, %c: tensor<4xi32>) {
  attn.cascade ranks(p, n) {
    %s = attn.select listed %l[p], %c[p] -> [p]
         : (tensor<4x?xi32>, tensor<4xi32>) -> !attn.coords<1, 8>
    // expected-error @below {{'attn.einsum' op selected rank 'n' is not a rank of any operand}}
    %y = attn.einsum %x[p] -> [p] at n in %s[p]
         : (tensor<4xf32>, !attn.coords<1, 8>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#id = affine_map<(d0) -> (d0)>
func.func @einsum_c17_range(%x: tensor<4xf32>, %l: tensor<4x?xi32>, %c: tensor<4xi32>) {
  attn.cascade ranks(p) {
    %s = attn.select listed %l[p], %c[p] -> [p]
         : (tensor<4x?xi32>, tensor<4xi32>) -> !attn.coords<1, 8>
    // expected-error @below {{'attn.einsum' op selected rank #6 is not a rank of the cascade, which has 1}}
    %y = "attn.einsum"(%x, %s) <{maps = [#id, #id], selectedRank = 6 : i64, selectionMap = #id, operandSegmentSizes = array<i32: 1, 0, 0, 1>}> ({}) : (tensor<4xf32>, !attn.coords<1, 8>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c17_origin(%x: tensor<4xf32>, %s: !attn.coords<1, 8>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op expects a selection made by attn.select in the same cascade}}
    %y = attn.einsum %x[p] -> [p] at p in %s[p]
         : (tensor<4xf32>, !attn.coords<1, 8>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c17_map(%x: tensor<4xf32>, %l: tensor<4x?xi32>, %c: tensor<4xi32>) {
  attn.cascade ranks(p, n) {
    %s = attn.select listed %l[p], %c[p] -> [p]
         : (tensor<4x?xi32>, tensor<4xi32>) -> !attn.coords<1, 8>
    // expected-error @below {{'attn.einsum' op map of the selection yields 0 coordinates but its lists are indexed by 1 ranks}}
    %y = attn.einsum %x[p] -> [p] at p in %s
         : (tensor<4xf32>, !attn.coords<1, 8>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c18_arguments(%x: tensor<4xf16>, %z: tensor<4xf16>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op region takes 1 arguments but there are 2 inputs}}
    %y = attn.einsum %x[p], %z[p] -> [p]
         : (tensor<4xf16>, tensor<4xf16>) -> tensor<4xf16> {
    ^bb0(%a: f16):
      attn.yield %a : f16
    }
    attn.yield
  }
  return
}

// -----

func.func @einsum_c18_type(%x: tensor<4xf16>, %z: tensor<4xf16>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op region argument #1 has type 'f32' but the operand's element type is 'f16'}}
    %y = attn.einsum %x[p], %z[p] -> [p]
         : (tensor<4xf16>, tensor<4xf16>) -> tensor<4xf16> {
    ^bb0(%a: f16, %b: f32):
      attn.yield %a : f16
    }
    attn.yield
  }
  return
}

// -----

func.func @einsum_c18_yield(%x: tensor<4xf16>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op region must yield ('f32'), but got ('f16')}}
    %y = attn.einsum %x[p] -> [p] : (tensor<4xf16>) -> tensor<4xf32> {
    ^bb0(%a: f16):
      // expected-note @below {{yielded here}}
      attn.yield %a : f16
    }
    attn.yield
  }
  return
}

// -----

func.func @einsum_c18_blocks(%x: tensor<4xf16>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op expects a region of one block}}
    %y = attn.einsum %x[p] -> [p] : (tensor<4xf16>) -> tensor<4xf16> {
    ^bb0(%a: f16):
      attn.yield %a : f16
    ^bb1(%b: f16):
      attn.yield %b : f16
    }
    attn.yield
  }
  return
}

// -----

func.func @einsum_c19(%x: tensor<4xf16>, %buffer: memref<f16>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op expects a region without memory effects, but got 'memref.load'}}
    %y = attn.einsum %x[p] -> [p] : (tensor<4xf16>) -> tensor<4xf16> {
    ^bb0(%a: f16):
      %b = memref.load %buffer[] : memref<f16>
      attn.yield %b : f16
    }
    attn.yield
  }
  return
}

// -----

func.func @einsum_c20_integers(%x: tensor<4xi32>, %z: tensor<4xf32>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op without a region expects float inputs, or a single one, but got 'i32'}}
    %y = attn.einsum %x[p], %z[p] -> [p]
         : (tensor<4xi32>, tensor<4xf32>) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c20_truncation(%x: tensor<4xf32>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op without a region expects inputs that extend to 'f16', but got 'f32'}}
    %y = attn.einsum %x[p] -> [p] : (tensor<4xf32>) -> tensor<4xf16>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c20_other_float(%x: tensor<4xbf16>) {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op without a region expects inputs that extend to 'f16', but got 'bf16'}}
    %y = attn.einsum %x[p] -> [p] : (tensor<4xbf16>) -> tensor<4xf16>
    attn.yield
  }
  return
}

// -----

func.func @einsum_c20_nothing() {
  attn.cascade ranks(p) {
    // expected-error @below {{'attn.einsum' op without a region expects at least one input}}
    %y = attn.einsum -> [p] : () -> tensor<4xf16>
    attn.yield
  }
  return
}
