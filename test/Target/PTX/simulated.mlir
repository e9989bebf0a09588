// RUN: attn-translate --chip=sm_80 %s -o %t.ptx
// RUN: ptx-sim %t.ptx --kernel=mean --grid=3 --arg=buf:f32:300:iota --arg=buf:f32:3:none --arg=f32:0.01 --print=1 --stats=- | FileCheck %s
// RUN: ptx-sim %t.ptx --kernel=tail --arg=buf:u32:4:iota --arg=buf:u32:4:none --arg=u32:8 --print=1 | FileCheck %s --check-prefix=TAIL
// A kernel that is emitted computes something else than it says, or races.

// The mean of 100 numbers per CTA: 49.5, 149.5, 249.5.
// CHECK: arg1:
// CHECK-NEXT: 49.5
// CHECK-SAME: 149.5
// CHECK-SAME: 249.5
// CHECK: findings: 0

// The copy of 16 bytes of which 8 are read: the others are 0.
// TAIL: arg1:
// TAIL-NEXT: 0 1 0 0
// TAIL: findings: 0

llvm.mlir.global internal @parts() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<4 x f32> {
  %0 = llvm.mlir.undef : !llvm.array<4 x f32>
  llvm.return %0 : !llvm.array<4 x f32>
}

// 128 threads; those behind the 100th add nothing. Sums in a warp go over
// shuffles, those of the four warps over shared memory.
llvm.func @mean(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>, %scale: f32) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 128>} {
  %tid = nvvm.read.ptx.sreg.tid.x : i32
  %cta = nvvm.read.ptx.sreg.ctaid.x : i32
  %zero = llvm.mlir.constant(0 : i32) : i32
  %zerof = llvm.mlir.constant(0.0 : f32) : f32
  %n = llvm.mlir.constant(100 : i32) : i32
  %full = llvm.mlir.constant(-1 : i32) : i32
  %clamp = llvm.mlir.constant(31 : i32) : i32
  %five = llvm.mlir.constant(5 : i32) : i32
  %base = llvm.mul %cta, %n : i32
  %index = llvm.add %base, %tid : i32
  %inside = llvm.icmp "slt" %tid, %n : i32
  llvm.cond_br %inside, ^read, ^sum(%zerof : f32)
^read:
  %address = llvm.getelementptr %in[%index] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  %value = llvm.load %address : !llvm.ptr<1> -> f32
  llvm.br ^sum(%value : f32)
^sum(%own: f32):
  %c16 = llvm.mlir.constant(16 : i32) : i32
  %c8 = llvm.mlir.constant(8 : i32) : i32
  %c4 = llvm.mlir.constant(4 : i32) : i32
  %c2 = llvm.mlir.constant(2 : i32) : i32
  %c1 = llvm.mlir.constant(1 : i32) : i32
  %m0 = nvvm.shfl.sync bfly %full, %own, %c16, %clamp : f32 -> f32
  %s0 = llvm.fadd %own, %m0 : f32
  %m1 = nvvm.shfl.sync bfly %full, %s0, %c8, %clamp : f32 -> f32
  %s1 = llvm.fadd %s0, %m1 : f32
  %m2 = nvvm.shfl.sync bfly %full, %s1, %c4, %clamp : f32 -> f32
  %s2 = llvm.fadd %s1, %m2 : f32
  %m3 = nvvm.shfl.sync bfly %full, %s2, %c2, %clamp : f32 -> f32
  %s3 = llvm.fadd %s2, %m3 : f32
  %m4 = nvvm.shfl.sync bfly %full, %s3, %c1, %clamp : f32 -> f32
  %s4 = llvm.fadd %s3, %m4 : f32
  %parts = llvm.mlir.addressof @parts : !llvm.ptr<3>
  %lane = llvm.and %tid, %clamp : i32
  %warp = llvm.lshr %tid, %five : i32
  %first = llvm.icmp "eq" %lane, %zero : i32
  llvm.cond_br %first, ^publish, ^meet
^publish:
  %slot = llvm.getelementptr %parts[%warp] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
  llvm.store %s4, %slot : f32, !llvm.ptr<3>
  llvm.br ^meet
^meet:
  llvm.inline_asm has_side_effects "bar.sync 0;", "~{memory}" : () -> ()
  %one = llvm.icmp "eq" %tid, %zero : i32
  llvm.cond_br %one, ^finish, ^done
^finish:
  %all = llvm.load %parts : !llvm.ptr<3> -> vector<4xf32>
  %total = "llvm.intr.vector.reduce.fadd"(%zerof, %all) : (f32, vector<4xf32>) -> f32
  %mean = llvm.fmul %total, %scale : f32
  %target = llvm.getelementptr %out[%cta] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
  llvm.store %mean, %target : f32, !llvm.ptr<1>
  llvm.br ^done
^done:
  llvm.return
}

// One thread copies the first bytes of a row of 16; cp.async fills up with 0.
llvm.func @tail(%in: !llvm.ptr<1>, %out: !llvm.ptr<1>, %bytes: i32) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 1>} {
  %parts = llvm.mlir.addressof @parts : !llvm.ptr<3>
  nvvm.cp.async.shared.global %parts, %in, 16, cache = cg, %bytes : !llvm.ptr<3>, !llvm.ptr<1>, i32
  nvvm.cp.async.commit.group
  nvvm.cp.async.wait.group 0
  %row = llvm.load %parts {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xi32>
  llvm.store %row, %out {alignment = 16 : i64} : vector<4xi32>, !llvm.ptr<1>
  llvm.return
}
