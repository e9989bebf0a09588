// RUN: attn-run %s --entry=against --device=reference --arg=rand:24x16:1 --arg=rand:5x16x16:2 --arg=7 --out=%t.npy
// RUN: attn-run %s --entry=against --device=cpu --arg=rand:24x16:1 --arg=rand:5x16x16:2 --arg=7 --expect=%t.npy
// RUN: attn-run %s --entry=against --device=sim --arg=rand:24x16:1 --arg=rand:5x16x16:2 --arg=7 --rtol=2e-3 --expect=%t.npy
// RUN: attn-run %s --entry=along --device=reference --arg=rand:24x16:1 --arg=rand:5x16x16:2 --arg=7 --out=%t.npy
// RUN: attn-run %s --entry=along --device=cpu --arg=rand:24x16:1 --arg=rand:5x16x16:2 --arg=7 --expect=%t.npy
// RUN: attn-run %s --entry=along --device=sim --arg=rand:24x16:1 --arg=rand:5x16x16:2 --arg=7 --rtol=2e-3 --expect=%t.npy

// Two sets that bound one coordinate from one side, one of them for some rows only.
// If this fails, a bound that nothing meets moves with the tile until keys meet it.

// The bounds grow from tile to tile.
func.func @against(%q: tensor<24x16xf16>, %k: tensor<5x16x16xf16>, %nq: index) -> tensor<24x16xf32> {
  %o = attn.cascade ranks(p, m1, m0, e, f) -> tensor<24x16xf32> {
    %s = attn.einsum %q[p, e], %k[m1, m0, e] -> [p, m1, m0] reduce add(e)
        symbols(nq = %nq) where (m0 <= m1 + p and p < nq) or (m0 <= m1 - 3)
        : (tensor<24x16xf16>, tensor<5x16x16xf16>, index) -> tensor<24x5x16xf32>
    %o = attn.einsum %s[p, m1, m0], %k[m1, m0, f] -> [p, f] reduce add(m1, m0)
        : (tensor<24x5x16xf32>, tensor<5x16x16xf16>) -> tensor<24x16xf32>
    attn.yield %o : tensor<24x16xf32>
  }
  return %o : tensor<24x16xf32>
}

// They shrink, as those of positions do.
func.func @along(%q: tensor<24x16xf16>, %k: tensor<5x16x16xf16>, %nq: index) -> tensor<24x16xf32> {
  %o = attn.cascade ranks(p, m1, m0, e, f) -> tensor<24x16xf32> {
    %s = attn.einsum %q[p, e], %k[m1, m0, e] -> [p, m1, m0] reduce add(e)
        symbols(nq = %nq) where (m1 * 16 + m0 <= 3 * p and p < nq) or (m1 * 16 + m0 < p - 9)
        : (tensor<24x16xf16>, tensor<5x16x16xf16>, index) -> tensor<24x5x16xf32>
    %o = attn.einsum %s[p, m1, m0], %k[m1, m0, f] -> [p, f] reduce add(m1, m0)
        : (tensor<24x5x16xf32>, tensor<5x16x16xf16>) -> tensor<24x16xf32>
    attn.yield %o : tensor<24x16xf32>
  }
  return %o : tensor<24x16xf32>
}
