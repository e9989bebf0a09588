//===- CaptureTest.cpp - Steps that fail behind captured runs -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Allocations.h"
#include "FakeCuda.h"
#include "TestBundle.h"
#include "attnrt/plan.h"

#include <algorithm>

using namespace attnrt_test;

namespace {

constexpr DLDevice kGpu = {kDLCUDA, 0};
constexpr int64_t kKeys = 30;

/// An engine's memory that ends.
struct LimitedAllocator : CountingAllocator {
  LimitedAllocator() {
    table.allocate = [](void *self, DLDevice, uint64_t bytes, uint64_t, void *,
                        void **out) {
      auto *own = static_cast<LimitedAllocator *>(self);
      ++own->asked;
      if (bytes > own->most) {
        return ATTNRT_RESOURCE_EXHAUSTED;
      }
      *out = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
      return ATTNRT_OK;
    };
  }
  uint64_t most = UINT64_MAX;
};

class Capture : public testing::Test, protected FakeCuda {
protected:
  Capture() {
    params.struct_size = sizeof(params);
    params.cuda_library = ATTNRT_FAKE_CUDA;
    params.allocator = &allocator.table;
    caps.struct_size = sizeof(caps);
    caps.flags = ATTNRT_SCHEDULE_CAPTURE;
    caps.workers = 40;
    small.moveTo(kGpu);
    large.moveTo(kGpu);
  }

  attnrt_status update(const Loaded &loaded, Batch &batch) {
    attnrt_step step = batch.step();
    return attnrt_schedule_update(loaded.schedule, &step, nullptr);
  }
  void runs(const Loaded &loaded, Batch &batch) {
    std::fill(batch.y.begin(), batch.y.end(), -1.f);
    auto all = batch.all();
    EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr))
        << attnrt_last_message();
    finish();
    EXPECT_EQ(batch.expected(), batch.y);
  }
  static attnrt_schedule_stats statsOf(const Loaded &loaded) {
    attnrt_schedule_stats stats{};
    stats.struct_size = sizeof(stats);
    EXPECT_EQ(ATTNRT_OK, attnrt_schedule_describe(loaded.schedule, &stats));
    return stats;
  }

  LimitedAllocator allocator;
  attnrt_context_params params{};
  attnrt_schedule_caps caps{};
  Batch small{{1, 0, 30}, kKeys};
  Batch large{std::vector<int32_t>(300, 30), kKeys};
};

} // namespace

TEST_F(Capture, ACapturedRunOutlivesAnUpdateThatFails) {
  Loaded loaded(&params, kGpu, 1, &caps);
  ASSERT_EQ(ATTNRT_OK, update(loaded, small));
  finish();
  const int64_t layout = statsOf(loaded).layout;
  auto all = small.all();
  capture(1);
  EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
  capture(0);
  // The larger step gets its block, and fails behind it.
  fail("cuMemcpyHtoDAsync_v2", 2);
  EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED, update(loaded, large));
  EXPECT_EQ(2, allocator.asked);
  EXPECT_EQ(1, allocator.freed); // the new one
  EXPECT_EQ(layout, statsOf(loaded).layout);
  std::fill(small.y.begin(), small.y.end(), -1.f);
  replay();
  finish();
  EXPECT_EQ(small.expected(), small.y);
  runs(loaded, small);
  // What comes next takes the place of the old one.
  ASSERT_EQ(ATTNRT_OK, update(loaded, large));
  EXPECT_EQ(3, allocator.asked);
  EXPECT_EQ(2, allocator.freed);
  EXPECT_NE(layout, statsOf(loaded).layout);
  runs(loaded, large);
}

