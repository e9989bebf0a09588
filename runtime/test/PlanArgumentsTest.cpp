//===- PlanArgumentsTest.cpp - What a planning call refuses ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PlanModel.h"

#include <climits>
#include <cstring>
#include <gtest/gtest.h>

using namespace attnrt::test;

namespace {
/// A batch of everything, planned once; each refusal has to leave that plan.
class PlanArguments : public testing::Test {
protected:
  void SetUp() override {
    world = World::forest({2, 2}, {70, 30, 9});
    world.heads = 2;
    world.group = 3;
    world.entry.kv_tile = 8;
    const size_t rows = world.coord.size(), segments = world.segments.size();
    world.sureLo = world.lo;
    world.sureLimit = world.limit;
    world.rowLenRef.assign(rows, -1);
    world.rowBack.assign(rows, 0);
    world.sureCount.assign(segments, 0);
    world.maskBegin.assign(segments, -1);
    world.maskBegin.back() = 1;
    world.masks.assign(10, ~uint64_t(0));
    world.extBegin.assign(rows + 1, 0);
    world.extBegin[rows] = 2;
    world.ext = {2, 0};
    world.extCount = 3;
    world.keep.assign(rows, -1);
    world.keep[1] = 0;
    world.keepCount = 1;
    std::mt19937 rng(1);
    world.fill(rng);
    planner = makePlanner();
    ASSERT_EQ(check(world, planner.get(), &plan), "");
    before = std::make_unique<PlanCopy>(plan);
    problem = world.problem();
    capacity.struct_size = sizeof(capacity);
  }

  /// The problem as changed is refused with a message that has `text` in it.
  void refused(const char *text, attnrt_status want = ATTNRT_INVALID_ARGUMENT) {
    const attnrt_plan *other = nullptr;
    EXPECT_EQ(attnrt_planner_plan(planner.get(), &problem, world.stages(),
                                  &world.options, &other),
              want)
        << text;
    EXPECT_EQ(other, nullptr);
    EXPECT_NE(std::string(attnrt_last_message()).find(text), std::string::npos)
        << attnrt_last_message() << " for " << text;
    EXPECT_EQ(std::memcmp(before->get(), plan, before->bytes()), 0);
    if (want == ATTNRT_INVALID_ARGUMENT) {
      EXPECT_EQ(attnrt_plan_verify(plan, plan->bytes, &problem, world.stages(),
                                   &world.options),
                want);
    }
  }

  /// Refused while `value` is `bad`.
  template <typename T, typename U>
  void refusedWith(T &value, U bad, const char *text,
                   attnrt_status want = ATTNRT_INVALID_ARGUMENT) {
    const T old = value;
    value = T(bad);
    refused(text, want);
    value = old;
  }

  World world;
  attnrt_problem problem;
  attnrt_plan_capacity capacity{};
  PlannerPtr planner;
  const attnrt_plan *plan = nullptr;
  std::unique_ptr<PlanCopy> before;
};
} // namespace

TEST_F(PlanArguments, Sizes) {
  refusedWith(problem.struct_size, 8, "struct_size of the problem");
  refusedWith(world.entry.struct_size, 0, "struct_size of an entry");
  refusedWith(world.options.struct_size, 4, "struct_size of the options");
  // A newer caller's struct: known fields first, then what must be zero.
  struct {
    attnrt_problem problem;
    char more[16];
  } newer{problem, {}};
  newer.problem.struct_size = sizeof(newer);
  const attnrt_plan *other = nullptr;
  EXPECT_EQ(attnrt_planner_plan(planner.get(), &newer.problem, &world.entry,
                                &world.options, &other),
            ATTNRT_OK);
  newer.more[15] = 1;
  EXPECT_EQ(attnrt_planner_plan(planner.get(), &newer.problem, &world.entry,
                                &world.options, &other),
            ATTNRT_INVALID_ARGUMENT);
  EXPECT_NE(std::string(attnrt_last_message()).find("expects zeros"),
            std::string::npos);
}

TEST_F(PlanArguments, Entries) {
  refusedWith(world.entry.axis, 2, "axis expects 0 or 1, but got 2");
  refusedWith(world.entry.resumes, -1, "resumes");
  refusedWith(world.entry.states, 0, "external and kept states");
  refusedWith(world.options.strategy, 4, "strategy");
  refusedWith(world.options.state_cost, -1, "a cost");
  refusedWith(world.options.reserved, 1, "reserved");
  world.options.strategy = ATTNRT_STRATEGY_FOREST;
  refusedWith(world.options.split, 2, "split of this strategy");
  world.options.strategy = 0;
  // A ring of entries ends.
  world.columns = true;
  world.columnEntry.max_packed_rows = world.columnEntry.kv_tile = 16;
  refusedWith(world.columnEntry.next, &world.columnEntry, "list of entries");
  world.columns = false;

  // Rows with several parts need states.
  problem.ext_begin = problem.keep = nullptr;
  problem.ext_count = problem.keep_count = 0;
  world.entry.states = 0;
  const attnrt_plan *other = nullptr;
  EXPECT_EQ(attnrt_planner_plan(planner.get(), &problem, world.stages(),
                                &world.options, &other),
            ATTNRT_INVALID_ARGUMENT);
  EXPECT_NE(std::string(attnrt_last_message()).find("outputs of one part"),
            std::string::npos);
}

