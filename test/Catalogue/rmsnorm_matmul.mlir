// RUN: attn-opt --attn-count-passes %s -o /dev/null | FileCheck %s --check-prefix=WRITTEN
// RUN: attn-opt --attn-split-sums --attn-defer --attn-count-passes %s -o /dev/null \
// RUN:   | FileCheck %s --check-prefix=DEFERRED
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online \
// RUN:   --attn-count-passes %s -o /dev/null 2>&1 | FileCheck %s --check-prefix=ONLINE
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %s -o %t.once
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %t.once | diff - %t.once
// RMS norm before a product with weights: its factor leaves the product.

// WRITTEN: rank m: 2 passes
// DEFERRED: rank m: 1 pass
// ONLINE: rank m1: 1 pass

func.func @rmsnorm_matmul(%x: tensor<8x?xf32>, %w: tensor<?x16xf16>, %inv_n: f32)
    -> tensor<8x16xf32> {
  %r = attn.cascade ranks(p, m, f) -> tensor<8x16xf32> {
    %s2 = attn.einsum %x[p, m] -> [p] reduce add(m)
      : (tensor<8x?xf32>) -> tensor<8xf32> {
    ^bb0(%x0: f32):
      %y = arith.mulf %x0, %x0 : f32
      attn.yield %y : f32
    }
    %rs = attn.einsum %s2[p], %inv_n -> [p]
      : (tensor<8xf32>, f32) -> tensor<8xf32> {
    ^bb0(%x0: f32, %x1: f32):
      %v = arith.mulf %x0, %x1 : f32
      %y = math.rsqrt %v : f32
      attn.yield %y : f32
    }
    %y = attn.einsum %x[p, m], %rs[p] -> [p, m]
      : (tensor<8x?xf32>, tensor<8xf32>) -> tensor<8x?xf32>
    %yw = attn.einsum %y[p, m], %w[m, f] -> [p, f] reduce add(m)
      : (tensor<8x?xf32>, tensor<?x16xf16>) -> tensor<8x16xf32>
    attn.yield %yw : tensor<8x16xf32>
  }
  return %r : tensor<8x16xf32>
}
