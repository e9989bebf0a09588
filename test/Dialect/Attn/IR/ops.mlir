// RUN: attn-opt %s --verify-roundtrip | FileCheck %s
// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-local-scope | attn-opt | FileCheck %s
// RUN: attn-opt %s --emit-bytecode | attn-opt | FileCheck %s
// Every op and every clause keeps its meaning and its one spelling through text, generic form and bytecode.

// CHECK-LABEL: func.func @view_and_place
func.func @view_and_place(%kp: memref<?x16x8x128xf16>, %table: memref<?x?xi32>,
                          %len: tensor<?xi32>, %qptr: tensor<?xi32>,
                          %o: tensor<?x?x8xf32>, %dst: tensor<?x8xf32>,
                          %mem: memref<?x8xf32>) -> tensor<?x8xf32> {
  // CHECK: attn.view (b, m, g, e) symbols(pg = %{{.*}}[b, m floordiv 16], len = %{{.*}}[b]) where (-m + len - 1 >= 0) of %{{.*}}[pg, m mod 16, g, e] : (memref<?x16x8x128xf16>, memref<?x?xi32>, tensor<?xi32>) -> tensor<?x?x8x128xf16>
  %k = attn.view (b, m, g, e)
       symbols(pg = %table[b, m floordiv 16], len = %len[b]) where (m < len)
       of %kp[pg, m mod 16, g, e]
       : (memref<?x16x8x128xf16>, memref<?x?xi32>, tensor<?xi32>)
         -> tensor<?x?x8x128xf16>
  // CHECK: attn.place %{{.*}}[b, p, h] symbols(lo = %{{.*}}[b], hi = %{{.*}}[b + 1]) where (-p - lo + hi - 1 >= 0) into %{{.*}}[p + lo, h] : (tensor<?x?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x8xf32>
  %y = attn.place %o[b, p, h]
       symbols(lo = %qptr[b], hi = %qptr[b + 1]) where (lo + p < hi)
       into %dst[lo + p, h]
       : (tensor<?x?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>)
         -> tensor<?x8xf32>
  // CHECK: attn.place %{{.*}}[b, p, h] symbols(lo = %{{.*}}[b]) into %{{.*}}[p + lo, h] : (tensor<?x?x8xf32>, memref<?x8xf32>, tensor<?xi32>) -> ()
  attn.place %o[b, p, h] symbols(lo = %qptr[b]) into %mem[lo + p, h]
       : (tensor<?x?x8xf32>, memref<?x8xf32>, tensor<?xi32>) -> ()
  return %y : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @clauses
func.func @clauses(%q: tensor<2x?x8x4x64xf16>, %k: tensor<2x?x8x64xf16>,
                   %scale: f32, %off: tensor<2xi32>, %len: tensor<2xi32>,
                   %w: index, %tree: tensor<2x?x?xi1>, %doc: tensor<2x?xi32>,
                   %list: tensor<2x?xi32>, %count: tensor<2xi32>, %n: index)
    -> (tensor<2x8x4x?x?x64xf32>, tensor<2x8x4x?x?xf32>) {
  // CHECK: attn.cascade ranks(b, g, r, p, m1 to %{{.*}}, m0, e) -> (tensor<2x8x4x?x?x64xf32>, tensor<2x8x4x?x?xf32>)
  %o:2 = attn.cascade ranks(b, g, r, p, m1 to %n, m0, e)
      -> (tensor<2x8x4x?x?x64xf32>, tensor<2x8x4x?x?xf32>) {
    // CHECK: attn.select listed %{{.*}}[b], %{{.*}}[b] -> [b] : (tensor<2x?xi32>, tensor<2xi32>) -> !attn.coords<4, 32>
    %s = attn.select listed %list[b], %count[b] -> [b]
         : (tensor<2x?xi32>, tensor<2xi32>) -> !attn.coords<4, 32>
    // CHECK: attn.einsum %{{.*}}[b, p, g, r, e], %{{.*}}[b, m1 * 64 + m0, g, e], %{{.*}} -> [b, g, r, p, m1, m0] reduce add(e) symbols(off = %{{.*}}[b], len = %{{.*}}[b], w = %{{.*}}) where (p - m1 * 64 - m0 + off >= 0 and m1 * -64 - m0 + len - 1 >= 0) or (m1 * -64 - m0 + 3 >= 0 and p - w == 0) and %{{.*}}[b, p, m1 * 64 + m0] and %{{.*}}[b, p] == %{{.*}}[b, m1 * 64 + m0] at m1 in %{{.*}}[b] :
    %x = attn.einsum %q[b, p, g, r, e], %k[b, m1 * 64 + m0, g, e], %scale
         -> [b, g, r, p, m1, m0] reduce add(e)
         symbols(off = %off[b], len = %len[b], w = %w)
         where (p + off - m1 * 64 - m0 >= 0 and m1 * 64 + m0 < len)
            or (m1 * 64 + m0 <= 3 and p == w)
           and %tree[b, p, m1 * 64 + m0]
           and %doc[b, p] == %doc[b, m1 * 64 + m0]
         at m1 in %s[b]
         : (tensor<2x?x8x4x64xf16>, tensor<2x?x8x64xf16>, f32, tensor<2xi32>,
            tensor<2xi32>, index, tensor<2x?x?xi1>, tensor<2x?xi32>,
            tensor<2x?xi32>, !attn.coords<4, 32>) -> tensor<2x8x4x?x?x64xf32>
    // CHECK: attn.einsum %{{.*}}[b, g, r, p, m1, m0] -> [b, g, r, p, m1] reduce max(m0) where %{{.*}}[b, p] == %{{.*}}[b, p] : (tensor<2x8x4x?x?x64xf32>, tensor<2x?xi32>, tensor<2x?xi32>) -> tensor<2x8x4x?x?xf32> {
    %y = attn.einsum %x[b, g, r, p, m1, m0] -> [b, g, r, p, m1] reduce max(m0)
         where %doc[b, p] == %doc[b, p]
         : (tensor<2x8x4x?x?x64xf32>, tensor<2x?xi32>, tensor<2x?xi32>)
           -> tensor<2x8x4x?x?xf32> {
    ^bb0(%a: f32):
      // CHECK: attn.coord m0
      %c = attn.coord m0
      %i = arith.index_cast %c : index to i32
      %f = arith.sitofp %i : i32 to f32
      %z = arith.addf %a, %f : f32
      attn.yield %z : f32
    }
    attn.yield %x, %y : tensor<2x8x4x?x?x64xf32>, tensor<2x8x4x?x?xf32>
  }
  return %o#0, %o#1 : tensor<2x8x4x?x?x64xf32>, tensor<2x8x4x?x?xf32>
}

// CHECK-LABEL: func.func @select_rules
func.func @select_rules(%score: tensor<2x3x?xf32>, %tau: tensor<2xf32>) {
  attn.cascade ranks(b, t, n) {
    // CHECK: attn.select topk %{{.*}}[b, t, n] over n -> [b, t] : (tensor<2x3x?xf32>) -> !attn.coords<1, 8>
    %k = attn.select topk %score[b, t, n] over n -> [b, t]
         : (tensor<2x3x?xf32>) -> !attn.coords<1, 8>
    // CHECK: attn.select threshold %{{.*}}[b, t, n], %{{.*}}[b] over n -> [b, t] : (tensor<2x3x?xf32>, tensor<2xf32>) -> !attn.coords<1, 32>
    %h = attn.select threshold %score[b, t, n], %tau[b] over n -> [b, t]
         : (tensor<2x3x?xf32>, tensor<2xf32>) -> !attn.coords<1, 32>
    attn.yield
  }
  return
}

// CHECK-LABEL: func.func @fold
func.func @fold(%k: tensor<2x?x8xf32>, %n: index, %zero: f32, %ninf: f32)
    -> (tensor<2x8xf32>, tensor<2x8xf32>) {
  %o:2 = attn.cascade ranks(b, m1, m0, e)
      -> (tensor<2x8xf32>, tensor<2x8xf32>) {
    // CHECK: attn.fold over m1 to %{{.*}} ordered state(%{{.*}}[b, e] = %{{.*}}, %{{.*}}[b, e] = %{{.*}}) : tensor<2x8xf32>, tensor<2x8xf32> step {
    %s:2 = attn.fold over m1 to %n ordered
        state(%a[b, e] = %zero, %m[b, e] = %ninf)
        : tensor<2x8xf32>, tensor<2x8xf32>
    step {
      %t = attn.einsum %k[b, m1 * 16 + m0, e] -> [b, m0, e]
           : (tensor<2x?x8xf32>) -> tensor<2x16x8xf32>
      %u = attn.einsum %t[b, m0, e] -> [b, e] reduce add(m0)
           : (tensor<2x16x8xf32>) -> tensor<2x8xf32>
      attn.yield %u, %m : tensor<2x8xf32>, tensor<2x8xf32>
    // CHECK: } merge(%{{.*}}, %{{.*}}) with(%{{.*}}, %{{.*}}) {
    } merge(%aa, %ma) with(%ab, %mb) {
      attn.yield %aa, %mb : tensor<2x8xf32>, tensor<2x8xf32>
    }
    attn.yield %s#0, %s#1 : tensor<2x8xf32>, tensor<2x8xf32>
  }
  return %o#0, %o#1 : tensor<2x8xf32>, tensor<2x8xf32>
}

// What the verifiers must not refuse, and spellings that the printer changes.
// CHECK-LABEL: func.func @accepted
func.func @accepted(%s: tensor<100xf32>, %len: memref<?xi32>, %n: i64,
                    %bias: tensor<16x8xf16>, %cols: tensor<?xi64>,
                    %pool: tensor<9x4xf32>, %begin: tensor<3xi32>, %pages: tensor<?xi32>)
    -> tensor<f32> {
  // A table that gives where to look in another one.
  // CHECK: attn.view (b, m) symbols(lo = %{{.*}}[b], pg = %{{.*}}[m floordiv 4 + lo]) of %{{.*}}[pg, m mod 4] : (tensor<9x4xf32>, tensor<3xi32>, tensor<?xi32>) -> tensor<3x?xf32>
  %lists = attn.view (b, m) symbols(lo = %begin[b], pg = %pages[lo + m floordiv 4]) of %pool[pg, m mod 4]
      : (tensor<9x4xf32>, tensor<3xi32>, tensor<?xi32>) -> tensor<3x?xf32>
  // CHECK: attn.view (m) where (-m + 99 >= 0) of %{{.*}}[m] : (tensor<100xf32>) -> tensor<128xf32>
  %v = attn.view (m) where (m < 100) of %s[m]
       : (tensor<100xf32>) -> tensor<128xf32>
  // CHECK: attn.view (m) symbols(lo = %{{.*}}) of %{{.*}}[m + lo] : (tensor<100xf32>, i64) -> tensor<128xf32>
  %w = attn.view (m) symbols(lo = %n) of %s[m + lo]
       : (tensor<100xf32>, i64) -> tensor<128xf32>
  // CHECK: attn.view (m, n) of %{{.*}}[m * 10 + n] : (tensor<100xf32>) -> tensor<10x10xf32>
  %u = attn.view (m, n) of %s[n + 5 * m + 5 * m]
       : (tensor<100xf32>) -> tensor<10x10xf32>
  %zero = arith.constant 0.0 : f32
  %o = attn.cascade ranks(f32, at_1, index, n) -> tensor<f32> {
    // A rank may have the name of a type or of an operation.
    // CHECK: attn.einsum -> [f32, at_1] : () -> tensor<16x8xf32> {
    %x = attn.einsum -> [f32, at_1] : () -> tensor<16x8xf32> {
      %i = attn.coord f32
      %j = attn.coord at_1
      %b = tensor.extract %bias[%i, %j] : tensor<16x8xf16>
      %e = arith.extf %b : f16 to f32
      attn.yield %e : f32
    }
    // CHECK: attn.einsum %{{.*}}[f32, at_1] -> [f32] reduce add(at_1) symbols(l = %{{.*}}[f32 floordiv 4]) where (-(at_1 mod 3) - (at_1 floordiv 2) * 5 + l - 1 >= 0)
    %y = attn.einsum %x[f32, at_1] -> [f32] reduce add(at_1)
         symbols(l = %len[f32 floordiv 4])
         where (0 < -(at_1 mod 3) - 5 * (at_1 floordiv 2) + l)
         : (tensor<16x8xf32>, memref<?xi32>) -> tensor<16xf32>
    // A rank that only data at its points has is counted by a reduction.
    // CHECK: attn.einsum %{{.*}} -> [] reduce add(n) where %{{.*}}[n] == %{{.*}} attributes {note = "count"} : (f32, tensor<?xi64>, i64) -> tensor<f32>
    %c = attn.einsum %zero -> [] reduce add(n) where %cols[n] == %n
         attributes {note = "count"} : (f32, tensor<?xi64>, i64) -> tensor<f32>
    attn.yield %c : tensor<f32>
  }
  return %o : tensor<f32>
}

// CHECK-LABEL: func.func @fold_coordinate
func.func @fold_coordinate(%k: tensor<?xf32>, %n: index, %zero: f32)
    -> tensor<f32> {
  %o = attn.cascade ranks(m1, m0) -> tensor<f32> {
    %s = attn.fold over m1 to %n state(%a[] = %zero) : tensor<f32> step {
      // CHECK: attn.coord m1
      %c = attn.coord m1
      %t = attn.einsum %k[m1 * 16 + m0], %c -> [m0] where (m1 + m0 >= 1)
           : (tensor<?xf32>, index) -> tensor<16xf32> {
      ^bb0(%x: f32, %i: index):
        // CHECK: attn.coord m1
        %d = attn.coord m1
        attn.yield %x : f32
      }
      %u = attn.einsum %t[m0] -> [] reduce add(m0)
           : (tensor<16xf32>) -> tensor<f32>
      attn.yield %u : tensor<f32>
    } merge(%l) with(%r) {
      %u = attn.einsum %l, %r -> [] : (tensor<f32>, tensor<f32>) -> tensor<f32>
      attn.yield %u : tensor<f32>
    }
    attn.yield %s : tensor<f32>
  }
  return %o : tensor<f32>
}
