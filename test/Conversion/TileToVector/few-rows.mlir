// RUN: attn-opt %s -convert-tile-to-vector=dots-bf16=true | FileCheck %s
// RUN: attn-opt %s -convert-tile-to-vector | FileCheck %s --check-prefix=F32
// RUN: attn-opt %s -convert-tile-to-vector="lanes=8 registers=16" | FileCheck %s --check-prefix=NARROW
// With few live rows nothing of keys and values is packed: pairs of keys are spread over lanes that run along the rows, values are multiplied where they lie; with many rows both are packed. The addresses of the next tile are found one step ahead, and its lines fetched by the dots.

// CHECK-LABEL: func.func @decode(
// Two tables of addresses take turns.
// CHECK: llvm.ptrtoint
// CHECK: arith.cmpi sle
// CHECK: scf.if
// CHECK: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.256"
// CHECK: "llvm.intr.prefetch"{{.*}}hint = 2
// CHECK: } else {
// CHECK: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"

// F32-LABEL: func.func @decode(
// F32-NOT: dpbf16ps
// F32: vector.fma {{.*}} : vector<8xf32>
// F32: vector.fma {{.*}} : vector<16xf32>

// NARROW-LABEL: func.func @decode(
// NARROW-NOT: vector<16xf32>
// NARROW: vector.fma {{.*}} : vector<8xf32>
tile.kernel items @decode(%q: memref<?x64xbf16, strided<[?, 1]>>, %k: memref<?x64xbf16, strided<[?, 1]>>,
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
