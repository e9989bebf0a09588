// RUN: attn-opt %s --convert-tile-to-vector=lanes=8 | FileCheck %s
// If this fails, elements that lie anywhere are read one by one, or from wrong places.

// Addresses of a run of lanes are one vector; the index that is one for all
// points is scalar code, and a stride of 1 is no product.
// CHECK-LABEL: func.func @gather
// CHECK: %[[AWAY:.*]] = arith.extsi %{{.*}} : vector<8xi32> to vector<8xi64>
// CHECK-NOT: arith.muli
// CHECK: %[[START:.*]] = llvm.getelementptr %{{.*}}[%{{.*}}] : (!llvm.ptr, i64) -> !llvm.ptr, f32
// CHECK: %[[AT:.*]] = llvm.getelementptr %[[START]][%[[AWAY]]] : (!llvm.ptr, vector<8xi64>) -> vector<8x!llvm.ptr>, f32
// CHECK: llvm.intr.masked.gather %[[AT]], %{{[^{]*}} {alignment = 4 : i32} :{{.*}}-> vector<8xf32>
tile.kernel items @gather(%t: memref<?x?xf32, strided<[?, 1]>>, %o: memref<?x64xf32>) program(2) rows(8) cols(64) {
  %c0 = arith.constant 0 : index
  %b = tile.item param
  %coord, %minor, %count, %sym = tile.rows %c0 : vector<8xi32>
  %e = tile.coord %c0 : vector<64xi32>
  %rows = tile.expand %coord [0] : vector<8xi32> to vector<8x64xi32>
  %columns = tile.expand %e [1] : vector<64xi32> to vector<8x64xi32>
  %apart = arith.subi %rows, %columns : vector<8x64xi32>
  %x = tile.gather %t[%b, %apart] : (memref<?x?xf32, strided<[?, 1]>>, index, vector<8x64xi32>) -> vector<8x64xf32>
  tile.store %x, %o[%coord, %e] axes [0, 1] : vector<8x64xf32>, memref<?x64xf32>, vector<8xi32>, vector<64xi32>
  tile.return
}

// A flag is a byte in memory.
// CHECK-LABEL: func.func @flags
// CHECK: %[[BYTES:.*]] = llvm.intr.masked.gather %{{[^{]*}} {alignment = 1 : i32} :{{.*}}-> vector<8xi8>
// CHECK: arith.cmpi ne, %[[BYTES]], %{{.*}} : vector<8xi8>
tile.kernel items @flags(%t: memref<?xi1, strided<[?]>>, %o: memref<?x64xf32>) program(2) rows(8) cols(64) {
  %c0 = arith.constant 0 : index
  %coord, %minor, %count, %sym = tile.rows %c0 : vector<8xi32>
  %e = tile.coord %c0 : vector<64xi32>
  %columns = tile.expand %e [1] : vector<64xi32> to vector<8x64xi32>
  %flags = tile.gather %t[%columns] : (memref<?xi1, strided<[?]>>, vector<8x64xi32>) -> vector<8x64xi1>
  %one = arith.constant dense<1.0> : vector<8x64xf32>
  %zero = arith.constant dense<0.0> : vector<8x64xf32>
  %x = arith.select %flags, %one, %zero : vector<8x64xi1>, vector<8x64xf32>
  tile.store %x, %o[%coord, %e] axes [0, 1] : vector<8x64xf32>, memref<?x64xf32>, vector<8xi32>, vector<64xi32>
  tile.return
}
