// RUN: attn-translate --emit=ptx --chip=sm_80 %s | FileCheck %s
// Inline assembly that the threads of a warp run together is copied into the arms of a branch that they take differently.

// Both branches ask the same. What may be copied is: one way through both arms,
// one through none.
// CHECK-LABEL: .visible .entry assembly(
// CHECK: bar.sync 5;
// CHECK-NOT: bar.sync
// CHECK: ret;
llvm.func @assembly(%p: !llvm.ptr<1>, %n: i32) attributes {nvvm.kernel} {
  %tid = nvvm.read.ptx.sreg.tid.x : i32
  %c = llvm.icmp "slt" %tid, %n : i32
  llvm.cond_br %c, ^first, ^join
^first:
  llvm.store volatile %tid, %p : i32, !llvm.ptr<1>
  llvm.br ^join
^join:
  llvm.inline_asm has_side_effects "bar.sync 5;", "~{memory}" : () -> ()
  llvm.cond_br %c, ^second, ^done
^second:
  llvm.store volatile %n, %p : i32, !llvm.ptr<1>
  llvm.br ^done
^done:
  llvm.return
}

// An op of NVVM that becomes inline assembly.
// CHECK-LABEL: .visible .entry op(
// CHECK: bar.arrive
// CHECK-NOT: bar.arrive
// CHECK: ret;
llvm.func @op(%p: !llvm.ptr<1>, %n: i32) attributes {nvvm.kernel} {
  %tid = nvvm.read.ptx.sreg.tid.x : i32
  %c = llvm.icmp "slt" %tid, %n : i32
  llvm.cond_br %c, ^first, ^join
^first:
  llvm.store volatile %tid, %p : i32, !llvm.ptr<1>
  llvm.br ^join
^join:
  nvvm.barrier.arrive number_of_threads = %n
  llvm.cond_br %c, ^second, ^done
^second:
  llvm.store volatile %n, %p : i32, !llvm.ptr<1>
  llvm.br ^done
^done:
  llvm.return
}

// A function with inline assembly in it, and one of which nothing is known.
// CHECK-LABEL: .visible .entry call(
// CHECK: call.uni wait,
// CHECK-NOT: call.uni
// CHECK: ret;
llvm.func @wait() attributes {no_inline} {
  llvm.inline_asm has_side_effects "bar.sync 6;", "~{memory}" : () -> ()
  llvm.return
}
llvm.func @call(%p: !llvm.ptr<1>, %n: i32) attributes {nvvm.kernel} {
  %tid = nvvm.read.ptx.sreg.tid.x : i32
  %c = llvm.icmp "slt" %tid, %n : i32
  llvm.cond_br %c, ^first, ^join
^first:
  llvm.store volatile %tid, %p : i32, !llvm.ptr<1>
  llvm.br ^join
^join:
  llvm.call @wait() : () -> ()
  llvm.cond_br %c, ^second, ^done
^second:
  llvm.store volatile %n, %p : i32, !llvm.ptr<1>
  llvm.br ^done
^done:
  llvm.return
}

// CHECK-LABEL: .visible .entry pointer(
// CHECK: call %rd
// CHECK-NOT: call %rd
// CHECK: ret;
llvm.func @pointer(%p: !llvm.ptr<1>, %n: i32) attributes {nvvm.kernel} {
  %tid = nvvm.read.ptx.sreg.tid.x : i32
  %c = llvm.icmp "slt" %tid, %n : i32
  %f = llvm.inttoptr %n : i32 to !llvm.ptr
  llvm.cond_br %c, ^first, ^join
^first:
  llvm.store volatile %tid, %p : i32, !llvm.ptr<1>
  llvm.br ^join
^join:
  llvm.call %f() : !llvm.ptr, () -> ()
  llvm.cond_br %c, ^second, ^done
^second:
  llvm.store volatile %n, %p : i32, !llvm.ptr<1>
  llvm.br ^done
^done:
  llvm.return
}
