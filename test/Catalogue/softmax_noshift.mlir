// RUN: attn-opt --attn-count-passes %s -o /dev/null | FileCheck %s --check-prefix=WRITTEN
// RUN: attn-opt --attn-split-sums --attn-defer --attn-count-passes %s -o /dev/null \
// RUN:   | FileCheck %s --check-prefix=DEFERRED
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online \
// RUN:   --attn-count-passes %s -o /dev/null 2>&1 | FileCheck %s --check-prefix=ONLINE
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %s -o %t.once
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %t.once | diff - %t.once
// Softmax without a shift: only the division needs a second pass, and it moves.

// WRITTEN: rank m: 2 passes
// DEFERRED: rank m: 1 pass
// ONLINE: rank m1: 1 pass

func.func @softmax_noshift(%q: tensor<2x5x3x16xf16>, %k: tensor<2x?x3x16xf16>, %v: tensor<2x?x3x8xf16>, %scale: f32)
    -> tensor<2x5x3x8xf32> {
  %r = attn.cascade ranks(b, h, p, m, e, f) -> tensor<2x5x3x8xf32> {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e)
      : (tensor<2x5x3x16xf16>, tensor<2x?x3x16xf16>, f32) -> tensor<2x3x5x?xf32>
    %sn = attn.einsum %qk[b, h, p, m] -> [b, h, p, m]
      : (tensor<2x3x5x?xf32>) -> tensor<2x3x5x?xf32> {
    ^bb0(%x0: f32):
      %y = math.exp %x0 : f32
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
    attn.yield %av : tensor<2x5x3x8xf32>
  }
  return %r : tensor<2x5x3x8xf32>
}
