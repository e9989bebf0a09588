//===- RunTest.cpp - attnrt_cpu_run
//----------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PlanModel.h"

#include <algorithm>
#include <atomic>
#include <gtest/gtest.h>
#include <string>

using namespace attnrt::test;

namespace {
std::atomic<int32_t> items, merges, badScratch;

void countItem(const attnrt_args *, const attnrt_item *, void *scratch) {
  ++items;
  if (merges.load()) {
    badScratch += 1000; // a merge ran before the last item
  }
  badScratch += reinterpret_cast<uintptr_t>(scratch) % 64 != 0;
  std::fill_n(static_cast<char *>(scratch), 1000, 1); // the sanitizer watches
}

void countMerge(const attnrt_args *, const attnrt_merge *, void *scratch) {
  ++merges;
  std::fill_n(static_cast<char *>(scratch), 1000, 2);
}

class Run : public testing::Test {
protected:
  void SetUp() override {
    std::mt19937 rng(31);
    world.heads = 3;
    world.options.split = 3;
    world.addSegment(200, 5);
    world.addSegment(0, 1);
    world.fill(rng);
    problem = world.problem();
    planner = makePlanner();
    ASSERT_EQ(attnrt_planner_plan(planner.get(), &problem, &world.entry,
                                  &world.options, &plan),
              ATTNRT_OK);
    items = merges = badScratch = 0;
  }
  World world;
  attnrt_problem problem;
  PlannerPtr planner;
  const attnrt_plan *plan = nullptr;
  attnrt_args args{};
};
} // namespace

TEST_F(Run, EveryItemThenEveryMerge) {
  for (int32_t threads : {0, 1, 3}) {
    attnrt_pool_options options{threads, 0};
    attnrt_pool *pool = nullptr;
    if (threads) {
      ASSERT_EQ(attnrt_pool_create(&options, &pool), ATTNRT_OK);
    }
    items = merges = 0;
    EXPECT_EQ(attnrt_cpu_run(plan, 0, countItem, countMerge, &args, pool, 1000),
              ATTNRT_OK);
    EXPECT_EQ(uint32_t(items), plan->items.count);
    EXPECT_EQ(uint32_t(merges), plan->merges.count);
    EXPECT_EQ(badScratch, 0);
    attnrt_pool_destroy(pool);
  }
}

TEST_F(Run, RefusesWhatItCannotWalk) {
  auto run = [&](const attnrt_plan *p, int32_t stage, attnrt_item_fn item,
                 attnrt_merge_fn merge) {
    return attnrt_cpu_run(p, stage, item, merge, &args, nullptr, 1000);
  };
  EXPECT_EQ(run(nullptr, 0, countItem, countMerge), ATTNRT_INVALID_ARGUMENT);
  EXPECT_EQ(run(plan, 1, countItem, countMerge), ATTNRT_INVALID_ARGUMENT);
  EXPECT_EQ(run(plan, -1, countItem, countMerge), ATTNRT_INVALID_ARGUMENT);
  EXPECT_EQ(run(plan, 0, nullptr, countMerge), ATTNRT_INVALID_ARGUMENT);
  EXPECT_EQ(run(plan, 0, countItem, nullptr), ATTNRT_INVALID_ARGUMENT);
  EXPECT_EQ(attnrt_cpu_run(plan, 0, countItem, countMerge, &args, nullptr,
                           UINT64_MAX),
            ATTNRT_RESOURCE_EXHAUSTED);
  auto broken = [&](auto change) {
    PlanCopy copy(plan);
    change(copy);
    return run(copy.get(), 0, countItem, countMerge);
  };
  EXPECT_EQ(broken([](PlanCopy &c) { c.get()->magic++; }), ATTNRT_INVALID_PLAN);
  EXPECT_EQ(broken([](PlanCopy &c) { c.work()[1] = 1 << 20; }),
            ATTNRT_INVALID_PLAN);
  EXPECT_EQ(broken([](PlanCopy &c) { c.work()[0] = -1; }), ATTNRT_INVALID_PLAN);
  EXPECT_EQ(broken([](PlanCopy &c) { c.stage()->merge_work_begin = 1 << 20; }),
            ATTNRT_INVALID_PLAN);
  EXPECT_EQ(broken([](PlanCopy &c) { c.stage()->item_count++; }),
            ATTNRT_INVALID_PLAN);
  EXPECT_EQ(items, 0);
}
