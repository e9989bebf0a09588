// RUN: not attn-run %s --entry=extent --arg=zeros:3 --arg=zeros:4 2>&1 | FileCheck %s --check-prefix=EXTENT
// RUN: not attn-run %s --entry=axis --arg=zeros:2x2 --arg=zeros:3 2>&1 | FileCheck %s --check-prefix=AXIS
// RUN: not attn-run %s --entry=page 2>&1 | FileCheck %s --check-prefix=PAGE
// RUN: not attn-run %s --entry=table 2>&1 | FileCheck %s --check-prefix=TABLE
// RUN: not attn-run %s --entry=ragged 2>&1 | FileCheck %s --check-prefix=RAGGED
// RUN: not attn-run %s --entry=collide 2>&1 | FileCheck %s --check-prefix=COLLIDE
// RUN: not attn-run %s --entry=outside 2>&1 | FileCheck %s --check-prefix=OUTSIDE
// RUN: not attn-run %s --entry=symbol --arg=zeros:3 --arg=zeros:2 2>&1 | FileCheck %s --check-prefix=SYMBOL
// RUN: not attn-run %s --entry=count 2>&1 | FileCheck %s --check-prefix=COUNT
// RUN: not attn-run %s --entry=extract 2>&1 | FileCheck %s --check-prefix=EXTRACT
// RUN: not attn-run %s --entry=divide --arg=0 2>&1 | FileCheck %s --check-prefix=DIVIDE
// RUN: not attn-run %s --entry=unbounded 2>&1 | FileCheck %s --check-prefix=UNBOUNDED
// What cannot be read, placed or agreed on is not found, or not said with values and places.

// EXTENT: expects one extent of rank 'i', but got 3 from argument #0 in 'attn.einsum' at {{.*}} and 4 from argument #1
func.func @extent(%a: tensor<?xf32>, %b: tensor<?xf32>) -> tensor<f32> {
  %o = attn.cascade ranks(i) -> tensor<f32> {
    %x = attn.einsum %a[i], %b[i] -> [] reduce add(i) : (tensor<?xf32>, tensor<?xf32>) -> tensor<f32>
    attn.yield %x : tensor<f32>
  }
  return %o : tensor<f32>
}

// AXIS: 'attn.view' at {{.*}} expects one extent of axis 'b', but got 3 from argument #1 and 2 from argument #0
func.func @axis(%a: tensor<?x2xf32>, %len: tensor<?xi32>) -> tensor<?x?xf32> {
  %v = attn.view (b, m) symbols(len = %len[b]) where (m < len) of %a[b, m]
      : (tensor<?x2xf32>, tensor<?xi32>) -> tensor<?x?xf32>
  return %v : tensor<?x?xf32>
}

// The page id stands at [1, 1] of the table; the one behind the length is not looked at.
// PAGE: 'attn.view' at {{.*}} expects 'pg' from entry [1, 1] of {{.*}} in [0, 3), axis 0 of {{.*}}, but got 3 (at b = 1, m = 2)
func.func @page() -> tensor<?x?xf32> {
  %pool = arith.constant dense<1.0> : tensor<3x2xf32>
  %table = arith.constant dense<[[0, -5, 9], [1, 3, 9]]> : tensor<2x3xi32>
  %len = arith.constant dense<[2, 3]> : tensor<2xi32>
  %v = attn.view (b, m) symbols(pg = %table[b, m floordiv 2], len = %len[b]) where (m < len)
      of %pool[pg, m mod 2] : (tensor<3x2xf32>, tensor<2x3xi32>, tensor<2xi32>) -> tensor<?x?xf32>
  return %v : tensor<?x?xf32>
}

// TABLE: 'attn.view' at {{.*}} expects symbol 'pg' inside of {{.*}} of shape 2x1, but its coordinate 1 is 1: the length goes beyond the table (at b = 1, m = 2)
func.func @table() -> tensor<?x?xf32> {
  %pool = arith.constant dense<1.0> : tensor<3x2xf32>
  %table = arith.constant dense<[[0], [1]]> : tensor<2x1xi32>
  %len = arith.constant dense<[2, 2147483647]> : tensor<2xi32>
  %v = attn.view (b, m) symbols(pg = %table[b, m floordiv 2], len = %len[b]) where (m < len)
      of %pool[pg, m mod 2] : (tensor<3x2xf32>, tensor<2x1xi32>, tensor<2xi32>) -> tensor<?x?xf32>
  return %v : tensor<?x?xf32>
}

