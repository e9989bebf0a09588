// RUN: attn-opt %s --sm-allocate-shared --sm-place-waits --convert-sm-to-nvvm --cse | FileCheck %s
// RUN: attn-opt %s --sm-allocate-shared --sm-place-waits --convert-sm-to-nvvm | attn-translate --emit=ptx --chip=sm_90a - | FileCheck %s --check-prefix=PTX
// RUN: attn-opt %s --sm-place-waits | FileCheck %s --check-prefix=WAIT

// Causal attention over pages of 16 tokens as Hopper runs it best. One group of
// warps only loads: rows of q by cp.async, keys and values page by page by
// tensor maps. Two others have 64 rows each. While one of them exponentiates,
// the other multiplies; and each begins the scores of a tile before it adds up
// the values of the one before. hopper-ptxas.test and
// unittests/Conversion/SMToNVVM/HopperTest.cpp assemble and run it.
//
// A record is up to 128 rows of one sequence and one head at consecutive
// positions. Sequence s has lengths[s] tokens, of which 16 lie in each page
// table[s, .]; the row at position p is row starts[s] + p of q and o. `scale`
// goes with powers of 2 and is positive.

#acc = #sm.acc<4 x 1>
#row = #sm.slice<1, #acc>
#column = #sm.slice<0, #acc>
#sum = #sm.partial<add, 1, #acc>
#largest = #sm.partial<maximum, 1, #acc>
#mover = #sm.mover<8, 4>
#lanes = #sm.lanes<4>
!q = memref<?x?x128xbf16, strided<[?, ?, 1]>>
!o = memref<?x?x128xf32, strided<[?, ?, 1]>>
!pool = memref<?x16x?x128xbf16, strided<[?, ?, ?, 1]>>
!table = memref<?x?xi32, strided<[?, ?]>>
!numbers = memref<?xi32>
!map = !sm.tensormap<[1, 16, 1, 128], bf16>
!half = !sm.buf<64, 128, bf16>
!tile = !sm.buf<128, 128, bf16>
!halfslot = !sm.slot<64, 128, bf16>
!tileslot = !sm.slot<128, 128, bf16>
!qring = !sm.ring<1 of !half, !half>
!ring = !sm.ring<2 of !tile>
!scores = !sm.inflight<tensor<64x128xf32, #acc>>

// Behind the arguments, the program and the stage come the maps.
// CHECK-LABEL: llvm.func @prefill(
// CHECK-SAME: !llvm.ptr {llvm.align = 8 : i64, llvm.byval = !llvm.array<912 x i8>, nvvm.grid_constant}, %{{[^:]+}}: !llvm.ptr<1>, %{{[^:]+}}: i32, %[[KMAP:[^:]+]]: !llvm.ptr {llvm.align = 64 : i64, llvm.byval = !llvm.array<128 x i8>, nvvm.grid_constant}
// CHECK-SAME: nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 384>
// 32 + 2 * 32 + 2 * 32 KB of buffers, and 3 barriers for each of 5 places.
// CHECK-SAME: sm.shared_bytes = 163960 : i64
// CHECK-SAME: sm.tensor_maps = [{box = array<i64: 1, 16, 1, 64>, element = bf16, swizzle = 128 : i64, tensor = 1 : i64}, {box = array<i64: 1, 16, 1, 64>, element = bf16, swizzle = 128 : i64, tensor = 2 : i64}]

