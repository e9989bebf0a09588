// RUN: attn-opt %s --canonicalize --cse | FileCheck %s
// Two views of a memref become one across a write between them, or a place is dropped.

// CHECK-LABEL: func.func @views_around_a_write
// CHECK: attn.view
// CHECK: attn.place
// CHECK: attn.view
func.func @views_around_a_write(%m: memref<8xf32>, %x: tensor<8xf32>)
    -> (tensor<8xf32>, tensor<8xf32>) {
  %a = attn.view (i) of %m[i] : (memref<8xf32>) -> tensor<8xf32>
  attn.place %x[i] into %m[i] : (tensor<8xf32>, memref<8xf32>) -> ()
  %b = attn.view (i) of %m[i] : (memref<8xf32>) -> tensor<8xf32>
  return %a, %b : tensor<8xf32>, tensor<8xf32>
}

// CHECK-LABEL: func.func @views_without_a_write
// CHECK: attn.view
// CHECK-NOT: attn.view
func.func @views_without_a_write(%m: memref<8xf32>)
    -> (tensor<8xf32>, tensor<8xf32>) {
  %a = attn.view (i) of %m[i] : (memref<8xf32>) -> tensor<8xf32>
  %b = attn.view (i) of %m[i] : (memref<8xf32>) -> tensor<8xf32>
  return %a, %b : tensor<8xf32>, tensor<8xf32>
}

// A place on a tensor is a value: without a use it goes.
// CHECK-LABEL: func.func @unused
// CHECK-NOT: attn.
// CHECK: return
func.func @unused(%d: tensor<8xf32>, %x: tensor<8xf32>, %m: memref<8xf32>) {
  %y = attn.place %x[i] into %d[i] : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %a = attn.view (i) of %m[i] : (memref<8xf32>) -> tensor<8xf32>
  %o = attn.cascade ranks(i) -> tensor<8xf32> {
    %z = attn.einsum %a[i] -> [i] : (tensor<8xf32>) -> tensor<8xf32>
    attn.yield %z : tensor<8xf32>
  }
  return
}

// A symbol in memory is read by the einsum, so a write keeps two apart.
// CHECK-LABEL: func.func @symbols_in_memory
// CHECK: attn.cascade
// CHECK: attn.einsum
// CHECK: memref.store
// CHECK: attn.einsum
func.func @symbols_in_memory(%x: tensor<8xf32>, %len: memref<1xi32>, %n: i32)
    -> (tensor<8xf32>, tensor<8xf32>) {
  %zero = arith.constant 0 : index
  %o:2 = attn.cascade ranks(i, b) -> (tensor<8xf32>, tensor<8xf32>) {
    %z = attn.einsum %x[i] -> [i] symbols(n = %len[0]) where (i < n)
         : (tensor<8xf32>, memref<1xi32>) -> tensor<8xf32>
    memref.store %n, %len[%zero] : memref<1xi32>
    %y = attn.einsum %x[i] -> [i] symbols(n = %len[0]) where (i < n)
         : (tensor<8xf32>, memref<1xi32>) -> tensor<8xf32>
    attn.yield %z, %y : tensor<8xf32>, tensor<8xf32>
  }
  return %o#0, %o#1 : tensor<8xf32>, tensor<8xf32>
}
