// RUN: attn-run %s --entry=products --print | FileCheck %s --check-prefix=PRODUCTS
// RUN: attn-run %s --entry=monoids --print | FileCheck %s --check-prefix=MONOIDS
// RUN: attn-run %s --entry=regions --print | FileCheck %s --check-prefix=REGIONS
// RUN: attn-run %s --entry=actions --print | FileCheck %s --check-prefix=ACTIONS
// The interpreter maps and reduces an einsum otherwise than the specification says.

// PRODUCTS: result #0: f64 2x2
// PRODUCTS-NEXT: [10, 28]
// PRODUCTS-NEXT: [28, 100]
// PRODUCTS-NEXT: result #1: f64 3x2
// PRODUCTS-NEXT: [1, 4]
// PRODUCTS-NEXT: [2, 5]
// PRODUCTS-NEXT: [3, 6]
func.func @products() -> (tensor<2x2xf32>, tensor<3x2xf32>) {
  %a = arith.constant dense<[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]> : tensor<2x3xf32>
  %b = arith.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi32>
  %two = arith.constant 2.0 : f32
  %o:2 = attn.cascade ranks(i, j, k) -> (tensor<2x2xf32>, tensor<3x2xf32>) {
    // Two operands and a scalar multiply; one operand transposes.
    %x = attn.einsum %a[i, k], %a[j, k], %two -> [i, j] reduce add(k)
        : (tensor<2x3xf32>, tensor<2x3xf32>, f32) -> tensor<2x2xf32>
    %y = attn.einsum %b[i, k] -> [k, i] : (tensor<2x3xi32>) -> tensor<3x2xf32> {
    ^bb0(%v: i32):
      %f = arith.sitofp %v : i32 to f32
      attn.yield %f : f32
    }
    attn.yield %x, %y : tensor<2x2xf32>, tensor<3x2xf32>
  }
  return %o#0, %o#1 : tensor<2x2xf32>, tensor<3x2xf32>
}

// MONOIDS: result #0: f64 2
// MONOIDS-NEXT: [9, -1]
// MONOIDS-NEXT: result #1: f64 2
// MONOIDS-NEXT: [24, -0]
// MONOIDS-NEXT: result #2: f64 2
// MONOIDS-NEXT: [4, 3]
// MONOIDS-NEXT: result #3: f64 2
// MONOIDS-NEXT: [2, -4]
func.func @monoids() -> (tensor<2xf32>, tensor<2xf32>, tensor<2xi32>, tensor<2xf32>) {
  %a = arith.constant dense<[[2.0, 3.0, 4.0], [3.0, -4.0, 0.0]]> : tensor<2x3xf32>
  %i = arith.constant dense<[[2, 3, 4], [3, -4, 0]]> : tensor<2x3xi32>
  %o:4 = attn.cascade ranks(r, c) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xi32>, tensor<2xf32>) {
    %sum = attn.einsum %a[r, c] -> [r] reduce add(c) : (tensor<2x3xf32>) -> tensor<2xf32>
    %product = attn.einsum %a[r, c] -> [r] reduce mul(c) : (tensor<2x3xf32>) -> tensor<2xf32>
    %largest = attn.einsum %i[r, c] -> [r] reduce max(c) : (tensor<2x3xi32>) -> tensor<2xi32>
    %least = attn.einsum %a[r, c] -> [r] reduce min(c) : (tensor<2x3xf32>) -> tensor<2xf32>
    attn.yield %sum, %product, %largest, %least : tensor<2xf32>, tensor<2xf32>, tensor<2xi32>, tensor<2xf32>
  }
  return %o#0, %o#1, %o#2, %o#3 : tensor<2xf32>, tensor<2xf32>, tensor<2xi32>, tensor<2xf32>
}

// A table read at data-dependent indices, a captured scalar, the coordinate.
// REGIONS: result #0: f64 4
// REGIONS-NEXT: [30.5, 21.5, 12.5, 23.5]
func.func @regions() -> tensor<4xf32> {
  %table = arith.constant dense<[10.0, 20.0, 30.0]> : tensor<3xf32>
  %at = arith.constant dense<[2, 1, 0, 1]> : tensor<4xi8>
  %half = arith.constant 0.5 : f32
  %o = attn.cascade ranks(i) -> tensor<4xf32> {
    %x = attn.einsum %at[i] -> [i] : (tensor<4xi8>) -> tensor<4xf32> {
    ^bb0(%v: i8):
      %index = arith.index_cast %v : i8 to index
      %t = tensor.extract %table[%index] : tensor<3xf32>
      %c = attn.coord i
      %ci = arith.index_cast %c : index to i32
      %cf = arith.sitofp %ci : i32 to f32
      %u = arith.addf %t, %half : f32
      %s = arith.addf %u, %cf : f32
      attn.yield %s : f32
    }
    attn.yield %x : tensor<4xf32>
  }
  return %o : tensor<4xf32>
}

// First sums of rows, then their maximum; the other way round gives 9.
// ACTIONS: result #0: f64 scalar
// ACTIONS-NEXT: [7]
func.func @actions() -> tensor<f32> {
  %a = arith.constant dense<[[5.0, 1.0], [4.0, 3.0]]> : tensor<2x2xf32>
  %o = attn.cascade ranks(i, j) -> tensor<f32> {
    %x = attn.einsum %a[i, j] -> [] reduce add(j), max(i) : (tensor<2x2xf32>) -> tensor<f32>
    attn.yield %x : tensor<f32>
  }
  return %o : tensor<f32>
}
