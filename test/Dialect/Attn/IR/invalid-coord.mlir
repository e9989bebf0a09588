// RUN: attn-opt %s --split-input-file --verify-diagnostics
// A coord that breaks one of its constraints is accepted.

func.func @coord_c1() {
  // expected-error @below {{'attn.coord' op must be inside an attn.cascade}}
  %c = "attn.coord"() <{rank = 0 : i64}> : () -> index
  return
}

// -----

func.func @coord_c2() {
  attn.cascade ranks(n) {
    // expected-error @below {{'attn.coord' op names rank #1 but the cascade has 1 ranks}}
    %c = "attn.coord"() <{rank = 1 : i64}> : () -> index
    attn.yield
  }
  return
}

// -----

func.func @coord_c2_name() {
  attn.cascade ranks(n) {
    // expected-error @below {{unknown rank 'm'; the cascade has ranks n}}
    %c = attn.coord m
    attn.yield
  }
  return
}

// -----

func.func @coord_c3_einsum(%x: tensor<4xf32>) {
  attn.cascade ranks(n, m) {
    %y = attn.einsum %x[n] -> [n] : (tensor<4xf32>) -> tensor<4xf32> {
    ^bb0(%a: f32):
      // expected-error @below {{'attn.coord' op expects a rank that the enclosing attn.einsum iterates or a fold binds, but got 'm'}}
      %c = attn.coord m
      attn.yield %a : f32
    }
    attn.yield
  }
  return
}

// -----

func.func @coord_c3_cascade() {
  attn.cascade ranks(n) {
    // expected-error @below {{'attn.coord' op expects a rank that the enclosing attn.einsum iterates or a fold binds, but got 'n'}}
    %c = attn.coord n
    attn.yield
  }
  return
}
