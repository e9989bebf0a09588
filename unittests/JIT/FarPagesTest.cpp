//===- FarPagesTest.cpp - A pool of more than 2^31 elements ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Offsets in a pool are 64 bits wide, of elements and of bytes. The pool of
// this test is larger than 2^32 bytes and 2^31 elements of 2 bytes; only the
// pages that hold keys, and those that an offset cut to 31 or 32 bits would
// meet, take memory. The latter are NaN.
//
//===----------------------------------------------------------------------===//
#include "PlanPrograms.h"
#include "TestProgram.h"

#include "attn/Support/FloatFormats.h"

#include "gtest/gtest.h"
#include <cmath>
#include <random>
#include <sys/mman.h>

using namespace attn;
using namespace attn::test;

namespace {

constexpr int64_t kHeads = 2, kGroup = 2, kWidth = 16, kPage = 16;
constexpr int64_t kPageElements = kPage * kHeads * 2 * kWidth;
// The first page behind 2^31 bytes, and the one behind 2^31 elements.
constexpr int64_t kFar = (int64_t(1) << 30) / kPageElements;
constexpr int64_t kFarther = (int64_t(1) << 31) / kPageElements;
constexpr int64_t kPages = kFarther + 8;

/// A token's key and value are side by side.
const char *const program = R"mlir(
!pool = memref<?x16x2x32xbf16>
!keys = tensor<?x?x2x16xbf16>
!queries = tensor<?x?x2x2x16xf32>
!scores = tensor<?x2x2x?x?xf32>
!rows = tensor<?x2x2x?xf32>
func.func @attend(%q: !queries, %kv: !pool, %table: memref<?x?xi32>,
                  %len: tensor<?xi32>) -> !queries {
  %k = attn.view (b, m, g, e) symbols(pg = %table[b, m floordiv 16], len = %len[b])
      where (m < len) of %kv[pg, m mod 16, g, e]
      : (!pool, memref<?x?xi32>, tensor<?xi32>) -> !keys
  %v = attn.view (b, m, g, f) symbols(pg = %table[b, m floordiv 16], len = %len[b])
      where (m < len) of %kv[pg, m mod 16, g, f + 16]
      : (!pool, memref<?x?xi32>, tensor<?xi32>) -> !keys
  %o = attn.cascade ranks(b, g, r, p, m, e, f) -> !queries {
    %qk = attn.einsum %q[b, p, g, r, e], %k[b, m, g, e] -> [b, g, r, p, m]
        reduce add(e) : (!queries, !keys) -> !scores
)mlir";

/// Memory of which only what is touched exists.
class Pool {
public:
  Pool() {
    void *memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    elements = memory == MAP_FAILED ? nullptr : static_cast<uint16_t *>(memory);
  }
  ~Pool() {
    if (elements) {
      munmap(elements, kBytes);
    }
  }

  void fillPage(int64_t page, float value) {
    std::fill_n(elements + page * kPageElements, kPageElements,
                uint16_t(encodeFloat(value, kBFloat)));
  }

  static constexpr size_t kBytes = size_t(kPages) * kPageElements * 2;
  uint16_t *elements;
};

class FarPages : public testing::TestWithParam<DLDevice> {};

} // namespace

TEST_P(FarPages, AreReached) {
  Pool pool;
  if (!pool.elements) {
    GTEST_SKIP() << "the system gives no " << Pool::kBytes
                 << " bytes of addresses";
  }
  // Pages of two requests, on both sides of the borders and at the end.
  const std::vector<int32_t> table = {
      int32_t(kFarther + 3), int32_t(kFar - 1),
      int32_t(kFarther),     int32_t(kFar + 2),
      int32_t(kFar),         int32_t(kPages - 1),
      int32_t(kFarther - 1), 0};
  const std::vector<int32_t> len = {61, 35};
  const int64_t columns = 4, most = 3;
  for (int32_t page : table) {
    // What is left of an offset without its upper bits.
    for (int64_t size : {kFar, kFarther}) {
      if (page >= size) {
        pool.fillPage(page % size, NAN);
      }
    }
  }
  for (int32_t page : table) {
    pool.fillPage(page, NAN);
  }
  std::mt19937_64 random(testSeed());
  std::normal_distribution<float> normal;
  auto at = [&](int64_t b, int64_t m, int64_t g) {
    int64_t page = table[size_t(b * columns + m / kPage)];
    return pool.elements + page * kPageElements +
           (m % kPage * kHeads + g) * 2 * kWidth;
  };
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t m = 0; m < len[size_t(b)]; ++m) {
      for (int64_t i = 0; i < kHeads * 2 * kWidth; ++i) {
        at(b, m, 0)[i] = uint16_t(encodeFloat(normal(random) / 2, kBFloat));
      }
    }
  }
  std::vector<float> q(size_t(2 * most * kHeads * kGroup * kWidth));
  for (float &x : q) {
    // What bf16 holds exactly.
    x = float(decodeFloat(encodeFloat(normal(random) / 2, kBFloat), kBFloat));
  }
  std::vector<float> out(q.size(), -7);

  rt::Context context;
  ProgramOptions options;
  options.withPtx = GetParam().device_type != kDLCPU;
  rt::Bundle bundle =
      loadProgram(context, std::string(program) + kAttentionOfScores, options);
  rt::Kernel kernel(bundle, "attend", GetParam());
  auto caps = rt::params<attnrt_schedule_caps>();
  caps.workers = 2;
  rt::Schedule schedule(kernel, &caps);
  std::vector<std::vector<int64_t>> shapes = {
      {2, most, kHeads, kGroup, kWidth},
      {kPages, kPage, kHeads, 2 * kWidth},
      {2, columns},
      {2},
      {2, most, kHeads, kGroup, kWidth}};
  const void *data[] = {q.data(), pool.elements, table.data(), len.data(),
                        out.data()};
  DLDataType types[] = {{kDLFloat, 32, 1},
                        {kDLBfloat, 16, 1},
                        {kDLInt, 32, 1},
                        {kDLInt, 32, 1},
                        {kDLFloat, 32, 1}};
  std::vector<DLTensor> tensors(5);
  std::vector<const DLTensor *> list;
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i] = {};
    tensors[i].data = const_cast<void *>(data[i]);
    tensors[i].device = {kDLCPU, 0};
    tensors[i].ndim = int32_t(shapes[i].size());
    tensors[i].dtype = types[i];
    tensors[i].shape = shapes[i].data();
    list.push_back(&tensors[i]);
  }
  schedule.update({list.begin(), list.end() - 1});
  schedule.run(list);

  size_t element = 0;
  for (int64_t b = 0; b < 2; ++b) {
    for (int64_t row = 0; row < most * kHeads * kGroup;
         ++row, element += kWidth) {
      const int64_t g = row / kGroup % kHeads;
      double all = 0, sums[kWidth] = {};
      for (int64_t m = 0; m < len[size_t(b)]; ++m) {
        double score = 0;
        for (int64_t e = 0; e < kWidth; ++e) {
          score += double(q[element + size_t(e)]) *
                   decodeFloat(at(b, m, g)[e], kBFloat);
        }
        all += std::exp(score);
        for (int64_t f = 0; f < kWidth; ++f) {
          sums[f] +=
              std::exp(score) * decodeFloat(at(b, m, g)[kWidth + f], kBFloat);
        }
      }
      for (int64_t f = 0; f < kWidth; ++f) {
        // Matrix units take weights in bf16. A NaN is near to nothing.
        ASSERT_NEAR(out[element + size_t(f)], sums[f] / all, 1e-2)
            << "request " << b << " row " << row << " channel " << f;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, FarPages,
                         testing::Values(DLDevice{kDLCPU, 0},
                                         DLDevice{kDLExtDev,
                                                  ATTNRT_DEVICE_SIM}),
                         [](const testing::TestParamInfo<DLDevice> &info) {
                           return info.param.device_type == kDLCPU ? "cpu"
                                                                   : "sim";
                         });
