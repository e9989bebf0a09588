// RUN: attn-opt --attn-count-passes %s -o /dev/null | FileCheck %s --check-prefix=WRITTEN
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online \
// RUN:   --attn-count-passes %s -o /dev/null 2>&1 | FileCheck %s --check-prefix=ONLINE
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %s -o %t.once
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %t.once | diff - %t.once
// The variance around the mean moves by a matrix of rank 3, not by a number.

// WRITTEN: rank m: 3 passes
// ONLINE: remark: no one-pass form: %{{[0-9]+}} (no law: arith.mulf under add)
// ONLINE: rank m: 3 passes

func.func @layernorm(%x: tensor<8x200xf32>, %inv_n: f32)
    -> tensor<8x200xf32> {
  %r = attn.cascade ranks(p, m) -> tensor<8x200xf32> {
    %s1 = attn.einsum %x[p, m] -> [p] reduce add(m)
      : (tensor<8x200xf32>) -> tensor<8xf32>
    %mu = attn.einsum %s1[p], %inv_n -> [p]
      : (tensor<8xf32>, f32) -> tensor<8xf32>
    %xc = attn.einsum %x[p, m], %mu[p] -> [p, m]
      : (tensor<8x200xf32>, tensor<8xf32>) -> tensor<8x200xf32> {
    ^bb0(%x0: f32, %x1: f32):
      %y = arith.subf %x0, %x1 : f32
      attn.yield %y : f32
    }
    %var = attn.einsum %xc[p, m] -> [p] reduce add(m)
      : (tensor<8x200xf32>) -> tensor<8xf32> {
    ^bb0(%x0: f32):
      %y = arith.mulf %x0, %x0 : f32
      attn.yield %y : f32
    }
    %y = attn.einsum %xc[p, m], %var[p], %inv_n -> [p, m]
      : (tensor<8x200xf32>, tensor<8xf32>, f32) -> tensor<8x200xf32> {
    ^bb0(%x0: f32, %x1: f32, %x2: f32):
      %v = arith.mulf %x1, %x2 : f32
      %r = math.sqrt %v : f32
      %y = arith.divf %x0, %r : f32
      attn.yield %y : f32
    }
    attn.yield %y : tensor<8x200xf32>
  }
  return %r : tensor<8x200xf32>
}
