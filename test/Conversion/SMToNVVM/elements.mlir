// RUN: attn-opt %s --sm-allocate-shared --sm-place-waits --convert-sm-to-nvvm | FileCheck %s
// RUN: attn-opt %s --sm-allocate-shared --sm-place-waits --convert-sm-to-nvvm=chip=sm_120 --cse | FileCheck %s --check-prefix=PACKED

// What a thread holds is one value for each register: vectors appear where
// instructions take two elements, and where memory does.

#acc = #sm.acc<2 x 1>
#row = #sm.slice<1, #acc>
!out = memref<?x8xf32, strided<[?, 1]>>
!halves = memref<?x8xf16, strided<[?, 1]>>

// CHECK-LABEL: llvm.func @kernel
// PACKED-LABEL: llvm.func @kernel
// CHECK-NOT: vector<4xf32>
// PACKED-NOT: vector<4xf32>
sm.kernel @kernel(%s: f32, %o: !out, %h: !halves) warps(2) {
  sm.roles ["all"] warps [2] registers [0] {
    sm.items {
    ^bb0(%item: !sm.item):
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c8 = arith.constant 8 : index
      %zero = arith.constant dense<0.0> : tensor<32x8xf32, #acc>
      %two = arith.constant dense<2.0> : tensor<32x8xf32, #acc>
      %row = sm.splat %s : f32 -> tensor<32xf32, #row>
      // Carried one by one: 4 elements behind the counter.
      // CHECK: llvm.br ^[[HEAD:.+]](%{{.+}}, %[[ZERO:.+]], %[[ZERO]], %[[ZERO]], %[[ZERO]] : i64, f32, f32, f32, f32)
      // CHECK: ^[[HEAD]](%{{.+}}: i64, %[[A:.+]]: f32, %[[B:.+]]: f32, %[[C:.+]]: f32, %[[D:.+]]: f32):
      // One quotient serves all that it is spread to.
      // CHECK: llvm.fdiv
      // CHECK-NOT: llvm.fdiv
      // CHECK: llvm.fmul %[[A]], %{{.+}} : f32
      // CHECK: llvm.fmul %[[B]], %{{.+}} : f32
      // CHECK: llvm.fmul %[[C]], %{{.+}} : f32
      // CHECK: llvm.fmul %[[D]], %{{.+}} : f32
      // PACKED: llvm.fmul %{{.+}}, %{{.+}} : vector<2xf32>
      // PACKED: llvm.fmul %{{.+}}, %{{.+}} : vector<2xf32>
      // PACKED-NOT: llvm.fmul
      %sum = scf.for %i = %c0 to %c8 step %c1 iter_args(%x = %zero) -> tensor<32x8xf32, #acc> {
        %wide = sm.expand %row along 1 : tensor<32xf32, #row> -> tensor<32x8xf32, #acc>
        %part = arith.divf %two, %wide : tensor<32x8xf32, #acc>
        %y = arith.mulf %x, %part : tensor<32x8xf32, #acc>
        scf.yield %y : tensor<32x8xf32, #acc>
      }
      // Sums of two f16 are one instruction.
      // CHECK: llvm.fadd %{{.+}}, %{{.+}} : vector<2xf16>
      // CHECK: llvm.fadd %{{.+}}, %{{.+}} : vector<2xf16>
      // CHECK-NOT: llvm.fadd
      %half = arith.truncf %sum : tensor<32x8xf32, #acc> to tensor<32x8xf16, #acc>
      %twice = arith.addf %half, %half : tensor<32x8xf16, #acc>
      %live = arith.constant dense<true> : tensor<32xi1, #row>
      %to = sm.address %o : !out
      %rows = sm.splat %to : i64 -> tensor<32xi64, #row>
      // CHECK: llvm.store %{{.+}} : vector<2xf32>, !llvm.ptr<1>
      sm.store_rows %sum to %rows live %live : tensor<32x8xf32, #acc>, tensor<32xi64, #row>, tensor<32xi1, #row>
      %toHalf = sm.address %h : !halves
      %halfRows = sm.splat %toHalf : i64 -> tensor<32xi64, #row>
      sm.store_rows %twice to %halfRows live %live : tensor<32x8xf16, #acc>, tensor<32xi64, #row>, tensor<32xi1, #row>
      sm.yield
    }
    sm.yield
  }
  sm.return
}
