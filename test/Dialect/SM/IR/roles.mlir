// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s

// Two roles: one brings boxes of a tensor, two instances of the other multiply.
// hopper-prefill.mlir of the lowering is a whole kernel of this kind.

#acc = #sm.acc<4 x 1>
#row = #sm.slice<1, #acc>
#sum = #sm.partial<add, 1, #acc>
#lanes = #sm.lanes<4>
!pool = memref<?x16x?x64xf16, strided<[?, ?, ?, 1]>>
!map = !sm.tensormap<[1, 16, 1, 64], f16>
!block = !sm.buf<64, 64, f16>
!slot = !sm.slot<64, 64, f16>
!ring = !sm.ring<2 of !block>
!scores = !sm.inflight<tensor<64x64xf32, #acc>>

// CHECK-LABEL: sm.kernel @roles(
sm.kernel @roles(%k: !pool) warps(12) {
  %zero = arith.constant 0 : index
  // CHECK: sm.tensor_map %{{.+}} : memref<?x16x?x64xf16, strided<[?, ?, ?, 1]>> -> <[1, 16, 1, 64], f16>
  %map = sm.tensor_map %k : !pool -> !map
  %ring = sm.ring : !ring
  // CHECK: sm.roles ["load", "math"] warps [4, 4] instances [1, 2] registers [24, 240]
  sm.roles ["load", "math"] warps [4, 4] instances [1, 2] registers [24, 240] {
    %at = sm.cursor %ring : !ring
    %live = arith.constant dense<true> : tensor<4xi1, #lanes>
    %page = sm.coord %zero : tensor<4xi32, #lanes>
    %t = sm.fill %ring, %at {
    ^bb0(%to: !slot):
      // CHECK: sm.copy_boxes %{{.+}}[%{{.+}}, %{{.+}}, %{{.+}} : tensor<4xi32, #sm.lanes<4>>, index, index] live %{{.+}} to %{{.+}} : <[1, 16, 1, 64], f16>, tensor<4xi1, #sm.lanes<4>>, <64, 64, f16>
      %token = sm.copy_boxes %map[%page, %zero, %zero : tensor<4xi32, #lanes>, index, index] live %live to %to : !map, tensor<4xi1, #lanes>, !slot
      %landed = sm.wait %to after %token : !slot -> !block
      // CHECK: sm.zero_rows %{{.+}} from %{{.+}} : <64, 64, f16>
      sm.zero_rows %landed from %zero : !block
      sm.yield
    } : !ring
    sm.yield
  }, {
  // CHECK: ^bb0(%{{.+}}: index):
  ^bb0(%instance: index):
    // CHECK: sm.turns : !sm.turns
    %turns = sm.turns : !sm.turns
    %at = sm.cursor %ring : !ring
    %k0 = sm.take %ring, %at : !ring -> !block
    // CHECK: sm.begin_turn
    sm.begin_turn %turns
    // CHECK: sm.gemm_async %{{.+}}, %{{.+}} {transposeB} : !sm.buf<64, 64, f16>, <64, 64, f16> -> <tensor<64x64xf32, #sm.acc<4 x 1>>>
    %i = sm.gemm_async %k0, %k0 {transposeB} : !block, !block -> !scores
    // CHECK: sm.end_turn
    sm.end_turn %turns
    // CHECK: sm.wait %{{.+}} : !sm.inflight<tensor<64x64xf32, #sm.acc<4 x 1>>> -> tensor<64x64xf32, #sm.acc<4 x 1>>
    %s = sm.wait %i : !scores -> tensor<64x64xf32, #acc>
    %h = arith.truncf %s : tensor<64x64xf32, #acc> to tensor<64x64xf16, #acc>
    // CHECK: sm.gemm_async %{{.+}}, %{{.+}} acc(%{{.+}} : tensor<64x64xf32, #sm.acc<4 x 1>>) : tensor<64x64xf16, #sm.acc<4 x 1>>, <64, 64, f16> -> <tensor<64x64xf32, #sm.acc<4 x 1>>>
    %j = sm.gemm_async %h, %k0 acc(%s : tensor<64x64xf32, #acc>) : tensor<64x64xf16, #acc>, !block -> !scores
    %o = sm.wait %j : !scores -> tensor<64x64xf32, #acc>
    sm.release %ring, %at : !ring
    %l = sm.reduce add %o along 1 : tensor<64x64xf32, #acc> -> tensor<64xf32, #sum>
    %f = arith.constant dense<2.0> : tensor<64xf32, #row>
    // CHECK: %[[FACTOR:.+]] = sm.factor %{{.+}} : tensor<64xf32, #sm.slice<1, #sm.acc<4 x 1>>> -> tensor<64xf32, #sm.partial<add, 1, #sm.acc<4 x 1>>>
    // CHECK: arith.mulf %{{.+}}, %[[FACTOR]]
    %fs = sm.factor %f : tensor<64xf32, #row> -> tensor<64xf32, #sum>
    %scaled = arith.mulf %l, %fs : tensor<64xf32, #sum>
    sm.yield
  }
  sm.return
}
