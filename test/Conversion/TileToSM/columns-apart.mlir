// RUN: attn-opt %s --convert-tile-to-sm | FileCheck %s
// If this fails, a block whose columns lie apart in memory is read from wrong places, or refused.

// CHECK-LABEL: sm.kernel @transposed
// CHECK: %[[STRIDE:.*]] = sm.stride %arg0, 0 : memref<?x?xf32>
// CHECK: %[[ELEMENTS:.*]] = arith.index_cast %[[STRIDE]] : index to i64
// CHECK: %[[BYTES:.*]] = arith.muli %[[ELEMENTS]], %{{.*}} : i64
// CHECK: %[[NUMBER:.*]] = sm.coord %{{.*}} : tensor<64xi32, #sm.slice<0,
// CHECK: %[[WIDE:.*]] = arith.extsi %[[NUMBER]]
// CHECK: %[[STEP:.*]] = sm.splat %[[BYTES]]
// CHECK: %[[AWAY:.*]] = arith.muli %[[WIDE]], %[[STEP]]
// CHECK: %[[ROW:.*]] = sm.expand %{{.*}} along 1 : {{.*}} -> tensor<64x64xi64
// CHECK: %[[COLUMN:.*]] = sm.expand %[[AWAY]] along 0 : {{.*}} -> tensor<64x64xi64
// CHECK: %[[AT:.*]] = arith.addi %[[ROW]], %[[COLUMN]]
// CHECK: sm.load %[[AT]] live %{{.*}} -> tensor<64x64xf32
tile.kernel items @transposed(%k: memref<?x?xf32>, %o: memref<?x64xf32>) rows(64) cols(64) {
  %c0 = arith.constant 0 : index
  %coord, %minor, %count, %sym = tile.rows %c0 : vector<64xi32>
  %e = tile.coord %c0 : vector<64xi32>
  %x = tile.load %k[%e, %coord] axes [1, 0] : (memref<?x?xf32>, vector<64xi32>, vector<64xi32>) -> vector<64x64xf32>
  tile.store %x, %o[%coord, %e] axes [0, 1] : vector<64x64xf32>, memref<?x64xf32>, vector<64xi32>, vector<64xi32>
  tile.return
}

// Columns behind the last one are not read.
// CHECK-LABEL: sm.kernel @some_columns
// CHECK: %[[MOST:.*]] = arith.minsi %{{.*}}, %arg2 : index
// CHECK: %[[NUMBER:.*]] = sm.coord %{{.*}} : tensor<64xi32, #sm.slice<0,
// CHECK: %[[WIDE:.*]] = arith.extsi %[[NUMBER]]
// CHECK: %[[LIMIT:.*]] = arith.index_cast %[[MOST]] : index to i64
// CHECK: %[[LIMITS:.*]] = sm.splat %[[LIMIT]]
// CHECK: %[[INSIDE:.*]] = arith.cmpi slt, %[[WIDE]], %[[LIMITS]]
// CHECK: %[[FLAGS:.*]] = sm.expand %[[INSIDE]] along 0
// CHECK: %[[LIVE:.*]] = arith.andi %{{.*}}, %[[FLAGS]]
// CHECK: sm.load %{{.*}} live %[[LIVE]]
tile.kernel items @some_columns(%k: memref<?x?xf32>, %o: memref<?x64xf32>, %n: index) rows(64) cols(64) {
  %c0 = arith.constant 0 : index
  %coord, %minor, %count, %sym = tile.rows %c0 : vector<64xi32>
  %e = tile.coord %c0 : vector<64xi32>
  %x = tile.load %k[%e, %coord] axes [1, 0] live(%c0 to %n) {liveAxis = 1 : i64} : (memref<?x?xf32>, vector<64xi32>, vector<64xi32>, index, index) -> vector<64x64xf32>
  tile.store %x, %o[%coord, %e] axes [0, 1] : vector<64x64xf32>, memref<?x64xf32>, vector<64xi32>, vector<64xi32>
  tile.return
}
