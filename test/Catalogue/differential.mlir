// RUN: attn-opt --attn-count-passes %s -o /dev/null | FileCheck %s --check-prefix=WRITTEN
// RUN: attn-opt --attn-split-sums --attn-defer --attn-count-passes %s -o /dev/null \
// RUN:   | FileCheck %s --check-prefix=DEFERRED
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online \
// RUN:   --attn-count-passes %s -o /dev/null 2>&1 | FileCheck %s --check-prefix=ONLINE
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %s -o %t.once
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %t.once | diff - %t.once
// Differential attention: the difference of two softmaxes has no law until the sum is split.

// WRITTEN: rank m: 3 passes
// DEFERRED: rank m: 2 passes
// ONLINE: rank m1: 1 pass

func.func @differential(%q1: tensor<2x5x3x16xf16>, %q2: tensor<2x5x3x16xf16>, %k1: tensor<2x?x3x16xf16>, %k2: tensor<2x?x3x16xf16>, %v: tensor<2x?x3x8xf16>, %scale: f32, %lambda: f32)
    -> tensor<2x5x3x8xf32> {
  %r = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x5x3x8xf32> {
    %qk1 = attn.einsum %q1[b, p, h, e], %k1[b, m, h, e], %scale -> [b, h, p, m] reduce add(e)
      : (tensor<2x5x3x16xf16>, tensor<2x?x3x16xf16>, f32) -> tensor<2x3x5x?xf32>
    %gm1 = attn.einsum %qk1[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    %sn1 = attn.einsum %qk1[b, h, p, m], %gm1[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x0: f32, %x1: f32):
      %d = arith.subf %x0, %x1 : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %sd1 = attn.einsum %sn1[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    %a1 = attn.einsum %sn1[b, h, p, m], %sd1[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x0: f32, %x1: f32):
      %y = arith.divf %x0, %x1 : f32
      attn.yield %y : f32
    }
    %qk2 = attn.einsum %q2[b, p, h, e], %k2[b, m, h, e], %scale -> [b, h, p, m] reduce add(e)
      : (tensor<2x5x3x16xf16>, tensor<2x?x3x16xf16>, f32) -> tensor<2x3x5x?xf32>
    %gm2 = attn.einsum %qk2[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    %sn2 = attn.einsum %qk2[b, h, p, m], %gm2[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x0: f32, %x1: f32):
      %d = arith.subf %x0, %x1 : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %sd2 = attn.einsum %sn2[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    %a2 = attn.einsum %sn2[b, h, p, m], %sd2[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x0: f32, %x1: f32):
      %y = arith.divf %x0, %x1 : f32
      attn.yield %y : f32
    }
    %a = attn.einsum %a1[b, h, p, m], %a2[b, h, p, m], %lambda -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>, tensor<2x3x5x?xf32>, f32) -> tensor<2x3x5x?xf32> {
    ^bb0(%x0: f32, %x1: f32, %x2: f32):
      %z = arith.mulf %x2, %x1 : f32
      %y = arith.subf %x0, %z : f32
      attn.yield %y : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x?xf32>, tensor<2x?x3x8xf16>) -> tensor<2x5x3x8xf32>
    attn.yield %av : tensor<2x5x3x8xf32>
  }
  return %r : tensor<2x5x3x8xf32>
}
