// RUN: attn-translate --emit=ptx --chip=sm_80 %s | FileCheck %s
// RUN: attn-run %s --entry=nowhere --device=sim --arg=rand:5:1 --arg=zeros:8 --out-arg=1:%t.npy
// RUN: attn-run %s --entry=nowhere --device=cpu --arg=rand:5:1 --arg=zeros:8 --out-arg=1:%t.npy
// A kernel of which nothing is left ends the compiler if this fails.

// CHECK: .entry
func.func @nowhere(%x: tensor<?xf32>, %pool: memref<?xf32>) {
  %y = attn.cascade ranks(i) -> tensor<?xf32> {
    %y = attn.einsum %x[i] -> [i] : (tensor<?xf32>) -> tensor<?xf32>
    attn.yield %y : tensor<?xf32>
  }
  attn.place %y[i] where (i < i) into %pool[i] : (tensor<?xf32>, memref<?xf32>) -> ()
  return
}
