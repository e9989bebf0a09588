// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition="rank=m tile=64" --attn-online %S/Inputs/dense.mlir -o %t.online
// RUN: attn-opt %S/Inputs/dense_one_pass.mlir | diff - %t.online
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition="rank=m tile=64" --attn-online %t.online | diff - %t.online
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %S/Inputs/dense.mlir | diff - %t.online
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition="tile=8" --attn-online --split-input-file %s -o /dev/null --verify-diagnostics
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition="tile=8" --attn-online --split-input-file %s 2>/dev/null | FileCheck %s
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition="tile=8" --attn-online --attn-count-passes --split-input-file %s -o /dev/null 2>/dev/null \
// RUN:   | FileCheck %s --check-prefix=VARIANT
// The textbook cascade becomes exactly the one-pass cascade of Inputs/dense_one_pass.mlir, whatever its spelling; without a law it stays.

// Other rank names.
// VARIANT-LABEL: in @other_names
// VARIANT: rank key1: 1 pass;
// VARIANT: rank key0: 2 passes
func.func @other_names(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(q, key, f) -> tensor<3x4xf32> {
    %g = attn.einsum %s[q, key] -> [q] reduce max(key) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[q, key], %g[q] -> [q, key] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[q, key] -> [q] reduce add(key) : (tensor<3x20xf32>) -> tensor<3xf32>
    %a = attn.einsum %n[q, key], %d[q] -> [q, key] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %z = arith.divf %x, %y : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %a[q, key], %v[key, f] -> [q, f] reduce add(key) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// negf and addf for subf.
// VARIANT-LABEL: in @negated
// VARIANT: rank m1: 1 pass;
// VARIANT: rank m0: 2 passes
func.func @negated(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %i = arith.negf %y : f32
      %d = arith.addf %i, %x : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %a = attn.einsum %n[p, m], %d[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %z = arith.divf %x, %y : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %a[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// Base 2, the factor after the difference.
// VARIANT-LABEL: in @base_two
// VARIANT: rank m1: 1 pass;
// VARIANT: rank m0: 2 passes
func.func @base_two(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %log2e = arith.constant 1.44269504 : f32
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %l = arith.mulf %d, %log2e : f32
      %z = math.exp2 %l : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %a = attn.einsum %n[p, m], %d[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %z = arith.divf %x, %y : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %a[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// Maps inside the reductions, operands in another order.
// VARIANT-LABEL: in @joined_steps
// VARIANT: rank m1: 1 pass;
// VARIANT: rank m0: 2 passes
func.func @joined_steps(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %d = attn.einsum %s[p, m], %g[p] -> [p] reduce add(m) : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3xf32> {
    ^bb0(%x: f32, %y: f32):
      %i = arith.subf %x, %y : f32
      %z = math.exp %i : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %v[m, f], %d[p], %s[p, m], %g[p] -> [p, f] reduce add(m) : (tensor<20x4xf32>, tensor<3xf32>, tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x4xf32> {
    ^bb0(%a: f32, %b: f32, %x: f32, %y: f32):
      %i = arith.subf %x, %y : f32
      %e = math.exp %i : f32
      %q = arith.divf %e, %b : f32
      %z = arith.mulf %a, %q : f32
      attn.yield %z : f32
    }
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// -----

// The remark names the reduction and the operation that breaks the law.
// CHECK-LABEL: func.func @no_law
// CHECK-NOT: attn.fold
func.func @no_law(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.tanh %d : f32
      attn.yield %z : f32
    }
    // expected-remark @below {{rank 'm' is not partitioned: no one-pass form}}
    // expected-remark @below {{no one-pass form: %3 (no law: math.tanh under add)}}
    %w = attn.einsum %n[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// -----

// A summand is a law under max: t + (c/2 - c'/2), and the reference is compared as it is, not what is computed of it.
// CHECK-LABEL: func.func @shift_under_max
// CHECK-DAG:   [[HALF:%.+]] = arith.constant 5.000000e-01
// CHECK-DAG:   [[NINF:%.+]] = arith.constant 0xFF800000
// CHECK:       attn.fold over m1 to %{{.+}} state([[G:%.+]][p] = [[NINF]], [[X:%.+]][p] = [[NINF]])
// CHECK:       [[G1:%.+]] = attn.einsum [[G]][p], %{{.+}}[p] -> [p]
// CHECK:       [[F:%.+]] = attn.einsum [[G]][p], [[G1]][p] -> [p]
// CHECK-NEXT:  ^bb0([[A:%.+]]: f32, [[B:%.+]]: f32):
// CHECK-NEXT:    [[AH:%.+]] = arith.mulf [[A]], [[HALF]]
// CHECK-NEXT:    [[BH:%.+]] = arith.mulf [[B]], [[HALF]]
// CHECK-NEXT:    arith.subf [[AH]], [[BH]]
// CHECK:       attn.einsum [[X]][p], %{{.+}}[p], [[F]][p], [[G]][p], [[G1]][p] -> [p]
// CHECK-NEXT:  ^bb0([[T:%.+]]: f32, [[L:%.+]]: f32, [[D:%.+]]: f32, [[C:%.+]]: f32, [[C1:%.+]]: f32):
// CHECK-NEXT:    [[H:%.+]] = arith.addf [[T]], [[D]]
// CHECK-NEXT:    [[SAME:%.+]] = arith.cmpf oeq, [[C]], [[C1]]
// CHECK-NEXT:    [[NONE:%.+]] = arith.cmpf oeq, [[C]], [[NINF]]
// CHECK-NEXT:    [[U:%.+]] = arith.select [[NONE]], [[NINF]], [[H]]
// CHECK-NEXT:    [[M:%.+]] = arith.select [[SAME]], [[T]], [[U]]
// CHECK-NEXT:    arith.maximumf [[M]], [[L]]
func.func @shift_under_max(%s: tensor<3x20xf32>, %t: tensor<3x20xf32>) -> tensor<3xf32> {
  %half = arith.constant 0.5 : f32
  %o = attn.cascade ranks(p, m) -> tensor<3xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %x = attn.einsum %t[p, m], %g[p] -> [p] reduce max(m) : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3xf32> {
    ^bb0(%x: f32, %y: f32):
      %k = arith.mulf %y, %half : f32
      %d = arith.subf %x, %k : f32
      %z = arith.maximumf %d, %d : f32
      attn.yield %z : f32
    }
    attn.yield %x : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

// -----

// A factor is a law under max if it is not negative; an exponential is not.
// CHECK-LABEL: func.func @factor_under_max
// CHECK:       attn.fold over m1
// CHECK:       merge(
func.func @factor_under_max(%s: tensor<3x20xf32>) -> tensor<3xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<3xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %x = attn.einsum %n[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    attn.yield %x : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

// -----

// The maximum itself may be 0 or negative.
// CHECK-LABEL: func.func @signed_factor_under_max
// CHECK-NOT: attn.fold
func.func @signed_factor_under_max(%s: tensor<3x20xf32>) -> tensor<3xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<3xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    // expected-remark @below {{rank 'm' is not partitioned: no one-pass form}}
    // expected-remark @below {{correction divides by '%1', which may be 0 on a partial set; deferring the division instead}}
    // expected-remark @below {{no one-pass form: %2 (no law: arith.mulf under max)}}
    %x = attn.einsum %s[p, m], %g[p] -> [p] reduce max(m) : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3xf32>
    attn.yield %x : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

// -----

// A sum over another rank on the way has the law only if the correction does not vary along it.
// CHECK-LABEL: func.func @reference_carries_summed_rank
// CHECK-NOT: attn.fold
func.func @reference_carries_summed_rank(%k: tensor<20x4xf32>) -> tensor<f32> {
  %o = attn.cascade ranks(m, e) -> tensor<f32> {
    %g = attn.einsum %k[m, e] -> [e] reduce max(m) : (tensor<20x4xf32>) -> tensor<4xf32>
    %n = attn.einsum %k[m, e], %g[e] -> [m] reduce add(e) : (tensor<20x4xf32>, tensor<4xf32>) -> tensor<20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    // expected-remark @below {{rank 'm' is not partitioned: no one-pass form}}
    // expected-remark @below {{no one-pass form: %3 (no law: a reference that carries a reduced rank under add)}}
    %w = attn.einsum %n[m] -> [] reduce add(m) : (tensor<20xf32>) -> tensor<f32>
    attn.yield %w : tensor<f32>
  }
  return %o : tensor<f32>
}

// -----

// The maximum over m is not what is kept.
// CHECK-LABEL: func.func @two_monoids
// CHECK-NOT: attn.fold
func.func @two_monoids(%s: tensor<3x20xf32>) -> tensor<f32> {
  %o = attn.cascade ranks(p, m) -> tensor<f32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    // expected-remark @below {{rank 'm' is not partitioned: no one-pass form}}
    // expected-remark @below {{no one-pass form: %2 (no law: two monoids in one reduction)}}
    %x = attn.einsum %s[p, m], %g[p] -> [] reduce max(m), add(p) : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<f32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = arith.maximumf %d, %d : f32
      attn.yield %z : f32
    }
    attn.yield %x : tensor<f32>
  }
  return %o : tensor<f32>
}

// -----

// Blocks n of m tokens: m is the tile, and the fold walks the rank of which the lists are.
// CHECK-LABEL: func.func @blocks_of_tokens
// CHECK:       attn.cascade ranks(p, m, n, f)
// CHECK:       [[L:%.+]] = attn.select listed
// CHECK:       attn.fold over n to
// CHECK:       attn.einsum %arg0[p, n, m] -> [p, m] at n in [[L]][p]
func.func @blocks_of_tokens(%s: tensor<3x5x4xf32>, %v: tensor<5x4x2xf32>, %list: tensor<3x2xi32>, %count: tensor<3xi32>) -> tensor<3x2xf32> {
  %o = attn.cascade ranks(p, m, n, f) -> tensor<3x2xf32> {
    %c = attn.select listed %list[p], %count[p] -> [p] : (tensor<3x2xi32>, tensor<3xi32>) -> !attn.coords<1, 2>
    %t = attn.einsum %s[p, n, m] -> [p, n, m] at n in %c[p] : (tensor<3x5x4xf32>, !attn.coords<1, 2>) -> tensor<3x5x4xf32>
    %g = attn.einsum %t[p, n, m] -> [p] reduce max(n, m) : (tensor<3x5x4xf32>) -> tensor<3xf32>
    %x = attn.einsum %t[p, n, m], %g[p], %v[n, m, f] -> [p, f] reduce add(n, m) : (tensor<3x5x4xf32>, tensor<3xf32>, tensor<5x4x2xf32>) -> tensor<3x2xf32> {
    ^bb0(%x: f32, %y: f32, %u: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      %z = arith.mulf %e, %u : f32
      attn.yield %z : f32
    }
    attn.yield %x : tensor<3x2xf32>
  }
  return %o : tensor<3x2xf32>
}

// -----

// What a selection depends on is an earlier pass.
// CHECK-LABEL: func.func @top_k
// CHECK:       [[L:%.+]] = attn.select topk
// CHECK:       attn.fold over m to
// CHECK:       attn.einsum %arg0[p, m] -> [p] at m in [[L]][p]
func.func @top_k(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    // expected-remark @below {{rank 'm' is not partitioned: coordinates are selected from it}}
    %c = attn.select topk %s[p, m] over m -> [p] : (tensor<3x20xf32>) -> !attn.coords<1, 4>
    %t = attn.einsum %s[p, m] -> [p, m] at m in %c[p] : (tensor<3x20xf32>, !attn.coords<1, 4>) -> tensor<3x20xf32>
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

// The reduction that the threshold needs is no part of the fold.
// CHECK-LABEL: func.func @threshold
// CHECK:       [[T:%.+]] = attn.einsum %arg0[p, m], %arg2 -> [p, m]
// CHECK:       [[TAU:%.+]] = attn.einsum [[T]][p, m] -> [p] reduce max(m)
// CHECK:       [[L:%.+]] = attn.select threshold %arg0[p, m], [[TAU]][p] over m
// CHECK:       attn.fold over m to
// CHECK:       attn.einsum %arg0[p, m], %arg2 -> [p] at m in [[L]][p]
func.func @threshold(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>, %half: f32) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %t = attn.einsum %s[p, m], %half -> [p, m] : (tensor<3x20xf32>, f32) -> tensor<3x20xf32>
    %tau = attn.einsum %t[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    // expected-remark @below {{rank 'm' is not partitioned: coordinates are selected from it}}
    %c = attn.select threshold %s[p, m], %tau[p] over m -> [p] : (tensor<3x20xf32>, tensor<3xf32>) -> !attn.coords<1, 20>
    %u = attn.einsum %s[p, m], %half -> [p, m] at m in %c[p] : (tensor<3x20xf32>, f32, !attn.coords<1, 20>) -> tensor<3x20xf32>
    %g = attn.einsum %u[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %u[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
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

// In a step %t has lost m, and the selection has no operand to stand on.
// CHECK-LABEL: func.func @selection_of_computed
// CHECK-NOT: attn.fold
func.func @selection_of_computed(%s: tensor<3x20xf32>, %list: tensor<3x4xi32>, %count: tensor<3xi32>) -> tensor<3xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<3xf32> {
    %c = attn.select listed %list[p], %count[p] -> [p] : (tensor<3x4xi32>, tensor<3xi32>) -> !attn.coords<1, 4>
    %t = attn.einsum %s[p, m], %s[p, m] -> [p, m] : (tensor<3x20xf32>, tensor<3x20xf32>) -> tensor<3x20xf32>
    // expected-remark @below {{rank 'm' is not partitioned: it is selected in blocks of 1, which tile 8 does not divide}}
    // expected-remark @below {{no one-pass form: %3 (it selects from 'm' but reads no tensor from outside along it)}}
    %u = attn.einsum %t[p, m] -> [p, m] at m in %c[p] : (tensor<3x20xf32>, !attn.coords<1, 4>) -> tensor<3x20xf32>
    %g = attn.einsum %u[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %u[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    attn.yield %d : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

// -----

// A step leaves the sum as it was where n > p, but moves its reference.
// CHECK-LABEL: func.func @presence_behind_the_reference
// CHECK-NOT: attn.fold
func.func @presence_behind_the_reference(%s: tensor<3x5x4xf32>) -> tensor<3xf32> {
  %o = attn.cascade ranks(p, n, m) -> tensor<3xf32> {
    %g = attn.einsum %s[p, n, m] -> [p] reduce max(n, m) : (tensor<3x5x4xf32>) -> tensor<3xf32>
    // expected-remark @below {{no one-pass form: %2 (its presence along the fold rank is not that of its reference)}}
    %x = attn.einsum %s[p, n, m], %g[p] -> [p] reduce add(n, m) where (n <= p) : (tensor<3x5x4xf32>, tensor<3xf32>) -> tensor<3xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    attn.yield %x : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

// -----

// A rounding on the way is reported.
// CHECK-LABEL: func.func @rounded
// CHECK: attn.fold
func.func @rounded(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %b = attn.einsum %n[p, m] -> [p, m] : (tensor<3x20xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32):
      %y = arith.truncf %x : f32 to f16
      %z = arith.extf %y : f16 to f32
      attn.yield %z : f32
    }
    // expected-remark @below {{the correction of %4 holds up to the rounding on its way}}
    %d = attn.einsum %b[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    attn.yield %d : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

