// RUN: attn-opt %S/../../../examples/paged_gqa.mlir --attn-split-sums --attn-defer --attn-partition="rank=m tile=64" --attn-online --convert-attn-to-tile --canonicalize --cse | FileCheck %s
// The ranks of paged attention are bound wrongly, or a full tile evaluates a mask, if this fails.

// One work item: g is the KV head, (p, r) the packed rows. Keys are those of the
// segment's b, all else of each row's own.
// CHECK-LABEL: tile.kernel items @paged_gqa(
// CHECK-SAME:    rows(64) cols(64)
// CHECK-DAG:     %[[B:.+]] = tile.item param
// CHECK-DAG:     %[[G:.+]] = tile.item head
// CHECK-DAG:     %[[P:[^,]+]], %[[R:[^,]+]], %[[COUNT:[^,]+]], %[[SYM:[^,]+]] = tile.rows
// CHECK-DAG:     tile.load %{{.+}}[%[[SYM]]] axes [0]
// CHECK-DAG:     tile.load %{{.+}}[%[[SYM]], %[[P]], %[[G]], %[[R]], %{{.+}}] axes [0, 0, -1, 0, 1]
// CHECK-DAG:     %[[COORD0:.+]] = tile.item coord0
// CHECK-DAG:     %[[KV:.+]] = tile.item kv_begin
// CHECK-DAG:     %[[BEGIN:.+]] = arith.addi %[[KV]], %[[COORD0]]
// CHECK-DAG:     %[[COUNTED:.+]] = tile.item kv_count
// CHECK-DAG:     arith.addi %[[BEGIN]], %[[COUNTED]]
// CHECK:         tile.fold from
// CHECK:         step
// CHECK:         ^bb0(%{{.+}}: index, %[[PARTIAL:.+]]: i1,
// CHECK:         tile.load %{{.+}}[%[[B]], %{{.+}}, %[[G]], %{{.+}}] axes [-1, 0, -1, 1]
// CHECK:         tile.dot %{{.+}}, %{{.+}} {transposeB} : (vector<64x128xf32>, vector<64x128xf32>) -> vector<64x64xf32>
// CHECK:         %[[MASK:.+]] = scf.if %[[PARTIAL]] -> (vector<64x64xi1>)
// CHECK:         } else {
// CHECK-NEXT:      scf.yield %{{.+}} : vector<64x64xi1>
// CHECK:         vector.multi_reduction <maximumf>
// CHECK:         tile.dot %{{.+}} : (vector<64x64xf32>, vector<64x128xf32>) -> vector<64x128xf32>
// CHECK:         tile.finish
// CHECK:         epilogue
// CHECK:         tile.rows %{{.+}} again
// CHECK:         arith.divf
// CHECK:         tile.store

// The merge is the derived one, called from the kernel that joins states.
// CHECK-LABEL: tile.kernel merge @paged_gqa.merge(
// CHECK:         tile.load_state
// CHECK:         call @paged_gqa.combine
// CHECK:         tile.finish
// CHECK-LABEL: func.func private @paged_gqa.combine(
// CHECK-NOT:     tile.load
// CHECK:         arith.maximumf
// CHECK-LABEL: tile.kernel host @paged_gqa.range(
// CHECK-LABEL: tile.kernel host @paged_gqa.extents(
// CHECK-LABEL: tile.program @paged_gqa.program
// CHECK:         tile.launch @paged_gqa
