//===- VerifyTest.cpp - What attnrt_plan_verify rejects -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PlanModel.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <gtest/gtest.h>

using namespace attnrt::test;

namespace {
class Verify : public testing::Test {
protected:
  /// Rows, heads and query heads that all have more than one part.
  void SetUp() override {
    world.heads = 2;
    world.group = 2;
    world.entry.max_packed_rows = 8;
    world.options.split = 3;
    world.addSegment(100, 6);
    world.addSegment(70, 1);
    world.addSegment(0, 1);
    world.fill(rng);
    problem = world.problem();
    planner = makePlanner();
    ASSERT_EQ(attnrt_planner_plan(planner.get(), &problem, world.stages(),
                                  &world.options, &plan),
              ATTNRT_OK);
  }

  /// The verifier's message, "" if it accepts.
  std::string verify(const PlanCopy &copy) {
    attnrt_status status = attnrt_plan_verify(
        copy.get(), copy.bytes(), &problem, world.stages(), &world.options);
    EXPECT_TRUE(status == ATTNRT_OK || status == ATTNRT_INVALID_PLAN);
    return status ? attnrt_last_message() : "";
  }

  /// Accepts no plan that computes something else.
  void expectRejected(const PlanCopy &copy, const char *rule) {
    EXPECT_EQ(verify(copy).substr(0, 2), rule) << verify(copy);
    EXPECT_NE(world.run(copy.get()), "");
  }

  std::mt19937 rng{23};
  World world;
  attnrt_problem problem;
  PlannerPtr planner;
  const attnrt_plan *plan = nullptr;
};
} // namespace

TEST_F(Verify, AcceptsThePlan) {
  PlanCopy copy(plan);
  EXPECT_EQ(verify(copy), "");
  EXPECT_EQ(world.run(copy.get()), "");
}

/// Two merges that differ in the given way only.
template <typename Differs>
static std::pair<attnrt_merge *, attnrt_merge *> twoMerges(const PlanCopy &copy,
                                                           Differs differs) {
  for (uint32_t a = 0; a < copy.get()->merges.count; ++a) {
    for (uint32_t b = a + 1; b < copy.get()->merges.count; ++b) {
      attnrt_merge &x = copy.merges()[a], &y = copy.merges()[b];
      if (x.count > 1 && x.count == y.count && x.n == y.n && differs(x, y)) {
        return {&x, &y};
      }
    }
  }
  ADD_FAILURE() << "no such merges";
  return {nullptr, nullptr};
}

TEST_F(Verify, SlotsOfTwoRows) {
  // Rows 0..3 of one head, cut so that two merges hold two rows each.
  world.options.merge_rows = 2;
  ASSERT_EQ(attnrt_planner_plan(planner.get(), &problem, world.stages(),
                                &world.options, &plan),
            ATTNRT_OK);
  PlanCopy copy(plan);
  auto [x, y] = twoMerges(copy, [](auto &a, auto &b) {
    return a.head == b.head && a.first != b.first;
  });
  std::swap(x->begin, y->begin);
  expectRejected(copy, "I2");
}

TEST_F(Verify, SlotsOfTwoHeads) {
  PlanCopy copy(plan);
  auto [x, y] = twoMerges(copy, [](auto &a, auto &b) {
    return a.head != b.head && a.first == b.first;
  });
  std::swap(copy.mergeSlots()[x->begin], copy.mergeSlots()[y->begin]);
  expectRejected(copy, "I2");
}

TEST_F(Verify, ReversedMergeList) {
  world.entry.ordered = 1;
  world.fill(rng);
  ASSERT_EQ(attnrt_planner_plan(planner.get(), &problem, world.stages(),
                                &world.options, &plan),
            ATTNRT_OK);
  PlanCopy copy(plan);
  attnrt_merge &merge = copy.merges()[0];
  ASSERT_GT(merge.count, 1);
  int32_t *slots = copy.mergeSlots() + merge.begin;
  std::reverse(slots, slots + merge.count);
  expectRejected(copy, "I7");
}

TEST_F(Verify, MissingTile) {
  world.options.split = 0;
  world.options.workers = 1;
  ASSERT_EQ(attnrt_planner_plan(planner.get(), &problem, world.stages(),
                                &world.options, &plan),
            ATTNRT_OK);
  PlanCopy copy(plan);
  copy.items()[0].kv_count -= world.entry.kv_tile;
  // The end is now no border of the hull either; move it to a tile border.
  copy.items()[0].kv_count &= ~(world.entry.kv_tile - 1);
  expectRejected(copy, "I1");
}

