// RUN: attn-opt %s --convert-attn-to-tile -split-input-file -verify-diagnostics -o /dev/null
// If this fails, a workspace of all pairs is made without a word, or one that is no larger than an operand is called large.

// Two launches: %s lies between them.
func.func @scores(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>) -> tensor<?xf32> {
  %o = attn.cascade ranks(p, m, e) -> tensor<?xf32> {
    // expected-warning @+1 {{[p, m] is held in memory as a whole: p * m * 4 bytes, which no operand and no result of the cascade has}}
    %s = attn.einsum %x[p, e], %y[m, e] -> [p, m] reduce add(e)
        : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x?xf32>
    %t = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<?x?xf32>) -> tensor<?xf32>
    attn.yield %t : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}

// -----

// An operand is as large, and statistics of rows are smaller than both.
func.func @sums(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<?x?xf32> {
    %s = attn.einsum %x[p, m], %x[p, m] -> [p, m] : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %t = attn.einsum %s[p, m] -> [p] reduce max(m) : (tensor<?x?xf32>) -> tensor<?xf32>
    %u = attn.einsum %s[p, m], %t[p] -> [p, m] : (tensor<?x?xf32>, tensor<?xf32>) -> tensor<?x?xf32>
    attn.yield %u : tensor<?x?xf32>
  }
  return %o : tensor<?x?xf32>
}
