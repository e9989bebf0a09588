// RUN: rm -rf %t && split-file %s %t
// RUN: attn-translate --chip=sm_89 %t/fp8.mlir | FileCheck %s --check-prefix=FP8
// RUN: attn-translate --chip=sm_89 %t/fp8-op.mlir | FileCheck %s --check-prefix=FP8
// RUN: attn-translate --chip=sm_89 --ptx-level=86 %t/fp8.mlir | FileCheck %s --check-prefix=GIVEN
// RUN: not attn-translate --chip=sm_89 --ptx-level=83 %t/fp8.mlir 2>&1 | FileCheck %s --check-prefix=LOW
// RUN: not attn-translate --chip=sm_86 %t/fp8.mlir 2>&1 | FileCheck %s --check-prefix=CHIP
// RUN: not attn-translate --chip=sm_86 %t/fp8-op.mlir 2>&1 | FileCheck %s --check-prefix=CHIP-OP
// RUN: attn-translate --chip=sm_90a %t/tma.mlir | FileCheck %s --check-prefix=TMA
// RUN: attn-translate --chip=sm_90a %t/tma-cta.mlir | FileCheck %s --check-prefix=TMA-CTA
// RUN: not attn-translate --chip=sm_90a --ptx-level=80 %t/tma-cta.mlir 2>&1 | FileCheck %s --check-prefix=TMA-LOW
// RUN: not attn-translate --chip=sm_90 %t/wgmma.mlir 2>&1 | FileCheck %s --check-prefix=WGMMA
// RUN: not attn-translate --chip=sm_100a %t/wgmma.mlir 2>&1 | FileCheck %s --check-prefix=WGMMA
// RUN: attn-translate --chip=sm_89 %t/cvt.mlir | FileCheck %s --check-prefix=CVT89
// RUN: attn-translate --chip=sm_90 %t/cvt.mlir | FileCheck %s --check-prefix=CVT90
// RUN: not attn-translate --chip=sm_80 %t/cluster.mlir 2>&1 | FileCheck %s --check-prefix=CLUSTER
// RUN: attn-translate --chip=sm_80 %t/alloca.mlir | FileCheck %s --check-prefix=ALLOCA
// RUN: not attn-translate --chip=sm_80 --ptx-level=70 %t/alloca.mlir 2>&1 | FileCheck %s --check-prefix=ALLOCA-LOW
// RUN: attn-translate --chip=sm_80 %t/many.mlir | FileCheck %s --check-prefix=MANY
// RUN: not attn-translate --chip=sm_80 --ptx-level=80 %t/many.mlir 2>&1 | FileCheck %s --check-prefix=MANY-LOW
// The PTX level is not the lowest that works, or an instruction that the chip or the level lacks ends the process in LLVM.

// FP8: .version 8.4
// GIVEN: .version 8.6
// LOW: attn-translate: {{.*}}fp8.mlir: expects sm_89 or later with PTX level 84 or higher for 'mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32' in 'fp8', but got sm_89 with PTX level 83
// CHIP: expects sm_89 or later with PTX level 84 or higher for 'mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32' in 'fp8', but got sm_86
// CHIP-OP: expects sm_89 or later with PTX level 84 or higher for 'llvm.nvvm.mma.m16n8k32.row.col.f32.e4m3.e4m3.f32' in 'fp8', but got sm_86
// TMA: .version 8.0
// TMA-CTA: .version 8.6
// TMA-LOW: expects sm_90 or later with PTX level 86 or higher for 'llvm.nvvm.cp.async.bulk.tensor.g2s.cta.tile.2d' in 'load', but got sm_90a with PTX level 80
// WGMMA: expects sm_90a with PTX level 80 or higher for 'llvm.nvvm.wgmma.fence.sync.aligned' in 'fence', but got
// CVT89: .version 8.1
// CVT90: .version 7.8
// CLUSTER: expects sm_90 or later with PTX level 78 or higher for 'nvvm.cluster_dim' in 'pair', but got sm_80
// ALLOCA: .version 7.3
// ALLOCA-LOW: expects sm_80 or later with PTX level 73 or higher for 'memory of a thread whose size is not constant' in 'stack', but got sm_80 with PTX level 70
// MANY: .version 8.1
// MANY-LOW: expects sm_70 or later with PTX level 81 or higher for 'parameters of 4360 bytes' in 'many', but got sm_80 with PTX level 80

