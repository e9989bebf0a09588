// RUN: attn-opt --attn-count-passes %S/Inputs/dense.mlir -o /dev/null | FileCheck %s --check-prefix=WRITTEN
// RUN: attn-opt --attn-defer --attn-count-passes %S/Inputs/dense.mlir -o /dev/null | FileCheck %s --check-prefix=DEFERRED
// RUN: attn-opt --attn-defer --attn-partition --attn-count-passes %S/Inputs/dense.mlir -o /dev/null \
// RUN:   | FileCheck %s --check-prefix=TILED
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition="rank=m tile=64" --attn-online \
// RUN:   --attn-count-passes %S/Inputs/dense.mlir -o /dev/null | FileCheck %s --check-prefix=ONLINE
// RUN: attn-opt --attn-count-passes %s -o /dev/null | FileCheck %s
// Passes, barriers and streams are those of the einsums as written; a fold is one pass over its rank.

// WRITTEN:      cascade 0 in @dense
// WRITTEN-NEXT: rank m: 3 passes (barriers: %2, %4); streams %arg1 x3, %arg2 x1
// WRITTEN-NEXT: rank e: 1 pass; streams %arg0 x1, %arg1 x1
// WRITTEN-NOT:  rank

// DEFERRED: rank m: 2 passes (barriers: %2); streams %arg1 x2, %arg2 x1

// TILED:      rank m1: 2 passes (barriers: %2); streams %arg1 x2, %arg2 x1
// TILED-NEXT: rank m0: 2 passes (barriers: %2); streams %arg1 x2, %arg2 x1

// ONLINE:      rank m1: 1 pass; streams %arg1 x1, %arg2 x1
// ONLINE-NEXT: rank m0: 2 passes (barriers: %5); streams %arg1 x2, %arg2 x1
// ONLINE-NEXT: rank e: 1 pass

// A selection by scores of the same rank is a barrier; a selection that is given is none.
// CHECK-LABEL: cascade 0 in @topk
// CHECK-NEXT:  rank n: 3 passes (barriers: %1, %3); streams %arg0 x3, %arg1 x1
func.func @topk(%s: tensor<2x8x32xf32>, %v: tensor<2x32xf32>) -> tensor<2x8xf32> {
  %o = attn.cascade ranks(b, p, n) -> tensor<2x8xf32> {
    %c = attn.select topk %s[b, p, n] over n -> [b, p] : (tensor<2x8x32xf32>) -> !attn.coords<1, 4>
    %x = attn.einsum %s[b, p, n] -> [b, p, n] at n in %c[b, p] : (tensor<2x8x32xf32>, !attn.coords<1, 4>) -> tensor<2x8x32xf32>
    %g = attn.einsum %x[b, p, n] -> [b, p] reduce max(n) : (tensor<2x8x32xf32>) -> tensor<2x8xf32>
    %w = attn.einsum %x[b, p, n], %g[b, p], %v[b, n] -> [b, p] reduce add(n)
      : (tensor<2x8x32xf32>, tensor<2x8xf32>, tensor<2x32xf32>) -> tensor<2x8xf32>
    attn.yield %w : tensor<2x8xf32>
  }
  return %o : tensor<2x8xf32>
}

// CHECK-LABEL: cascade 1 in @listed
// CHECK-NEXT:  rank n: 2 passes (barriers: %3); streams %arg0 x2, %arg1 x1
func.func @listed(%s: tensor<2x8x32xf32>, %v: tensor<2x32xf32>, %list: tensor<2x8x4xi32>, %count: tensor<2x8xi32>) -> tensor<2x8xf32> {
  %o = attn.cascade ranks(b, p, n) -> tensor<2x8xf32> {
    %c = attn.select listed %list[b, p], %count[b, p] -> [b, p] : (tensor<2x8x4xi32>, tensor<2x8xi32>) -> !attn.coords<1, 4>
    %x = attn.einsum %s[b, p, n] -> [b, p, n] at n in %c[b, p] : (tensor<2x8x32xf32>, !attn.coords<1, 4>) -> tensor<2x8x32xf32>
    %g = attn.einsum %x[b, p, n] -> [b, p] reduce max(n) : (tensor<2x8x32xf32>) -> tensor<2x8xf32>
    %w = attn.einsum %x[b, p, n], %g[b, p], %v[b, n] -> [b, p] reduce add(n)
      : (tensor<2x8x32xf32>, tensor<2x8xf32>, tensor<2x32xf32>) -> tensor<2x8xf32>
    attn.yield %w : tensor<2x8xf32>
  }
  return %o : tensor<2x8xf32>
}

// A cascade without a reduction has no line.
// CHECK-LABEL: cascade 2 in @none
// CHECK-NOT:   rank
func.func @none(%s: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %o = attn.cascade ranks(b, p) -> tensor<2x8xf32> {
    %x = attn.einsum %s[b, p], %s[b, p] -> [b, p] : (tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8xf32>
    attn.yield %x : tensor<2x8xf32>
  }
  return %o : tensor<2x8xf32>
}
