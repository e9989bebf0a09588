// RUN: attn-opt --attn-partition="rank=m tile=8" --split-input-file --verify-diagnostics %s | FileCheck %s
// A rank becomes tile count and tile; points past its end are absent, and what cannot be tiled is refused.

// 200 = 3 * 64 + 8 has its like here: 20 = 2 * 8 + 4. Tensors from outside bound it, computed ones carry absence.
// CHECK-LABEL: func.func @tail
// CHECK:       [[C:%.+]] = arith.constant 3 : index
// CHECK:       attn.cascade ranks(p, m1 to [[C]], m0, f)
// CHECK:       attn.einsum %arg0[p, m1 * 8 + m0] -> [p] reduce max(m1, m0) where (m1 * -8 - m0 + 19 >= 0)
// CHECK:       attn.einsum %arg0[p, m1 * 8 + m0], %{{.*}}[p] -> [p, m1, m0] where (m1 * -8 - m0 + 19 >= 0) : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x3x8xf32>
// CHECK:       attn.einsum %{{.*}}[p, m1, m0], %arg1[m1 * 8 + m0, f] -> [p, f] reduce add(m1, m0) : (tensor<3x3x8xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
func.func @tail(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %n[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// -----

// No clause where the tile divides the extent. No tensor says the extent of m0, so the cascade does.
// CHECK-LABEL: func.func @divides
// CHECK-DAG:   [[C8:%.+]] = arith.constant 8 : index
// CHECK-DAG:   [[C3:%.+]] = arith.constant 3 : index
// CHECK:       attn.cascade ranks(p, m1 to [[C3]], m0 to [[C8]])
// CHECK:       attn.einsum %arg0[p, m1 * 8 + m0] -> [p] reduce max(m1, m0) :
func.func @divides(%s: tensor<3x24xf32>) -> tensor<3xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<3xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x24xf32>) -> tensor<3xf32>
    attn.yield %g : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

// -----

// A dynamic extent is a symbol, in every disjunct, under a name that is free.
// CHECK-LABEL: func.func @dynamic
// CHECK:       [[D:%.+]] = tensor.dim %arg0
// CHECK:       [[C:%.+]] = arith.ceildivui [[D]]
// CHECK:       attn.cascade ranks(p, m1 to [[C]], m0, f)
// CHECK:       symbols(off = %arg2, n_m = %arg3, n_m_ = [[D]]) where (p - m1 * 8 - m0 + off >= 0 and m1 * -8 - m0 + n_m_ - 1 >= 0) or (m1 * -8 - m0 + n_m >= 0 and m1 * -8 - m0 + n_m_ - 1 >= 0)
func.func @dynamic(%s: tensor<3x?xf32>, %v: tensor<?x4xf32>, %off: index, %n_m: index) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %t = attn.einsum %s[p, m] -> [p, m] symbols(off = %off, n_m = %n_m) where (m <= p + off) or (m <= n_m) : (tensor<3x?xf32>, index, index) -> tensor<3x?xf32>
    %g = attn.einsum %t[p, m] -> [p] reduce max(m) : (tensor<3x?xf32>) -> tensor<3xf32>
    %n = attn.einsum %t[p, m], %g[p] -> [p, m] : (tensor<3x?xf32>, tensor<3xf32>) -> tensor<3x?xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x?xf32>) -> tensor<3xf32>
    %w = attn.einsum %n[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x?xf32>, tensor<?x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// -----

// Data terms and coordinates are looked up at m1 * 8 + m0.
// CHECK-LABEL: func.func @data_and_coord
// CHECK:       where (m1 * -8 - m0 + 19 >= 0) and %arg2[p, m1 * 8 + m0] and %arg3[p] == %arg3[m1 * 8 + m0]
// CHECK:       [[H:%.+]] = attn.coord m1
// CHECK-NEXT:  [[L:%.+]] = attn.coord m0
// CHECK-NEXT:  [[T:%.+]] = arith.constant 8 : index
// CHECK-NEXT:  [[P:%.+]] = arith.muli [[H]], [[T]] : index
// CHECK-NEXT:  [[M:%.+]] = arith.addi [[P]], [[L]] : index
// CHECK-NEXT:  arith.index_cast [[M]] : index to i32
func.func @data_and_coord(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>, %keep: tensor<3x20xi1>, %doc: tensor<20xi32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %t = attn.einsum %s[p, m] -> [p, m] where %keep[p, m] and %doc[p] == %doc[m]
      : (tensor<3x20xf32>, tensor<3x20xi1>, tensor<20xi32>, tensor<20xi32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32):
      %c = attn.coord m
      %i = arith.index_cast %c : index to i32
      %y = arith.sitofp %i : i32 to f32
      %z = arith.addf %x, %y : f32
      attn.yield %z : f32
    }
    %g = attn.einsum %t[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %t[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %w = attn.einsum %n[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// -----

// A list of blocks of 16 points is a list of blocks of 2 tiles.
// CHECK-LABEL: func.func @blocks
// CHECK:       [[L:%.+]] = attn.select listed {{.*}} -> !attn.coords<2, 4>
// CHECK:       attn.einsum {{.*}} at m1 in [[L]][p]
func.func @blocks(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>, %list: tensor<3x4xi32>, %count: tensor<3xi32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %c = attn.select listed %list[p], %count[p] -> [p] : (tensor<3x4xi32>, tensor<3xi32>) -> !attn.coords<16, 4>
    %t = attn.einsum %s[p, m] -> [p, m] at m in %c[p] : (tensor<3x20xf32>, !attn.coords<16, 4>) -> tensor<3x20xf32>
    %g = attn.einsum %t[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %t[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %w = attn.einsum %n[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// -----

// CHECK-LABEL: func.func @selected_points
// CHECK:       ranks(p, m, f)
func.func @selected_points(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>, %list: tensor<3x4xi32>, %count: tensor<3xi32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %c = attn.select listed %list[p], %count[p] -> [p] : (tensor<3x4xi32>, tensor<3xi32>) -> !attn.coords<4, 4>
    // expected-remark @below {{rank 'm' is not partitioned: it is selected in blocks of 4, which tile 8 does not divide}}
    %t = attn.einsum %s[p, m] -> [p, m] at m in %c[p] : (tensor<3x20xf32>, !attn.coords<4, 4>) -> tensor<3x20xf32>
    %g = attn.einsum %t[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %t[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %w = attn.einsum %n[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// -----

// CHECK-LABEL: func.func @result_carries_it
// CHECK:       ranks(p, m)
func.func @result_carries_it(%s: tensor<3x20xf32>) -> tensor<3x20xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<3x20xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    // expected-remark @below {{rank 'm' is not partitioned: a result carries it}}
    %a = attn.einsum %n[p, m], %d[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %z = arith.divf %x, %y : f32
      attn.yield %z : f32
    }
    attn.yield %a : tensor<3x20xf32>
  }
  return %o : tensor<3x20xf32>
}

// -----

// CHECK-LABEL: func.func @symbol_of_the_rank
// CHECK:       ranks(p, m, f)
func.func @symbol_of_the_rank(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>, %len: tensor<20xi32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    // expected-remark @below {{symbol 'l' is indexed by rank 'm', which a fold iterates; write it as presence by data}}
    %t = attn.einsum %s[p, m] -> [p, m] symbols(l = %len[m]) where (p <= l) : (tensor<3x20xf32>, tensor<20xi32>) -> tensor<3x20xf32>
    %g = attn.einsum %t[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %t[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %w = attn.einsum %n[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// -----

// CHECK-LABEL: func.func @no_law
// CHECK:       ranks(p, m, f)
func.func @no_law(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.tanh %d : f32
      attn.yield %z : f32
    }
    // expected-remark @below {{rank 'm' is not partitioned: no one-pass form}}
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    attn.yield %d : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

// -----

// Another name: nothing happens.
// CHECK-LABEL: func.func @other_rank
// CHECK:       ranks(p, n, f)
func.func @other_rank(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, n, f) -> tensor<3x4xf32> {
    %w = attn.einsum %s[p, n], %v[n, f] -> [p, f] reduce add(n) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}


// -----

// A value of every row is asked for at the keys: a step has it at no point of them, so nothing is tiled and no fold is made.
// CHECK-LABEL: func.func @elsewhere
// CHECK-NOT: m1
func.func @elsewhere(%s: tensor<20x20xf32>) -> tensor<20xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<20xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<20x20xf32>) -> tensor<20xf32>
    // expected-remark @below {{rank 'm' is not partitioned: a computed tensor is read at other points of it than it is made at}}
    %n = attn.einsum %s[p, m], %g[m] -> [p, m] : (tensor<20x20xf32>, tensor<20xf32>) -> tensor<20x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<20x20xf32>) -> tensor<20xf32>
    attn.yield %d : tensor<20xf32>
  }
  return %o : tensor<20xf32>
}
