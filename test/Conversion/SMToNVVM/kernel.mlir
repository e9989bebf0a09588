// RUN: attn-opt %s --sm-allocate-shared --sm-place-waits --convert-sm-to-nvvm --cse | FileCheck %s
// RUN: attn-opt %s --sm-allocate-shared --sm-place-waits --convert-sm-to-nvvm | FileCheck %s --check-prefix=NONE

// What a kernel is called with, how copies, waits and products appear, and that
// nothing but llvm and nvvm is left.

#acc = #sm.acc<2 x 1>
#row = #sm.slice<1, #acc>
#mover = #sm.mover<8, 2>
!m = memref<?x64xbf16, strided<[?, 1]>>
!block = !sm.buf<32, 64, bf16>
!slot = !sm.slot<32, 64, bf16>

// NONE-NOT: {{(= |^ *)(sm|scf|cf|arith|math|vector|memref|builtin)\.}}

// CHECK: llvm.mlir.global external @sm_shared() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<0 x i8>
// CHECK: llvm.func @kernel(%[[ARGS:.+]]: !llvm.ptr {llvm.align = 8 : i64, llvm.byval = !llvm.array<264 x i8>, nvvm.grid_constant}, %[[PLAN:.+]]: !llvm.ptr<1>, %[[STAGE:.+]]: i32) attributes {
// CHECK-SAME: denormal_fp_math_f32 = "preserve-sign,preserve-sign"
// CHECK-SAME: nvvm.kernel, nvvm.reqntid = array<i32: 64>, sm.shared_bytes = 8192 : i64
sm.kernel @kernel(%x: !m, %s: f32, %o: memref<?x32xf32, strided<[?, 1]>>) warps(2) {
  %room = sm.alloc : !slot
  %other = sm.alloc : !slot
  sm.roles ["all"] warps [2] registers [0] {
    // Worker w: block w.
    // CHECK: nvvm.read.ptx.sreg.ctaid.x
    sm.items {
    ^bb0(%item: !sm.item):
      %c0 = arith.constant 0 : index
      %a = sm.address %x : !m
      %as = sm.splat %a : i64 -> tensor<32xi64, #mover>
      %n, %minor, %count, %sym = sm.rows %item, %c0 : tensor<32xi32, #mover>
      %c9 = arith.constant dense<9> : tensor<32xi32, #mover>
      %live = arith.cmpi slt, %n, %c9 : tensor<32xi32, #mover>
      // A thread has 4 rows and one piece of each; what is not live is 0.
      // CHECK: nvvm.barrier
      // CHECK: llvm.select %{{.+}}, %{{.+}}, %{{.+}} : i1, i32
      // CHECK-COUNT-4: nvvm.cp.async.shared.global %{{.+}}, %{{.+}}, 16, cache = cg, %{{.+}} : !llvm.ptr<3>, !llvm.ptr<1>, i32
      // CHECK-NOT: nvvm.cp.async.shared
      // CHECK: nvvm.cp.async.commit.group
      %t0 = sm.copy %as live %live to %room : tensor<32xi64, #mover>, tensor<32xi1, #mover>, !slot
      // CHECK: nvvm.cp.async.commit.group
      %t1 = sm.copy %as live %live to %other : tensor<32xi64, #mover>, tensor<32xi1, #mover>, !slot
      // CHECK: nvvm.cp.async.wait.group 1
      // CHECK-NEXT: nvvm.barrier
      %b0 = sm.wait %room after %t0 : !slot -> !block
      // CHECK-COUNT-4: nvvm.ldmatrix {{.*}} layout = #nvvm.mma_layout<row>, num = 4 : i32
      // CHECK-NOT: nvvm.ldmatrix
      %f = sm.lds %b0 : !block -> tensor<32x64xbf16, #acc>
      // CHECK: nvvm.cp.async.wait.group 0
      // CHECK-NEXT: nvvm.barrier
      %b1 = sm.wait %other after %t1 : !slot -> !block
      %z = arith.constant dense<0.0> : tensor<32x32xf32, #acc>
      // Two column blocks with each load, 4 with each sixteen to sum.
      // CHECK: nvvm.ldmatrix {{.*}} layout = #nvvm.mma_layout<row>, num = 4 : i32
      // CHECK-COUNT-2: nvvm.mma.sync {{.*}} multiplicandAPtxType = #nvvm.mma_type<bf16>
      // CHECK: nvvm.ldmatrix
      // CHECK-COUNT-14: nvvm.mma.sync
      // CHECK-NOT: nvvm.mma.sync
      %p = sm.gemm %f, %b1 acc(%z) {transposeB} : tensor<32x64xbf16, #acc>, !block -> tensor<32x32xf32, #acc>
      // CHECK-COUNT-16: llvm.intr.exp2(%{{.+}}) {fastmathFlags = #llvm.fastmath<afn>} : (f32) -> f32
      %e = math.exp2 %p : tensor<32x32xf32, #acc>
      // exp(x) is exp2(x * log2(e)).
      // CHECK: %[[LOG2E:.+]] = llvm.mlir.constant(1.44269502 : f32)
      // CHECK: %[[SCALED:.+]] = llvm.fmul %{{.+}}, %[[LOG2E]]
      // CHECK: llvm.intr.exp2(%[[SCALED]]) {fastmathFlags = #llvm.fastmath<afn>}
      %e1 = math.exp %e : tensor<32x32xf32, #acc>
      %r = sm.reduce maximum %e1 along 1 : tensor<32x32xf32, #acc> -> tensor<32xf32, #sm.partial<maximum, 1, #acc>>
      // Two rows, from four lanes each.
      // CHECK-COUNT-4: nvvm.shfl.sync bfly
      // CHECK-NOT: nvvm.shfl.sync
      %r1 = sm.complete %r : tensor<32xf32, #sm.partial<maximum, 1, #acc>> -> tensor<32xf32, #row>
      %r2 = sm.expand %r1 along 1 : tensor<32xf32, #row> -> tensor<32x32xf32, #acc>
      %oa = sm.address %o : memref<?x32xf32, strided<[?, 1]>>
      %os = sm.splat %oa : i64 -> tensor<32xi64, #row>
      %rl = arith.constant dense<true> : tensor<32xi1, #row>
      // Neighbours of a row are written at once.
      // CHECK-COUNT-8: llvm.store %{{.+}}, %{{.+}} {alignment = 8 : i64} : vector<2xf32>, !llvm.ptr<1>
      // CHECK-NOT: llvm.store
      sm.store_rows %r2 to %os live %rl : tensor<32x32xf32, #acc>, tensor<32xi64, #row>, tensor<32xi1, #row>
      sm.yield
    }
    sm.yield
  }
  // CHECK: llvm.return
  sm.return
}
