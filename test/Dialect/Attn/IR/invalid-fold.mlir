// RUN: attn-opt %s --split-input-file --verify-diagnostics
// A fold that breaks one of its constraints is accepted.

#p = affine_map<(d0, d1) -> (d1)>
func.func @fold_c1(%n: index, %zero: f32) {
  // expected-error @below {{'attn.fold' op must be inside an attn.cascade}}
  %s = "attn.fold"(%n, %zero) <{rank = 0 : i64, stateMaps = [#p]}> ({
  ^bb0(%a: tensor<4xf32>):
    "attn.yield"(%a) : (tensor<4xf32>) -> ()
  }, {
  ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
    "attn.yield"(%a) : (tensor<4xf32>) -> ()
  }) : (index, f32) -> tensor<4xf32>
  return
}

// -----

func.func @fold_c2_none(%n: index) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op expects a state of at least one component}}
    "attn.fold"(%n) <{rank = 0 : i64, stateMaps = []}> ({
      "attn.yield"() : () -> ()
    }, {
      "attn.yield"() : () -> ()
    }) : (index) -> ()
    attn.yield
  }
  return
}

// -----

func.func @fold_c2_maps(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op expects one map and one result per start value, but got 0 maps and 1 results for 1 start values}}
    %s = "attn.fold"(%n, %zero) <{rank = 0 : i64, stateMaps = []}> ({
    ^bb0(%a: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }, {
    ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }) : (index, f32) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @fold_c2_types(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{the state has 1 components but 2 types are given}}
    %s:2 = attn.fold over m to %n state(%a[p] = %zero) : tensor<4xf32>, tensor<4xf32> step {
      attn.yield %a : tensor<4xf32>
    } merge(%l) with(%r) {
      attn.yield %l : tensor<4xf32>
    }
    attn.yield
  }
  return
}

// -----

#p = affine_map<(d0, d1) -> (d1)>
func.func @fold_c3_step(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op step takes 2 arguments but the state has 1 components}}
    %s = "attn.fold"(%n, %zero) <{rank = 0 : i64, stateMaps = [#p]}> ({
    ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }, {
    ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }) : (index, f32) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#p = affine_map<(d0, d1) -> (d1)>
func.func @fold_c3_merge(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op merge takes 1 arguments but two states have 2 components}}
    %s = "attn.fold"(%n, %zero) <{rank = 0 : i64, stateMaps = [#p]}> ({
    ^bb0(%a: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }, {
    ^bb0(%a: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }) : (index, f32) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @fold_c3_syntax(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    %s = attn.fold over m to %n state(%a[p] = %zero) : tensor<4xf32> step {
      attn.yield %a : tensor<4xf32>
    // expected-error @below {{expects two states of 1 components, but got 1 and 2}}
    } merge(%l) with(%r, %t) {
      attn.yield %l : tensor<4xf32>
    }
    attn.yield
  }
  return
}

// -----

#p = affine_map<(d0, d1) -> (d1)>
func.func @fold_c4_start(%n: index, %zero: f16) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op state component #0 expects a start value of type 'f32', but got 'f16'}}
    %s = "attn.fold"(%n, %zero) <{rank = 0 : i64, stateMaps = [#p]}> ({
    ^bb0(%a: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }, {
    ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }) : (index, f16) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#p = affine_map<(d0, d1) -> (d1)>
func.func @fold_c4_argument(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op state component #0 does not keep its type: it is 'tensor<4xf32>', but an argument is 'tensor<5xf32>'}}
    %s = "attn.fold"(%n, %zero) <{rank = 0 : i64, stateMaps = [#p]}> ({
    ^bb0(%a: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }, {
    ^bb0(%a: tensor<4xf32>, %b: tensor<5xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }) : (index, f32) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @fold_c5_step(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op step must yield ('tensor<4xf32>'), but got ()}}
    %s = attn.fold over m to %n state(%a[p] = %zero) : tensor<4xf32> step {
      // expected-note @below {{yielded here}}
      attn.yield
    } merge(%l) with(%r) {
      attn.yield %l : tensor<4xf32>
    }
    attn.yield
  }
  return
}

// -----

func.func @fold_c5_merge(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op merge must yield ('tensor<4xf32>'), but got ('tensor<4xf32>', 'tensor<4xf32>')}}
    %s = attn.fold over m to %n state(%a[p] = %zero) : tensor<4xf32> step {
      attn.yield %a : tensor<4xf32>
    } merge(%l) with(%r) {
      // expected-note @below {{yielded here}}
      attn.yield %l, %r : tensor<4xf32>, tensor<4xf32>
    }
    attn.yield
  }
  return
}

