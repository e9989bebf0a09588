// RUN: attn-opt --attn-count-passes %s -o /dev/null | FileCheck %s --check-prefix=WRITTEN
// RUN: attn-opt --attn-split-sums --attn-defer --attn-count-passes %s -o /dev/null \
// RUN:   | FileCheck %s --check-prefix=DEFERRED
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online \
// RUN:   --attn-count-passes %s -o /dev/null 2>&1 | FileCheck %s --check-prefix=ONLINE
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %s -o %t.once
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %t.once | diff - %t.once
// Causal softmax attention with its log-sum-exp as second result.

// WRITTEN: rank m: 3 passes
// DEFERRED: rank m: 2 passes
// ONLINE: rank m1: 1 pass

func.func @lse_out(%q: tensor<2x5x3x16xf16>, %k: tensor<2x?x3x16xf16>, %v: tensor<2x?x3x8xf16>, %scale: f32, %off: index)
    -> (tensor<2x5x3x8xf32>, tensor<2x3x5xf32>) {
  %r:2 = attn.cascade ranks(b, h, p, m, e, f) -> (tensor<2x5x3x8xf32>, tensor<2x3x5xf32>) {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e) symbols(off = %off) where (m <= p + off)
      : (tensor<2x5x3x16xf16>, tensor<2x?x3x16xf16>, f32, index) -> tensor<2x3x5x?xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x0: f32, %x1: f32):
      %d = arith.subf %x0, %x1 : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x0: f32, %x1: f32):
      %y = arith.divf %x0, %x1 : f32
      attn.yield %y : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, m, h, f] -> [b, p, h, f] reduce add(m)
      : (tensor<2x3x5x?xf32>, tensor<2x?x3x8xf16>) -> tensor<2x5x3x8xf32>
    %lse = attn.einsum %sd[b, h, p], %gm[b, h, p] -> [b, h, p]
      : (tensor<2x3x5xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5xf32> {
    ^bb0(%x0: f32, %x1: f32):
      %l = math.log %x0 : f32
      %y = arith.addf %l, %x1 : f32
      attn.yield %y : f32
    }
    attn.yield %av, %lse : tensor<2x5x3x8xf32>, tensor<2x3x5xf32>
  }
  return %r#0, %r#1 : tensor<2x5x3x8xf32>, tensor<2x3x5xf32>
}