TEST_F(Verify, MissingItem) {
  PlanCopy copy(plan);
  int32_t *work = copy.work();
  for (int32_t w = 0; w <= world.options.workers; ++w) {
    work[w] = std::min(work[w], copy.stage()->item_count - 1);
  }
  EXPECT_EQ(verify(copy).substr(0, 2), "I4");
  copy.stage()->item_count -= 1;
  copy.get()->items.count -= 1;
  expectRejected(copy, "I2");
}

TEST_F(Verify, FalseHint) {
  PlanCopy copy(plan);
  // The last part of causal rows: the first row does not see its end.
  for (uint32_t i = 0; i < copy.get()->items.count; ++i) {
    attnrt_item &item = copy.items()[i];
    if (item.row_count > 1 && !(item.flags & ATTNRT_ITEM_FULL)) {
      item.flags |= ATTNRT_ITEM_FULL;
      EXPECT_EQ(verify(copy).substr(0, 2), "I8");
      EXPECT_NE(world.run(copy.get()), "");
      return;
    }
  }
  FAIL() << "no partial item";
}

TEST_F(Verify, SplitOfAnotherNumber) {
  PlanCopy copy(plan);
  world.options.split = 2;
  EXPECT_EQ(verify(copy).substr(0, 2), "I5");
}

TEST_F(Verify, HeaderWords) {
  // Every 16-bit word of the header, four changes each: rejected, or harmless.
  PlanCopy good(plan);
  int64_t accepted = 0;
  for (size_t word = 0; word < sizeof(attnrt_plan) / 2; ++word) {
    for (uint16_t change : {1, 0x100, 0x8000, 0xffff}) {
      PlanCopy copy(plan);
      reinterpret_cast<uint16_t *>(copy.get())[word] ^= change;
      if (verify(copy).empty()) {
        ++accepted;
        EXPECT_EQ(world.run(copy.get()), "") << "word " << word;
      }
    }
  }
  // Capacities inside the block's padding.
  EXPECT_LT(accepted, 40);
  for (uint64_t bytes : {uint64_t(0), uint64_t(191), good.bytes() - 1}) {
    EXPECT_EQ(attnrt_plan_verify(good.get(), bytes, &problem, world.stages(),
                                 &world.options),
              ATTNRT_INVALID_PLAN);
  }
}

TEST_F(Verify, WordsWithoutAnEffect) {
  // Nothing goes wrong today when these are ignored; a later reader of plans
  // may rely on them.
  auto rejected = [&](const char *message, auto change) {
    PlanCopy copy(plan);
    change(copy);
    EXPECT_NE(verify(copy).find(message), std::string::npos) << verify(copy);
  };
  rejected("reserved", [](PlanCopy &c) { c.stage()->reserved[2] = 1; });
  rejected("I9", [](PlanCopy &c) { c.stage()->ext_slots = 1; });
  rejected("I9", [](PlanCopy &c) { c.stage()->slot_begin = 1; });
  rejected("I3", [](PlanCopy &c) { c.get()->rows.count -= 1; });
  rejected("I3", [](PlanCopy &c) { c.get()->segments.count -= 1; });
  rejected("leaves its segment",
           [](PlanCopy &c) { c.items()[0].kv_count = INT32_MAX; });

  PlanCopy good(plan);
  EXPECT_EQ(attnrt_plan_verify(good.get(), sizeof(attnrt_plan) - 1, &problem,
                               world.stages(), &world.options),
            ATTNRT_INVALID_PLAN);
  EXPECT_NE(std::string(attnrt_last_message()).find("header"),
            std::string::npos);
  std::vector<char> moved(good.bytes() + 128);
  size_t align = 64 - reinterpret_cast<uintptr_t>(moved.data()) % 64;
  char *at = moved.data() + align + 8;
  std::memcpy(at, good.get(), good.bytes());
  EXPECT_EQ(attnrt_plan_verify(reinterpret_cast<attnrt_plan *>(at),
                               good.bytes(), &problem, world.stages(),
                               &world.options),
            ATTNRT_INVALID_PLAN);
}
