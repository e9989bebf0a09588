//===- PrefillTest.cpp - Attention on the simulated device ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SimulatedKernel.h"

#include "gtest/gtest.h"
#include <cmath>
#include <cstring>

/// Rows of a record against `length` keys, 64 at a time. Keys and values of the
/// next tile are on their way while one is computed with.
static const char *kAttention = R"mlir(
#acc = #sm.acc<4 x 1>
#row = #sm.slice<1, #acc>
#column = #sm.slice<0, #acc>
#sum = #sm.partial<add, 1, #acc>
#largest = #sm.partial<maximum, 1, #acc>
#mover = #sm.mover<8, 4>
!h = memref<?x64xf16, strided<[?, 1]>>
!o = memref<?x64xf32, strided<[?, 1]>>
!block = !sm.buf<64, 64, f16>
!slot = !sm.slot<64, 64, f16>
!ring = !sm.ring<2 of !block, !block>
sm.kernel @attention(%q: !h, %scale: f32, %k: !h, %v: !h, %o: !o, %length: i32)
    warps(4) {
  %room = sm.alloc : !slot
  %ring = sm.ring : !ring
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %two = arith.constant 2 : i64
  %four = arith.constant 4 : i64
  %tile = arith.constant 64 : index
  sm.roles ["all"] warps [4] registers [0] {
    %begin = sm.cursor %ring : !ring
    %last = sm.items init(%begin : !sm.cursor) {
    ^bb0(%item: !sm.item, %start: !sm.cursor):
      %all = arith.constant dense<true> : tensor<64xi1, #mover>
      %coord, %minor, %n0, %sym = sm.rows %item, %zero : tensor<64xi32, #mover>
      %qb = sm.address %q : !h
      %qs = sm.stride %q, 0 : !h
      %qs1 = arith.index_cast %qs : index to i64
      %qs2 = arith.muli %qs1, %two : i64
      %qs3 = sm.splat %qs2 : i64 -> tensor<64xi64, #mover>
      %coord1 = arith.extsi %coord : tensor<64xi32, #mover> to tensor<64xi64, #mover>
      %qoff = arith.muli %coord1, %qs3 : tensor<64xi64, #mover>
      %qb1 = sm.splat %qb : i64 -> tensor<64xi64, #mover>
      %qa = arith.addi %qb1, %qoff : tensor<64xi64, #mover>
      %qt = sm.copy %qa live %all to %room : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot

      %kb = sm.address %k : !h
      %vb = sm.address %v : !h
      %ks = sm.stride %k, 0 : !h
      %ks1 = arith.index_cast %ks : index to i64
      %ks2 = arith.muli %ks1, %two : i64
      %ks3 = sm.splat %ks2 : i64 -> tensor<64xi64, #mover>
      %kb1 = sm.splat %kb : i64 -> tensor<64xi64, #mover>
      %vb1 = sm.splat %vb : i64 -> tensor<64xi64, #mover>
      %lm = sm.splat %length : i32 -> tensor<64xi32, #mover>
      %tb = sm.field %item "kv_begin"
      %tn = sm.field %item "kv_count"
      %te = arith.addi %tb, %tn : index
      %first = sm.fill %ring, %start {
      ^bb0(%ksl: !slot, %vsl: !slot):
        %key0 = arith.muli %tb, %tile : index
        %keys = sm.coord %key0 : tensor<64xi32, #mover>
        %live = arith.cmpi slt, %keys, %lm : tensor<64xi32, #mover>
        %keys1 = arith.extsi %keys : tensor<64xi32, #mover> to tensor<64xi64, #mover>
        %off = arith.muli %keys1, %ks3 : tensor<64xi64, #mover>
        %ka = arith.addi %kb1, %off : tensor<64xi64, #mover>
        %va = arith.addi %vb1, %off : tensor<64xi64, #mover>
        %t1 = sm.copy %ka live %live to %ksl : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
        %t2 = sm.copy %va live %live to %vsl : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
        sm.yield
      } : !ring
      %qbuf = sm.wait %room after %qt : !slot -> !block
      %qf = sm.lds %qbuf : !block -> tensor<64x64xf16, #acc>

      %z = arith.constant dense<0.0> : tensor<64x64xf32, #acc>
      %low = arith.constant dense<0xFF800000> : tensor<64xf32, #row>
      %none = arith.constant dense<0.0> : tensor<64xf32, #row>
      %m, %l, %acc, %end, %left = scf.for %t = %tb to %te step %one
          iter_args(%m0 = %low, %l0 = %none, %o0 = %z, %at = %start, %token = %first)
          -> (tensor<64xf32, #row>, tensor<64xf32, #row>, tensor<64x64xf32, #acc>, !sm.cursor, !sm.token) {
        %next = sm.advance %ring, %at : !ring
        %t1 = arith.addi %t, %one : index
        %filled = sm.fill %ring, %next {
        ^bb0(%ksl: !slot, %vsl: !slot):
          %key1 = arith.muli %t1, %tile : index
          %keys = sm.coord %key1 : tensor<64xi32, #mover>
          %live = arith.cmpi slt, %keys, %lm : tensor<64xi32, #mover>
          %keys1 = arith.extsi %keys : tensor<64xi32, #mover> to tensor<64xi64, #mover>
          %off = arith.muli %keys1, %ks3 : tensor<64xi64, #mover>
          %ka = arith.addi %kb1, %off : tensor<64xi64, #mover>
          %va = arith.addi %vb1, %off : tensor<64xi64, #mover>
          %c1 = sm.copy %ka live %live to %ksl : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
          %c2 = sm.copy %va live %live to %vsl : tensor<64xi64, #mover>, tensor<64xi1, #mover>, !slot
          sm.yield
        } : !ring
        %kbuf, %vbuf = sm.take %ring, %at after %token : !ring -> !block, !block
        %s = sm.gemm %qf, %kbuf acc(%z) {transposeB} : tensor<64x64xf16, #acc>, !block -> tensor<64x64xf32, #acc>
        %sc = sm.splat %scale : f32 -> tensor<64x64xf32, #acc>
        %s1 = arith.mulf %s, %sc : tensor<64x64xf32, #acc>
        %key0 = arith.muli %t, %tile : index
        %key = sm.coord %key0 : tensor<64xi32, #column>
        %lc = sm.splat %length : i32 -> tensor<64xi32, #column>
        %seen = arith.cmpi slt, %key, %lc : tensor<64xi32, #column>
        %seen1 = sm.expand %seen along 0 : tensor<64xi1, #column> -> tensor<64x64xi1, #acc>
        %hidden = arith.constant dense<0xFF800000> : tensor<64x64xf32, #acc>
        %s2 = arith.select %seen1, %s1, %hidden : tensor<64x64xi1, #acc>, tensor<64x64xf32, #acc>
        %m1 = sm.reduce maximum %s2 along 1 : tensor<64x64xf32, #acc> -> tensor<64xf32, #largest>
        %m2 = sm.complete %m1 : tensor<64xf32, #largest> -> tensor<64xf32, #row>
        %m3 = arith.maximumf %m0, %m2 : tensor<64xf32, #row>
        %me = sm.expand %m3 along 1 : tensor<64xf32, #row> -> tensor<64x64xf32, #acc>
        %d = arith.subf %s2, %me : tensor<64x64xf32, #acc>
        %p = math.exp2 %d : tensor<64x64xf32, #acc>
        %dm = arith.subf %m0, %m3 : tensor<64xf32, #row>
        %alpha = math.exp2 %dm : tensor<64xf32, #row>
        %l1 = sm.reduce add %p along 1 : tensor<64x64xf32, #acc> -> tensor<64xf32, #sum>
        %l2 = sm.complete %l1 : tensor<64xf32, #sum> -> tensor<64xf32, #row>
        %l3 = arith.mulf %l0, %alpha : tensor<64xf32, #row>
        %l4 = arith.addf %l3, %l2 : tensor<64xf32, #row>
        %ae = sm.expand %alpha along 1 : tensor<64xf32, #row> -> tensor<64x64xf32, #acc>
        %o1 = arith.mulf %o0, %ae : tensor<64x64xf32, #acc>
        %ph = arith.truncf %p : tensor<64x64xf32, #acc> to tensor<64x64xf16, #acc>
        %o2 = sm.gemm %ph, %vbuf acc(%o1) : tensor<64x64xf16, #acc>, !block -> tensor<64x64xf32, #acc>
        sm.release %ring, %at : !ring
        scf.yield %m3, %l4, %o2, %next, %filled : tensor<64xf32, #row>, tensor<64xf32, #row>, tensor<64x64xf32, #acc>, !sm.cursor, !sm.token
      }
      %ku, %vu = sm.take %ring, %end after %left : !ring -> !block, !block
      sm.release %ring, %end : !ring
      %after = sm.advance %ring, %end : !ring

      %le = sm.expand %l along 1 : tensor<64xf32, #row> -> tensor<64x64xf32, #acc>
      %result = arith.divf %acc, %le : tensor<64x64xf32, #acc>
      %rc, %rm, %count, %rs = sm.rows %item, %zero : tensor<64xi32, #row>
      %number = sm.coord %zero : tensor<64xi32, #row>
      %n = arith.index_cast %count : index to i32
      %ns = sm.splat %n : i32 -> tensor<64xi32, #row>
      %rlive = arith.cmpi slt, %number, %ns : tensor<64xi32, #row>
      %ob = sm.address %o : !o
      %os = sm.stride %o, 0 : !o
      %os1 = arith.index_cast %os : index to i64
      %os2 = arith.muli %os1, %four : i64
      %os3 = sm.splat %os2 : i64 -> tensor<64xi64, #row>
      %rc1 = arith.extsi %rc : tensor<64xi32, #row> to tensor<64xi64, #row>
      %ooff = arith.muli %rc1, %os3 : tensor<64xi64, #row>
      %ob1 = sm.splat %ob : i64 -> tensor<64xi64, #row>
      %oa = arith.addi %ob1, %ooff : tensor<64xi64, #row>
      sm.store_rows %result to %oa live %rlive : tensor<64x64xf32, #acc>, tensor<64xi64, #row>, tensor<64xi1, #row>
      sm.yield %after : !sm.cursor
    }
    sm.yield
  }
  sm.return
}
)mlir";

