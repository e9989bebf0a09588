// RUN: attn-opt %s --attn-classify-tiles="rows=128 cols=128" --split-input-file -o %t 2>&1 | FileCheck %s
// RUN: FileCheck %s --check-prefix=SAME --input-file=%t
// RUN: attn-opt %s --attn-partition="rank=m tile=64" --attn-online="rank=m1" --attn-classify-tiles="rows=128" --split-input-file -o /dev/null 2>&1 | FileCheck %s --check-prefix=FOLD
// RUN: not attn-opt %s --attn-classify-tiles="rows=0" --split-input-file -o /dev/null 2>&1 | FileCheck %s --check-prefix=BAD
// A tile in the wrong class is either computed for nothing or loses its mask.

// BAD: error: expects rows and cols of at least 1, but got 0 and 64

// The pass changes nothing.
// SAME: attn.einsum %{{.*}}[p, m] -> [p, m] where (p - m >= 0 and -p + m + 1023 >= 0)

// A window of 1024 with 4 sink tokens: 1024 tiles, counted point by point once.
// CHECK: remark: tiles of 128 rows and 128 columns over p, m: empty 749, partial 79, full 196
// FOLD: remark: tiles of 128 rows over p, m1: empty 1521, partial 135, full 392
func.func @window(%s: tensor<4096x4096xf32>) -> tensor<4096xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<4096xf32> {
    %x = attn.einsum %s[p, m] -> [p, m]
        where (p >= m and m > p - 1024) or (p >= m and m <= 3)
        : (tensor<4096x4096xf32>) -> tensor<4096x4096xf32>
    %g = attn.einsum %x[p, m] -> [p] reduce max(m)
        : (tensor<4096x4096xf32>) -> tensor<4096xf32>
    attn.yield %g : tensor<4096xf32>
  }
  return %o : tensor<4096xf32>
}

// -----

// CHECK: remark: tiles of 128 rows and 128 columns over p, m: empty 496, partial 32, full 496
// FOLD: remark: tiles of 128 rows over p, m1: empty 992, partial 64, full 992
func.func @causal(%s: tensor<4096x4096xf32>) -> tensor<4096xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<4096xf32> {
    %x = attn.einsum %s[p, m] -> [p, m] where (p >= m)
        : (tensor<4096x4096xf32>) -> tensor<4096x4096xf32>
    %g = attn.einsum %x[p, m] -> [p] reduce max(m)
        : (tensor<4096x4096xf32>) -> tensor<4096xf32>
    attn.yield %g : tensor<4096xf32>
  }
  return %o : tensor<4096xf32>
}

// -----

// The last runs of rows and columns are short: 300 = 2 * 128 + 44. What data
// decide is never full.
// CHECK: remark: tiles of 128 rows and 128 columns over p, m: empty 3, partial 6, full 0
// FOLD: remark: tiles of 128 rows over p, m1: empty 4, partial 11, full 0
func.func @tail(%s: tensor<300x300xf32>, %keep: tensor<300xi1>) -> tensor<300xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<300xf32> {
    %x = attn.einsum %s[p, m] -> [p, m] where (p >= m) and %keep[m]
        : (tensor<300x300xf32>, tensor<300xi1>) -> tensor<300x300xf32>
    %g = attn.einsum %x[p, m] -> [p] reduce max(m)
        : (tensor<300x300xf32>) -> tensor<300xf32>
    attn.yield %g : tensor<300xf32>
  }
  return %o : tensor<300xf32>
}

// -----

// Symbols: sets over the first row, the first column and the symbols. All
// reductions of the chain share the mask, which is reported once.
// CHECK: remark: tiles of 128 rows and 128 columns over p, m; at most 1 interval of m
// CHECK: note: with points: -m + len - 1 >= 0 and p - m + off + 127 >= 0
// CHECK: note: with holes: -p + m - off + 126 >= 0 or m - len + 127 >= 0
// FOLD: remark: tiles of 128 rows over p, m1; at most 1 interval of m1
// FOLD: note: with points: -m1 * 64 + len - 1 >= 0 and -m1 * 64 + n_m - 1 >= 0 and p - m1 * 64 + off + 127 >= 0
// FOLD: note: with holes: -p + m1 * 64 - off + 62 >= 0 or m1 * 64 - len + 63 >= 0 or m1 * 64 - n_m + 63 >= 0
func.func @ragged(%s: tensor<?x?x?xf32>, %off: tensor<?xi32>,
                  %len: tensor<?xi32>) -> tensor<?x?xf32> {
  %o = attn.cascade ranks(b, p, m) -> tensor<?x?xf32> {
    %x = attn.einsum %s[b, p, m] -> [b, p, m]
        symbols(off = %off[b], len = %len[b])
        where (p + off >= m and m < len)
        : (tensor<?x?x?xf32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x?x?xf32>
    %g = attn.einsum %x[b, p, m] -> [b, p] reduce max(m)
        : (tensor<?x?x?xf32>) -> tensor<?x?xf32>
    %y = attn.einsum %x[b, p, m], %g[b, p] -> [b, p, m]
        : (tensor<?x?x?xf32>, tensor<?x?xf32>) -> tensor<?x?x?xf32> {
    ^bb0(%a: f32, %c: f32):
      %d = arith.subf %a, %c : f32
      %e = math.exp %d : f32
      attn.yield %e : f32
    }
    %d = attn.einsum %y[b, p, m] -> [b, p] reduce add(m)
        : (tensor<?x?x?xf32>) -> tensor<?x?xf32>
    attn.yield %d : tensor<?x?xf32>
  }
  return %o : tensor<?x?xf32>
}

// -----

// A stride leaves holes between the visited tiles that no interval shows.
// CHECK: remark: tiles of 128 rows and 128 columns over m; at most 1 interval of m, each tile looked up
// CHECK: note: with points: {{.*}}floordiv 512
func.func @dilated(%s: tensor<8x?xf32>, %shift: index) -> tensor<8xf32> {
  %o = attn.cascade ranks(p, m) -> tensor<8xf32> {
    %x = attn.einsum %s[p, m] -> [p, m] symbols(t = %shift)
        where ((m + t) mod 512 <= 3)
        : (tensor<8x?xf32>, index) -> tensor<8x?xf32>
    %g = attn.einsum %x[p, m] -> [p] reduce max(m)
        : (tensor<8x?xf32>) -> tensor<8xf32>
    attn.yield %g : tensor<8xf32>
  }
  return %o : tensor<8xf32>
}
