// RUN: attn-translate --emit=ptx --chip=sm_80 %s | FileCheck %s
// A kernel does not reach PTX with what it declares, or with other instructions than it asks for.

// CHECK: .version 7.0
// CHECK-NEXT: .target sm_80
// CHECK: .extern .shared .align 16 .b8 smem[];
llvm.mlir.global external @smem() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<0 x i8>

// CHECK-LABEL: .visible .entry limits(
// CHECK: .reqntid 128, 2
// CHECK-NEXT: .minnctapersm 2
// CHECK-NEXT: .maxnreg 96
llvm.func @limits() attributes {nvvm.kernel, nvvm.reqntid = array<i32: 128, 2>, nvvm.minctasm = 2 : i32, nvvm.maxnreg = 96 : i32} {
  llvm.return
}

// CHECK-LABEL: .visible .entry most(
// CHECK: .maxntid 256
llvm.func @most() attributes {nvvm.kernel, nvvm.maxntid = array<i32: 256>} {
  llvm.return
}

// A product and a sum beside it are one fma; all of it flushes denormals.
// CHECK-LABEL: .visible .entry arithmetic(
// CHECK: fma.rn.ftz.f32
// CHECK-NOT: mul.rn
// CHECK: ex2.approx.ftz.f32
// CHECK: max.ftz.f32
// CHECK: max.ftz.NaN.f32
// CHECK: cvt.rn.bf16x2.f32
llvm.func @arithmetic(%out: !llvm.ptr<1>, %a: f32, %b: f32, %c: f32) attributes {nvvm.kernel} {
  %p = llvm.fmul %a, %b : f32
  %s = llvm.fadd %p, %c : f32
  %e = llvm.intr.exp2(%s) : (f32) -> f32
  %m = llvm.intr.maxnum(%e, %a) : (f32, f32) -> f32
  %n = llvm.intr.maximum(%m, %b) : (f32, f32) -> f32
  %h0 = llvm.fptrunc %m : f32 to bf16
  %h1 = llvm.fptrunc %n : f32 to bf16
  %c0 = llvm.mlir.constant(0 : i32) : i32
  %c1 = llvm.mlir.constant(1 : i32) : i32
  %u = llvm.mlir.undef : vector<2xbf16>
  %v0 = llvm.insertelement %h0, %u[%c0 : i32] : vector<2xbf16>
  %v1 = llvm.insertelement %h1, %v0[%c1 : i32] : vector<2xbf16>
  llvm.store %v1, %out {alignment = 4 : i64} : vector<2xbf16>, !llvm.ptr<1>
  llvm.return
}

// CHECK-LABEL: .visible .entry tensor_cores(
// CHECK: cp.async.cg.shared.global [smem], [%rd{{[0-9]+}}], 16, %r{{[0-9]+}};
// CHECK: cp.async.commit_group;
// CHECK: cp.async.wait_group{{[[:space:]]+}}0;
// CHECK: bar.sync 0;
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16
// CHECK: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
llvm.func @tensor_cores(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>, %bytes: i32, %f: f32) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 32>} {
  %s = llvm.mlir.addressof @smem : !llvm.ptr<3>
  nvvm.cp.async.shared.global %s, %in, 16, cache = cg, %bytes : !llvm.ptr<3>, !llvm.ptr<1>, i32
  nvvm.cp.async.commit.group
  nvvm.cp.async.wait.group 0
  nvvm.barrier
  %a = nvvm.ldmatrix %s {num = 4 : i32, layout = #nvvm.mma_layout<row>, shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = #nvvm.ld_st_matrix_elt_type<b16>} : (!llvm.ptr<3>) -> !llvm.struct<(i32, i32, i32, i32)>
  %b = nvvm.ldmatrix %s {num = 2 : i32, layout = #nvvm.mma_layout<col>, shape = #nvvm.ld_st_matrix_shape<m = 8, n = 8>, eltType = #nvvm.ld_st_matrix_elt_type<b16>} : (!llvm.ptr<3>) -> !llvm.struct<(i32, i32)>
  %a0 = llvm.extractvalue %a[0] : !llvm.struct<(i32, i32, i32, i32)>
  %a1 = llvm.extractvalue %a[1] : !llvm.struct<(i32, i32, i32, i32)>
  %a2 = llvm.extractvalue %a[2] : !llvm.struct<(i32, i32, i32, i32)>
  %a3 = llvm.extractvalue %a[3] : !llvm.struct<(i32, i32, i32, i32)>
  %b0 = llvm.extractvalue %b[0] : !llvm.struct<(i32, i32)>
  %b1 = llvm.extractvalue %b[1] : !llvm.struct<(i32, i32)>
  %d = nvvm.mma.sync A[%a0, %a1, %a2, %a3] B[%b0, %b1] C[%f, %f, %f, %f] {layoutA = #nvvm.mma_layout<row>, layoutB = #nvvm.mma_layout<col>, shape = #nvvm.shape<m = 16, n = 8, k = 16>, multiplicandAPtxType = #nvvm.mma_type<bf16>, multiplicandBPtxType = #nvvm.mma_type<bf16>} : (i32, i32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
  llvm.store %d, %out : !llvm.struct<(f32, f32, f32, f32)>, !llvm.ptr<1>
  llvm.return
}
