// RUN: attn-opt %s -convert-tile-to-vector="dots-bf16=true tiles-bf16=true" | FileCheck %s
// RUN: attn-opt %s -convert-tile-to-vector="tiles-bf16=true" | FileCheck %s --check-prefix=ALONE
// A matrix unit multiplies both dots of bf16. With few live rows keys are its rows where they lie, if they have one distance, and the sums are turned; with many, keys are packed part by part, where they are multiplied. Values are packed that way always. Whatever works fetches of the next tile. Sums of the second dot start from the state.

// CHECK-LABEL: func.func @prefill(
// CHECK-NOT: dpbf16ps
// Few rows: addresses decide whether columns of the first operand are copied.
// CHECK: %[[DIFFERS:.*]] = vector.reduction <or>
// CHECK: %[[REGULAR:.*]] = arith.cmpi eq, %[[DIFFERS]]
// CHECK: %[[PLACE:.*]]:2 = scf.if %[[REGULAR]] -> (i64, i64)
// CHECK: call_intrinsic "llvm.x86.tilezero.internal"
// CHECK: call_intrinsic "llvm.x86.tileloadd64.internal"(%{{.*}}, %{{.*}}, %{{.*}}, %[[PLACE]]#1)
// CHECK: call_intrinsic "llvm.x86.tdpbf16ps.internal"
// CHECK: "llvm.intr.prefetch"{{.*}}hint = 2
// CHECK: call_intrinsic "llvm.x86.tilestored64.internal"
// CHECK: vector.shuffle
// Many: packed in the same loop that multiplies.
// CHECK: } else {
// CHECK: scf.for
// CHECK: vector.shuffle
// CHECK: call_intrinsic "llvm.x86.tilezero.internal"
// CHECK: call_intrinsic "llvm.x86.tdpbf16ps.internal"
// The sums of the second dot are read.
// CHECK: memref.extract_aligned_pointer_as_index
// CHECK: "llvm.intr.prefetch"{{.*}}hint = 2
// CHECK-NOT: call_intrinsic "llvm.x86.tilezero.internal"
// CHECK: call_intrinsic "llvm.x86.tdpbf16ps.internal"
// CHECK: return

// The depth of the first dot fills no tile, that of the second does.
// CHECK-LABEL: func.func @narrow(
// CHECK: dpbf16ps
// CHECK: call_intrinsic "llvm.x86.tdpbf16ps.internal"

// ALONE-LABEL: func.func @prefill(
// ALONE-NOT: tdpbf16ps
tile.kernel items @prefill(%q: memref<?x64xbf16, strided<[?, 1]>>, %k: memref<?x64xbf16, strided<[?, 1]>>,
    %v: memref<?x64xbf16, strided<[?, 1]>>, %out: memref<?x64xf32, strided<[?, 1]>>) program(4) rows(96) cols(32) {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %zero = arith.constant dense<0.0> : vector<96x64xf32>
  %p, %r, %count, %sym = tile.rows %c0 : vector<96xi32>
  %e = tile.coord %c0 : vector<64xi32>
  %tiles = tile.item kv_count
  %qb = tile.load %q[%p, %e] axes [0, 1] : (memref<?x64xbf16, strided<[?, 1]>>, vector<96xi32>, vector<64xi32>) -> vector<96x64xbf16>
  %qf = arith.extf %qb : vector<96x64xbf16> to vector<96x64xf32>
  %o = tile.fold from(%c0) to(%tiles) state(%zero : vector<96x64xf32>) class {
  ^bb0(%t: index):
    %true = arith.constant true
    %false = arith.constant false
    tile.yield %true, %false : i1, i1
  } step {
  ^bb0(%t: index, %partial: i1, %acc: vector<96x64xf32>):
    %m0 = arith.muli %t, %c32 : index
    %m = tile.coord %m0 : vector<32xi32>
    %kb = tile.load %k[%m, %e] axes [0, 1] : (memref<?x64xbf16, strided<[?, 1]>>, vector<32xi32>, vector<64xi32>) -> vector<32x64xbf16>
    %kf = arith.extf %kb : vector<32x64xbf16> to vector<32x64xf32>
    %s = tile.dot %qf, %kf {transposeB} : (vector<96x64xf32>, vector<32x64xf32>) -> vector<96x32xf32>
    %vb = tile.load %v[%m, %e] axes [0, 1] : (memref<?x64xbf16, strided<[?, 1]>>, vector<32xi32>, vector<64xi32>) -> vector<32x64xbf16>
    %vf = arith.extf %vb : vector<32x64xbf16> to vector<32x64xf32>
    %add = tile.dot %s, %vf : (vector<96x32xf32>, vector<32x64xf32>) -> vector<96x64xf32>
    %next = arith.addf %acc, %add : vector<96x64xf32>
    tile.yield %next : vector<96x64xf32>
  } -> vector<96x64xf32>
  tile.store %o, %out[%p, %e] axes [0, 1] live(%c0 to %count) : vector<96x64xf32>, memref<?x64xf32, strided<[?, 1]>>, vector<96xi32>, vector<64xi32>, index, index
  tile.return
}

