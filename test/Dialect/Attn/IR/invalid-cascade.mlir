// RUN: attn-opt %s --split-input-file --verify-diagnostics
// A cascade that breaks one of its constraints is accepted.

func.func @cascade_c1_reserved() {
  // expected-error @below {{'mod' is a reserved word and cannot name a rank}}
  attn.cascade ranks(b, mod) {
    attn.yield
  }
  return
}

// -----

func.func @cascade_c1_generic() {
  // expected-error @below {{'attn.cascade' op 'where' is a reserved word and cannot name a rank}}
  "attn.cascade"() <{ranks = ["where"]}> ({ "attn.yield"() : () -> () }) : () -> ()
  return
}

// -----

func.func @cascade_c1_identifier() {
  // expected-error @below {{'attn.cascade' op expects an identifier as the name of a rank, but got '1 b'}}
  "attn.cascade"() <{ranks = ["1 b"]}> ({ "attn.yield"() : () -> () }) : () -> ()
  return
}

// -----

func.func @cascade_c2() {
  // expected-error @below {{'attn.cascade' op rank 'p' is declared twice}}
  attn.cascade ranks(b, p, p) {
    attn.yield
  }
  return
}

// -----

func.func @cascade_c3_count(%n: index) {
  // expected-error @below {{'attn.cascade' op expects one rank per given extent, but got 2 ranks and 1 extents}}
  "attn.cascade"(%n) <{ranks = ["b", "m"], extentRanks = array<i64: 0, 1>}> ({
    "attn.yield"() : () -> ()
  }) : (index) -> ()
  return
}

// -----

func.func @cascade_c3_range(%n: index) {
  // expected-error @below {{'attn.cascade' op gives an extent to rank #2 but has 2 ranks}}
  "attn.cascade"(%n) <{ranks = ["b", "m"], extentRanks = array<i64: 2>}> ({
    "attn.yield"() : () -> ()
  }) : (index) -> ()
  return
}

// -----

func.func @cascade_c3_order(%n: index) {
  // expected-error @below {{'attn.cascade' op expects extents in the order of their ranks, each once, but got one of rank 'b' after one of rank 'm'}}
  "attn.cascade"(%n, %n) <{ranks = ["b", "m"], extentRanks = array<i64: 1, 0>}> ({
    "attn.yield"() : () -> ()
  }) : (index, index) -> ()
  return
}

// -----

func.func @cascade_c4_arguments() {
  // expected-error @below {{'attn.cascade' op expects a region without arguments, but got 1}}
  "attn.cascade"() <{ranks = ["b"]}> ({
  ^bb0(%a: f32):
    "attn.yield"() : () -> ()
  }) : () -> ()
  return
}

// -----

func.func @cascade_c4_types(%x: tensor<4xf32>) -> tensor<4xf16> {
  // expected-error @below {{'attn.cascade' op the cascade must yield ('tensor<4xf16>'), but got ('tensor<4xf32>')}}
  %o = attn.cascade ranks(b) -> tensor<4xf16> {
    // expected-note @below {{yielded here}}
    attn.yield %x : tensor<4xf32>
  }
  return %o : tensor<4xf16>
}

// -----

func.func @cascade_c4_terminator() {
  // expected-error @below {{'attn.cascade' op expects the cascade to end in attn.yield}}
  attn.cascade ranks(b) {
    func.return
  }
  return
}

// -----

func.func @cascade_c5() {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.cascade' op cannot stand inside another attn.cascade}}
    attn.cascade ranks(p) {
      attn.yield
    }
    attn.yield
  }
  return
}

// -----

func.func @cascade_c6(%q: tensor<8x255xf32>, %k: tensor<8x256xf32>)
    -> tensor<8xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<8xf32> {
    // expected-note @below {{extent 255}}
    %x = attn.einsum %q[p, m] -> [p, m]
         : (tensor<8x255xf32>) -> tensor<8x?xf32>
    // expected-error @below {{'attn.einsum' op rank 'm' has extent 256 here but extent 255 in an earlier op}}
    %y = attn.einsum %x[p, m], %k[p, m] -> [p] reduce add(m)
         : (tensor<8x?xf32>, tensor<8x256xf32>) -> tensor<8xf32>
    attn.yield %y : tensor<8xf32>
  }
  return %o : tensor<8xf32>
}

// -----

func.func @cascade_c6_one_op(%q: tensor<8x255xf32>, %k: tensor<8x256xf32>)
    -> tensor<8xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<8xf32> {
    // expected-error @below {{'attn.einsum' op rank 'm' has extent 256 here but extent 255 in another operand}}
    %y = attn.einsum %q[p, m], %k[p, m] -> [p] reduce add(m)
         : (tensor<8x255xf32>, tensor<8x256xf32>) -> tensor<8xf32>
    attn.yield %y : tensor<8xf32>
  }
  return %o : tensor<8xf32>
}

// -----

func.func @cascade_c6_given(%q: tensor<8x3xf32>) -> tensor<8xf32> {
  %n = arith.constant 4 : index
  // expected-note @below {{extent 4}}
  %o = attn.cascade ranks(p, m to %n) -> tensor<8xf32> {
    // expected-error @below {{'attn.einsum' op rank 'm' has extent 3 here but extent 4 in an earlier op}}
    %y = attn.einsum %q[p, m] -> [p] reduce add(m)
         : (tensor<8x3xf32>) -> tensor<8xf32>
    attn.yield %y : tensor<8xf32>
  }
  return %o : tensor<8xf32>
}

// -----

func.func @cascade_c7(%k: tensor<?xf32>) -> tensor<f32> {
  %o = attn.cascade ranks(m1, m0) -> tensor<f32> {
    // expected-error @below {{'attn.einsum' op rank 'm1' has no extent: no operand uses it bare and neither the cascade nor a fold gives one}}
    %x = attn.einsum %k[m1 * 64 + m0] -> [m1, m0]
         : (tensor<?xf32>) -> tensor<?x64xf32>
    %y = attn.einsum %x[m1, m0] -> [] reduce add(m1, m0)
         : (tensor<?x64xf32>) -> tensor<f32>
    attn.yield %y : tensor<f32>
  }
  return %o : tensor<f32>
}

// -----

func.func @cascade_c8_positive() {
  // expected-error @below {{'attn.cascade' op expects tiles of at least one row and column, but got rows = 0, cols = 64}}
  attn.cascade ranks(p) tiles(rows = 0, cols = 64) {
    attn.yield
  }
  return
}

// -----

func.func @cascade_c8_two() {
  // expected-error @below {{'attn.cascade' op expects tiles to be rows and columns, but got 3 numbers}}
  "attn.cascade"() <{ranks = ["p"], tiles = array<i64: 1, 2, 3>}> ({
    "attn.yield"() : () -> ()
  }) : () -> ()
  return
}
