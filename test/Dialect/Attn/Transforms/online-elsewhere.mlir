// RUN: attn-opt --attn-online --verify-diagnostics %s | FileCheck %s
// A value of every row is asked for at the keys: a step has it at no point of them, so no fold is made.
// CHECK-LABEL: func.func @elsewhere
// CHECK-NOT: attn.fold
func.func @elsewhere(%s: tensor<20x20xf32>) -> tensor<20xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<20xf32> {
    %g = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<20x20xf32>) -> tensor<20xf32>
    // expected-remark @below {{no one-pass form: %2 (it reads %1 at other points of the fold rank than it is made at)}}
    %n = attn.einsum %s[p, m], %g[m] -> [p, m] : (tensor<20x20xf32>, tensor<20xf32>) -> tensor<20x20xf32> {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %d = attn.einsum %n[p, m] -> [p] reduce add(m) : (tensor<20x20xf32>) -> tensor<20xf32>
    attn.yield %d : tensor<20xf32>
  }
  return %o : tensor<20xf32>
}
