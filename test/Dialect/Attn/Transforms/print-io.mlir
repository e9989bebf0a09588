// RUN: split-file %s %t
// RUN: attn-opt %t/prefill.mlir --attn-print-io="fast=232448 rows=128 packed=false" -o /dev/null | FileCheck %t/prefill.mlir
// RUN: attn-opt %t/decode.mlir --attn-defer --attn-partition="rank=m tile=64" --attn-online="rank=m1" --attn-print-io="splits=66" -o /dev/null | FileCheck %t/decode.mlir
// RUN: attn-opt %t/symbolic.mlir --attn-print-io -o /dev/null | FileCheck %t/symbolic.mlir --check-prefix=FORMULA
// RUN: attn-opt %t/symbolic.mlir --attn-print-io="bind=b:1,p:3,m:100,off:7,len:9" -o /dev/null | FileCheck %t/symbolic.mlir --check-prefix=BOUND
// RUN: attn-opt %t/apart.mlir --attn-print-io -o /dev/null | FileCheck %t/apart.mlir --check-prefix=APART
// RUN: not attn-opt %t/symbolic.mlir --attn-print-io="bind=b" -o /dev/null 2>&1 | FileCheck %t/symbolic.mlir --check-prefix=BAD
// RUN: not attn-opt %t/symbolic.mlir --attn-print-io="bind=b:1,p:3,m:100,off:7,len:9 rows=0" -o /dev/null 2>&1 | FileCheck %t/symbolic.mlir --check-prefix=ROWS
// A bound above what must be moved, or a prediction that misses traffic, hides a slow kernel.

//--- prefill.mlir
// One request of 8192 tokens, causal, f16, 32 heads in groups of 4, 128 channels:
// 64 MiB of q, 16 of k, 16 of v, 64 of the result. A core of 227 KiB and tiles of
// 128 rows of one head: 64 tiles see 128, 256, .. columns.
// CHECK-LABEL: io of cascade 0 in @prefill
// CHECK: pairs 1073872896, columns 8192, kv bytes 33554432
// CHECK: memory: compulsory 160.00 MiB, predicted 160.00 MiB, ratio 1.000
// CHECK: core: compulsory 160.00 MiB, phase bound 288.52 MiB, predicted 4.19 GiB, ratio 14.8
func.func @prefill(%q: tensor<8192x8x4x128xf16>, %k: tensor<8192x8x128xf16>,
                   %v: tensor<8192x8x128xf16>) -> tensor<8192x8x4x128xf16> {
  %o = attn.cascade ranks(g, r, p, m, e, f) -> tensor<8192x8x4x128xf16> {
    %s = attn.einsum %q[p, g, r, e], %k[m, g, e] -> [g, r, p, m] reduce add(e)
        where (p >= m)
        : (tensor<8192x8x4x128xf16>, tensor<8192x8x128xf16>)
        -> tensor<8x4x8192x8192xf32>
    %x = attn.einsum %s[g, r, p, m] -> [g, r, p] reduce max(m)
        : (tensor<8x4x8192x8192xf32>) -> tensor<8x4x8192xf32>
    %a = attn.einsum %s[g, r, p, m], %x[g, r, p] -> [g, r, p, m]
        : (tensor<8x4x8192x8192xf32>, tensor<8x4x8192xf32>)
        -> tensor<8x4x8192x8192xf32> {
    ^bb0(%y: f32, %z: f32):
      %d = arith.subf %y, %z : f32
      %w = math.exp %d : f32
      attn.yield %w : f32
    }
    %u = attn.einsum %a[g, r, p, m], %v[m, g, f] -> [p, g, r, f] reduce add(m)
        : (tensor<8x4x8192x8192xf32>, tensor<8192x8x128xf16>)
        -> tensor<8192x8x4x128xf32>
    %o = attn.einsum %u[p, g, r, f] -> [p, g, r, f]
        : (tensor<8192x8x4x128xf32>) -> tensor<8192x8x4x128xf16> {
    ^bb0(%y: f32):
      %w = arith.truncf %y : f32 to f16
      attn.yield %w : f16
    }
    attn.yield %o : tensor<8192x8x4x128xf16>
  }
  return %o : tensor<8192x8x4x128xf16>
}

