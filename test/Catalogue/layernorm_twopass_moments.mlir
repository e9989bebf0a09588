// RUN: attn-opt --attn-count-passes %s -o /dev/null | FileCheck %s --check-prefix=WRITTEN
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online \
// RUN:   --attn-count-passes %s -o /dev/null 2>&1 | FileCheck %s --check-prefix=ONLINE
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %s -o %t.once
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %t.once | diff - %t.once
// Layer norm from two moments: both sums are one pass, the output a second.

// WRITTEN: rank m: 2 passes
// ONLINE: remark: rank 'm' is not partitioned: a result carries it
// ONLINE: rank m: 2 passes

func.func @layernorm_twopass_moments(%x: tensor<8x200xf32>, %inv_n: f32)
    -> tensor<8x200xf32> {
  %r = attn.cascade ranks(p, m) -> tensor<8x200xf32> {
    %s1 = attn.einsum %x[p, m] -> [p] reduce add(m)
      : (tensor<8x200xf32>) -> tensor<8xf32>
    %s2 = attn.einsum %x[p, m] -> [p] reduce add(m)
      : (tensor<8x200xf32>) -> tensor<8xf32> {
    ^bb0(%x0: f32):
      %y = arith.mulf %x0, %x0 : f32
      attn.yield %y : f32
    }
    %rs = attn.einsum %s1[p], %s2[p], %inv_n -> [p]
      : (tensor<8xf32>, tensor<8xf32>, f32) -> tensor<8xf32> {
    ^bb0(%x0: f32, %x1: f32, %x2: f32):
      %mu = arith.mulf %x0, %x2 : f32
      %sq = arith.mulf %mu, %mu : f32
      %m2 = arith.mulf %x1, %x2 : f32
      %v = arith.subf %m2, %sq : f32
      %y = math.rsqrt %v : f32
      attn.yield %y : f32
    }
    %y = attn.einsum %x[p, m], %s1[p], %rs[p], %inv_n -> [p, m]
      : (tensor<8x200xf32>, tensor<8xf32>, tensor<8xf32>, f32) -> tensor<8x200xf32> {
    ^bb0(%x0: f32, %x1: f32, %x2: f32, %x3: f32):
      %mu = arith.mulf %x1, %x3 : f32
      %d = arith.subf %x0, %mu : f32
      %y = arith.mulf %d, %x2 : f32
      attn.yield %y : f32
    }
    attn.yield %y : tensor<8x200xf32>
  }
  return %r : tensor<8x200xf32>
}
