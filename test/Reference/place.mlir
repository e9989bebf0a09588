// RUN: attn-run %s --entry=ragged --print | FileCheck %s --check-prefix=RAGGED
// RUN: attn-run %s --entry=append --print --arg=zeros:2x2 --out-arg=0:%t.npy | FileCheck %s --check-prefix=APPEND
// RUN: attn-run %s --entry=read --print --arg=%t.npy | FileCheck %s --check-prefix=READ
// Placed points land elsewhere, or the rest of the destination changes.

// RAGGED: result #0: f64 5
// RAGGED-NEXT: [7, 7, 1, 2, 4]
// RAGGED-NEXT: result #1: f64 5
// RAGGED-NEXT: [7, 7, 7, 7, 7]
func.func @ragged() -> (tensor<5xf32>, tensor<5xf32>) {
  %a = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %ptr = arith.constant dense<[2, 4, 5]> : tensor<3xi32>
  %dst = arith.constant dense<7.0> : tensor<5xf32>
  %y = attn.place %a[b, p] symbols(lo = %ptr[b], hi = %ptr[b + 1]) where (lo + p < hi) into %dst[lo + p]
      : (tensor<2x3xf32>, tensor<5xf32>, tensor<3xi32>, tensor<3xi32>) -> tensor<5xf32>
  return %y, %dst : tensor<5xf32>, tensor<5xf32>
}

// A page pool is written in place, in its own element type: 0.1 becomes the f16
// nearest to it. Absent points of the source are not written.
// APPEND: result #0: f64 2x2
// APPEND-NEXT: [0, 0.0999756]
// APPEND-NEXT: [3, 0]
func.func @append(%pool: memref<2x2xf16>) -> tensor<2x2xf16> {
  %b = arith.constant dense<[0.1, 2.0, 3.0]> : tensor<3xf32>
  %h = attn.cascade ranks(t) -> tensor<3xf16> {
    %x = attn.einsum %b[t] -> [t] : (tensor<3xf32>) -> tensor<3xf16> {
    ^bb0(%v: f32):
      %w = arith.truncf %v : f32 to f16
      attn.yield %w : f16
    }
    attn.yield %x : tensor<3xf16>
  }
  %slot = arith.constant dense<[1, 0, 2]> : tensor<3xi32>
  %present = attn.view (t) where (t == 0) or (t == 2) of %h[t] : (tensor<3xf16>) -> tensor<3xf16>
  %s = attn.view (t, o) of %slot[t] : (tensor<3xi32>) -> tensor<3x1xi32>
  attn.place %present[t] symbols(s = %slot[t], z = %s[t, 0]) into %pool[s floordiv 2, z mod 2]
      : (tensor<3xf16>, memref<2x2xf16>, tensor<3xi32>, tensor<3x1xi32>) -> ()
  %after = attn.view (g, s) of %pool[g, s] : (memref<2x2xf16>) -> tensor<2x2xf16>
  return %after : tensor<2x2xf16>
}

// READ: result #0: f64 scalar
// READ-NEXT: [3]
func.func @read(%pool: memref<2x2xf16>) -> f16 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %x = memref.load %pool[%c1, %c0] : memref<2x2xf16>
  return %x : f16
}
