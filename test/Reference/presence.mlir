// RUN: attn-run %s --entry=hands_on --print | FileCheck %s --check-prefix=HANDS
// RUN: attn-run %s --entry=unions --print | FileCheck %s --check-prefix=UNIONS
// RUN: attn-run %s --entry=data --print | FileCheck %s --check-prefix=DATA
// RUN: attn-run %s --entry=softmax --print | FileCheck %s --check-prefix=SOFTMAX
// RUN: attn-run %s --entry=symbols --print | FileCheck %s --check-prefix=SYMBOLS
// A point is present or absent otherwise than the specification says.

// The constraint on j names the reduced rank: it filters. The one on i is handed
// on: row 2 is absent, so 0; a row without a point has the unit.
// HANDS: result #0: f64 3
// HANDS-NEXT: [1, 3, 0]
// HANDS-NEXT: result #1: f64 3
// HANDS-NEXT: [-inf, 1, 0]
// HANDS-NEXT: result #2: f64 3
// HANDS-NEXT: [-inf, 2, 0]
func.func @hands_on() -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %a = arith.constant dense<[[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]> : tensor<3x2xf32>
  %o:3 = attn.cascade ranks(i, j) -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
    %x = attn.einsum %a[i, j] -> [i, j] where (j <= i and i <= 1)
        : (tensor<3x2xf32>) -> tensor<3x2xf32>
    %s = attn.einsum %x[i, j] -> [i] reduce add(j) : (tensor<3x2xf32>) -> tensor<3xf32>
    %y = attn.einsum %x[i, j] -> [i, j] where (j < i) : (tensor<3x2xf32>) -> tensor<3x2xf32>
    %m = attn.einsum %y[i, j] -> [i] reduce max(j) : (tensor<3x2xf32>) -> tensor<3xf32>
    %n = attn.einsum %m[i], %m[i] -> [i] : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32> {
    ^bb0(%p: f32, %q: f32):
      %r = arith.addf %p, %q : f32
      attn.yield %r : f32
    }
    attn.yield %s, %m, %n : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
  }
  return %o#0, %o#1, %o#2 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// (i == 0 and j < 2) or (j == 3): the second disjunct loses all its constraints
// in a reduction over j, so rows 1 and 2 stay present. In the second result every
// disjunct keeps one, so row 1 is absent (0, not the unit of mul).
// UNIONS: result #0: f64 3
// UNIONS-NEXT: [7, 4, 4]
// UNIONS-NEXT: result #1: f64 3
// UNIONS-NEXT: [2, 0, 12]
func.func @unions() -> (tensor<3xf32>, tensor<3xf32>) {
  %a = arith.constant dense<[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]]> : tensor<3x4xf32>
  %o:2 = attn.cascade ranks(i, j) -> (tensor<3xf32>, tensor<3xf32>) {
    %x = attn.einsum %a[i, j] -> [i] reduce add(j)
        where (i == 0 and j < 2) or (j == 3) : (tensor<3x4xf32>) -> tensor<3xf32>
    %y = attn.einsum %a[i, j] -> [i] reduce mul(j)
        where (i == 0 and j < 2) or (i == 2 and j >= 2) : (tensor<3x4xf32>) -> tensor<3xf32>
    attn.yield %x, %y : tensor<3xf32>, tensor<3xf32>
  }
  return %o#0, %o#1 : tensor<3xf32>, tensor<3xf32>
}

// Flags and equal numbers make points absent as sets do.
// DATA: result #0: f64 2x3
// DATA-NEXT: [1, 0, 3]
// DATA-NEXT: [0, 5, 0]
// DATA-NEXT: result #1: f64 2
// DATA-NEXT: [4, 5]
// DATA-NEXT: result #2: f64 2x3
// DATA-NEXT: [1, 2, 0]
// DATA-NEXT: [0, 0, 6]
func.func @data() -> (tensor<2x3xf32>, tensor<2xf32>, tensor<2x3xf32>) {
  %a = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %flag = arith.constant dense<[[true, false, true], [false, true, false]]> : tensor<2x3xi1>
  %row = arith.constant dense<[7, 9]> : tensor<2xi32>
  %column = arith.constant dense<[7, 7, 9]> : tensor<3xi32>
  %o:3 = attn.cascade ranks(i, j) -> (tensor<2x3xf32>, tensor<2xf32>, tensor<2x3xf32>) {
    %x = attn.einsum %a[i, j] -> [i, j] where %flag[i, j]
        : (tensor<2x3xf32>, tensor<2x3xi1>) -> tensor<2x3xf32>
    %s = attn.einsum %x[i, j] -> [i] reduce add(j) : (tensor<2x3xf32>) -> tensor<2xf32>
    %e = attn.einsum %a[i, j] -> [i, j] where %row[i] == %column[j]
        : (tensor<2x3xf32>, tensor<2xi32>, tensor<3xi32>) -> tensor<2x3xf32>
    attn.yield %x, %s, %e : tensor<2x3xf32>, tensor<2xf32>, tensor<2x3xf32>
  }
  return %o#0, %o#1, %o#2 : tensor<2x3xf32>, tensor<2xf32>, tensor<2x3xf32>
}

