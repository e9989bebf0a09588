//===- TableEndsTest.cpp - Lengths past tables that no row sees -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An update refuses lengths past their tables (TableBoundsTest.cpp), but not
// where masks keep rows from there.
//
//===----------------------------------------------------------------------===//
#include "TablesKit.h"

#include <limits>

using namespace attn;
using namespace attn::test;

namespace {

/// A dense table of pages and lengths, and a mask of `see`.
std::string masked(const std::string &mask) {
  std::string text = program(
      "memref<?x4x2x16xf32>", "pg = %table[b, m floordiv 4], len = %len[b]",
      "m < len", "pg, m mod 4, g, ", "tensor<?x?xi32>, tensor<?xi32>",
      "%table: tensor<?x?xi32>, %len: tensor<?xi32>, "
      "%see: tensor<?xi32>");
  const std::string clause = "reduce add(e)\n";
  text.insert(text.find(clause) + clause.size(),
              "        symbols(s = %see[b]) where (" + mask + ")\n");
  const std::string types = "tensor<?x?x2x16xf32>, f32";
  return text.insert(text.find(types) + types.size(), ", tensor<?xi32>");
}

/// The caches, with NaN where no request has a key, and all pages.
struct Cache {
  Cache() {
    for (int64_t b = 0; b < kRequests; ++b) {
      for (int64_t page = 0; page < kColumns; ++page) {
        table.push_back(int32_t(pageOf(b, page)));
      }
    }
  }
  static int64_t at(int64_t b, int64_t m, int64_t g) {
    return ((pageOf(b, m / kPage) * kPage + m % kPage) * kHeads + g) * kWidth;
  }
  static constexpr int64_t kColumns = 6,
                           kElements = kPages * kPage * kHeads * kWidth;
  std::vector<int64_t> sizes{kPages, kPage, kHeads, kWidth};
  std::vector<int32_t> table;
};

} // namespace

TEST_P(TablesTest, LengthsThatNoRowSees) {
  Cache cache;
  std::vector<float> kp = fill(k, Cache::kElements, Cache::at),
                     vp = fill(v, Cache::kElements, Cache::at);
  // The mask ends at the table's last key, or at once.
  std::vector<int32_t> see = kLengths;
  for (std::vector<int32_t> len :
       {std::vector<int32_t>{1000, 500, 13}, {24, 1 << 20, 13}}) {
    check(masked("m < s"),
          {Tensor(kp.data(), cache.sizes, kF32),
           Tensor(vp.data(), cache.sizes, kF32)},
          {Tensor(cache.table.data(), {kRequests, Cache::kColumns}, kI32),
           Tensor(len.data(), {kRequests}, kI32),
           Tensor(see.data(), {kRequests}, kI32)},
          {ATTNRT_INVALID_ARGUMENT});
  }
}

TEST_P(TablesTest, JoinedKernelsEndByTheirOwnMasks) {
  if (GetParam().device.device_type != kDLCPU) {
    GTEST_SKIP() << "its kernels have stages, which cannot be joined";
  }
  Cache cache;
  std::vector<float> kp = fill(k, Cache::kElements, Cache::at),
                     vp = fill(v, Cache::kElements, Cache::at),
                     out(q.size(), -1);
  // The older keys have a table of half of the pages.
  constexpr int64_t columns = 3;
  std::vector<int32_t> older, len = kLengths, see{12, 0, 9};
  for (int64_t i = 0; i < kRequests * columns; ++i) {
    older.push_back(int32_t(pageOf(i / columns, i % columns)));
  }
  Tensor tq(q.data(), {kRequests, kHeads, kWidth}, kF32),
      tk(kp.data(), cache.sizes, kF32), tv(vp.data(), cache.sizes, kF32),
      to(older.data(), {kRequests, columns}, kI32),
      tn(cache.table.data(), {kRequests, Cache::kColumns}, kI32),
      tl(len.data(), {kRequests}, kI32), ts(see.data(), {kRequests}, kI32),
      tc(&scale, {}, kF32), ty(out.data(), tq.sizes, kF32);
  std::vector<const DLTensor *> all;
  for (Tensor *table : {&to, &tn}) {
    for (Tensor *t : {&tq, &tk, &tv, table, &tl, &ts, &tc}) {
      all.push_back(t->get());
    }
  }
  rt::Kernel first = load(masked("m < s"), "decode"),
             second = load(masked("m >= s"), "decode"),
             joint = rt::Kernel::join({&first, &second});
  rt::Schedule schedule(joint);
  schedule.update(all);
  schedule.verify();
  std::vector<const DLTensor *> run = all;
  run.push_back(ty.get());
  schedule.run(run);
  expectRows(out);

  // Rows that see far past the older table are refused as of one kernel.
  len[0] = 1000;
  see[0] = 500;
  auto step = rt::params<attnrt_step>();
  step.num_arguments = int32_t(all.size());
  step.arguments = all.data();
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_schedule_update(schedule.get(), &step, nullptr));
  EXPECT_STREQ("the view of argument 1 goes on to m = 999 at b = 0, but "
               "argument 3 has 3 entries along axis 1: expects an end of m at "
               "12 or before",
               attnrt_last_message());
}
