// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decode of requests that share prefixes. The KV cache is a forest: a node n
// holds a run of tokens (a system prompt, a conversation, a branch), and
// request b sees the nodes on its path from the root, path[b, 0 .. depth[b] -
// 1].
//
// Keys belong to nodes, not to requests: k has ranks (n, m). The softmax of a
// request runs over both, n restricted to its path by `at`. So the keys of a
// node are stored once, and one kernel may read them once for all requests
// below it.
//
//   b request   n node   g KV head   r query head in its group
//   m key of the node

!scores = tensor<?x8x4x?x?xf32>
!rows = tensor<?x8x4xf32>

func.func @prefix_tree(
    %q: tensor<?x8x4x64xf16>, %kp: memref<?x16x8x64xf16>,
    %vp: memref<?x16x8x64xf16>, %table: memref<?x?xi32>,
    %node_len: tensor<?xi32>, %path: tensor<?x?xi32>, %depth: tensor<?xi32>)
    -> tensor<?x8x4x64xf32> {
  // 1 / sqrt(64)
  %scale = arith.constant 0.125 : f32
  // The length of a node belongs to the domain of its view: n is no rank of a
  // result, so no mask may look it up.
  %k = attn.view (n, m, g, e)
      symbols(pg = %table[n, m floordiv 16], len = %node_len[n]) where (m < len)
      of %kp[pg, m mod 16, g, e]
      : (memref<?x16x8x64xf16>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x64xf16>
  %v = attn.view (n, m, g, f)
      symbols(pg = %table[n, m floordiv 16], len = %node_len[n]) where (m < len)
      of %vp[pg, m mod 16, g, f]
      : (memref<?x16x8x64xf16>, memref<?x?xi32>, tensor<?xi32>)
      -> tensor<?x?x8x64xf16>

  %o = attn.cascade ranks(b, n, g, r, m, e, f) -> tensor<?x8x4x64xf32> {
    // At most 64 nodes on one path.
    %on_path = attn.select listed %path[b], %depth[b] -> [b]
        : (tensor<?x?xi32>, tensor<?xi32>) -> !attn.coords<1, 64>

    // QK: scores of the keys on the path of a request.
    %qk = attn.einsum %q[b, g, r, e], %k[n, m, g, e], %scale -> [b, g, r, n, m]
        reduce add(e) at n in %on_path[b]
        : (tensor<?x8x4x64xf16>, tensor<?x?x8x64xf16>, f32,
           !attn.coords<1, 64>) -> !scores

    // GM: maximum of a row, over the nodes and their keys.
    %gm = attn.einsum %qk[b, g, r, n, m] -> [b, g, r] reduce max(n, m)
        : (!scores) -> !rows

    // SN: softmax numerator.
    %sn = attn.einsum %qk[b, g, r, n, m], %gm[b, g, r] -> [b, g, r, n, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%s: f32, %x: f32):
      %shifted = arith.subf %s, %x : f32
      %exp = math.exp %shifted : f32
      attn.yield %exp : f32
    }

    // SD: softmax denominator.
    %sd = attn.einsum %sn[b, g, r, n, m] -> [b, g, r] reduce add(n, m)
        : (!scores) -> !rows

    // A: attention weights.
    %a = attn.einsum %sn[b, g, r, n, m], %sd[b, g, r] -> [b, g, r, n, m]
        : (!scores, !rows) -> !scores {
    ^bb0(%y: f32, %d: f32):
      %weight = arith.divf %y, %d : f32
      attn.yield %weight : f32
    }

    // AV: weighted sum of the values.
    %av = attn.einsum %a[b, g, r, n, m], %v[n, m, g, f] -> [b, g, r, f]
        reduce add(n, m)
        : (!scores, tensor<?x?x8x64xf16>) -> tensor<?x8x4x64xf32>
    attn.yield %av : tensor<?x8x4x64xf32>
  }
  return %o : tensor<?x8x4x64xf32>
}
