// RUN: attn-opt --attn-split-sums %s | FileCheck %s
// RUN: attn-opt --attn-split-sums %s -o %t && attn-opt --attn-split-sums %t | diff - %t
// RUN: attn-opt --attn-split-sums="rank=x" %s -o %t.none && attn-opt %s | diff - %t.none
// Terms that move by different corrections are summed apart, each where all of them are present.

// The same points: no clause is needed.
// CHECK-LABEL: func.func @plain
// CHECK:       [[W1:%.+]] = attn.einsum %{{.*}}[p, m], %arg2[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
// CHECK-NEXT:  [[W2:%.+]] = attn.einsum %{{.*}}[p, m], %arg2[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
// CHECK-NEXT:  attn.einsum [[W1]][p, f], [[W2]][p, f] -> [p, f] : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32> {
// CHECK-NEXT:  ^bb0([[X:%.+]]: f32, [[Y:%.+]]: f32):
// CHECK-NEXT:    arith.subf [[X]], [[Y]] : f32
func.func @plain(%s1: tensor<3x20xf32>, %s2: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %t1 = attn.einsum %s1[p, m] -> [p, m] : (tensor<3x20xf32>) -> tensor<3x20xf32>
    %g1 = attn.einsum %t1[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n1 = attn.einsum %t1[p, m], %g1[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %t2 = attn.einsum %s2[p, m] -> [p, m] : (tensor<3x20xf32>) -> tensor<3x20xf32>
    %g2 = attn.einsum %t2[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n2 = attn.einsum %t2[p, m], %g2[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %a = attn.einsum %n1[p, m], %n2[p, m] -> [p, m] : (tensor<3x20xf32>, tensor<3x20xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %z = arith.subf %x, %y : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %a[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// Each term takes over the presence of the one that it no longer reads.
// CHECK-LABEL: func.func @masks
// CHECK:       attn.einsum {{.*}} reduce add(m) where (p - m + 11 >= 0 and -p + m >= 0) :
// CHECK-NEXT:  attn.einsum {{.*}} reduce add(m) where (p - m + 8 >= 0) :
func.func @masks(%s1: tensor<3x20xf32>, %s2: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %t1 = attn.einsum %s1[p, m] -> [p, m] where (m <= p + 8) : (tensor<3x20xf32>) -> tensor<3x20xf32>
    %g1 = attn.einsum %t1[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n1 = attn.einsum %t1[p, m], %g1[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %t2 = attn.einsum %s2[p, m] -> [p, m] where (m <= p + 11 and m >= p) : (tensor<3x20xf32>) -> tensor<3x20xf32>
    %g2 = attn.einsum %t2[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n2 = attn.einsum %t2[p, m], %g2[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %a = attn.einsum %n1[p, m], %n2[p, m] -> [p, m] : (tensor<3x20xf32>, tensor<3x20xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %z = arith.subf %x, %y : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %a[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// Symbols of the same name that are different values stay apart.
// CHECK-LABEL: func.func @unions
// CHECK:       attn.einsum {{.*}} reduce add(m) symbols(off = %arg4) where (p - m + off >= 0) :
// CHECK-NEXT:  attn.einsum {{.*}} reduce add(m) symbols(off = %arg3) where (p - m + off >= 0) or (-m + 3 >= 0) :
func.func @unions(%s1: tensor<3x20xf32>, %s2: tensor<3x20xf32>, %v: tensor<20x4xf32>, %i: index, %j: index) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %t1 = attn.einsum %s1[p, m] -> [p, m] symbols(off = %i) where (m <= p + off) or (m <= 3) : (tensor<3x20xf32>, index) -> tensor<3x20xf32>
    %g1 = attn.einsum %t1[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n1 = attn.einsum %t1[p, m], %g1[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %t2 = attn.einsum %s2[p, m] -> [p, m] symbols(off = %j) where (m <= p + off) : (tensor<3x20xf32>, index) -> tensor<3x20xf32>
    %g2 = attn.einsum %t2[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n2 = attn.einsum %t2[p, m], %g2[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %a = attn.einsum %n1[p, m], %n2[p, m] -> [p, m] : (tensor<3x20xf32>, tensor<3x20xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %z = arith.subf %x, %y : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %a[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// Presence by data is taken over like a set.
// CHECK-LABEL: func.func @data
// CHECK:       attn.einsum {{.*}} reduce add(m) where %arg3[p, m] and %arg4[p] == %arg4[m] :
// CHECK-NEXT:  attn.einsum {{.*}} reduce add(m) : 
func.func @data(%s1: tensor<3x20xf32>, %s2: tensor<3x20xf32>, %v: tensor<20x4xf32>, %tree: tensor<3x20xi1>, %doc: tensor<20xi32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %t1 = attn.einsum %s1[p, m] -> [p, m] : (tensor<3x20xf32>) -> tensor<3x20xf32>
    %g1 = attn.einsum %t1[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n1 = attn.einsum %t1[p, m], %g1[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %t2 = attn.einsum %s2[p, m] -> [p, m] where %tree[p, m] and %doc[p] == %doc[m] : (tensor<3x20xf32>, tensor<3x20xi1>, tensor<20xi32>, tensor<20xi32>) -> tensor<3x20xf32>
    %g2 = attn.einsum %t2[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n2 = attn.einsum %t2[p, m], %g2[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %a = attn.einsum %n1[p, m], %n2[p, m] -> [p, m] : (tensor<3x20xf32>, tensor<3x20xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %z = arith.subf %x, %y : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %a[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// One correction for both terms: nothing to split, and nothing is inlined.
// CHECK-LABEL: func.func @same_law
// CHECK-COUNT-4: attn.einsum
// CHECK-NOT:   attn.einsum
func.func @same_law(%s1: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %g1 = attn.einsum %s1[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n1 = attn.einsum %s1[p, m], %g1[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %a = attn.einsum %n1[p, m], %s1[p, m] -> [p, m] : (tensor<3x20xf32>, tensor<3x20xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %u = arith.mulf %x, %y : f32
      %z = arith.subf %u, %x : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %a[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// No law for a term: splitting would not help.
// CHECK-LABEL: func.func @no_law
// CHECK-COUNT-3: attn.einsum
// CHECK-NOT:   attn.einsum
func.func @no_law(%s1: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %g1 = attn.einsum %s1[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %a = attn.einsum %s1[p, m], %g1[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %t = math.tanh %d : f32
      %e = math.exp %d : f32
      %z = arith.subf %t, %e : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %a[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}
