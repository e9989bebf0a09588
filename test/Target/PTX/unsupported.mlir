// RUN: rm -rf %t && split-file %s %t
// RUN: cd %t && sh all.sh | FileCheck %s
// Code that PTX has no form for ends the process in LLVM instead of giving one line.

// CHECK: alias.mlir: expects a module without aliases, but got 'a'
// CHECK-NEXT: alignment.mlir: expects an atomic of at most 16 bytes that is aligned to its size, but got 4 bytes aligned to 2 in 'f'
// CHECK-NEXT: callkernel.mlir: expects calls of functions, but got one of the kernel 'k' in 'f'
// CHECK-NEXT: constructor.mlir: expects a module without constructors, but got 'llvm.global_ctors'
// CHECK-NEXT: cycle.mlir: expects a value that does not refer to itself, but got that for 'g'
// CHECK-NEXT: exp.mlir: expects functions of PTX (exp2, sin, cos, tanh, sqrt, and llvm.nvvm.lg2.approx), but got 'exp' in 'f'
// CHECK-NEXT: exp2.mlir: expects f32 or a smaller type, but got f64 for 'exp2' in 'f'
// CHECK-NEXT: fence.mlir: expects a scope of system (none), device, block, cluster, but got 'agent' in 'f'
// CHECK-NEXT: foreign.mlir:2:8: expects ops of llvm and nvvm, but got 'builtin.unrealized_conversion_cast'
// CHECK-NEXT: intrinsic.mlir: expects an intrinsic that has a form in PTX, but got 'llvm.nvvm.discard.L2' in 'f'
// CHECK-NEXT: lround.mlir: expects an intrinsic that has a form in PTX, but got 'lround' in 'f'
// CHECK-NEXT: quad.mlir: expects f16, bf16, f32, f64, integers and pointers of the spaces 0 to 7 and 101, but got another type in 'f'
// CHECK-NEXT: result.mlir: expects a kernel without results, but got 'f' with one
// CHECK-NEXT: shared.mlir: expects no value for a variable in shared or local memory, but got one for 'g'
// CHECK-NEXT: sin.mlir: expects f32 or a smaller type and the flag afn, as PTX has an approximation only, but got no afn for 'sin' in 'f'
// CHECK-NEXT: space.mlir: expects variables in the address spaces 0, 1, 3, 4, 5, but got 'g' in 7
// CHECK-NEXT: thread_local.mlir: expects variables of the device, but got the thread-local 'g'
// CHECK-NEXT: value.mlir: expects numbers, addresses and aligned structures of them as a value, but got another one for 'g'
// CHECK-NOT: {{.}}

//--- all.sh
# An abort has another status than 2.
for f in *.mlir; do
  attn-translate --chip=sm_90 $f 2>&1
  [ $? -eq 2 ] || echo "$f: wrong status"
done
//--- alias.mlir
llvm.mlir.global external @g(1 : i32) : i32
llvm.mlir.alias external @a : i32 {
  %0 = llvm.mlir.addressof @g : !llvm.ptr
  llvm.return %0 : !llvm.ptr
}
//--- alignment.mlir
llvm.func @f(%p: !llvm.ptr, %n: i32) {
  llvm.store %n, %p atomic release {alignment = 2 : i64} : i32, !llvm.ptr
  llvm.return
}
//--- callkernel.mlir
llvm.func @k() attributes {nvvm.kernel} {
  llvm.return
}
llvm.func @f() {
  llvm.call ptx_kernelcc @k() : () -> ()
  llvm.return
}
//--- constructor.mlir
llvm.func @f() {
  llvm.return
}
llvm.mlir.global_ctors ctors = [@f], priorities = [0 : i32], data = [#llvm.zero]
//--- cycle.mlir
llvm.mlir.global external @g() : !llvm.ptr {
  %0 = llvm.mlir.addressof @h : !llvm.ptr
  llvm.return %0 : !llvm.ptr
}
llvm.mlir.global external @h() : !llvm.ptr {
  %0 = llvm.mlir.addressof @g : !llvm.ptr
  llvm.return %0 : !llvm.ptr
}
//--- exp.mlir
llvm.func @f(%a: f32) -> f32 {
  %r = llvm.intr.exp(%a) {fastmathFlags = #llvm.fastmath<fast>} : (f32) -> f32
  llvm.return %r : f32
}
//--- exp2.mlir
llvm.func @f(%a: f64) -> f64 {
  %r = llvm.intr.exp2(%a) : (f64) -> f64
  llvm.return %r : f64
}
//--- fence.mlir
llvm.func @f() {
  llvm.fence syncscope("agent") seq_cst
  llvm.return
}
//--- foreign.mlir
llvm.func @f(%a: i32) {
  %0 = builtin.unrealized_conversion_cast %a : i32 to i16
  llvm.return
}
//--- intrinsic.mlir
llvm.func @f(%p: !llvm.ptr) {
  %n = llvm.mlir.constant(128 : i64) : i64
  llvm.call_intrinsic "llvm.nvvm.discard.L2"(%p, %n) : (!llvm.ptr, i64) -> ()
  llvm.return
}
//--- lround.mlir
llvm.func @f(%a: f32) -> i32 {
  %r = llvm.intr.lround(%a) : (f32) -> i32
  llvm.return %r : i32
}
//--- quad.mlir
llvm.func @f(%a: f128) -> f128 {
  %r = llvm.fadd %a, %a : f128
  llvm.return %r : f128
}
//--- result.mlir
llvm.func @f(%a: i32) -> i32 attributes {nvvm.kernel} {
  llvm.return %a : i32
}
//--- shared.mlir
llvm.mlir.global external @g(1 : i32) {addr_space = 3 : i32} : i32
//--- sin.mlir
llvm.func @f(%a: f32) -> f32 {
  %r = llvm.intr.sin(%a) : (f32) -> f32
  llvm.return %r : f32
}
//--- space.mlir
llvm.mlir.global external @g(1 : i32) {addr_space = 7 : i32} : i32
//--- thread_local.mlir
llvm.mlir.global external thread_local @g(1 : i32) : i32
//--- value.mlir
llvm.mlir.global external @h(1 : i32) : i32
llvm.mlir.global external @g() : i64 {
  %0 = llvm.mlir.addressof @h : !llvm.ptr
  %1 = llvm.ptrtoint %0 : !llvm.ptr to i64
  %2 = llvm.mlir.constant(3 : i64) : i64
  %3 = llvm.sub %1, %2 : i64
  llvm.return %3 : i64
}
