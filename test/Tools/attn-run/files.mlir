// RUN: %python %S/Inputs/npy.py %t.npy '<f4' 2x3 && attn-run %s --entry=f32 --arg=%t.npy --print | FileCheck %s
// RUN: %python %S/Inputs/npy.py %t.npy '<f4' 2x3 --version=2 && attn-run %s --entry=f32 --arg=%t.npy --print | FileCheck %s
// RUN: %python %S/Inputs/npy.py %t.npy '<f4' 2x3 --fortran --values=0,3,1,4,2,5 && attn-run %s --entry=f32 --arg=%t.npy --print | FileCheck %s
// RUN: %python %S/Inputs/npy.py %t.npy '<f2' 2x3 && attn-run %s --entry=f16 --arg=%t.npy --print | FileCheck %s
// RUN: %python %S/Inputs/npy.py %t.npy '<i4' 2x3 && attn-run %s --entry=i32 --arg=%t.npy --print | FileCheck %s
// RUN: %python %S/Inputs/npy.py %t.npy '|i1' 2x3 && attn-run %s --entry=i8 --arg=%t.npy --print | FileCheck %s
// RUN: %python %S/Inputs/npy.py %t.npy '<u2' 2x3 --values=0,16256,16384,16448,16512,16544 && attn-run %s --entry=bf16 --arg=%t.npy --print | FileCheck %s
// RUN: %python %S/Inputs/npy.py %t.npy '|u1' 2x2 --values=16,242,67,245 && attn-run %s --entry=i4 --arg=%t.npy --print | FileCheck %s
// An element type of files is read as other numbers.

// CHECK: result #0: f64 2x3
// CHECK-NEXT: [0, 1, 2]
// CHECK-NEXT: [3, 4, 5]
func.func @f32(%a: tensor<2x3xf32>) -> tensor<2x3xf32> {
  return %a : tensor<2x3xf32>
}
func.func @f16(%a: tensor<?x?xf16>) -> tensor<?x?xf16> {
  return %a : tensor<?x?xf16>
}
func.func @i32(%a: tensor<?x?xi32>) -> tensor<?x?xi32> {
  return %a : tensor<?x?xi32>
}
func.func @i8(%a: tensor<?x?xi8>) -> tensor<?x?xi8> {
  return %a : tensor<?x?xi8>
}
func.func @bf16(%a: tensor<?x?xbf16>) -> tensor<?x?xbf16> {
  return %a : tensor<?x?xbf16>
}
// An odd row ends in half a byte, which holds anything.
func.func @i4(%a: tensor<2x3xi4>) -> tensor<2x3xi4> {
  return %a : tensor<2x3xi4>
}
