// RUN: attn-opt %s --attn-choose-tiles=target=avx512 --split-input-file 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=WHY --input-file=%t
// RUN: attn-opt %s --attn-defer --attn-partition="rank=m tile=32" --attn-online="rank=m1" --attn-choose-tiles=target=avx512 --split-input-file 2>/dev/null | FileCheck %s --check-prefix=FOLD
// RUN: attn-opt %s --attn-choose-tiles --split-input-file -o /dev/null
// RUN: not attn-opt %s --attn-choose-tiles=target=z80 --split-input-file -o /dev/null 2>&1 | FileCheck %s --check-prefix=BAD
// RUN: attn-opt %examples/block_lists.mlir --attn-choose-tiles=target=avx512 -o /dev/null 2>&1 | FileCheck %s --check-prefix=LISTS
// A tile is chosen from the wrong ranks, or a fold's own columns are overruled.

// BAD: error: expects a target among host, avx2, avx512, amx, neon, sm_80, {{.*}}, but got 'z80'

// A list for each block of 64 queries: rows of one block share it.
// LISTS: remark: tile of 64 rows and 64 columns over m

// Prefill: the number of rows is known at run time only, and many are best. The
// operand of a dot stays in the first-level cache: 64 columns of 128 channels.
// CHECK-LABEL: func.func @prefill
// CHECK: attn.cascade ranks(g, r, p, m, e, f) tiles(rows = 252, cols = 64)
// WHY: remark: tile of 252 rows and 64 columns over m for avx512: 2 dots over 128 + 128 channels, packed rows many
// The columns of a fold that exists are kept.
// FOLD-LABEL: func.func @prefill
// FOLD: tiles(rows = {{[0-9]+}}, cols = 32)
func.func @prefill(%q: tensor<?x8x4x128xf16>, %k: tensor<?x8x128xf16>,
                   %v: tensor<?x8x128xf16>) -> tensor<?x8x4x128xf32> {
  %o = attn.cascade ranks(g, r, p, m, e, f) -> tensor<?x8x4x128xf32> {
    %s = attn.einsum %q[p, g, r, e], %k[m, g, e] -> [g, r, p, m] reduce add(e)
        where (p >= m)
        : (tensor<?x8x4x128xf16>, tensor<?x8x128xf16>) -> tensor<8x4x?x?xf32>
    %a = attn.einsum %s[g, r, p, m] -> [g, r, p, m]
        : (tensor<8x4x?x?xf32>) -> tensor<8x4x?x?xf32> {
    ^bb0(%x: f32):
      %y = math.exp %x : f32
      attn.yield %y : f32
    }
    %o = attn.einsum %a[g, r, p, m], %v[m, g, f] -> [p, g, r, f] reduce add(m)
        : (tensor<8x4x?x?xf32>, tensor<?x8x128xf16>) -> tensor<?x8x4x128xf32>
    attn.yield %o : tensor<?x8x4x128xf32>
  }
  return %o : tensor<?x8x4x128xf32>
}

// -----

// Decode: the four heads of a group are the rows. r is a row and g is not,
// because the columns' operands have g.
// CHECK-LABEL: func.func @decode
// CHECK: tiles(rows = 4, cols = {{32|64|128}})
// WHY: remark: tile of 4 rows and {{[0-9]+}} columns over m for avx512: 2 dots over 64 + 128 channels, packed rows 4
func.func @decode(%q: tensor<8x4x64xf16>, %k: tensor<?x8x64xf16>,
                  %v: tensor<?x8x128xf16>, %w: tensor<8xf32>)
    -> tensor<8x4x128xf32> {
  %o = attn.cascade ranks(g, r, m, e, f) -> tensor<8x4x128xf32> {
    %s = attn.einsum %q[g, r, e], %k[m, g, e] -> [g, r, m] reduce add(e)
        : (tensor<8x4x64xf16>, tensor<?x8x64xf16>) -> tensor<8x4x?xf32>
    %a = attn.einsum %s[g, r, m] -> [g, r, m]
        : (tensor<8x4x?xf32>) -> tensor<8x4x?xf32> {
    ^bb0(%x: f32):
      %y = math.exp %x : f32
      attn.yield %y : f32
    }
    %o = attn.einsum %a[g, r, m], %v[m, g, f], %w[g] -> [g, r, f] reduce add(m)
        : (tensor<8x4x?xf32>, tensor<?x8x128xf16>, tensor<8xf32>)
        -> tensor<8x4x128xf32>
    attn.yield %o : tensor<8x4x128xf32>
  }
  return %o : tensor<8x4x128xf32>
}
