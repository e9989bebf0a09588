// RUN: attn-run %s --entry=total --print | FileCheck %s --check-prefix=TOTAL
// RUN: attn-run %s --entry=total --split=2 --print | FileCheck %s --check-prefix=TOTAL
// RUN: attn-run %s --entry=total --split=7 --print | FileCheck %s --check-prefix=TOTAL
// RUN: attn-run %s --entry=total --merge-seed=1 --print | FileCheck %s --check-prefix=TOTAL
// RUN: attn-run %s --entry=recurrence --merge-seed=2 --print | FileCheck %s --check-prefix=RECURRENCE
// RUN: attn-run %s --entry=absent --merge-seed=3 --print | FileCheck %s --check-prefix=ABSENT
// RUN: attn-run %s --entry=recurrence --print | FileCheck %s --check-prefix=RECURRENCE
// RUN: attn-run %s --entry=recurrence --split=3 --print | FileCheck %s --check-prefix=RECURRENCE
// RUN: attn-run %s --entry=absent --print | FileCheck %s --check-prefix=ABSENT
// RUN: attn-run %s --entry=absent --split=3 --print | FileCheck %s --check-prefix=ABSENT
// RUN: attn-run %s --entry=none --print | FileCheck %s --check-prefix=NONE
// A fold does not step over all of its rank, does not keep its state at absent points, or is not joined by its merge.

// Tiles of 2 over 7 elements: the map m1 * 2 + m0 leaves the tensor at the end.
// TOTAL: result #0: f64 2
// TOTAL-NEXT: [28, 56]
func.func @total() -> tensor<2xf32> {
  %a = arith.constant dense<[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0]]> : tensor<2x7xf32>
  %n = arith.constant 4 : index
  %zero = arith.constant 0.0 : f32
  %o = attn.cascade ranks(h, m1, m0) -> tensor<2xf32> {
    %s = attn.fold over m1 to %n state(%d[h] = %zero) : tensor<2xf32>
    step {
      %x = attn.einsum %a[h, m1 * 2 + m0] -> [h, m0] where (m1 * 2 + m0 < 7)
          : (tensor<2x7xf32>) -> tensor<2x2xf32>
      %t = attn.einsum %x[h, m0] -> [h] reduce add(m0) : (tensor<2x2xf32>) -> tensor<2xf32>
      %y = attn.einsum %d[h], %t[h] -> [h] : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32> {
      ^bb0(%p: f32, %q: f32):
        %r = arith.addf %p, %q : f32
        attn.yield %r : f32
      }
      attn.yield %y : tensor<2xf32>
    } merge(%da) with(%db) {
      %y = attn.einsum %da[h], %db[h] -> [h] : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32> {
      ^bb0(%p: f32, %q: f32):
        %r = arith.addf %p, %q : f32
        attn.yield %r : f32
      }
      attn.yield %y : tensor<2xf32>
    }
    attn.yield %s : tensor<2xf32>
  }
  return %o : tensor<2xf32>
}

// x' = 2 x + a: (factor, sum), an ordered fold; 2^5 and 1*16 + 2*8 + 3*4 + 4*2 + 5.
// RECURRENCE: result #0: f64 scalar
// RECURRENCE-NEXT: [32]
// RECURRENCE-NEXT: result #1: f64 scalar
// RECURRENCE-NEXT: [57]
func.func @recurrence() -> (tensor<f32>, tensor<f32>) {
  %a = arith.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0]> : tensor<5xf32>
  %n = arith.constant 5 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %two = arith.constant 2.0 : f32
  %o:2 = attn.cascade ranks(m) -> (tensor<f32>, tensor<f32>) {
    %s:2 = attn.fold over m to %n ordered state(%f[] = %one, %x[] = %zero) : tensor<f32>, tensor<f32>
    step {
      %g = attn.einsum %f[], %two -> [] : (tensor<f32>, f32) -> tensor<f32>
      %y = attn.einsum %x[], %a[m] -> [] : (tensor<f32>, tensor<5xf32>) -> tensor<f32> {
      ^bb0(%p: f32, %q: f32):
        %d = arith.mulf %p, %two : f32
        %r = arith.addf %d, %q : f32
        attn.yield %r : f32
      }
      attn.yield %g, %y : tensor<f32>, tensor<f32>
    } merge(%fa, %xa) with(%fb, %xb) {
      %g = attn.einsum %fa[], %fb[] -> [] : (tensor<f32>, tensor<f32>) -> tensor<f32>
      %y = attn.einsum %xa[], %fb[], %xb[] -> [] : (tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<f32> {
      ^bb0(%p: f32, %q: f32, %r: f32):
        %d = arith.mulf %p, %q : f32
        %e = arith.addf %d, %r : f32
        attn.yield %e : f32
      }
      attn.yield %g, %y : tensor<f32>, tensor<f32>
    }
    attn.yield %s#0, %s#1 : tensor<f32>, tensor<f32>
  }
  return %o#0, %o#1 : tensor<f32>, tensor<f32>
}

// `m >= 3` names the fold's rank: the step leaves the state alone there, and the
// result is present. `h <= 1` does not: the result is absent at h = 2.
// ABSENT: result #0: f64 3
// ABSENT-NEXT: [9, 9, 0]
func.func @absent() -> tensor<3xf32> {
  %a = arith.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0]> : tensor<5xf32>
  %one = arith.constant dense<1.0> : tensor<3xf32>
  %n = arith.constant 5 : index
  %zero = arith.constant 0.0 : f32
  %o = attn.cascade ranks(h, m) -> tensor<3xf32> {
    %s = attn.fold over m to %n state(%d[h] = %zero) : tensor<3xf32>
    step {
      %y = attn.einsum %d[h], %a[m], %one[h] -> [h] where (m >= 3 and h <= 1)
          : (tensor<3xf32>, tensor<5xf32>, tensor<3xf32>) -> tensor<3xf32> {
      ^bb0(%p: f32, %q: f32, %u: f32):
        %r = arith.addf %p, %q : f32
        attn.yield %r : f32
      }
      attn.yield %y : tensor<3xf32>
    } merge(%da) with(%db) {
      %y = attn.einsum %da[h], %db[h] -> [h] : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32> {
      ^bb0(%p: f32, %q: f32):
        %r = arith.addf %p, %q : f32
        attn.yield %r : f32
      }
      attn.yield %y : tensor<3xf32>
    }
    attn.yield %s : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

// No step at all: the start values, and still absent at h = 1.
// NONE: result #0: f64 2
// NONE-NEXT: [7, 0]
func.func @none() -> tensor<2xf32> {
  %a = arith.constant dense<1.0> : tensor<2xf32>
  %n = arith.constant 0 : index
  %seven = arith.constant 7.0 : f32
  %o = attn.cascade ranks(h, m) -> tensor<2xf32> {
    %s = attn.fold over m to %n state(%d[h] = %seven) : tensor<2xf32>
    step {
      %y = attn.einsum %d[h], %a[h] -> [h] where (h <= 0 and m >= 2)
          : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
      attn.yield %y : tensor<2xf32>
    } merge(%da) with(%db) {
      attn.yield %da : tensor<2xf32>
    }
    attn.yield %s : tensor<2xf32>
  }
  return %o : tensor<2xf32>
}