// RAGGED: expects coordinate 0 of {{.*}} in [0, 3), but got 3 (at b = 1, p = 1)
func.func @ragged() -> tensor<?x?xf32> {
  %flat = arith.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %ptr = arith.constant dense<[0, 2, 4]> : tensor<3xi32>
  %q = attn.view (b, p) symbols(lo = %ptr[b], hi = %ptr[b + 1]) where (lo + p < hi)
      of %flat[lo + p] : (tensor<3xf32>, tensor<3xi32>, tensor<3xi32>) -> tensor<?x?xf32>
  return %q : tensor<?x?xf32>
}

// COLLIDE: 'attn.place' at {{.*}} places two points on one address, element 1 of
func.func @collide() -> tensor<4xf32> {
  %a = arith.constant dense<1.0> : tensor<3xf32>
  %slot = arith.constant dense<[1, 0, 1]> : tensor<3xi32>
  %dst = arith.constant dense<0.0> : tensor<4xf32>
  %y = attn.place %a[t] symbols(s = %slot[t]) into %dst[s]
      : (tensor<3xf32>, tensor<4xf32>, tensor<3xi32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// OUTSIDE: 'attn.einsum' at {{.*}} expects coordinate 0 of {{.*}} in [0, 3), but got 3 (at i = 2)
func.func @outside() -> tensor<3xf32> {
  %a = arith.constant dense<1.0> : tensor<3xf32>
  %o = attn.cascade ranks(i) -> tensor<3xf32> {
    %x = attn.einsum %a[i], %a[i + 1] -> [i] : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32>
    attn.yield %x : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

// SYMBOL: expects at least the extent 3 of rank 'b' in axis 0 of argument #1, but got 2
func.func @symbol(%a: tensor<?xf32>, %len: tensor<?xi32>) -> tensor<?xf32> {
  %o = attn.cascade ranks(b) -> tensor<?xf32> {
    %x = attn.einsum %a[b] -> [b] symbols(len = %len[b]) where (len >= 1) : (tensor<?xf32>, tensor<?xi32>) -> tensor<?xf32>
    attn.yield %x : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}

// COUNT: expects a count in [0, 2] from {{.*}}, but got 3 for list 1
func.func @count() -> tensor<2xf32> {
  %a = arith.constant dense<1.0> : tensor<2xf32>
  %list = arith.constant dense<0> : tensor<2x2xi32>
  %count = arith.constant dense<[2, 3]> : tensor<2xi32>
  %o = attn.cascade ranks(t) -> tensor<2xf32> {
    %s = attn.select listed %list[t], %count[t] -> [t] : (tensor<2x2xi32>, tensor<2xi32>) -> !attn.coords<1, 8>
    %x = attn.einsum %a[t] -> [t] at t in %s[t] : (tensor<2xf32>, !attn.coords<1, 8>) -> tensor<2xf32>
    attn.yield %x : tensor<2xf32>
  }
  return %o : tensor<2xf32>
}

// EXTRACT: expects coordinate 0 of {{.*}} in [0, 2), but got 2
func.func @extract() -> tensor<3xf32> {
  %table = arith.constant dense<1.0> : tensor<2xf32>
  %a = arith.constant dense<1.0> : tensor<3xf32>
  %o = attn.cascade ranks(i) -> tensor<3xf32> {
    %x = attn.einsum %a[i] -> [i] : (tensor<3xf32>) -> tensor<3xf32> {
    ^bb0(%v: f32):
      %c = attn.coord i
      %t = tensor.extract %table[%c] : tensor<2xf32>
      attn.yield %t : f32
    }
    attn.yield %x : tensor<3xf32>
  }
  return %o : tensor<3xf32>
}

// DIVIDE: 'arith.divsi' at {{.*}} divides integers without a quotient
func.func @divide(%x: i32) -> i32 {
  %one = arith.constant 1 : i32
  %y = arith.divsi %one, %x : i32
  return %y : i32
}

// UNBOUNDED: expects a bound for axis 'm': its domain does not bound it
func.func @unbounded() -> tensor<?xf32> {
  %a = arith.constant dense<1.0> : tensor<2xf32>
  %v = attn.view (m) where (m >= 1) of %a[m mod 2] : (tensor<2xf32>) -> tensor<?xf32>
  return %v : tensor<?xf32>
}