tile.kernel items @narrow(%q: memref<?x48xbf16, strided<[?, 1]>>, %k: memref<?x48xbf16, strided<[?, 1]>>,
    %v: memref<?x48xbf16, strided<[?, 1]>>, %out: memref<?x48xf32, strided<[?, 1]>>) program(4) rows(96) cols(32) {
  %c0 = arith.constant 0 : index
  %c32 = arith.constant 32 : index
  %zero = arith.constant dense<0.0> : vector<96x48xf32>
  %p, %r, %count, %sym = tile.rows %c0 : vector<96xi32>
  %e = tile.coord %c0 : vector<48xi32>
  %tiles = tile.item kv_count
  %qb = tile.load %q[%p, %e] axes [0, 1] : (memref<?x48xbf16, strided<[?, 1]>>, vector<96xi32>, vector<48xi32>) -> vector<96x48xbf16>
  %qf = arith.extf %qb : vector<96x48xbf16> to vector<96x48xf32>
  %o = tile.fold from(%c0) to(%tiles) state(%zero : vector<96x48xf32>) class {
  ^bb0(%t: index):
    %true = arith.constant true
    %false = arith.constant false
    tile.yield %true, %false : i1, i1
  } step {
  ^bb0(%t: index, %partial: i1, %acc: vector<96x48xf32>):
    %m0 = arith.muli %t, %c32 : index
    %m = tile.coord %m0 : vector<32xi32>
    %kb = tile.load %k[%m, %e] axes [0, 1] : (memref<?x48xbf16, strided<[?, 1]>>, vector<32xi32>, vector<48xi32>) -> vector<32x48xbf16>
    %kf = arith.extf %kb : vector<32x48xbf16> to vector<32x48xf32>
    %s = tile.dot %qf, %kf {transposeB} : (vector<96x48xf32>, vector<32x48xf32>) -> vector<96x32xf32>
    %vb = tile.load %v[%m, %e] axes [0, 1] : (memref<?x48xbf16, strided<[?, 1]>>, vector<32xi32>, vector<48xi32>) -> vector<32x48xbf16>
    %vf = arith.extf %vb : vector<32x48xbf16> to vector<32x48xf32>
    %add = tile.dot %s, %vf : (vector<96x32xf32>, vector<32x48xf32>) -> vector<96x48xf32>
    %next = arith.addf %acc, %add : vector<96x48xf32>
    tile.yield %next : vector<96x48xf32>
  } -> vector<96x48xf32>
  tile.store %o, %out[%p, %e] axes [0, 1] live(%c0 to %count) : vector<96x48xf32>, memref<?x48xf32, strided<[?, 1]>>, vector<96xi32>, vector<48xi32>, index, index
  tile.return
}