TEST_F(PlanArguments, Problem) {
  refusedWith(problem.reserved, 1, "reserved");
  refusedWith(problem.row_list_size, -1, "row_list_size");
  refusedWith(problem.mask_words, -1, "mask_words");
  refusedWith(problem.coord, nullptr, "null pointer");
  refusedWith(problem.sure_lo, nullptr, "both sure_lo and sure_limit");
  refusedWith(world.segments[1].head, 2, "head 2");
  refusedWith(world.segments[1].select, -2, "select -2");
  refusedWith(world.segments[1].len_ref, -2, "len_ref -2");
  refusedWith(world.sureCount[2], 10, "sure_count of segment 2");
  refusedWith(world.rowEnd[0], 5, "row_begin of segment 0");
  refusedWith(world.rowBegin[0], -1, "row_begin of segment 0");
  refusedWith(world.rowBegin[6], 5, "row_begin of segment 6");
  refusedWith(world.rowLenRef[0], -2, "row_len_ref");
  refusedWith(world.maskBegin.back(), 2, "mask_begin of segment 6");
  refusedWith(world.maskBegin.back(), -3, "mask_begin of segment 6");
  refusedWith(world.extBegin[0], 1, "ext_begin[0]");
  refusedWith(world.extBegin[1], 3, "ext_begin expects to rise");
  refusedWith(world.ext[0], 3, "ext expects different numbers");
  refusedWith(world.ext[0], 0, "ext expects different numbers");
  refusedWith(world.keep[0], 0, "keep expects different numbers");
  refusedWith(world.keep[1], -1, "keep expects 1 different numbers");
  refusedWith(problem.ext_count, -1, "external and kept states");
  refusedWith(problem.keep_count, 1 << 29, "slots of external and kept states",
              ATTNRT_RESOURCE_EXHAUSTED);

  const int32_t list[] = {0, 2, 2, 4};
  problem.row_list = list;
  problem.row_list_size = 4;
  refused("rising rows below 4, but got 2 behind 2");
  world.rowBegin.assign(7, 0);
  world.rowEnd.assign(7, 0);
  problem.row_begin = world.rowBegin.data();
  problem.row_end = world.rowEnd.data();
  problem.mask_begin = nullptr;
  refused("row_list expects rows below 4, but got 4");
}

TEST_F(PlanArguments, CapacitiesAreKept) {
  capacity.segments = plan->segments.count;
  capacity.rows = plan->rows.count;
  capacity.items = plan->items.count;
  capacity.merges = plan->merges.count;
  capacity.stages = plan->stages.count;
  capacity.work = plan->work.count;
  capacity.merge_slots = plan->merge_slots.count;
  capacity.masks = plan->masks.count;
  ASSERT_GT(capacity.masks, 0);
  world.options.capacity = &capacity;
  const struct {
    int64_t &room;
    const char *text;
  } rooms[] = {{capacity.segments, "segments"},
               {capacity.rows, "rows"},
               {capacity.items, "items"},
               {capacity.merges, "merges"},
               {capacity.stages, "stages"},
               {capacity.work, "worker bounds"},
               {capacity.merge_slots, "merge slots"},
               {capacity.masks, "mask words"}};
  for (const auto &[room, text] : rooms) {
    --room;
    refused(text, ATTNRT_RESOURCE_EXHAUSTED);
    ++room;
  }
  refusedWith(capacity.items, -1, "a capacity");
  refusedWith(capacity.struct_size, 8, "struct_size of the capacity");
  world.options.max_slots = plan->slots - 1;
  refused("state slots", ATTNRT_RESOURCE_EXHAUSTED);
  world.options.max_slots = plan->slots;
  ASSERT_EQ(check(world, planner.get(), &plan), "");

  // Every array stays where it was when there is less to do.
  capacity.items += 7;
  ASSERT_EQ(check(world, planner.get(), &plan), "");
  PlanCopy large(plan);
  EXPECT_EQ(plan->items.capacity, plan->items.count + 7);
  World small;
  small.heads = 2;
  small.addSegment(20, 1);
  small.options.max_slots = 0;
  small.options.capacity = &capacity;
  std::mt19937 rng(2);
  small.fill(rng);
  ASSERT_EQ(check(small, planner.get(), &plan), "");
  EXPECT_LT(plan->items.count, large.get()->items.count);
  EXPECT_EQ(plan->bytes, large.bytes());
  EXPECT_EQ(plan->merges.offset, large.get()->merges.offset);
  EXPECT_EQ(plan->masks.offset, large.get()->masks.offset);
}
