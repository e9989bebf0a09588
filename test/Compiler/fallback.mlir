// RUN: attn-run %s --entry=two_dynamic_rows --arg=rand:2x3x8:1 --arg=rand:5x8:2 --out=%t.npy
// RUN: attn-run %s --entry=two_dynamic_rows --device=cpu --arg=rand:2x3x8:1 --arg=rand:5x8:2 --expect=%t.npy --stats=%t.json
// RUN: FileCheck %s --input-file=%t.json
// A derived form that no kernel can be made of stops a program, instead of letting it run as written, if this fails.

// Rows (p, q) of an item, both dynamic: the fold over m has no kernel. What is
// written runs instead, one launch per einsum.
// CHECK-DAG: "folds": 0,
// CHECK-DAG: "stages": 2,
func.func @two_dynamic_rows(%x: tensor<?x?x8xf32>, %y: tensor<?x8xf32>) -> tensor<?x?xf32> {
  %o = attn.cascade ranks(p, q, m, e) -> tensor<?x?xf32> {
    %s = attn.einsum %x[p, q, e], %y[m, e] -> [p, q, m] reduce add(e)
        : (tensor<?x?x8xf32>, tensor<?x8xf32>) -> tensor<?x?x?xf32>
    %t = attn.einsum %s[p, q, m] -> [p, q] reduce max(m) : (tensor<?x?x?xf32>) -> tensor<?x?xf32>
    attn.yield %t : tensor<?x?xf32>
  }
  return %o : tensor<?x?xf32>
}