static TestTensor random(int rows, uint32_t seed) {
  TestTensor tensor = TestTensor::get<uint16_t>(rows, 64);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < 64; ++c) {
      seed = seed * 1664525 + 1013904223;
      tensor.at<uint16_t>(r, c) =
          floatToHalf(float(seed >> 16) / 32768.0f - 1.0f);
    }
  }
  return tensor;
}

TEST(SMToNVVMPrefill, ComputesAttention) {
  const int keys = 150, rows = 64 + 64 + 23;
  const float scale = 0.5f;
  TestPlan plan = TestPlan::get(3, 64);
  plan.items[2].row_count = 23;
  for (attnrt_item &item : plan.items) {
    item.kv_count = 3;
  }
  // Two workers: the second begins with an empty ring of its own.
  plan.work = {0, 2, 3};
  uint32_t bits;
  std::memcpy(&bits, &scale, 4);
  plan.scalars = {bits, keys};
  std::vector<TestTensor> tensors{random(192, 1), random(keys, 2),
                                  random(keys, 3),
                                  TestTensor::get<float>(192, 64, -7)};
  SharedAccesses accesses = runKernel(kAttention, plan, tensors);
  // The swizzle keeps rows that are wanted at once in different banks.
  EXPECT_GT(accesses.ideal, 0u);
  EXPECT_EQ(accesses.wavefronts, accesses.ideal);
  auto half = [&](int tensor, int r, int c) {
    return double(halfToFloat(tensors[tensor].at<uint16_t>(r, c)));
  };
  for (int r = 0; r < rows; ++r) {
    std::vector<double> weights(keys);
    double sum = 0;
    for (int j = 0; j < keys; ++j) {
      double score = 0;
      for (int c = 0; c < 64; ++c) {
        score += half(0, r, c) * half(1, j, c);
      }
      sum += weights[j] = std::exp2(score * scale);
    }
    for (int c = 0; c < 64; ++c) {
      double wanted = 0;
      for (int j = 0; j < keys; ++j) {
        wanted += weights[j] / sum * half(2, j, c);
      }
      ASSERT_NEAR(tensors[3].at<float>(r, c), wanted, 1e-3) << r << ", " << c;
    }
  }
  for (int c = 0; c < 64; ++c) {
    ASSERT_EQ(tensors[3].at<float>(rows, c), -7) << "expects no row behind";
  }
}
