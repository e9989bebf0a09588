// RUN: attn-opt --attn-count-passes %s -o /dev/null | FileCheck %s --check-prefix=WRITTEN
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online \
// RUN:   --attn-count-passes %s -o /dev/null 2>&1 | FileCheck %s --check-prefix=ONLINE
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %s -o %t.once
// RUN: attn-opt --attn-split-sums --attn-defer --attn-partition --attn-online %t.once | diff - %t.once
// Softmax as a result: the output carries m, so it needs a finished reduction over m.

// WRITTEN: rank m: 3 passes
// ONLINE: remark: rank 'm' is not partitioned: a result carries it
// ONLINE: rank m: 2 passes

func.func @softmax_only(%q: tensor<2x5x3x16xf16>, %k: tensor<2x200x3x16xf16>, %scale: f32)
    -> tensor<2x3x5x200xf32> {
  %r = attn.cascade ranks(b, h, p, m, e) -> tensor<2x3x5x200xf32> {
    %qk = attn.einsum %q[b, p, h, e], %k[b, m, h, e], %scale -> [b, h, p, m] reduce add(e)
      : (tensor<2x5x3x16xf16>, tensor<2x200x3x16xf16>, f32) -> tensor<2x3x5x200xf32>
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m)
      : (tensor<2x3x5x200xf32>) -> tensor<2x3x5xf32>
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x200xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x200xf32> {
    ^bb0(%x0: f32, %x1: f32):
      %d = arith.subf %x0, %x1 : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m)
      : (tensor<2x3x5x200xf32>) -> tensor<2x3x5xf32>
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m]
      : (tensor<2x3x5x200xf32>, tensor<2x3x5xf32>) -> tensor<2x3x5x200xf32> {
    ^bb0(%x0: f32, %x1: f32):
      %y = arith.divf %x0, %x1 : f32
      attn.yield %y : f32
    }
    attn.yield %a : tensor<2x3x5x200xf32>
  }
  return %r : tensor<2x3x5x200xf32>
}