// PTX: .visible .entry prefill(
// PTX: .param .align 64 .b8
// PTX: .reqntid 384
// PTX: .minnctapersm 1
sm.kernel @prefill(%q: !q, %k: !pool, %v: !pool, %table: !table,
    %lengths: !numbers, %starts: !numbers, %o: !o, %scale: f32, %group: index)
    warps(12) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %c8 = arith.constant 8 : index
  %c15 = arith.constant 15 : index
  %c16 = arith.constant 16 : index
  %c64 = arith.constant 64 : index
  %c127 = arith.constant 127 : index
  %c128 = arith.constant 128 : index
  %kmap = sm.tensor_map %k : !pool -> !map
  %vmap = sm.tensor_map %v : !pool -> !map
  %qs = sm.ring : !qring
  %ks = sm.ring : !ring
  %vs = sm.ring : !ring
  // One thread makes the barriers of all rings: one thread says that a place is
  // full, and a lane of each of 8 warps that it is empty.
  // CHECK-COUNT-12: nvvm.mbarrier.init
  // CHECK-NOT: nvvm.mbarrier.init
  // CHECK: nvvm.fence.mbarrier.init
  // CHECK: nvvm.barrier
  sm.roles ["load", "math"] warps [4, 4] instances [1, 2] registers [56, 224] {
    // CHECK: nvvm.setmaxregister decrease 56
    // PTX: setmaxnreg.dec.sync.aligned.u32 {{[[:space:]]*}}56
    %q0 = sm.cursor %qs : !qring
    %k0 = sm.cursor %ks : !ring
    %end:2 = sm.items init(%q0, %k0 : !sm.cursor, !sm.cursor) {
    ^bb0(%item: !sm.item, %qat: !sm.cursor, %start: !sm.cursor):
      %seq = sm.field %item "param"
      %head = sm.field %item "head"
      %sub = sm.field %item "sub_begin"
      %last = sm.field %item "row_last"
      %length32 = memref.load %lengths[%seq] : !numbers
      %length = arith.index_cast %length32 : i32 to index
      %first32 = memref.load %starts[%seq] : !numbers
      %first = arith.index_cast %first32 : i32 to index
      %behind = arith.addi %last, %one : index
      %reach = arith.minsi %behind, %length : index
      %up = arith.addi %reach, %c127 : index
      %tiles = arith.divsi %up, %c128 : index

      // Rows of q: a thread moves 16 bytes of each.
      %grp = arith.muli %head, %group : index
      %qhead = arith.addi %grp, %sub : index
      %qrow = sm.stride %q, 0 : !q
      %qcol = sm.stride %q, 1 : !q
      %qaway = arith.muli %qhead, %qcol : index
      %qfirst = arith.muli %first, %qrow : index
      %qelement = arith.addi %qaway, %qfirst : index
      %qbytes = arith.muli %qelement, %c2 : index
      %qbytes1 = arith.index_cast %qbytes : index to i64
      %qbase = sm.address %q : !q
      %qbegin = arith.addi %qbase, %qbytes1 : i64
      %qstep = arith.muli %qrow, %c2 : index
      %qstep1 = arith.index_cast %qstep : index to i64
      %qbegin1 = sm.splat %qbegin : i64 -> tensor<64xi64, #mover>
      %qstep2 = sm.splat %qstep1 : i64 -> tensor<64xi64, #mover>
      %number = sm.coord %zero : tensor<64xi32, #mover>
      // The copies are there when all threads have waited for their own; then
      // one of them arrives.
      // CHECK: nvvm.cp.async.commit.group
      // CHECK: nvvm.cp.async.wait.group 0
      // CHECK: nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = #nvvm.shared_space<cta>}
      // CHECK: nvvm.barrier id = %{{.+}} number_of_threads =
      // CHECK: nvvm.mbarrier.arrive
      %qtoken = sm.fill %qs, %qat {
      ^bb0(%upper: !halfslot, %lower: !halfslot):
        %p0, %m0, %n0, %sym = sm.rows %item, %zero : tensor<64xi32, #mover>
        %p1, %m1, %n1, %sym2 = sm.rows %item, %c64 : tensor<64xi32, #mover>
        %p0l = arith.extsi %p0 : tensor<64xi32, #mover> to tensor<64xi64, #mover>
        %p1l = arith.extsi %p1 : tensor<64xi32, #mover> to tensor<64xi64, #mover>
        %s0 = arith.muli %p0l, %qstep2 : tensor<64xi64, #mover>
        %s1 = arith.muli %p1l, %qstep2 : tensor<64xi64, #mover>
        %a0 = arith.addi %qbegin1, %s0 : tensor<64xi64, #mover>
        %a1 = arith.addi %qbegin1, %s1 : tensor<64xi64, #mover>
        %n0i = arith.index_cast %n0 : index to i32
        %n1i = arith.index_cast %n1 : index to i32
        %n0s = sm.splat %n0i : i32 -> tensor<64xi32, #mover>
        %n1s = sm.splat %n1i : i32 -> tensor<64xi32, #mover>
        %l0 = arith.cmpi slt, %number, %n0s : tensor<64xi32, #mover>
        %l1 = arith.cmpi slt, %number, %n1s : tensor<64xi32, #mover>
        %t0 = sm.copy %a0 live %l0 to %upper : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !halfslot
        %t1 = sm.copy %a1 live %l1 to %lower : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !halfslot
        sm.yield
      } : !qring
      %qnext = sm.advance %qs, %qat : !qring

      // Lane i of a warp knows page i of a tile.
      %tbase = sm.address %table : !table
      %trow = sm.stride %table, 0 : !table
      %tcol = sm.stride %table, 1 : !table
      %taway = arith.muli %seq, %trow : index
      %tbytes = arith.muli %taway, %c4 : index
      %tbytes1 = arith.index_cast %tbytes : index to i64
      %tbegin = arith.addi %tbase, %tbytes1 : i64
      %tbegin1 = sm.splat %tbegin : i64 -> tensor<8xi64, #lanes>
      %tstep = arith.muli %tcol, %c4 : index
      %tstep1 = arith.index_cast %tstep : index to i64
      %tstep2 = sm.splat %tstep1 : i64 -> tensor<8xi64, #lanes>
      %lengthUp = arith.addi %length, %c15 : index
      %pages = arith.divsi %lengthUp, %c16 : index
      %pages1 = arith.index_cast %pages : index to i32
      %pages2 = sm.splat %pages1 : i32 -> tensor<8xi32, #lanes>
      %after = scf.for %t = %zero to %tiles step %one iter_args(%at = %start) -> (!sm.cursor) {
        %page0 = arith.muli %t, %c8 : index
        %ordinal = sm.coord %page0 : tensor<8xi32, #lanes>
        %live = arith.cmpi slt, %ordinal, %pages2 : tensor<8xi32, #lanes>
        %wide = arith.extsi %ordinal : tensor<8xi32, #lanes> to tensor<8xi64, #lanes>
        %away = arith.muli %wide, %tstep2 : tensor<8xi64, #lanes>
        %entry = arith.addi %tbegin1, %away : tensor<8xi64, #lanes>
        %page = sm.load %entry live %live : tensor<8xi64, #lanes>, tensor<8xi1, #lanes> -> tensor<8xi32, #lanes>
        // All of a tile is expected at once; lanes 0 to 7 bring the first 64
        // channels of a page each, lanes 8 to 15 the others.
        // CHECK: nvvm.mbarrier.try_wait.parity
        // CHECK: nvvm.mbarrier.arrive.expect_tx
        // CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.+}}, %[[KMAP]], %{{.+}}, box[%{{.+}}, %{{.+}}, %{{.+}}, %{{.+}}]
        // PTX: cp.async.bulk.tensor.4d.shared::cluster.global
        %kt = sm.fill %ks, %at {
        ^bb0(%to: !tileslot):
          %token = sm.copy_boxes %kmap[%page, %zero, %head : tensor<8xi32, #lanes>, index, index] live %live to %to : !map, tensor<8xi1, #lanes>, !tileslot
          sm.yield
        } : !ring
        // Behind the end there may be anything, and 0 times NaN is none of 0.
        %token0 = arith.muli %t, %c128 : index
        %left = arith.subi %length, %token0 : index
        %isTail = arith.cmpi slt, %left, %c128 : index
        scf.if %isTail {
          %vt = sm.fill %vs, %at {
          ^bb0(%to: !tileslot):
            %token = sm.copy_boxes %vmap[%page, %zero, %head : tensor<8xi32, #lanes>, index, index] live %live to %to : !map, tensor<8xi1, #lanes>, !tileslot
            %landed = sm.wait %to after %token : !tileslot -> !tile
            sm.zero_rows %landed from %left : !tile
            sm.yield
          } : !ring
        } else {
          %vt = sm.fill %vs, %at {
          ^bb0(%to: !tileslot):
            %token = sm.copy_boxes %vmap[%page, %zero, %head : tensor<8xi32, #lanes>, index, index] live %live to %to : !map, tensor<8xi1, #lanes>, !tileslot
            sm.yield
          } : !ring
        }
        %next = sm.advance %ks, %at : !ring
        scf.yield %next : !sm.cursor
      }
      sm.yield %qnext, %after : !sm.cursor, !sm.cursor
    }
    sm.yield
  }, {
  ^bb0(%instance: index):
    // CHECK: nvvm.setmaxregister increase 224
    // PTX: setmaxnreg.inc.sync.aligned.u32 {{[[:space:]]*}}224
    %turns = sm.turns : !sm.turns
    %row0 = arith.muli %instance, %c64 : index
    %isUpper = arith.cmpi eq, %instance, %zero : index
    %q0 = sm.cursor %qs : !qring
    %k0 = sm.cursor %ks : !ring
    %v0 = sm.cursor %vs : !ring
    %end:3 = sm.items init(%q0, %k0, %v0 : !sm.cursor, !sm.cursor, !sm.cursor) {
    ^bb0(%item: !sm.item, %qat: !sm.cursor, %kstart: !sm.cursor, %vstart: !sm.cursor):
      %seq = sm.field %item "param"
      %head = sm.field %item "head"
      %sub = sm.field %item "sub_begin"
      %last = sm.field %item "row_last"
      %firstRow = sm.field %item "row_first"
      %length32 = memref.load %lengths[%seq] : !numbers
      %length = arith.index_cast %length32 : i32 to index
      %behind = arith.addi %last, %one : index
      %reach = arith.minsi %behind, %length : index
      %up = arith.addi %reach, %c127 : index
      %tiles = arith.divsi %up, %c128 : index
      %any = arith.cmpi sgt, %tiles, %zero : index

      // The last key that a row sees, and the first row of this instance.
      %position, %minor, %count, %sym3 = sm.rows %item, %row0 : tensor<64xi32, #row>
      %lastKey = arith.subi %length, %one : index
      %lastKey32 = arith.index_cast %lastKey : index to i32
      %lastKeys = sm.splat %lastKey32 : i32 -> tensor<64xi32, #row>
      %limit = arith.minsi %position, %lastKeys : tensor<64xi32, #row>
      %ownFirst = arith.addi %firstRow, %row0 : index
      %firstLimit = arith.minsi %ownFirst, %lastKey : index

      %low = arith.constant dense<0xFF800000> : tensor<64xf32, #row>
      %noSum = arith.constant dense<0.0> : tensor<64xf32, #sum>
      %zeros = arith.constant dense<0.0> : tensor<64xf32, #row>
      %nothing = arith.constant dense<0.0> : tensor<64x128xf32, #acc>
      %hidden = arith.constant dense<0xFF800000> : tensor<64x128xf32, #acc>
      %scales = sm.splat %scale : f32 -> tensor<64xf32, #row>
      %scaleAll = sm.splat %scale : f32 -> tensor<64x128xf32, #acc>

      %qu, %ql = sm.take %qs, %qat : !qring -> !half, !half
      %qb = arith.select %isUpper, %qu, %ql : !half
      %sum, %acc, %kend, %vend = scf.if %any -> (tensor<64xf32, #sum>, tensor<64x128xf32, #acc>, !sm.cursor, !sm.cursor) {
        // WAIT: sm.take
        %kb0 = sm.take %ks, %kstart : !ring -> !tile
        // 128 channels, 16 with each instruction.
        // CHECK: llvm.inline_asm has_side_effects "{{.*}}wgmma.fence.sync.aligned;
        // CHECK-SAME: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16
        // CHECK-SAME: wgmma.commit_group.sync.aligned;
        %i0 = sm.gemm_async %qb, %kb0 {transposeB} : !half, !tile -> !scores
        // WAIT: sm.wait {{.*}} {pending = 0 : i64} : !sm.inflight<tensor<64x128xf32
        %s0 = sm.wait %i0 : !scores -> tensor<64x128xf32, #acc>
        sm.release %ks, %kstart : !ring
        %kat0 = sm.advance %ks, %kstart : !ring
        %masks0 = arith.cmpi sgt, %c127, %firstLimit : index
        %x0 = scf.if %masks0 -> (tensor<64x128xf32, #acc>) {
          %key = sm.coord %zero : tensor<128xi32, #column>
          %keys = sm.expand %key along 0 : tensor<128xi32, #column> -> tensor<64x128xi32, #acc>
          %limits = sm.expand %limit along 1 : tensor<64xi32, #row> -> tensor<64x128xi32, #acc>
          %seen = arith.cmpi sle, %keys, %limits : tensor<64x128xi32, #acc>
          %y = arith.select %seen, %s0, %hidden : tensor<64x128xi1, #acc>, tensor<64x128xf32, #acc>
          scf.yield %y : tensor<64x128xf32, #acc>
        } else {
          scf.yield %s0 : tensor<64x128xf32, #acc>
        }
        %g0 = sm.reduce maximum %x0 along 1 : tensor<64x128xf32, #acc> -> tensor<64xf32, #largest>
        %mx0 = sm.complete %g0 : tensor<64xf32, #largest> -> tensor<64xf32, #row>
        // A row that sees nothing yet has no largest score.
        %none0 = arith.cmpf oeq, %mx0, %low : tensor<64xf32, #row>
        %safe0 = arith.select %none0, %zeros, %mx0 : tensor<64xi1, #row>, tensor<64xf32, #row>
        %b0 = arith.mulf %safe0, %scales : tensor<64xf32, #row>
        %be0 = sm.expand %b0 along 1 : tensor<64xf32, #row> -> tensor<64x128xf32, #acc>
        %xs0 = arith.mulf %x0, %scaleAll : tensor<64x128xf32, #acc>
        %d0 = arith.subf %xs0, %be0 : tensor<64x128xf32, #acc>
        %w0 = math.exp2 %d0 : tensor<64x128xf32, #acc>
        %l0 = sm.reduce add %w0 along 1 : tensor<64x128xf32, #acc> -> tensor<64xf32, #sum>
        %ph0 = arith.truncf %w0 : tensor<64x128xf32, #acc> to tensor<64x128xbf16, #acc>

        // WAIT: scf.for
        %m, %l, %sums, %p, %kat, %vat = scf.for %t = %one to %tiles step %one
            iter_args(%mi = %mx0, %li = %l0, %oi = %nothing, %pi = %ph0, %kc = %kat0, %vc = %vstart)
            -> (tensor<64xf32, #row>, tensor<64xf32, #sum>, tensor<64x128xf32, #acc>, tensor<64x128xbf16, #acc>, !sm.cursor, !sm.cursor) {
          %kb = sm.take %ks, %kc : !ring -> !tile
          // CHECK: nvvm.barrier id = %{{.+}} number_of_threads =
          sm.begin_turn %turns
          %si = sm.gemm_async %qb, %kb {transposeB} : !half, !tile -> !scores
          %vb = sm.take %vs, %vc : !ring -> !tile
          %ri = sm.gemm_async %pi, %vb acc(%oi : tensor<64x128xf32, #acc>) : tensor<64x128xbf16, #acc>, !tile -> !scores
          // CHECK: nvvm.barrier.arrive
          sm.end_turn %turns
          // The values may still be on their way.
          // CHECK: wgmma.wait_group.sync.aligned 1;
          // WAIT: sm.wait {{.*}} {pending = 1 : i64} : !sm.inflight<tensor<64x128xf32
          %s = sm.wait %si : !scores -> tensor<64x128xf32, #acc>
          sm.release %ks, %kc : !ring
          %key0 = arith.muli %t, %c128 : index
          %keyLast = arith.addi %key0, %c127 : index
          %masks = arith.cmpi sgt, %keyLast, %firstLimit : index
          %x = scf.if %masks -> (tensor<64x128xf32, #acc>) {
            %key = sm.coord %key0 : tensor<128xi32, #column>
            %keys = sm.expand %key along 0 : tensor<128xi32, #column> -> tensor<64x128xi32, #acc>
            %limits = sm.expand %limit along 1 : tensor<64xi32, #row> -> tensor<64x128xi32, #acc>
            %seen = arith.cmpi sle, %keys, %limits : tensor<64x128xi32, #acc>
            %y = arith.select %seen, %s, %hidden : tensor<64x128xi1, #acc>, tensor<64x128xf32, #acc>
            scf.yield %y : tensor<64x128xf32, #acc>
          } else {
            scf.yield %s : tensor<64x128xf32, #acc>
          }
          %g = sm.reduce maximum %x along 1 : tensor<64x128xf32, #acc> -> tensor<64xf32, #largest>
          %mx = sm.complete %g : tensor<64xf32, #largest> -> tensor<64xf32, #row>
          %mn = arith.maximumf %mi, %mx : tensor<64xf32, #row>
          %none = arith.cmpf oeq, %mn, %low : tensor<64xf32, #row>
          %safe = arith.select %none, %zeros, %mn : tensor<64xi1, #row>, tensor<64xf32, #row>
          %b = arith.mulf %safe, %scales : tensor<64xf32, #row>
          %ms = arith.mulf %mi, %scales : tensor<64xf32, #row>
          %fall = arith.subf %ms, %b : tensor<64xf32, #row>
          %alpha = math.exp2 %fall : tensor<64xf32, #row>
          %be = sm.expand %b along 1 : tensor<64xf32, #row> -> tensor<64x128xf32, #acc>
          %xs = arith.mulf %x, %scaleAll : tensor<64x128xf32, #acc>
          %d = arith.subf %xs, %be : tensor<64x128xf32, #acc>
          %w = math.exp2 %d : tensor<64x128xf32, #acc>
          // The sum stays in parts: each thread has its own columns.
          %lp = sm.reduce add %w along 1 : tensor<64x128xf32, #acc> -> tensor<64xf32, #sum>
          %alphas = sm.factor %alpha : tensor<64xf32, #row> -> tensor<64xf32, #sum>
          %ls = arith.mulf %li, %alphas : tensor<64xf32, #sum>
          %ln = arith.addf %ls, %lp : tensor<64xf32, #sum>
          // CHECK: wgmma.wait_group.sync.aligned 0;
          // WAIT: sm.wait {{.*}} {pending = 0 : i64} : !sm.inflight<tensor<64x128xf32
          %ro = sm.wait %ri : !scores -> tensor<64x128xf32, #acc>
          sm.release %vs, %vc : !ring
          %pn = arith.truncf %w : tensor<64x128xf32, #acc> to tensor<64x128xbf16, #acc>
          %ae = sm.expand %alpha along 1 : tensor<64xf32, #row> -> tensor<64x128xf32, #acc>
          %on = arith.mulf %ro, %ae : tensor<64x128xf32, #acc>
          %kn = sm.advance %ks, %kc : !ring
          %vn = sm.advance %vs, %vc : !ring
          scf.yield %mn, %ln, %on, %pn, %kn, %vn : tensor<64xf32, #row>, tensor<64xf32, #sum>, tensor<64x128xf32, #acc>, tensor<64x128xbf16, #acc>, !sm.cursor, !sm.cursor
        }
        %vbl = sm.take %vs, %vat : !ring -> !tile
        %il = sm.gemm_async %p, %vbl acc(%sums : tensor<64x128xf32, #acc>) : tensor<64x128xbf16, #acc>, !tile -> !scores
        %ol = sm.wait %il : !scores -> tensor<64x128xf32, #acc>
        sm.release %vs, %vat : !ring
        %vn1 = sm.advance %vs, %vat : !ring
        scf.yield %l, %ol, %kat, %vn1 : tensor<64xf32, #sum>, tensor<64x128xf32, #acc>, !sm.cursor, !sm.cursor
      } else {
        scf.yield %noSum, %nothing, %kstart, %vstart : tensor<64xf32, #sum>, tensor<64x128xf32, #acc>, !sm.cursor, !sm.cursor
      }
      sm.release %qs, %qat : !qring
      %qnext = sm.advance %qs, %qat : !qring

      %total = sm.complete %sum : tensor<64xf32, #sum> -> tensor<64xf32, #row>
      %isZero = arith.cmpf oeq, %total, %zeros : tensor<64xf32, #row>
      %ones = arith.constant dense<1.0> : tensor<64xf32, #row>
      %divisor = arith.select %isZero, %ones, %total : tensor<64xi1, #row>, tensor<64xf32, #row>
      %factor = arith.divf %ones, %divisor : tensor<64xf32, #row>
      %fe = sm.expand %factor along 1 : tensor<64xf32, #row> -> tensor<64x128xf32, #acc>
      %result = arith.mulf %acc, %fe : tensor<64x128xf32, #acc>

      %first32 = memref.load %starts[%seq] : !numbers
      %first = arith.index_cast %first32 : i32 to index
      %grp = arith.muli %head, %group : index
      %ohead = arith.addi %grp, %sub : index
      %orow = sm.stride %o, 0 : !o
      %ocol = sm.stride %o, 1 : !o
      %oaway = arith.muli %ohead, %ocol : index
      %ofirst = arith.muli %first, %orow : index
      %oelement = arith.addi %oaway, %ofirst : index
      %obytes = arith.muli %oelement, %c4 : index
      %obytes1 = arith.index_cast %obytes : index to i64
      %obase = sm.address %o : !o
      %obegin = arith.addi %obase, %obytes1 : i64
      %ostep = arith.muli %orow, %c4 : index
      %ostep1 = arith.index_cast %ostep : index to i64
      %obegin1 = sm.splat %obegin : i64 -> tensor<64xi64, #row>
      %ostep2 = sm.splat %ostep1 : i64 -> tensor<64xi64, #row>
      %positions = arith.extsi %position : tensor<64xi32, #row> to tensor<64xi64, #row>
      %osteps = arith.muli %positions, %ostep2 : tensor<64xi64, #row>
      %oa = arith.addi %obegin1, %osteps : tensor<64xi64, #row>
      %number = sm.coord %zero : tensor<64xi32, #row>
      %count32 = arith.index_cast %count : index to i32
      %counts = sm.splat %count32 : i32 -> tensor<64xi32, #row>
      %live = arith.cmpi slt, %number, %counts : tensor<64xi32, #row>
      sm.store_rows %result to %oa live %live : tensor<64x128xf32, #acc>, tensor<64xi64, #row>, tensor<64xi1, #row>
      sm.yield %qnext, %kend, %vend : !sm.cursor, !sm.cursor, !sm.cursor
    }
    sm.yield
  }
  sm.return
}