// Textbook softmax: row 0 sees no key, so O = 0 and LSE = -inf; row 3 is masked
// by its name, so both are written as 0.
// SOFTMAX: result #0: f64 4
// SOFTMAX-NEXT: [0, 5, 6, 0]
// SOFTMAX-NEXT: result #1: f64 4
// SOFTMAX-NEXT: [-inf, 0, 0.693147, 0]
func.func @softmax() -> (tensor<4xf32>, tensor<4xf32>) {
  %s0 = arith.constant dense<0.0> : tensor<4x3xf32>
  %v = arith.constant dense<[5.0, 7.0, 9.0]> : tensor<3xf32>
  %o:2 = attn.cascade ranks(p, m) -> (tensor<4xf32>, tensor<4xf32>) {
    %s = attn.einsum %s0[p, m] -> [p, m] where (m < p and p <= 2) : (tensor<4x3xf32>) -> tensor<4x3xf32>
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<4x3xf32>) -> tensor<4xf32>
    %n = attn.einsum %s[p, m], %g[p] -> [p, m] : (tensor<4x3xf32>, tensor<4xf32>) -> tensor<4x3xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<4x3xf32>) -> tensor<4xf32>
    %a = attn.einsum %n[p, m], %d[p] -> [p, m] : (tensor<4x3xf32>, tensor<4xf32>) -> tensor<4x3xf32> {
    ^bb0(%x: f32, %y: f32):
      %q = arith.divf %x, %y : f32
      attn.yield %q : f32
    }
    %av = attn.einsum %a[p, m], %v[m] -> [p] reduce add(m) : (tensor<4x3xf32>, tensor<3xf32>) -> tensor<4xf32>
    %lse = attn.einsum %d[p], %g[p] -> [p] : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
    ^bb0(%x: f32, %y: f32):
      %l = math.log %x : f32
      %r = arith.addf %l, %y : f32
      attn.yield %r : f32
    }
    attn.yield %av, %lse : tensor<4xf32>, tensor<4xf32>
  }
  return %o#0, %o#1 : tensor<4xf32>, tensor<4xf32>
}

// A constraint names the ranks of its symbols: after the sum over b nothing of
// `m < len[b]` is left, so all columns are present (the last one is a sum of none).
// A value read at another place is present where it was there.
// SYMBOLS: result #0: f64 4
// SYMBOLS-NEXT: [11, 10, 10, 0]
// SYMBOLS-NEXT: result #1: f64 2x4
// SYMBOLS-NEXT: [0, 0, 0, 0]
// SYMBOLS-NEXT: [10, 10, 0, 0]
func.func @symbols() -> (tensor<4xf32>, tensor<2x4xf32>) {
  %a = arith.constant dense<[[1.0, 1.0, 1.0, 1.0], [10.0, 10.0, 10.0, 10.0]]> : tensor<2x4xf32>
  %len = arith.constant dense<[1, 3]> : tensor<2xi32>
  %o:2 = attn.cascade ranks(b, m) -> (tensor<4xf32>, tensor<2x4xf32>) {
    %x = attn.einsum %a[b, m] -> [b, m] symbols(len = %len[b]) where (m < len)
        : (tensor<2x4xf32>, tensor<2xi32>) -> tensor<2x4xf32>
    %s = attn.einsum %x[b, m] -> [m] reduce add(b) : (tensor<2x4xf32>) -> tensor<4xf32>
    %y = attn.einsum %x[b, m + 1] -> [b, m] where (m <= 2) : (tensor<2x4xf32>) -> tensor<2x4xf32>
    attn.yield %s, %y : tensor<4xf32>, tensor<2x4xf32>
  }
  return %o#0, %o#1 : tensor<4xf32>, tensor<2x4xf32>
}
