//===- InspectTest.cpp - What a step was planned as -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Allocations.h"
#include "TestBundle.h"

#include "attnrt/plan_format.h"

#include <gtest/gtest.h>

using namespace attnrt_test;

namespace {

/// A schedule of "sums", in `split` parts; with code that counts tiles or
/// without.
struct Counting {
  Counting(bool counts, int32_t split) {
    attnrt::bundle::BundleT bundle = makeBundle();
    if (counts) {
      bundle.entries[0]->programs[0]->launches[0]->classes = "sums_classes";
    }
    Bytes bytes = pack(std::move(bundle));
    attnrt_schedule_caps caps{};
    caps.struct_size = sizeof(caps);
    caps.workers = 2;
    caps.split = split;
    bool isBad =
        attnrt_context_create(nullptr, &context) ||
        attnrt_bundle_load(context, bytes.data(), bytes.size(), &loaded) ||
        attnrt_kernel_load(loaded, "sums", {kDLCPU, 0}, nullptr, &kernel) ||
        attnrt_schedule_create(kernel, &caps, &schedule);
    EXPECT_FALSE(isBad) << attnrt_last_message();
  }
  ~Counting() {
    attnrt_schedule_release(schedule);
    attnrt_kernel_release(kernel);
    attnrt_bundle_release(loaded);
    attnrt_context_release(context);
  }
  attnrt_schedule_stats plan(Batch &batch) {
    attnrt_step step = batch.step();
    EXPECT_EQ(ATTNRT_OK, attnrt_schedule_update(schedule, &step, nullptr))
        << attnrt_last_message();
    attnrt_schedule_stats stats{};
    stats.struct_size = sizeof(stats);
    EXPECT_EQ(ATTNRT_OK, attnrt_schedule_describe(schedule, &stats));
    return stats;
  }

  attnrt_context *context = nullptr;
  attnrt_bundle *loaded = nullptr;
  attnrt_kernel *kernel = nullptr;
  attnrt_schedule *schedule = nullptr;
};

attnrt_launch_info emptyInfo() {
  attnrt_launch_info info{};
  info.struct_size = sizeof(info);
  return info;
}

} // namespace

TEST(Inspect, TilesAreCountedOncePerRunOfRows) {
  Batch batch({9, 30, 0, 16}, 30);
  auto all = batch.all();
  for (int32_t split : {0, 1, 3}) {
    Counting counting(true, split);
    int64_t counts[3] = {7, 7, 7};
    for (int run = 0; run < 2; ++run) {
      counting.plan(batch);
      EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
                attnrt_schedule_count_tiles(counting.schedule, counts));
      EXPECT_STREQ("expects a run of the step before its tiles are counted",
                   attnrt_last_message());
      ASSERT_EQ(ATTNRT_OK,
                attnrt_run(counting.schedule, all.data(), 5, nullptr));
      ASSERT_EQ(ATTNRT_OK,
                attnrt_schedule_count_tiles(counting.schedule, counts));
      // Of 8 tiles each; the row that sees nothing is no work.
      EXPECT_EQ(5 + 0 + 4, counts[0]);
      EXPECT_EQ(1 + 1 + 0, counts[1]);
      EXPECT_EQ(2 + 7 + 4, counts[2]);
    }
  }
  Counting silent(false, 1);
  silent.plan(batch);
  ASSERT_EQ(ATTNRT_OK, attnrt_run(silent.schedule, all.data(), 5, nullptr));
  int64_t counts[3] = {7, 7, 7};
  ASSERT_EQ(ATTNRT_OK, attnrt_schedule_count_tiles(silent.schedule, counts));
  EXPECT_EQ(0, counts[0] + counts[1] + counts[2]);
}

TEST(Inspect, EveryAllocationOfCounting) {
  Batch batch({9, 30, 0, 16}, 30);
  auto all = batch.all();
  Counting counting(true, 3);
  counting.plan(batch);
  ASSERT_EQ(ATTNRT_OK, attnrt_run(counting.schedule, all.data(), 5, nullptr));
  int64_t counts[3] = {7, 7, 7};
  EXPECT_GT(failEach(
                [&] {
                  return attnrt_schedule_count_tiles(counting.schedule, counts);
                },
                [&] { EXPECT_EQ(21, counts[0] + counts[1] + counts[2]); }),
            0);
  EXPECT_EQ(24, counts[0] + counts[1] + counts[2]);
}

TEST(Inspect, LaunchesOfAStep) {
  Counting counting(false, 3);
  attnrt_launch_info info = emptyInfo();
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_schedule_launch(counting.schedule, 0, &info));
  EXPECT_STREQ("expects a step to be planned before its launches are known",
               attnrt_last_message());
  Batch batch({9, 30, 0}, 30);
  attnrt_schedule_stats stats = counting.plan(batch);
  ASSERT_EQ(ATTNRT_OK, attnrt_schedule_launch(counting.schedule, 0, &info));
  EXPECT_EQ(uint32_t(ATTNRT_LAUNCH_FOLD), info.flags);
  EXPECT_EQ(4, info.cols);
  ASSERT_NE(nullptr, info.plan);
  EXPECT_EQ(stats.items, int64_t(info.plan->items.count));
  EXPECT_EQ(stats.merges, int64_t(info.plan->merges.count));
  EXPECT_GT(stats.merges, 0);
  EXPECT_STREQ("[]", info.counters);
  // The CPU cuts the points of a stage itself.
  ASSERT_EQ(ATTNRT_OK, attnrt_schedule_launch(counting.schedule, 1, &info));
  EXPECT_EQ(0u, info.flags);
  EXPECT_EQ(nullptr, info.plan);
  for (int32_t launch : {-1, 2}) {
    EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
              attnrt_schedule_launch(counting.schedule, launch, &info));
  }
  EXPECT_STREQ("expects a launch below 2, but got 2", attnrt_last_message());
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_schedule_launch(nullptr, 0, &info));
}
