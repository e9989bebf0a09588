// RUN: not attn-translate --emit=bundle --target=x86-64-v2 %s -o %t 2>&1 | FileCheck %s
// RUN: not attn-translate --emit=bundle --target=x86-64-v2 --entry=f %s -o %t 2>&1 | FileCheck %s --check-prefix=ENTRY
// RUN: not ls %t
// A bundle that has nothing to run is written if this fails.

// CHECK: attn-translate: {{.*}}expects a function with a cascade for a bundle
// ENTRY: attn-translate: {{.*}}no-cascade.mlir:8:1: expects a cascade for a bundle, but 'f' has none
func.func @f(%x: f32) -> f32 {
  return %x : f32
}
