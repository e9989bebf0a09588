// RUN: attn-opt %s --convert-tile-to-sm | FileCheck %s
// If this fails, elements that lie anywhere are read from wrong places, or for other threads than those that hold them.

// CHECK-LABEL: sm.kernel @gather
// CHECK: %[[ADDRESS:.*]] = sm.address %arg0
// CHECK: %[[PARAM:.*]] = sm.field %arg2 "param"
// CHECK: %[[START:.*]] = arith.addi %[[ADDRESS]], %{{.*}} : i64
// CHECK: %[[STRIDE:.*]] = sm.stride %arg0, 1
// CHECK: %[[BYTES:.*]] = arith.muli %[[STRIDE]], %{{.*}} : index
// CHECK: %[[STEP:.*]] = arith.index_cast %[[BYTES]] : index to i64
// CHECK: %[[APART:.*]] = arith.subi %{{.*}} : tensor<64x64xi32
// CHECK: %[[STEPS:.*]] = sm.splat %[[STEP]]
// CHECK: %[[WIDE:.*]] = arith.extsi %[[APART]] : tensor<64x64xi32, {{.*}}> to tensor<64x64xi64
// CHECK: %[[AWAY:.*]] = arith.muli %[[WIDE]], %[[STEPS]]
// CHECK: %[[STARTS:.*]] = sm.splat %[[START]]
// CHECK: %[[AT:.*]] = arith.addi %[[STARTS]], %[[AWAY]]
// CHECK: sm.load %[[AT]] live %{{.*}} -> tensor<64x64xf32
tile.kernel items @gather(%t: memref<?x?xf32>, %o: memref<?x64xf32>) rows(64) cols(64) {
  %c0 = arith.constant 0 : index
  %b = tile.item param
  %coord, %minor, %count, %sym = tile.rows %c0 : vector<64xi32>
  %e = tile.coord %c0 : vector<64xi32>
  %rows = tile.expand %coord [0] : vector<64xi32> to vector<64x64xi32>
  %columns = tile.expand %e [1] : vector<64xi32> to vector<64x64xi32>
  %apart = arith.subi %rows, %columns : vector<64x64xi32>
  %x = tile.gather %t[%b, %apart] : (memref<?x?xf32>, index, vector<64x64xi32>) -> vector<64x64xf32>
  tile.store %x, %o[%coord, %e] axes [0, 1] : vector<64x64xf32>, memref<?x64xf32>, vector<64xi32>, vector<64xi32>
  tile.return
}

// A flag is a byte in memory; one number for each row is read once for each.
// CHECK-LABEL: sm.kernel @flags
// CHECK: %[[BYTE:.*]] = sm.load %{{.*}} live %{{.*}} -> tensor<64xi8, #sm.slice<1
// CHECK: arith.cmpi ne, %[[BYTE]], %{{.*}} : tensor<64xi8
tile.kernel items @flags(%t: memref<?xi1>, %o: memref<?x64xf32>) rows(64) cols(64) {
  %c0 = arith.constant 0 : index
  %coord, %minor, %count, %sym = tile.rows %c0 : vector<64xi32>
  %e = tile.coord %c0 : vector<64xi32>
  %flag = tile.gather %t[%sym] : (memref<?xi1>, vector<64xi32>) -> vector<64xi1>
  %flags = tile.expand %flag [0] : vector<64xi1> to vector<64x64xi1>
  %one = arith.constant dense<1.0> : vector<64x64xf32>
  %zero = arith.constant dense<0.0> : vector<64x64xf32>
  %x = arith.select %flags, %one, %zero : vector<64x64xi1>, vector<64x64xf32>
  tile.store %x, %o[%coord, %e] axes [0, 1] : vector<64x64xf32>, memref<?x64xf32>, vector<64xi32>, vector<64xi32>
  tile.return
}
