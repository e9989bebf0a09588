// RUN: attn-opt %s --verify-roundtrip -o /dev/null
// A kernel of items as convert-attn-to-tile writes it: paged causal attention with a group of query heads.
#set = affine_set<(d0, d1, d2, d3)[s0, s1] : (-d1 + s1 - 1 >= 0)>
#pg = affine_map<(b, m, g, e) -> (b, m floordiv 16)>
#ln = affine_map<(b, m, g, e) -> (b)>
#addr = affine_map<(b, m, g, e)[pg, len] -> (pg, m mod 16, g, e)>
tile.kernel items @paged(%q: memref<?x?x8x4x128xf16, strided<[?, ?, ?, ?, 1]>>, %kp: memref<?x16x8x128xf16, strided<[?, ?, ?, 1]>>,
    %vp: memref<?x16x8x128xf16, strided<[?, ?, ?, 1]>>, %table: memref<?x?xi32, strided<[?, 1]>>, %len: memref<?xi32, strided<[1]>>,
    %off: memref<?xi32, strided<[1]>>, %scale: f32, %out: memref<?x?x8x4x128xf32, strided<[?, ?, ?, ?, 1]>>,
    %sm: memref<?xf32, strided<[1]>>, %sl: memref<?xf32, strided<[1]>>, %sa: memref<?x128xf32, strided<[?, 1]>>) program(11) rows(96) cols(64) {
  %c0 = arith.constant 0 : index
  %c64 = arith.constant 64 : index
  %b = tile.item param
  %g = tile.item head
  %kvb = tile.item kv_begin
  %kvn = tile.item kv_count
  %slot = tile.item slot
  %first = tile.item row_first
  %last = tile.item row_last
  %p, %r, %count, %sym = tile.rows %c0 : vector<96xi32>
  %e = tile.coord %c0 : vector<128xi32>
  %len32 = memref.load %len[%b] : memref<?xi32, strided<[1]>>
  %lenb = arith.index_cast %len32 : i32 to index
  %off32 = memref.load %off[%b] : memref<?xi32, strided<[1]>>
  %offb = arith.index_cast %off32 : i32 to index
  %hi0 = arith.addi %kvb, %kvn : index
  %lim = arith.addi %last, %offb : index
  %c1 = arith.constant 1 : index
  %lim1 = arith.addi %lim, %c1 : index
  %hi1 = arith.minsi %hi0, %lim1 : index
  %hi = arith.minsi %hi1, %lenb : index
  %kb = arith.floordivsi %kvb, %c64 : index
  %ke = arith.ceildivsi %hi, %c64 : index
  %qt = tile.load %q[%b, %p, %g, %r, %e] axes [-1, 0, -1, 0, 1] : (memref<?x?x8x4x128xf16, strided<[?, ?, ?, ?, 1]>>, index, vector<96xi32>, index, vector<96xi32>, vector<128xi32>) -> vector<96x128xf16>
  %qf = arith.extf %qt : vector<96x128xf16> to vector<96x128xf32>
  %kview = tile.view %kp symbols(%table, %len) {symbolMaps = [#pg, #ln], where = [#set], address = #addr} : (memref<?x16x8x128xf16, strided<[?, ?, ?, 1]>>, memref<?x?xi32, strided<[?, 1]>>, memref<?xi32, strided<[1]>>) -> !tile.view<4 x f16>
  %vview = tile.view %vp symbols(%table, %len) {symbolMaps = [#pg, #ln], where = [#set], address = #addr} : (memref<?x16x8x128xf16, strided<[?, ?, ?, 1]>>, memref<?x?xi32, strided<[?, 1]>>, memref<?xi32, strided<[1]>>) -> !tile.view<4 x f16>
  %ninf = arith.constant dense<0xFF800000> : vector<96xf32>
  %zero = arith.constant dense<0.0> : vector<96xf32>
  %zero2 = arith.constant dense<0.0> : vector<96x128xf32>
  %res:3 = tile.fold from(%kb) to(%ke) state(%ninf, %zero, %zero2 : vector<96xf32>, vector<96xf32>, vector<96x128xf32>) class {
  ^bb0(%k: index):
    %true = arith.constant true
    %t0 = arith.muli %k, %c64 : index
    %t1 = arith.addi %t0, %c64 : index
    %fl = arith.addi %first, %offb : index
    %f1 = arith.addi %fl, %c1 : index
    %pa = arith.cmpi sgt, %t1, %f1 : index
    %pb = arith.cmpi sgt, %t1, %lenb : index
    %partial = arith.ori %pa, %pb : i1
    tile.yield %true, %partial : i1, i1
  } step {
  ^bb0(%k: index, %partial: i1, %m: vector<96xf32>, %l: vector<96xf32>, %a: vector<96x128xf32>):
    %t0 = arith.muli %k, %c64 : index
    %mc = tile.coord %t0 : vector<64xi32>
    %lb = arith.subi %kvb, %t0 : index
    %le = arith.subi %hi, %t0 : index
    %kt = tile.load %kview[%b, %mc, %g, %e] axes [-1, 0, -1, 1] live(%lb to %le) : (!tile.view<4 x f16>, index, vector<64xi32>, index, vector<128xi32>, index, index) -> vector<64x128xf16>
    %kf = arith.extf %kt : vector<64x128xf16> to vector<64x128xf32>
    %s0 = tile.dot %qf, %kf {transposeB} : (vector<96x128xf32>, vector<64x128xf32>) -> vector<96x64xf32>
    %sc = vector.broadcast %scale : f32 to vector<96x64xf32>
    %s = arith.mulf %s0, %sc : vector<96x64xf32>
    %mask = scf.if %partial -> vector<96x64xi1> {
      %offi = arith.index_cast %offb : index to i32
      %offv = vector.broadcast %offi : i32 to vector<96xi32>
      %po = arith.addi %p, %offv : vector<96xi32>
      %pe = tile.expand %po [0] : vector<96xi32> to vector<96x64xi32>
      %me = tile.expand %mc [1] : vector<64xi32> to vector<96x64xi32>
      %ca = arith.cmpi sge, %pe, %me : vector<96x64xi32>
      %leni = arith.index_cast %lenb : index to i32
      %lv = vector.broadcast %leni : i32 to vector<96x64xi32>
      %cl = arith.cmpi slt, %me, %lv : vector<96x64xi32>
      %c = arith.andi %ca, %cl : vector<96x64xi1>
      scf.yield %c : vector<96x64xi1>
    } else {
      %t = arith.constant dense<true> : vector<96x64xi1>
      scf.yield %t : vector<96x64xi1>
    }
    %ninf2 = arith.constant dense<0xFF800000> : vector<96x64xf32>
    %sm0 = arith.select %mask, %s, %ninf2 : vector<96x64xi1>, vector<96x64xf32>
    %lm = vector.multi_reduction <maximumf>, %sm0, %ninf [1] : vector<96x64xf32> to vector<96xf32>
    %mn = arith.maximumf %m, %lm : vector<96xf32>
    %mb = tile.expand %mn [0] : vector<96xf32> to vector<96x64xf32>
    %d = arith.subf %s, %mb : vector<96x64xf32>
    %x = math.exp %d : vector<96x64xf32>
    %zz = arith.constant dense<0.0> : vector<96x64xf32>
    %pm = arith.select %mask, %x, %zz : vector<96x64xi1>, vector<96x64xf32>
    %ls = vector.multi_reduction <add>, %pm, %zero [1] : vector<96x64xf32> to vector<96xf32>
    %dd = arith.subf %m, %mn : vector<96xf32>
    %corr = math.exp %dd : vector<96xf32>
    %same = arith.cmpf oeq, %m, %mn : vector<96xf32>
    %unit = arith.cmpf oeq, %m, %ninf : vector<96xf32>
    %l0 = arith.mulf %l, %corr : vector<96xf32>
    %l1 = arith.select %unit, %zero, %l0 : vector<96xi1>, vector<96xf32>
    %l2 = arith.select %same, %l, %l1 : vector<96xi1>, vector<96xf32>
    %ln = arith.addf %l2, %ls : vector<96xf32>
    %vt = tile.load %vview[%b, %mc, %g, %e] axes [-1, 0, -1, 1] live(%lb to %le) : (!tile.view<4 x f16>, index, vector<64xi32>, index, vector<128xi32>, index, index) -> vector<64x128xf16>
    %vf = arith.extf %vt : vector<64x128xf16> to vector<64x128xf32>
    %pv = tile.dot %pm, %vf : (vector<96x64xf32>, vector<64x128xf32>) -> vector<96x128xf32>
    %cb = tile.expand %corr [0] : vector<96xf32> to vector<96x128xf32>
    %sb = tile.expand %same [0] : vector<96xi1> to vector<96x128xi1>
    %ub = tile.expand %unit [0] : vector<96xi1> to vector<96x128xi1>
    %a0 = arith.mulf %a, %cb : vector<96x128xf32>
    %a1 = arith.select %ub, %zero2, %a0 : vector<96x128xi1>, vector<96x128xf32>
    %a2 = arith.select %sb, %a, %a1 : vector<96x128xi1>, vector<96x128xf32>
    %an = arith.addf %a2, %pv : vector<96x128xf32>
    tile.yield %mn, %ln, %an : vector<96xf32>, vector<96xf32>, vector<96x128xf32>
  } -> vector<96xf32>, vector<96xf32>, vector<96x128xf32>
  tile.finish %slot, %count state(%res#0, %res#1, %res#2 : vector<96xf32>, vector<96xf32>, vector<96x128xf32>) to(%sm, %sl, %sa : memref<?xf32, strided<[1]>>, memref<?xf32, strided<[1]>>, memref<?x128xf32, strided<[?, 1]>>) epilogue {
    %db = tile.expand %res#1 [0] : vector<96xf32> to vector<96x128xf32>
    %n0 = arith.divf %res#2, %db : vector<96x128xf32>
    %isz = arith.cmpf oeq, %res#2, %zero2 : vector<96x128xf32>
    %n = arith.select %isz, %res#2, %n0 : vector<96x128xi1>, vector<96x128xf32>
    tile.store %n, %out[%b, %p, %g, %r, %e] axes [-1, 0, -1, 0, 1] live(%c0 to %count) : vector<96x128xf32>, memref<?x?x8x4x128xf32, strided<[?, ?, ?, ?, 1]>>, index, vector<96xi32>, index, vector<96xi32>, vector<128xi32>, index, index
  }
  tile.return
}
