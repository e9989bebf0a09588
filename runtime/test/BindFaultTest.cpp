//===- BindFaultTest.cpp - Allocations that fail beside steps -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Allocations.h"
#include "TestBundle.h"

#include <cstring>

using namespace attnrt_test;

namespace {

/// A schedule with a bound, that has run a step.
struct Bounded {
  explicit Bounded(attnrt_context_params context = threads())
      : loaded(&context, {kDLCPU, 0}, 1, &caps()) {
    EXPECT_EQ("", loaded.run(small));
  }
  static attnrt_context_params threads() {
    attnrt_context_params params{};
    params.struct_size = sizeof(params);
    params.cpu_threads = 1;
    return params;
  }
  static const attnrt_schedule_caps &caps() {
    static attnrt_schedule_caps caps{};
    caps.struct_size = sizeof(caps);
    caps.workers = 3;
    caps.max_segments = caps.max_rows = 40;
    caps.max_items = 200;
    caps.max_merges = 60;
    caps.max_slots = 150;
    return caps;
  }
  /// The step that was planned still runs.
  void expectSame() {
    small.y.assign(2, -1);
    auto all = small.all();
    EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
    EXPECT_EQ(small.expected(), small.y);
    EXPECT_EQ(ATTNRT_OK, attnrt_schedule_verify(loaded.schedule));
  }
  /// Binds to the step with each allocation failing once; then it runs.
  void bindWithFailures(const attnrt_step &step) {
    EXPECT_GT(failEach(
                  [&] {
                    return attnrt_schedule_bind(loaded.schedule, &step, nullptr,
                                                0, nullptr);
                  },
                  [&] { expectSame(); }),
              5);
    EXPECT_EQ("", loaded.run(large));
    EXPECT_EQ(large.expected(), large.y);
  }

  Loaded loaded;
  Batch small{{7, 2}, 30}, large{std::vector<int32_t>(40, 30), 30};
};

} // namespace

TEST(BindFault, EveryAllocationOfBind) {
  Bounded bounded;
  attnrt_step step = bounded.large.step();
  const std::string text(1000, 'x');
  const attnrt_carried carried{text.data(), text.size()};
  step.carried = &carried;
  step.num_carried = 1;
  bounded.bindWithFailures(step);
}

TEST(BindFault, ScratchOfAnEnginesLoop) {
  // Its room is made by bind: one block fails after all else is there.
  attnrt_context_params params = Bounded::threads();
  params.parallel_for = [](void *, int64_t n, void (*body)(void *, int64_t),
                           void *ctx) {
    for (int64_t i = 0; i < n; ++i) {
      body(ctx, i);
    }
  };
  params.cpu_threads = 4; // more points at once than the small step has
  Bounded bounded(params);
  attnrt_step step = bounded.large.step();
  const long before = blocksMade();
  bounded.bindWithFailures(step);
  EXPECT_GT(blocksMade(), before);
}

TEST(BindFault, EveryAllocationOfMeasure) {
  Bounded bounded;
  attnrt_step step = bounded.large.step();
  attnrt_schedule_room room{};
  room.struct_size = sizeof(room);
  const attnrt_schedule_room empty = room;
  EXPECT_GT(failEach(
                [&] {
                  return attnrt_schedule_measure(bounded.loaded.schedule, &step,
                                                 &room);
                },
                [&] {
                  EXPECT_EQ(0, std::memcmp(&room, &empty, sizeof(room)));
                  bounded.expectSame();
                }),
            2);
  EXPECT_GT(room.workspace_bytes, 0u);
  bounded.expectSame();
}

TEST(BindFault, EveryAllocationOfValidate) {
  Bounded bounded;
  attnrt_step step = bounded.large.step();
  EXPECT_GT(failEach(
                [&] {
                  return attnrt_schedule_validate(bounded.loaded.schedule,
                                                  &step);
                },
                [&] { bounded.expectSame(); }),
            2);
}
