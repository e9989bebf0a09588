// RUN: attn-opt --attn-count-passes %s -o /dev/null | FileCheck %s --check-prefix=WRITTEN
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online \
// RUN:   --attn-count-passes %s -o /dev/null 2>&1 | FileCheck %s --check-prefix=ONLINE
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %s -o %t.once
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %t.once | diff - %t.once
// The sum of p log p moves by a matrix of rank 2, not by a number.

// WRITTEN: rank m: 2 passes
// ONLINE: remark: no one-pass form: %{{[0-9]+}} (no law: arith.mulf under add)
// ONLINE: rank m: 2 passes

func.func @entropy(%q: tensor<2x5x3x16xf16>, %k: tensor<2x?x3x16xf16>, %scale: f32)
    -> (tensor<2x3x5xf32>, tensor<2x3x5xf32>) {
  %r:2 = attn.cascade ranks(b, h, p, m, e) -> (tensor<2x3x5xf32>, tensor<2x3x5xf32>) {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e)
      : (tensor<2x5x3x16xf16>, tensor<2x?x3x16xf16>, f32) -> tensor<2x3x5x?xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    %d = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x0: f32, %x1: f32):
      %y = arith.subf %x0, %x1 : f32
      attn.yield %y : f32
    }
    %sn = attn.einsum %d[b, h, p, m] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x0: f32):
      %y = math.exp %x0 : f32
      attn.yield %y : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    %u = attn.einsum %sn[b, h, p, m], %d[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x?xf32>, tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    attn.yield %sd, %u : tensor<2x3x5xf32>, tensor<2x3x5xf32>
  }
  return %r#0, %r#1 : tensor<2x3x5xf32>, tensor<2x3x5xf32>
}
