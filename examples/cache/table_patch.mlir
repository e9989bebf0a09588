// Brings a device's page table up to date: table[changes[i, 0]] = changes[i, 1].
// Only the first count[0] changes are there, so that a launch of as many as there
// may be, captured in a graph, serves every step.
//
//   i change

!changes = tensor<?x2xi32>

func.func @table_patch(%changes: !changes, %count: tensor<1xi32>,
    %table: memref<?xi32>) {
  %page = attn.cascade ranks(i) -> tensor<?xi32> {
    %new = attn.einsum %changes[i, 1] -> [i] : (!changes) -> tensor<?xi32>
    attn.yield %new : tensor<?xi32>
  }
  attn.place %page[i] symbols(n = %count[0], to = %changes[i, 0]) where (i < n)
      into %table[to]
      : (tensor<?xi32>, memref<?xi32>, tensor<1xi32>, !changes) -> ()
  return
}
