// RUN: attn-run %s --entry=columns_apart --arg=rand:1x2x40x64:1 --arg=rand:1x2x64x70:2 --arg=rand:1x2x64x70:3 --arg=0.125 --out=%t.npy
// RUN: attn-run %s --entry=columns_apart --arg=rand:1x2x40x64:1 --arg=rand:1x2x64x70:2 --arg=rand:1x2x64x70:3 --arg=0.125 --expect=%t.npy --rtol=2e-3 --device=cpu
// RUN: attn-run %s --entry=columns_apart --arg=rand:1x2x40x64:1 --arg=rand:1x2x64x70:2 --arg=rand:1x2x64x70:3 --arg=0.125 --expect=%t.npy --rtol=2e-3 --device=sim
// If this fails, keys and values whose channels lie apart in memory (a transposed cache) are read wrongly.

!heads = tensor<?x2x?x64xf16>
!scores = tensor<?x2x?x?xf32>
!rows = tensor<?x2x?xf32>
func.func @columns_apart(%q: !heads, %kt: memref<?x2x64x?xf16>, %vt: memref<?x2x64x?xf16>, %scale: f32) -> tensor<?x2x?x64xf32> {
  %k = attn.view (b, h, m, e) of %kt[b, h, e, m] : (memref<?x2x64x?xf16>) -> tensor<?x2x?x64xf16>
  %v = attn.view (b, h, m, f) of %vt[b, h, f, m] : (memref<?x2x64x?xf16>) -> tensor<?x2x?x64xf16>
  %o = attn.cascade ranks(b, h, p, m, e, f) -> tensor<?x2x?x64xf32> {
    %qk = attn.einsum %q[b, h, p, e], %k[b, h, m, e], %scale -> [b, h, p, m] reduce add(e) where (m <= p) : (!heads, tensor<?x2x?x64xf16>, f32) -> !scores
    %gm = attn.einsum %qk[b, h, p, m] -> [b, h, p] reduce max(m) : (!scores) -> !rows
    %sn = attn.einsum %qk[b, h, p, m], %gm[b, h, p] -> [b, h, p, m] : (!scores, !rows) -> !scores {
    ^bb0(%x: f32, %y: f32):
      %d = arith.subf %x, %y : f32
      %z = math.exp %d : f32
      attn.yield %z : f32
    }
    %sd = attn.einsum %sn[b, h, p, m] -> [b, h, p] reduce add(m) : (!scores) -> !rows
    %a = attn.einsum %sn[b, h, p, m], %sd[b, h, p] -> [b, h, p, m] : (!scores, !rows) -> !scores {
    ^bb0(%x: f32, %y: f32):
      %z = arith.divf %x, %y : f32
      attn.yield %z : f32
    }
    %av = attn.einsum %a[b, h, p, m], %v[b, h, m, f] -> [b, h, p, f] reduce add(m) : (!scores, tensor<?x2x?x64xf16>) -> tensor<?x2x?x64xf32>
    attn.yield %av : tensor<?x2x?x64xf32>
  }
  return %o : tensor<?x2x?x64xf32>
}
