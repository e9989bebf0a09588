// REQUIRES: ptxas
// RUN: rm -rf %t && split-file %s %t
// RUN: attn-translate --emit=cubin --chip=sm_80 --strict --ptxas-table %S/kernel.mlir -o %t/k80.cubin 2>&1 | FileCheck %s --check-prefix=CLEAN --implicit-check-not=warning
// RUN: attn-translate --emit=cubin --chip=sm_86 --strict %S/kernel.mlir -o %t/k86.cubin 2>&1 | count 0
// RUN: attn-translate --emit=cubin --chip=sm_89 --strict %S/kernel.mlir -o %t/k89.cubin 2>&1 | count 0
// RUN: attn-translate --emit=cubin --chip=sm_90a --strict %S/kernel.mlir -o %t/k90.cubin 2>&1 | count 0
// RUN: attn-translate --emit=cubin --chip=sm_120 --strict %S/kernel.mlir -o %t/k120.cubin 2>&1 | count 0
// RUN: not cmp %t/k80.cubin %t/k120.cubin
// RUN: %python %S/Inputs/cubin.py %t/k80.cubin
// RUN: attn-translate --chip=sm_89 --strict %t/fp8.mlir -o %t/fp8.ptx 2>&1 | count 0
// RUN: %python %S/Inputs/spill.py > %t/spill.mlir
// RUN: attn-translate --emit=cubin --chip=sm_80 %t/spill.mlir -o %t/spill.cubin 2>&1 | FileCheck %s --check-prefix=SPILL
// RUN: not attn-translate --chip=sm_80 --strict %t/spill.mlir -o %t/spill.ptx 2>&1 | FileCheck %s --check-prefix=SPILL
// RUN: FileCheck %s --check-prefix=WRITTEN < %t/spill.ptx
// RUN: not attn-translate --emit=cubin --chip=sm_90a --strict %t/registers.mlir -o %t/r.cubin 2>&1 | FileCheck %s --check-prefix=C7508
// RUN: attn-translate --chip=sm_80 %t/syntax.mlir | FileCheck %s --check-prefix=SYNTAX
// RUN: not attn-translate --emit=cubin --chip=sm_80 %t/syntax.mlir 2>&1 | FileCheck %s --check-prefix=REFUSED
// ptxas does not take what is emitted, or it says that a kernel is slow and no one hears of it.

// CLEAN: function {{ *}}registers
// CLEAN-DAG: {{^limits +[1-9][0-9]* +0 +0 +0 +0 +0$}}
// CLEAN-DAG: {{^arithmetic +[1-9][0-9]* +0 +0 +0 +0 +0$}}
// CLEAN-DAG: {{^tensor_cores +[1-9][0-9]* +1 +0 +0 +0 +0$}}
// SPILL: warning: {{.*}}kernel 'spill' spills: {{[1-9][0-9]*}} bytes stored, {{[1-9][0-9]*}} bytes loaded at 32 registers
// WRITTEN: .maxnreg 32
// C7508: warning: {{.*}}kernel 'drop': ptxas C7508: {{.*}}setmaxnreg
// SYNTAX: wrong.u32 %r
// REFUSED: attn-translate: {{.*}}syntax.mlir: expects PTX that ptxas takes for sm_80, but it says: line {{[0-9]+}}: {{.*}}wrong

//--- fp8.mlir
llvm.func @fp8(%a: i32, %f: f32, %out: !llvm.ptr<1>) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 32>} {
  %d = llvm.inline_asm "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {$0, $1, $2, $3}, {$4, $4, $4, $4}, {$4, $4}, {$5, $5, $5, $5};", "=f,=f,=f,=f,r,f" %a, %f : (i32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
  llvm.store %d, %out : !llvm.struct<(f32, f32, f32, f32)>, !llvm.ptr<1>
  llvm.return
}
//--- registers.mlir
llvm.func @drop() attributes {nvvm.kernel} {
  nvvm.setmaxregister decrease 24
  llvm.return
}
//--- syntax.mlir
llvm.func @k(%a: i32) attributes {nvvm.kernel} {
  llvm.inline_asm has_side_effects "wrong.u32 $0;", "r" %a : (i32) -> ()
  llvm.return
}