//--- decode.mlir
// One query over 131072 paged tokens in 66 parts: k and v 256 MiB each, q and the
// result 8 KiB each, the table 32 KiB; partial states of 1 + 1 + 128 words for 32
// heads are written and read.
// CHECK-LABEL: io of cascade 0 in @decode
// CHECK: pairs 4194304, columns 131072, kv bytes 536903680
// CHECK: memory: compulsory 512.05 MiB, predicted 514.14 MiB, ratio 1.004 (partial states 2.09 MiB)
func.func @decode(%q: tensor<8x4x128xf16>, %kp: memref<8192x16x8x128xf16>,
                  %vp: memref<8192x16x8x128xf16>, %table: tensor<8192xi32>)
    -> tensor<8x4x128xf16> {
  %k = attn.view (m, g, e) symbols(pg = %table[m floordiv 16])
      of %kp[pg, m mod 16, g, e]
      : (memref<8192x16x8x128xf16>, tensor<8192xi32>)
      -> tensor<131072x8x128xf16>
  %v = attn.view (m, g, f) symbols(pg = %table[m floordiv 16])
      of %vp[pg, m mod 16, g, f]
      : (memref<8192x16x8x128xf16>, tensor<8192xi32>)
      -> tensor<131072x8x128xf16>
  %o = attn.cascade ranks(g, r, m, e, f) -> tensor<8x4x128xf16> {
    %s = attn.einsum %q[g, r, e], %k[m, g, e] -> [g, r, m] reduce add(e)
        : (tensor<8x4x128xf16>, tensor<131072x8x128xf16>)
        -> tensor<8x4x131072xf32>
    %x = attn.einsum %s[g, r, m] -> [g, r] reduce max(m)
        : (tensor<8x4x131072xf32>) -> tensor<8x4xf32>
    %n = attn.einsum %s[g, r, m], %x[g, r] -> [g, r, m]
        : (tensor<8x4x131072xf32>, tensor<8x4xf32>) -> tensor<8x4x131072xf32> {
    ^bb0(%y: f32, %z: f32):
      %d = arith.subf %y, %z : f32
      %w = math.exp %d : f32
      attn.yield %w : f32
    }
    %d = attn.einsum %n[g, r, m] -> [g, r] reduce add(m)
        : (tensor<8x4x131072xf32>) -> tensor<8x4xf32>
    %u = attn.einsum %n[g, r, m], %v[m, g, f] -> [g, r, f] reduce add(m)
        : (tensor<8x4x131072xf32>, tensor<131072x8x128xf16>)
        -> tensor<8x4x128xf32>
    %o = attn.einsum %u[g, r, f], %d[g, r] -> [g, r, f]
        : (tensor<8x4x128xf32>, tensor<8x4xf32>) -> tensor<8x4x128xf16> {
    ^bb0(%y: f32, %z: f32):
      %w = arith.divf %y, %z : f32
      %t = arith.truncf %w : f32 to f16
      attn.yield %t : f16
    }
    attn.yield %o : tensor<8x4x128xf16>
  }
  return %o : tensor<8x4x128xf16>
}

//--- symbolic.mlir
// Without values: formulas and the names that are missing. With them: 3 queries at
// 7, 8, 9 of which keys 0 .. 8 are there: 8 + 9 + 9 pairs; of 100 keys 9 are read.
// FORMULA: reads {{.*}}: b * p * 64 * 2 bytes
// FORMULA: reads {{.*}}: b * columns * 64 * 4 / 8 bytes
// FORMULA: reads {{.*}}: b * ceil(columns / 32) * 2 bytes
// FORMULA: writes result: b * p * 4 bytes
// FORMULA: not bound: m, b, p, off, len
// FORMULA-NOT: compulsory
// BOUND: pairs 26, columns 9, kv bytes 290
// BOUND: memory: compulsory 694 B
// BAD: error: expects bind=NAME:NUMBER, but got 'b'
// ROWS: error: expects fast memory, rows and splits of at least 1
func.func @symbolic(%q: tensor<?x?x64xf16>, %k: tensor<?x?x64xi4>,
                    %scales: tensor<?x?xf16>, %off: tensor<?xi32>,
                    %len: tensor<?xi32>) -> tensor<?x?xf32> {
  %o = attn.cascade ranks(b, p, m, e) -> tensor<?x?xf32> {
    %s = attn.einsum %q[b, p, e], %k[b, m, e], %scales[b, m floordiv 32]
        -> [b, p, m] reduce add(e) symbols(off = %off[b], len = %len[b])
        where (m <= p + off and m < len)
        : (tensor<?x?x64xf16>, tensor<?x?x64xi4>, tensor<?x?xf16>,
           tensor<?xi32>, tensor<?xi32>) -> tensor<?x?x?xf32> {
    ^bb0(%x: f16, %y: i4, %z: f16):
      %a = arith.sitofp %y : i4 to f16
      %c = arith.mulf %a, %z : f16
      %d = arith.mulf %c, %x : f16
      %w = arith.extf %d : f16 to f32
      attn.yield %w : f32
    }
    %g = attn.einsum %s[b, p, m] -> [b, p] reduce max(m)
        : (tensor<?x?x?xf32>) -> tensor<?x?xf32>
    attn.yield %g : tensor<?x?xf32>
  }
  return %o : tensor<?x?xf32>
}

//--- apart.mlir
// A rank of rows beside the fold's in one index does not become columns: q is
// read once for each row.
// APART: reads %arg0: p * 16 * 4 bytes
// APART: reads %arg1: columns * 16 * 4 bytes
// APART: reads %arg2: columns * 4 bytes
// APART: writes result: p * 4 bytes
func.func @apart(%q: tensor<?x16xf32>, %k: tensor<?x16xf32>, %t: tensor<?xf32>) -> tensor<?xf32> {
  %o = attn.cascade ranks(p, m, e) -> tensor<?xf32> {
    %s = attn.einsum %q[p, e], %k[m, e] -> [p, m] reduce add(e)
        : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x?xf32>
    %u = attn.einsum %s[p, m], %t[p - m + 9] -> [p] reduce add(m)
        : (tensor<?x?xf32>, tensor<?xf32>) -> tensor<?xf32>
    attn.yield %u : tensor<?xf32>
  }
  return %o : tensor<?xf32>
}
