// RUN: %python -c "import numpy as n; n.save(r'%t.list.npy', n.array([[5, 0, 63, 7, 8, 9, 31, 2], [1, 2, 3, 60, 40, 20, 0, 0]], dtype=n.int32)); n.save(r'%t.count.npy', n.array([8, 6], dtype=n.int32))"
// RUN: attn-run %s --entry=listed --device=reference --arg=rand:2x8x16:1 --arg=rand:2x64x16:2 --arg=%t.list.npy --arg=%t.count.npy --out=%t.npy
// RUN: attn-run %s --entry=listed --device=cpu --arg=rand:2x8x16:1 --arg=rand:2x64x16:2 --arg=%t.list.npy --arg=%t.count.npy --expect=%t.npy
// RUN: attn-run %s --entry=listed --device=sim --arg=rand:2x8x16:1 --arg=rand:2x64x16:2 --arg=%t.list.npy --arg=%t.count.npy --rtol=2e-3 --expect=%t.npy

// Keys that are listed one by one: a tile holds several of them.
// If this fails, lists of single keys have no kernel for an SM, or tiles mix them up.

func.func @listed(%q: tensor<2x8x16xf16>, %k: tensor<2x64x16xf16>, %list: tensor<2x8xi32>, %count: tensor<2xi32>) -> tensor<2x8x16xf32> {
  %o = attn.cascade ranks(b, p, m, e, f) -> tensor<2x8x16xf32> {
    %some = attn.select listed %list[b], %count[b] -> [b]
        : (tensor<2x8xi32>, tensor<2xi32>) -> !attn.coords<1, 8>
    %s = attn.einsum %q[b, p, e], %k[b, m, e] -> [b, p, m] reduce add(e) at m in %some[b]
        : (tensor<2x8x16xf16>, tensor<2x64x16xf16>, !attn.coords<1, 8>) -> tensor<2x8x64xf32>
    %o = attn.einsum %s[b, p, m], %k[b, m, f] -> [b, p, f] reduce add(m)
        : (tensor<2x8x64xf32>, tensor<2x64x16xf16>) -> tensor<2x8x16xf32>
    attn.yield %o : tensor<2x8x16xf32>
  }
  return %o : tensor<2x8x16xf32>
}
