// RUN: attn-opt --attn-defer %s | FileCheck %s
// RUN: attn-opt --attn-defer %s -o %t && attn-opt --attn-defer %t | diff - %t
// Factors that the rank does not enter stand behind its reduction, with the guard for rows without a point.

// The division of softmax, guarded on the numerator.
// CHECK-LABEL: func.func @division
// CHECK:       [[N:%.+]] = attn.einsum {{.*}} -> [p, m]
// CHECK:       [[D:%.+]] = attn.einsum [[N]][p, m] -> [p] reduce add(m)
// CHECK-NEXT:  [[W:%.+]] = attn.einsum [[N]][p, m], %arg1[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
// CHECK-NEXT:  attn.einsum [[W]][p, f], [[D]][p] -> [p, f] : (tensor<3x4xf32>, tensor<3xf32>) -> tensor<3x4xf32> {
// CHECK-NEXT:  ^bb0([[X:%.+]]: f32, [[Y:%.+]]: f32):
// CHECK-NEXT:    [[Q:%.+]] = arith.divf [[X]], [[Y]] : f32
// CHECK-NEXT:    [[Z:%.+]] = arith.constant 0.000000e+00 : f32
// CHECK-NEXT:    [[E:%.+]] = arith.cmpf oeq, [[X]], [[Z]] : f32
// CHECK-NEXT:    [[S:%.+]] = arith.select [[E]], [[X]], [[Q]] : f32
// CHECK-NEXT:    attn.yield [[S]] : f32
// CHECK-NEXT:  }
// CHECK-NEXT:  attn.yield
func.func @division(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
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

// A product needs the guard too: 0 * inf.
// CHECK-LABEL: func.func @reciprocal
// CHECK:       [[W:%.+]] = attn.einsum {{.*}} -> [p, f] reduce add(m)
// CHECK:       attn.einsum [[W]][p, f], %{{.*}}[p] -> [p, f]
// CHECK-NEXT:  ^bb0([[X:%.+]]: f32, [[Y:%.+]]: f32):
// CHECK-NEXT:    [[Q:%.+]] = arith.mulf [[X]], [[Y]] : f32
// CHECK:         arith.select %{{.+}}, [[X]], [[Q]] : f32
func.func @reciprocal(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %one = arith.constant 1.0 : f32
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %r = attn.einsum %d[p] -> [p] : (tensor<3xf32>) -> tensor<3xf32> {
    ^bb0(%x: f32):
      %z = arith.divf %one, %x : f32
      attn.yield %z : f32
    }
    %a = attn.einsum %n[p, m], %r[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32>
    %w = attn.einsum %a[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// A summand moves behind a maximum; over no point that stays -inf.
// CHECK-LABEL: func.func @summand
// CHECK:       [[U:%.+]] = attn.einsum %arg0[p, m] -> [p] reduce add(m)
// CHECK-NEXT:  [[X:%.+]] = attn.einsum %arg0[p, m] -> [p] reduce max(m)
// CHECK-NEXT:  attn.einsum [[X]][p], [[U]][p] -> [p]
// CHECK-NEXT:  ^bb0([[A:%.+]]: f32, [[B:%.+]]: f32):
// CHECK-NEXT:    [[D:%.+]] = arith.subf [[A]], [[B]] : f32
// CHECK-NEXT:    [[I:%.+]] = arith.constant 0xFF800000 : f32
// CHECK-NEXT:    [[E:%.+]] = arith.cmpf oeq, [[A]], [[I]] : f32
// CHECK-NEXT:    arith.select [[E]], [[A]], [[D]] : f32
func.func @summand(%s: tensor<3x20xf32>) -> tensor<3xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<3xf32> {
    %u = attn.einsum %s[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %c = attn.einsum %s[p, m], %u[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %z = arith.subf %x, %y : f32
      attn.yield %z : f32
    }
    %x = attn.einsum %c[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    attn.yield %x : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

// A clause of the einsum that goes is taken over by the sum.
// CHECK-LABEL: func.func @mask_on_the_way
// CHECK:       attn.einsum {{.*}} -> [p, f] reduce add(m) where (p - m + 5 >= 0) :
// CHECK-NEXT:  attn.einsum {{.*}} -> [p, f] :
func.func @mask_on_the_way(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %a = attn.einsum %n[p, m], %d[p] -> [p, m] where (m <= p + 5) : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %z = arith.divf %x, %y : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %a[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// So is presence by data.
// CHECK-LABEL: func.func @presence_by_data
// CHECK:       attn.einsum {{.*}} -> [p, f] reduce add(m) where %arg2[p, m] :
func.func @presence_by_data(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>, %keep: tensor<3x20xi1>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %a = attn.einsum %n[p, m], %d[p] -> [p, m] where %keep[p, m] : (tensor<3x20xf32>, tensor<3xf32>, tensor<3x20xi1>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %z = arith.divf %x, %y : f32
      attn.yield %z : f32
    }
    %w = attn.einsum %a[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}

// What the sum still reads decides its presence already: no clause is added.
// CHECK-LABEL: func.func @row_mask
// CHECK:       attn.einsum {{.*}} where
// CHECK-NOT:   where
func.func @row_mask(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %t = attn.einsum %s[p, m] -> [p, m] where (p <= 1 and m <= p) : (tensor<3x20xf32>) -> tensor<3x20xf32>
    %g = attn.einsum %t[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %t[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
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

// A factor that carries a rank of the sum stays.
// CHECK-LABEL: func.func @rank_of_the_factor
// CHECK-COUNT-4: attn.einsum
// CHECK-NOT:   arith.select
func.func @rank_of_the_factor(%s: tensor<3x20xf32>, %u: tensor<3x20x4xf32>) -> tensor<3xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<3x20xf32>, tensor<3xf32>) -> tensor<3x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<3x20xf32>) -> tensor<3xf32>
    %e = attn.einsum %u[p, m, f] -> [p, f] reduce add(m) : (tensor<3x20x4xf32>) -> tensor<3x4xf32>
    %w = attn.einsum %n[p, m], %e[p, f] -> [p] reduce add(m, f) : (tensor<3x20xf32>, tensor<3x4xf32>) -> tensor<3xf32>
    attn.yield %w : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

// Nothing to move.
// CHECK-LABEL: func.func @nothing
// CHECK-COUNT-1: attn.einsum
// CHECK-NOT:   attn.einsum
func.func @nothing(%s: tensor<3x20xf32>, %v: tensor<20x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %w = attn.einsum %s[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x20xf32>, tensor<20x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}


// A tensor that is the same along m and yet has the rank stays in the sum until
// what it is made of stands there in its place.
// CHECK-LABEL: func.func @same_along_the_rank
// CHECK:       [[D:%.+]] = attn.einsum %arg0[p, m] -> [p] reduce add(m)
// CHECK:       [[W:%.+]] = attn.einsum %arg0[p, p], %arg1[m, f] -> [p, f] reduce add(m)
// CHECK:       attn.einsum [[W]][p, f], [[D]][p] -> [p, f]
func.func @same_along_the_rank(%x: tensor<3x?xf32>, %v: tensor<?x4xf32>) -> tensor<3x4xf32> {
  %o = attn.cascade ranks(p, m, f) -> tensor<3x4xf32> {
    %d = attn.einsum %x[p, m] -> [p] reduce add(m) : (tensor<3x?xf32>) -> tensor<3xf32>
    %y = attn.einsum %x[p, p], %d[p] -> [p, m] : (tensor<3x?xf32>, tensor<3xf32>) -> tensor<3x?xf32>
    %w = attn.einsum %y[p, m], %v[m, f] -> [p, f] reduce add(m) : (tensor<3x?xf32>, tensor<?x4xf32>) -> tensor<3x4xf32>
    attn.yield %w : tensor<3x4xf32>
  }
  return %o : tensor<3x4xf32>
}