// -----

func.func @fold_c6_coordinates(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op map of state component #0 yields 0 coordinates but the tensor has rank 1}}
    %s = attn.fold over m to %n state(%a[] = %zero) : tensor<4xf32> step {
      attn.yield %a : tensor<4xf32>
    } merge(%l) with(%r) {
      attn.yield %l : tensor<4xf32>
    }
    attn.yield
  }
  return
}

// -----

func.func @fold_c6_permutation(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op map of state component #0 must name each rank at most once (a projected permutation)}}
    %s = attn.fold over m to %n state(%a[p * 2] = %zero) : tensor<4xf32> step {
      attn.yield %a : tensor<4xf32>
    } merge(%l) with(%r) {
      attn.yield %l : tensor<4xf32>
    }
    attn.yield
  }
  return
}

// -----

#p = affine_map<(d0) -> (d0)>
func.func @fold_c6_arity(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op map of state component #0 has 1 dims but the cascade has 2 ranks}}
    %s = "attn.fold"(%n, %zero) <{rank = 0 : i64, stateMaps = [#p]}> ({
    ^bb0(%a: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }, {
    ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }) : (index, f32) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

#p = affine_map<(d0, d1) -> (d1)>
func.func @fold_c7_range(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op folds over rank #2 but the cascade has 2 ranks}}
    %s = "attn.fold"(%n, %zero) <{rank = 2 : i64, stateMaps = [#p]}> ({
    ^bb0(%a: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }, {
    ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
      "attn.yield"(%a) : (tensor<4xf32>) -> ()
    }) : (index, f32) -> tensor<4xf32>
    attn.yield
  }
  return
}

// -----

func.func @fold_c7_nested(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    %s = attn.fold over m to %n state(%a[p] = %zero) : tensor<4xf32> step {
      // expected-error @below {{'attn.fold' op rank 'm' is already bound by an enclosing attn.fold}}
      %t = attn.fold over m to %n state(%b[p] = %zero) : tensor<4xf32> step {
        attn.yield %b : tensor<4xf32>
      } merge(%l) with(%r) {
        attn.yield %l : tensor<4xf32>
      }
      attn.yield %t : tensor<4xf32>
    } merge(%l) with(%r) {
      attn.yield %l : tensor<4xf32>
    }
    attn.yield
  }
  return
}

// -----

func.func @fold_c7_state(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    // expected-error @below {{'attn.fold' op rank 'm' is folded but also an axis of state component #0}}
    %s = attn.fold over m to %n state(%a[m] = %zero) : tensor<4xf32> step {
      attn.yield %a : tensor<4xf32>
    } merge(%l) with(%r) {
      attn.yield %l : tensor<4xf32>
    }
    attn.yield
  }
  return
}

// -----

func.func @fold_c8_einsum(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    %s = attn.fold over m to %n state(%a[p] = %zero) : tensor<4xf32> step {
      attn.yield %a : tensor<4xf32>
    } merge(%l) with(%r) {
      // expected-error @below {{'attn.einsum' op rank 'm' is folded and cannot be used in the merge}}
      %x = attn.einsum %l[p] -> [p] where (m >= 1)
           : (tensor<4xf32>) -> tensor<4xf32>
      attn.yield %x : tensor<4xf32>
    }
    attn.yield
  }
  return
}

// -----

func.func @fold_c8_coord(%n: index, %zero: f32) {
  attn.cascade ranks(m, p) {
    %s = attn.fold over m to %n state(%a[p] = %zero) : tensor<4xf32> step {
      attn.yield %a : tensor<4xf32>
    } merge(%l) with(%r) {
      // expected-error @below {{'attn.coord' op rank 'm' is folded and cannot be used in the merge}}
      %c = attn.coord m
      attn.yield %l : tensor<4xf32>
    }
    attn.yield
  }
  return
}
