// RUN: attn-run %s --entry=pages --print | FileCheck %s --check-prefix=PAGES
// RUN: attn-run %s --entry=ragged --print | FileCheck %s --check-prefix=RAGGED
// RUN: attn-run %s --entry=extents --print | FileCheck %s --check-prefix=EXTENTS
// RUN: attn-run %s --entry=nested --print | FileCheck %s --check-prefix=NESTED
// A view has other points, extents or elements than its domain and address say.

// Pages of 2, shuffled. What is in no domain may be anything: the table entries
// behind the lengths and the slots of NaN.
// PAGES: result #0: f64 3x3
// PAGES-NEXT: [10, 11, 20]
// PAGES-NEXT: [0, 0, 0]
// PAGES-NEXT: [30, 0, 0]
// PAGES-NEXT: result #1: f64 3
// PAGES-NEXT: [41, 0, 30]
func.func @pages() -> (tensor<?x?xf32>, tensor<?xf32>) {
  %pool = arith.constant dense<[[20.0, 0x7FC00000], [0x7FC00000, 0x7FC00000], [30.0, 0x7FC00000], [10.0, 11.0]]> : tensor<4x2xf32>
  %table = arith.constant dense<[[3, 0], [-1, 99], [2, 1000000]]> : tensor<3x2xi32>
  %len = arith.constant dense<[3, 0, 1]> : tensor<3xi32>
  %k = attn.view (b, m) symbols(pg = %table[b, m floordiv 2], len = %len[b]) where (m < len)
      of %pool[pg, m mod 2] : (tensor<4x2xf32>, tensor<3x2xi32>, tensor<3xi32>) -> tensor<?x?xf32>
  %o:2 = attn.cascade ranks(b, m) -> (tensor<?x?xf32>, tensor<?xf32>) {
    %x = attn.einsum %k[b, m] -> [b, m] : (tensor<?x?xf32>) -> tensor<?x?xf32>
    %s = attn.einsum %k[b, m] -> [b] reduce add(m) : (tensor<?x?xf32>) -> tensor<?xf32>
    attn.yield %x, %s : tensor<?x?xf32>, tensor<?xf32>
  }
  return %o#0, %o#1 : tensor<?x?xf32>, tensor<?xf32>
}

// Two symbols of one array: %ptr[b] and %ptr[b + 1] leave one request less than
// %ptr has entries.
// RAGGED: result #0: f64 3x2
// RAGGED-NEXT: [1, 2]
// RAGGED-NEXT: [0, 0]
// RAGGED-NEXT: [3, 0]
func.func @ragged() -> tensor<?x?xf32> {
  %flat = arith.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %ptr = arith.constant dense<[0, 2, 2, 3]> : tensor<4xi32>
  %q = attn.view (b, p) symbols(hi = %ptr[b + 1], lo = %ptr[b]) where (lo + p < hi)
      of %flat[lo + p] : (tensor<3xf32>, tensor<4xi32>, tensor<4xi32>) -> tensor<?x?xf32>
  return %q : tensor<?x?xf32>
}

// Bounds: through a division, in each disjunct of a union, by another axis that is
// itself bounded, and by the storage.
// EXTENTS: result #0: f64 5
// EXTENTS-NEXT: [6, 5, 3, 3, 4]
func.func @extents() -> tensor<5xi64> {
  %a = arith.constant dense<1.0> : tensor<3x8xf32>
  %n = arith.constant 3 : index
  %len = arith.constant dense<[1, 3, 2]> : tensor<3xi32>
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %division = attn.view (m) symbols(n = %n) where (m floordiv 2 < n) of %a[0, m]
      : (tensor<3x8xf32>, index) -> tensor<?xf32>
  %union = attn.view (m) symbols(n = %n) where (m < n) or (m >= 3 and m <= 4) of %a[0, m]
      : (tensor<3x8xf32>, index) -> tensor<?xf32>
  %triangle = attn.view (b, p, m) symbols(len = %len[b]) where (m <= p and p < len) of %a[b, m]
      : (tensor<3x8xf32>, tensor<3xi32>) -> tensor<?x?x?xf32>
  %odd = attn.view (b, m) symbols(n = %n) where (m mod 2 == 1 and m < n + 1) of %a[b, m]
      : (tensor<3x8xf32>, index) -> tensor<?x?xf32>
  %x0 = tensor.dim %division, %c0 : tensor<?xf32>
  %x1 = tensor.dim %union, %c0 : tensor<?xf32>
  %x2 = tensor.dim %triangle, %c1 : tensor<?x?x?xf32>
  %x3 = tensor.dim %odd, %c0 : tensor<?x?xf32>
  %x4 = tensor.dim %odd, %c1 : tensor<?x?xf32>
  %place = arith.constant dense<[0, 1, 2, 3, 4]> : tensor<5xi32>
  %o = attn.cascade ranks(i) -> tensor<5xi64> {
    %r = attn.einsum %place[i], %x0, %x1, %x2, %x3, %x4 -> [i]
        : (tensor<5xi32>, index, index, index, index, index) -> tensor<5xi64> {
    ^bb0(%i: i32, %v0: index, %v1: index, %v2: index, %v3: index, %v4: index):
      %k1 = arith.constant 1 : i32
      %k2 = arith.constant 2 : i32
      %k3 = arith.constant 3 : i32
      %k4 = arith.constant 4 : i32
      %is1 = arith.cmpi eq, %i, %k1 : i32
      %is2 = arith.cmpi eq, %i, %k2 : i32
      %is3 = arith.cmpi eq, %i, %k3 : i32
      %is4 = arith.cmpi eq, %i, %k4 : i32
      %r1 = arith.select %is1, %v1, %v0 : index
      %r2 = arith.select %is2, %v2, %r1 : index
      %r3 = arith.select %is3, %v3, %r2 : index
      %r4 = arith.select %is4, %v4, %r3 : index
      %r = arith.index_cast %r4 : index to i64
      attn.yield %r : i64
    }
    attn.yield %r : tensor<5xi64>
  }
  return %o : tensor<5xi64>
}

// A view of a view; presence and address go through both.
// NESTED: result #0: f64 2x3
// NESTED-NEXT: [3, 2, 0]
// NESTED-NEXT: [5, 0, 0]
func.func @nested() -> tensor<2x3xf32> {
  %a = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %len = arith.constant dense<[3, 2]> : tensor<2xi32>
  %inner = attn.view (b, m) symbols(len = %len[b]) where (m >= 1 and m < len) of %a[b, m]
      : (tensor<2x3xf32>, tensor<2xi32>) -> tensor<2x3xf32>
  %outer = attn.view (b, m) symbols(len = %len[b]) where (m < len) of %inner[b, len - 1 - m]
      : (tensor<2x3xf32>, tensor<2xi32>) -> tensor<2x3xf32>
  return %outer : tensor<2x3xf32>
}
