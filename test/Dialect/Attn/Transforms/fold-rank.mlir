// RUN: attn-opt %s --attn-online | FileCheck %s
// Sums of weights by key are folded over the query heads of a group, which leaves no tile kernel, if this fails.

// Of two ranks that are summed alike the one is folded whose extent nobody knows: the other
// can lie inside of a tile.
// CHECK: attn.fold over p to
// CHECK: reduce add(r)
func.func @columns(%w: tensor<?x4x?xf32>) -> tensor<?xf32> {
  %o = attn.cascade ranks(r, p, m) -> tensor<?xf32> {
    %x = attn.einsum %w[p, r, m] -> [p, r, m] : (tensor<?x4x?xf32>) -> tensor<?x4x?xf32> {
    ^bb0(%a: f32):
      %y = math.exp %a : f32
      attn.yield %y : f32
    }
    %c = attn.einsum %x[p, r, m] -> [m] reduce add(p, r) : (tensor<?x4x?xf32>) -> tensor<?xf32>
    attn.yield %c : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}
