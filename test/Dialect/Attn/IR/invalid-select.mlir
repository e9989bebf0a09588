// RUN: attn-opt %s --split-input-file --verify-diagnostics
// A select that breaks one of its constraints is accepted.

func.func @select_c1(%x: tensor<4xf32>) {
  // expected-error @below {{'attn.select' op must be inside an attn.cascade}}
  %s = "attn.select"(%x) <{rule = #attn<rule topk>, over = 0 : i64, maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>]}> : (tensor<4xf32>) -> !attn.coords<1, 2>
  return
}

// -----

func.func @select_c2_rule(%x: tensor<4xf32>) {
  attn.cascade ranks(n) {
    // expected-error @below {{expects a rule (listed, topk or threshold), but got 'random'}}
    %s = attn.select random %x[n] over n -> [] : (tensor<4xf32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c2_operands(%x: tensor<4xf32>) {
  attn.cascade ranks(n) {
    // expected-error @below {{'attn.select' op rule 'threshold' expects 2 operand(s), but got 1}}
    %s = attn.select threshold %x[n] over n -> []
         : (tensor<4xf32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c2_over(%x: tensor<4xf32>) {
  attn.cascade ranks(n) {
    // expected-error @below {{'attn.select' op rule 'topk' expects a rank to select over}}
    %s = attn.select topk %x[n] -> [] : (tensor<4xf32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c2_listed_over(%l: tensor<4x?xi32>, %c: tensor<4xi32>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.select' op rule 'listed' expects no rank to select over}}
    %s = attn.select listed %l[b], %c[b] over b -> [b]
         : (tensor<4x?xi32>, tensor<4xi32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c2_maps(%x: tensor<4xf32>) {
  attn.cascade ranks(n) {
    // expected-error @below {{'attn.select' op expects one map per operand and one for the result, but got 1}}
    %s = "attn.select"(%x) <{rule = #attn<rule topk>, over = 0 : i64, maps = [affine_map<(d0) -> (d0)>]}> : (tensor<4xf32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c3_arity(%x: tensor<4xf32>) {
  attn.cascade ranks(n, b) {
    // expected-error @below {{'attn.select' op map #0 has 1 dims but the cascade has 2 ranks}}
    %s = "attn.select"(%x) <{rule = #attn<rule topk>, over = 0 : i64, maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>]}> : (tensor<4xf32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c3_normal(%x: tensor<4xf32>) {
  attn.cascade ranks(n, b) {
    // expected-error @below {{'attn.select' op expects the normal form 'n + b * 4', but got 'b * 4 + n'}}
    %s = "attn.select"(%x) <{rule = #attn<rule topk>, over = 0 : i64, maps = [affine_map<(d0, d1) -> (d1 * 4 + d0)>, affine_map<(d0, d1) -> (d1)>]}> : (tensor<4xf32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c3_divisor(%x: tensor<4xf32>) {
  attn.cascade ranks(n) {
    // expected-error @below {{expects a positive constant divisor, but got 'n floordiv 0'}}
    %s = attn.select topk %x[n floordiv 0] over n -> []
         : (tensor<4xf32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c4_float(%x: tensor<4xi32>) {
  attn.cascade ranks(n) {
    // expected-error @below {{'attn.select' op expects a float tensor as operand #0, but got 'tensor<4xi32>'}}
    %s = attn.select topk %x[n] over n -> [] : (tensor<4xi32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c4_integer(%l: tensor<4x?xf32>, %c: tensor<4xi32>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.select' op expects an integer tensor as operand #0, but got 'tensor<4x?xf32>'}}
    %s = attn.select listed %l[b], %c[b] -> [b]
         : (tensor<4x?xf32>, tensor<4xi32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c4_list(%l: tensor<4xi32>, %c: tensor<4xi32>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.select' op map #0 yields 1 coordinates but the list has rank 1}}
    %s = attn.select listed %l[b], %c[b] -> [b]
         : (tensor<4xi32>, tensor<4xi32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c4_count(%l: tensor<4x?xi32>, %c: tensor<4x?xi32>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.select' op map #1 yields 1 coordinates but the tensor has rank 2}}
    %s = attn.select listed %l[b], %c[b] -> [b]
         : (tensor<4x?xi32>, tensor<4x?xi32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c5(%l: tensor<4x?xi32>, %c: tensor<4xi32>) {
  attn.cascade ranks(b) {
    // expected-error @below {{'attn.select' op the result map must name each rank at most once (a projected permutation)}}
    %s = attn.select listed %l[b], %c[b] -> [b + 1]
         : (tensor<4x?xi32>, tensor<4xi32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c6_range(%x: tensor<4xf32>) {
  attn.cascade ranks(n) {
    // expected-error @below {{'attn.select' op selects over rank #3 but the cascade has 1 ranks}}
    %s = "attn.select"(%x) <{rule = #attn<rule topk>, over = 3 : i64, maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> ()>]}> : (tensor<4xf32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c6_missing(%x: tensor<4xf32>) {
  attn.cascade ranks(n, m) {
    // expected-error @below {{'attn.select' op selects over rank 'm', which the score does not have}}
    %s = attn.select topk %x[n] over m -> [n] : (tensor<4xf32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c6_kept(%x: tensor<4xf32>) {
  attn.cascade ranks(n) {
    // expected-error @below {{'attn.select' op rank 'n' is selected over but also kept}}
    %s = attn.select topk %x[n] over n -> [n] : (tensor<4xf32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}

// -----

func.func @select_c6_dropped(%x: tensor<4x4xf32>) {
  attn.cascade ranks(n, b) {
    // expected-error @below {{'attn.select' op rank 'b' of operand #0 is neither kept nor selected over}}
    %s = attn.select topk %x[b, n] over n -> [] : (tensor<4x4xf32>) -> !attn.coords<1, 2>
    attn.yield
  }
  return
}
