// RUN: attn-run %s --entry=two_dynamic_rows --arg=rand:2x3x8:1 --arg=rand:5x8:2 --out=%t.npy
// RUN: attn-run %s --entry=two_dynamic_rows --device=cpu --arg=rand:2x3x8:1 --arg=rand:5x8:2 --expect=%t.npy --stats=%t.json
// RUN: FileCheck %s --input-file=%t.json
// RUN: attn-run %s --entry=two_dynamic_rows --device=sim --arg=rand:2x3x8:1 --arg=rand:5x8:2 --expect=%t.npy --stats=%t.json
// RUN: FileCheck %s --input-file=%t.json
// RUN: attn-run %s --entry=dynamic_columns --arg=rand:3x8:1 --arg=rand:2x5x8:2 --out=%t.npy
// RUN: attn-run %s --entry=dynamic_columns --device=cpu --arg=rand:3x8:1 --arg=rand:2x5x8:2 --expect=%t.npy --stats=%t.json
// RUN: FileCheck %s --input-file=%t.json --check-prefix=WRITTEN
// RUN: attn-translate --emit=bundle --target=x86-64-v2 %s -o %t.bundle 2>&1 | FileCheck %s --check-prefix=WARNS
// A derived form that no kernel can be made of stops a program, or lets it run as written without a word, if this fails.

// Rows (p, q) of an item, both dynamic: one of them is bound to the item.
// CHECK-DAG: "folds": 1,
// CHECK-DAG: "stages": 0,
func.func @two_dynamic_rows(%x: tensor<?x?x8xf32>, %y: tensor<?x8xf32>) -> tensor<?x?xf32> {
  %o = attn.cascade ranks(p, q, m, e) -> tensor<?x?xf32> {
    %s = attn.einsum %x[p, q, e], %y[m, e] -> [p, q, m] reduce add(e)
        : (tensor<?x?x8xf32>, tensor<?x8xf32>) -> tensor<?x?x?xf32>
    %t = attn.einsum %s[p, q, m] -> [p, q] reduce max(m) : (tensor<?x?x?xf32>) -> tensor<?x?xf32>
    attn.yield %t : tensor<?x?xf32>
  }
  return %o : tensor<?x?xf32>
}

// Columns (m, n) of a tile, both dynamic: the fold over m has no kernel. What is
// written runs instead, one launch per einsum.
// WRITTEN-DAG: "folds": 0,
// WRITTEN-DAG: "stages": 2,
// WARNS-NOT: warning
// WARNS: warning: {{.*}}: compiled as written, which is slow: no tile kernel: rank 'n' lies inside the tile but is dynamic
// WARNS: warning: {{.*}}: value '{{.*}}' [p, m, n] is held in memory as a whole: p * m * n * 4 bytes
// WARNS-NOT: warning
func.func @dynamic_columns(%x: tensor<?x8xf32>, %y: tensor<?x?x8xf32>) -> tensor<?xf32> {
  %o = attn.cascade ranks(p, m, n, e) -> tensor<?xf32> {
    %s = attn.einsum %x[p, e], %y[m, n, e] -> [p, m, n] reduce add(e)
        : (tensor<?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x?xf32>
    %t = attn.einsum %s[p, m, n] -> [p] reduce max(m, n) : (tensor<?x?x?xf32>) -> tensor<?xf32>
    attn.yield %t : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}