TEST_F(Capture, StatesOutliveAnUpdateThatFails) {
  for (uint32_t flags : {0u, uint32_t(ATTNRT_SCHEDULE_CAPTURE)}) {
    caps.flags = flags;
    Loaded loaded(&params, kGpu, 1, &caps);
    // Row 0 goes on from a state that the engine has.
    std::vector<int32_t> rowBegin{0, 1, 2, 3}, coord(3), lo(3), sym{0, 1, 2},
        extBegin{0, 1, 1, 1}, ext{0};
    std::vector<attnrt_segment> segments(3);
    for (int32_t b = 0; b < 3; ++b) {
      attnrt_segment &segment = segments[size_t(b)];
      segment.select = segment.len_ref = segment.head = -1;
      segment.param = b;
      segment.count = small.len[size_t(b)];
    }
    attnrt_problem problem{};
    problem.struct_size = sizeof(problem);
    problem.heads = problem.group = 1;
    problem.segments = segments.data();
    problem.segment_count = problem.row_count = 3;
    problem.row_begin = rowBegin.data();
    problem.coord = coord.data();
    problem.lo = lo.data();
    problem.limit = small.len.data();
    problem.sym = sym.data();
    problem.ext_begin = extBegin.data();
    problem.ext = ext.data();
    problem.ext_count = 1;
    const attnrt_problem *problems[] = {&problem};
    attnrt_step step = small.step();
    step.problems = problems;
    step.num_problems = 1;
    ASSERT_EQ(ATTNRT_OK,
              attnrt_schedule_update(loaded.schedule, &step, nullptr))
        << attnrt_last_message();
    auto stateOf = [&] {
      attnrt_state_info info{};
      info.struct_size = sizeof(info);
      EXPECT_EQ(ATTNRT_OK, attnrt_schedule_state(loaded.schedule, 0, 0, &info));
      return static_cast<float *>(info.data);
    };
    float *state = stateOf();
    ASSERT_NE(nullptr, state);
    *state = 64;
    fail("cuMemcpyHtoDAsync_v2", 2);
    EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED, update(loaded, large));
    ASSERT_EQ(state, stateOf());
    EXPECT_EQ(64, *state);
    auto all = small.all();
    EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
    finish();
    std::vector<float> expected = small.expected();
    expected[0] += 0.5f * 64;
    EXPECT_EQ(expected, small.y);
  }
}

TEST_F(Capture, ARefusedStepTakesNoRoom) {
  uint64_t needed = 0, spared = 0;
  {
    Loaded loaded(&params, kGpu, 1, &caps);
    ASSERT_EQ(ATTNRT_OK, update(loaded, small));
    spared = uint64_t(statsOf(loaded).workspace_bytes);
    caps.flags = 0;
    Loaded exact(&params, kGpu, 1, &caps);
    ASSERT_EQ(ATTNRT_OK, update(exact, small));
    needed = uint64_t(statsOf(exact).workspace_bytes);
    caps.flags = ATTNRT_SCHEDULE_CAPTURE;
  }
  for (bool isCapped : {true, false}) {
    caps.max_workspace_bytes = isCapped ? int64_t(spared) : 0;
    allocator.most = isCapped ? UINT64_MAX : spared;
    Loaded loaded(&params, kGpu, 1, &caps);
    ASSERT_EQ(ATTNRT_OK, update(loaded, small));
    runs(loaded, small);
    const int64_t layout = statsOf(loaded).layout;
    EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED, update(loaded, large));
    ASSERT_EQ(ATTNRT_OK, update(loaded, small)) << attnrt_last_message();
    EXPECT_EQ(layout, statsOf(loaded).layout);
    runs(loaded, small);
  }
  // Room to spare is what is left: a step that fits without fits with it.
  allocator.most = UINT64_MAX;
  for (uint64_t most = needed; most <= spared + 512; most += 64) {
    caps.max_workspace_bytes = int64_t(most);
    Loaded loaded(&params, kGpu, 1, &caps);
    ASSERT_EQ(ATTNRT_OK, update(loaded, small)) << attnrt_last_message();
    EXPECT_LE(statsOf(loaded).workspace_bytes, int64_t(most));
    runs(loaded, small);
  }
}
