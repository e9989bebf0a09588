//===- PagePoolStateTest.cpp - Random operations on page pools ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each world is a pool of another shape with a few hundred operations; after
// each operation the pool's audit, its statistics and everything that any
// sequence reads are compared with the model.
//
//===----------------------------------------------------------------------===//
#include "PagePoolWorld.h"

#include <cstdlib>
#include <gtest/gtest.h>

using namespace attnrt_test;

TEST(PagePoolState, RandomOperationsAgainstAModel) {
  const char *text = std::getenv("ATTN_TEST_SEED");
  const uint32_t seed = text ? uint32_t(std::strtoul(text, nullptr, 10)) : 1;
  const bool isLong = std::getenv("ATTN_TEST_LONG");
  const int worlds = isLong ? 1600 : 100, operations = 200;
  PagePoolWorld::Counters sum;
  for (int i = 0; i < worlds; ++i) {
    PagePoolWorld world(seed * 100003 + uint32_t(i));
    for (int k = 0; k < operations; ++k) {
      std::string error = world.step();
      ASSERT_EQ("", error) << "seed " << seed << ", world " << i
                           << ", operation " << k;
    }
    sum.operations += world.counters.operations;
    sum.refused += world.counters.refused;
    sum.reused += world.counters.reused;
    sum.copies += world.counters.copies;
    sum.evicted += world.counters.evicted;
    sum.trims += world.counters.trims;
    sum.compactions += world.counters.compactions;
    sum.inLimbo += world.counters.inLimbo;
    sum.revived += world.counters.revived;
    sum.stale += world.counters.stale;
    sum.rewrites += world.counters.rewrites;
    sum.pins += world.counters.pins;
    sum.discards += world.counters.discards;
  }
  std::printf(
      "%lld operations: %lld refused, %lld tokens reused, %lld pages "
      "copied, %lld evicted, %lld trimmed, %lld in limbo, %lld revived, "
      "%lld compactions, %lld rewrites, %lld pins\n",
      (long long)sum.operations, (long long)sum.refused, (long long)sum.reused,
      (long long)sum.copies, (long long)sum.evicted, (long long)sum.trims,
      (long long)sum.inLimbo, (long long)sum.revived,
      (long long)sum.compactions, (long long)sum.rewrites, (long long)sum.pins);
  // It is about something.
  for (int64_t count : {sum.refused, sum.reused, sum.copies, sum.evicted,
                        sum.trims, sum.inLimbo, sum.revived, sum.compactions,
                        sum.stale, sum.rewrites, sum.pins, sum.discards}) {
    EXPECT_GT(count, 0);
  }
}
