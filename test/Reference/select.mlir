// RUN: attn-run %s --entry=listed --print | FileCheck %s --check-prefix=LISTED
// RUN: attn-run %s --entry=scored --print | FileCheck %s --check-prefix=SCORED
// A selection holds other coordinates than its lists or scores say.

// Lists of blocks of 2, one per row; what is behind the count is not looked at.
// LISTED: result #0: f64 3x6
// LISTED-NEXT: [0, 0, 3, 4, 0, 0]
// LISTED-NEXT: [0, 0, 0, 0, 0, 0]
// LISTED-NEXT: [1, 2, 0, 0, 5, 6]
// LISTED-NEXT: result #1: f64 3
// LISTED-NEXT: [7, 0, 14]
// LISTED-NEXT: result #2: f64 4
// LISTED-NEXT: [3, 0, 0, 0]
func.func @listed() -> (tensor<3x6xf32>, tensor<3xf32>, tensor<4xf32>) {
  %a = arith.constant dense<[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]> : tensor<6xf32>
  %one = arith.constant dense<1.0> : tensor<3xf32>
  %four = arith.constant dense<1.0> : tensor<4xf32>
  %list = arith.constant dense<[[1, -7], [-7, -7], [2, 0]]> : tensor<3x2xi32>
  %count = arith.constant dense<[1, 0, 2]> : tensor<3xi32>
  %o:3 = attn.cascade ranks(t, n, p) -> (tensor<3x6xf32>, tensor<3xf32>, tensor<4xf32>) {
    %s = attn.select listed %list[t], %count[t] -> [t] : (tensor<3x2xi32>, tensor<3xi32>) -> !attn.coords<2, 2>
    %x = attn.einsum %one[t], %a[n] -> [t, n] at n in %s[t]
        : (tensor<3xf32>, tensor<6xf32>, !attn.coords<2, 2>) -> tensor<3x6xf32>
    %y = attn.einsum %x[t, n] -> [t] reduce add(n) : (tensor<3x6xf32>) -> tensor<3xf32>
    // Two rows share a list: p = 0, 1 have the list of t = 0, which is block 1.
    %z = attn.einsum %four[p], %a[n] -> [p] reduce add(n)
        where (n <= 2 and p == 0) or (n == 0) at n in %s[p floordiv 2]
        : (tensor<4xf32>, tensor<6xf32>, !attn.coords<2, 2>) -> tensor<4xf32>
    attn.yield %x, %y, %z : tensor<3x6xf32>, tensor<3xf32>, tensor<4xf32>
  }
  return %o#0, %o#1, %o#2 : tensor<3x6xf32>, tensor<3xf32>, tensor<4xf32>
}

// Absent scores are never chosen; of equal scores the first is.
// SCORED: result #0: f64 2x5
// SCORED-NEXT: [1, 0, 1, 0, 0]
// SCORED-NEXT: [0, 0, 0, 1, 0]
// SCORED-NEXT: result #1: f64 2x5
// SCORED-NEXT: [1, 0, 1, 1, 0]
// SCORED-NEXT: [0, 0, 0, 1, 0]
func.func @scored() -> (tensor<2x5xf32>, tensor<2x5xf32>) {
  %score = arith.constant dense<[[5.0, 1.0, 7.0, 5.0, 9.0], [8.0, 8.0, 8.0, 2.0, 9.0]]> : tensor<2x5xf32>
  %tau = arith.constant dense<[5.0, 2.0]> : tensor<2xf32>
  %low = arith.constant dense<[0, 3]> : tensor<2xi32>
  %one = arith.constant dense<1.0> : tensor<5xf32>
  %o:2 = attn.cascade ranks(t, n) -> (tensor<2x5xf32>, tensor<2x5xf32>) {
    %s = attn.einsum %score[t, n] -> [t, n] symbols(low = %low[t]) where (n >= low and n <= 3)
        : (tensor<2x5xf32>, tensor<2xi32>) -> tensor<2x5xf32>
    %k = attn.select topk %s[t, n] over n -> [t] : (tensor<2x5xf32>) -> !attn.coords<1, 2>
    %h = attn.select threshold %s[t, n], %tau[t] over n -> [t] : (tensor<2x5xf32>, tensor<2xf32>) -> !attn.coords<1, 3>
    %x = attn.einsum %one[n], %tau[t] -> [t, n] at n in %k[t]
        : (tensor<5xf32>, tensor<2xf32>, !attn.coords<1, 2>) -> tensor<2x5xf32> {
    ^bb0(%a: f32, %b: f32):
      attn.yield %a : f32
    }
    %y = attn.einsum %one[n], %tau[t] -> [t, n] at n in %h[t]
        : (tensor<5xf32>, tensor<2xf32>, !attn.coords<1, 3>) -> tensor<2x5xf32> {
    ^bb0(%a: f32, %b: f32):
      attn.yield %a : f32
    }
    attn.yield %x, %y : tensor<2x5xf32>, tensor<2x5xf32>
  }
  return %o#0, %o#1 : tensor<2x5xf32>, tensor<2x5xf32>
}
