// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s

// Attention of 64 rows with 64 keys of 128 channels at a time, as four warps
// with mma.sync do it: keys and values come through a ring of two places. It is
// written by hand, without a mask, and holds every op of the dialect.

#acc = #sm.acc<4 x 1>
#row = #sm.slice<1, #acc>
#column = #sm.slice<0, #acc>
#sum = #sm.partial<add, 1, #acc>
#largest = #sm.partial<maximum, 1, #acc>
#mover = #sm.mover<16, 4>
!q = memref<?x128xf16, strided<[?, 1]>>
!o = memref<?x128xf32, strided<[?, 1]>>
!block = !sm.buf<64, 128, f16>
!ring = !sm.ring<2 of !sm.buf<64, 128, f16>, !sm.buf<64, 128, f16>>

// CHECK-LABEL: sm.kernel @prefill(
// CHECK-SAME: warps(4)
sm.kernel @prefill(%q: !q, %k: !q, %v: !q, %o: !o) warps(4) {
  %room = sm.alloc : !sm.slot<64, 128, f16>
  // CHECK: sm.ring : <2 of <64, 128, f16>, <64, 128, f16>>
  %ring = sm.ring : !ring
  // CHECK: sm.roles ["all"] warps [4] registers [0]
  sm.roles ["all"] warps [4] registers [0] {
    %first = sm.cursor %ring : !ring
    // CHECK: sm.items init(%{{.+}} : !sm.cursor)
    %last = sm.items init(%first : !sm.cursor) {
    ^bb0(%item: !sm.item, %start: !sm.cursor):
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c64 = arith.constant 64 : index
      %begin = sm.field %item "kv_begin"
      %tiles = sm.field %item "kv_count"
      %coord, %minor, %count, %sym = sm.rows %item, %c0 : tensor<64xi32, #mover>
      %coord1, %minor1, %count1, %sym2 = sm.rows %item, %c0 : tensor<64xi32, #row>

      // Where rows of q lie; of o with another layout.
      %qa = sm.address %q : !q
      %qs = sm.stride %q, 0 : !q
      %c2 = arith.constant 2 : index
      %qb = arith.muli %qs, %c2 : index
      %qi = arith.index_cast %qb : index to i64
      %qbytes = sm.splat %qi : i64 -> tensor<64xi64, #mover>
      %qbase = sm.splat %qa : i64 -> tensor<64xi64, #mover>
      %wide = arith.extsi %coord : tensor<64xi32, #mover> to tensor<64xi64, #mover>
      %away = arith.muli %wide, %qbytes : tensor<64xi64, #mover>
      %addresses = arith.addi %qbase, %away : tensor<64xi64, #mover>
      %all = arith.constant dense<true> : tensor<64xi1, #mover>
      // CHECK: sm.copy %{{.+}} live %{{.+}} to %{{.+}} :
      %token = sm.copy %addresses live %all to %room : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !sm.slot<64, 128, f16>
      // CHECK: sm.wait %{{.+}} after %{{.+}} : !sm.slot<64, 128, f16> -> !sm.buf<64, 128, f16>
      %qbuf = sm.wait %room after %token : !sm.slot<64, 128, f16> -> !block
      // CHECK: sm.lds %{{.+}} : <64, 128, f16> -> tensor<64x128xf16, #sm.acc<4 x 1>>
      %qf = sm.lds %qbuf : !block -> tensor<64x128xf16, #acc>

      %z = arith.constant dense<0.0> : tensor<64x64xf32, #acc>
      %zo = arith.constant dense<0.0> : tensor<64x128xf32, #acc>
      %low = arith.constant dense<0xFF800000> : tensor<64xf32, #row>
      %none = arith.constant dense<0.0> : tensor<64xf32, #sum>
      %m, %l, %acc, %end = scf.for %t = %begin to %tiles step %c1 iter_args(%m0 = %low, %l0 = %none, %o0 = %zo, %at = %start)
          -> (tensor<64xf32, #row>, tensor<64xf32, #sum>, tensor<64x128xf32, #acc>, !sm.cursor) {
        // CHECK: sm.fill %{{.+}}, %{{.+}} {
        %filled = sm.fill %ring, %at {
        ^bb0(%ks: !sm.slot<64, 128, f16>, %vs: !sm.slot<64, 128, f16>):
          %ka = sm.address %k : !q
          %kb = sm.splat %ka : i64 -> tensor<64xi64, #mover>
          %t1 = sm.copy %kb live %all to %ks : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !sm.slot<64, 128, f16>
          %t2 = sm.copy %kb live %all to %vs : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !sm.slot<64, 128, f16>
          sm.yield
        } : !ring
        // CHECK: sm.take %{{.+}}, %{{.+}} after %{{.+}} :
        %kb, %vb = sm.take %ring, %at after %filled : !ring -> !block, !block
        // CHECK: sm.gemm %{{.+}}, %{{.+}} acc(%{{.+}}) {transposeB} :
        %s = sm.gemm %qf, %kb acc(%z) {transposeB} : tensor<64x128xf16, #acc>, !block -> tensor<64x64xf32, #acc>
        // CHECK: sm.reduce {{ *}}maximum %{{.+}} along 1 :
        %m1 = sm.reduce maximum %s along 1 : tensor<64x64xf32, #acc> -> tensor<64xf32, #largest>
        // CHECK: sm.complete
        %m2 = sm.complete %m1 : tensor<64xf32, #largest> -> tensor<64xf32, #row>
        %m3 = arith.maximumf %m0, %m2 : tensor<64xf32, #row>
        // CHECK: sm.expand %{{.+}} along 1 :
        %me = sm.expand %m3 along 1 : tensor<64xf32, #row> -> tensor<64x64xf32, #acc>
        %d = arith.subf %s, %me : tensor<64x64xf32, #acc>
        %p = math.exp2 %d : tensor<64x64xf32, #acc>
        %l1 = sm.reduce add %p along 1 : tensor<64x64xf32, #acc> -> tensor<64xf32, #sum>
        %l2 = arith.addf %l0, %l1 : tensor<64xf32, #sum>
        %ph = arith.truncf %p : tensor<64x64xf32, #acc> to tensor<64x64xf16, #acc>
        %o1 = sm.gemm %ph, %vb acc(%o0) : tensor<64x64xf16, #acc>, !block -> tensor<64x128xf32, #acc>
        // CHECK: sm.release
        sm.release %ring, %at : !ring
        // CHECK: sm.advance
        %next = sm.advance %ring, %at : !ring
        scf.yield %m3, %l2, %o1, %next : tensor<64xf32, #row>, tensor<64xf32, #sum>, tensor<64x128xf32, #acc>, !sm.cursor
      }
      %total = sm.complete %l : tensor<64xf32, #sum> -> tensor<64xf32, #row>
      %te = sm.expand %total along 1 : tensor<64xf32, #row> -> tensor<64x128xf32, #acc>
      %result = arith.divf %acc, %te : tensor<64x128xf32, #acc>
      // CHECK: sm.coord
      %number = sm.coord %c0 : tensor<64xi32, #row>
      %n = arith.index_cast %count1 : index to i32
      %ns = sm.splat %n : i32 -> tensor<64xi32, #row>
      %live = arith.cmpi slt, %number, %ns : tensor<64xi32, #row>
      %oa = sm.address %o : !o
      %obase = sm.splat %oa : i64 -> tensor<64xi64, #row>
      // CHECK: sm.load_rows
      %old = sm.load_rows %obase live %live : tensor<64xi64, #row>, tensor<64xi1, #row> -> tensor<64x128xf32, #acc>
      // CHECK: sm.load %{{.+}} live
      %bias = sm.load %obase live %live : tensor<64xi64, #row>, tensor<64xi1, #row> -> tensor<64xf32, #row>
      %be = sm.expand %bias along 1 : tensor<64xf32, #row> -> tensor<64x128xf32, #acc>
      %sum = arith.addf %result, %old : tensor<64x128xf32, #acc>
      %sum1 = arith.addf %sum, %be : tensor<64x128xf32, #acc>
      // CHECK: sm.store_rows
      sm.store_rows %sum1 to %obase live %live : tensor<64x128xf32, #acc>, tensor<64xi64, #row>, tensor<64xi1, #row>
      sm.yield %end : !sm.cursor
    }
    sm.yield
  }
  sm.return
}
