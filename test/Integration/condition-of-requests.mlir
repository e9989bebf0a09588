// RUN: attn-run %s --entry=some --device=reference --arg=rand:2x37x53:1 --out=%t.npy
// RUN: attn-run %s --entry=some --device=cpu --arg=rand:2x37x53:1 --expect=%t.npy

// If this fails, a bound that holds only for some requests is compared as another
// type of integer than it has.

func.func @some(%s: tensor<2x37x53xf32>) -> tensor<2x37xf32> {
  %o = attn.cascade ranks(b, p, m) -> tensor<2x37xf32> {
    %x = attn.einsum %s[b, p, m] -> [b, p, m] where (b == 0) or (m < 5)
        : (tensor<2x37x53xf32>) -> tensor<2x37x53xf32>
    %g = attn.einsum %x[b, p, m] -> [b, p] reduce max(m)
        : (tensor<2x37x53xf32>) -> tensor<2x37xf32>
    attn.yield %g : tensor<2x37xf32>
  }
  return %o : tensor<2x37xf32>
}