//--- many.mlir
llvm.func @many(%a: !llvm.ptr {llvm.align = 8 : i64, llvm.byval = !llvm.array<4352 x i8>, nvvm.grid_constant}, %out: !llvm.ptr<1>) attributes {nvvm.kernel} {
  %x = llvm.load %a : !llvm.ptr -> i64
  llvm.store %x, %out : i64, !llvm.ptr<1>
  llvm.return
}
//--- fp8.mlir
llvm.func @fp8(%a: i32, %f: f32, %out: !llvm.ptr<1>) attributes {nvvm.kernel} {
  %d = llvm.inline_asm "{ @!p mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {$0, $1, $2, $3}, {$4, $4, $4, $4}, {$4, $4}, {$5, $5, $5, $5}; }", "=f,=f,=f,=f,r,f" %a, %f : (i32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
  llvm.store %d, %out : !llvm.struct<(f32, f32, f32, f32)>, !llvm.ptr<1>
  llvm.return
}
//--- fp8-op.mlir
llvm.func @fp8(%a: i32, %f: f32, %out: !llvm.ptr<1>) attributes {nvvm.kernel} {
  %d = llvm.call_intrinsic "llvm.nvvm.mma.m16n8k32.row.col.f32.e4m3.e4m3.f32"(%a, %a, %a, %a, %a, %a, %f, %f, %f, %f) : (i32, i32, i32, i32, i32, i32, f32, f32, f32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
  llvm.store %d, %out : !llvm.struct<(f32, f32, f32, f32)>, !llvm.ptr<1>
  llvm.return
}
//--- tma.mlir
llvm.func @load(%s: !llvm.ptr<7>, %b: !llvm.ptr<3>, %m: !llvm.ptr, %x: i32) attributes {nvvm.kernel} {
  nvvm.cp.async.bulk.tensor.shared.cluster.global %s, %m, %b, box[%x, %x] : !llvm.ptr<7>, !llvm.ptr
  llvm.return
}
//--- tma-cta.mlir
llvm.func @load(%s: !llvm.ptr<3>, %b: !llvm.ptr<3>, %m: !llvm.ptr, %x: i32) attributes {nvvm.kernel} {
  nvvm.cp.async.bulk.tensor.shared.cluster.global %s, %m, %b, box[%x, %x] {isCTAOnly = true} : !llvm.ptr<3>, !llvm.ptr
  llvm.return
}
//--- wgmma.mlir
llvm.func @fence() attributes {nvvm.kernel} {
  nvvm.wgmma.fence.aligned
  llvm.return
}
//--- cvt.mlir
llvm.func @cvt(%f: f32, %out: !llvm.ptr<1>) attributes {nvvm.kernel} {
  %c = nvvm.convert.f32x2.to.f8x2 %f, %f {sat = #nvvm.sat_mode<satfinite>, rnd = #nvvm.fp_rnd_mode<rn>} : i16 (f8E4M3FN)
  llvm.store %c, %out : i16, !llvm.ptr<1>
  llvm.return
}
//--- cluster.mlir
llvm.func @pair() attributes {nvvm.kernel, nvvm.cluster_dim = array<i32: 2>} {
  llvm.return
}
//--- alloca.mlir
llvm.func @stack(%n: i32) attributes {nvvm.kernel} {
  %p = llvm.alloca %n x i32 : (i32) -> !llvm.ptr
  llvm.store volatile %n, %p : i32, !llvm.ptr
  llvm.return
}
