// RUN: attn-opt %S/../../../examples/pages24.mlir --attn-split-sums --attn-defer --attn-partition=tile=64 --attn-online --convert-attn-to-tile="rows=64 row-step=16" --inline --canonicalize --cse --convert-tile-to-sm="warps=4" --canonicalize --cse | FileCheck %s
// RUN: attn-opt %S/../../../examples/pages24.mlir --attn-split-sums --attn-defer --attn-partition=tile=64 --attn-online --convert-attn-to-tile="rows=64 row-step=16" --inline --canonicalize --cse --convert-tile-to-sm="warps=4" --canonicalize --cse | FileCheck %s --check-prefix=PAGE

// Few rows: what there is becomes one block of 16 rows, and warps share columns.
// CHECK: sm.kernel @pages24({{.*}}) warps(4)
// CHECK: sm.gemm {{.+}} : tensor<16x{{[0-9]+}}xf16, #sm.lhs<1 x 4>>

// Pages that are no power of two are divided by.
// PAGE: arith.floordivsi
// PAGE: arith.subi
