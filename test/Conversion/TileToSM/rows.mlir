// RUN: attn-opt %S/../../../examples/pages24.mlir --attn-split-sums --attn-defer --attn-partition=tile=64 --attn-online --convert-attn-to-tile="rows=64 row-step=16" --inline --canonicalize --cse --convert-tile-to-sm --canonicalize --cse | FileCheck %s
// RUN: attn-opt %S/../../../examples/pages24.mlir --attn-split-sums --attn-defer --attn-partition=tile=64 --attn-online --convert-attn-to-tile="rows=64 row-step=16" --inline --canonicalize --cse --convert-tile-to-sm --canonicalize --cse | FileCheck %s --check-prefix=PAGE

// Few rows: what there is becomes one block of 16 rows and one warp.
// CHECK: sm.kernel @pages24({{.*}}) warps(1)
// CHECK: sm.gemm {{.+}} : tensor<16x{{[0-9]+}}xf16, #sm.acc<1 x 1>>

// Pages that are no power of two are divided by.
// PAGE: arith.floordivsi
// PAGE: arith.subi
