//===- VerifyForestTest.cpp - Rules of plans with shared segments ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PlanModel.h"

#include <algorithm>
#include <climits>
#include <gtest/gtest.h>

using namespace attnrt::test;

namespace {
/// A world, its plan, and a copy that a test damages.
class Damage {
public:
  explicit Damage(World &world) : world(world) {
    std::mt19937 rng(3);
    world.fill(rng);
    problem = world.problem();
    planner = makePlanner();
    const attnrt_plan *plan = nullptr;
    EXPECT_EQ(attnrt_planner_plan(planner.get(), &problem, world.stages(),
                                  &world.options, &plan),
              ATTNRT_OK)
        << attnrt_last_message();
    copy = std::make_unique<PlanCopy>(plan);
    EXPECT_EQ(verify(), "");
    EXPECT_EQ(world.run(copy->get()), "");
  }

  std::string verify() {
    attnrt_status status = attnrt_plan_verify(
        copy->get(), copy->bytes(), &problem, world.stages(), &world.options);
    EXPECT_TRUE(status == ATTNRT_OK || status == ATTNRT_INVALID_PLAN);
    return status ? attnrt_last_message() : "";
  }
  /// The damaged plan computes something else, and is rejected for the rule.
  void expectRejected(const char *rule) {
    EXPECT_EQ(verify().substr(0, 2), rule) << verify();
    EXPECT_NE(world.run(copy->get()), "");
  }

  /// First item that satisfies the condition, from item `from` on.
  template <typename Condition>
  attnrt_item &find(Condition condition, int32_t from = 0) {
    attnrt_item *begin = copy->items() + from;
    attnrt_item *end = copy->items() + copy->get()->items.count;
    attnrt_item *found = std::find_if(begin, end, condition);
    EXPECT_NE(found, end) << "no such item";
    return *found;
  }
  template <typename Condition> attnrt_merge &findMerge(Condition condition) {
    attnrt_merge *begin = copy->merges();
    attnrt_merge *end = begin + copy->get()->merges.count;
    attnrt_merge *found = std::find_if(begin, end, condition);
    EXPECT_NE(found, end) << "no such merge";
    return *found;
  }

  World &world;
  attnrt_problem problem;
  PlannerPtr planner;
  std::unique_ptr<PlanCopy> copy;
};

/// Two requests below a prefix.
World pair() {
  World world = World::forest({2}, {64, 20});
  world.heads = 2;
  world.group = 2;
  world.entry.kv_tile = 8;
  return world;
}

bool keeps(const attnrt_item &item) { return item.flags & ATTNRT_ITEM_KEEP; }
bool resumes(const attnrt_item &item) {
  return item.flags & ATTNRT_ITEM_RESUME;
}
} // namespace

TEST(VerifyForest, NodeOfTheOtherRows) {
  World world = World::forest({2, 2}, {16, 30, 9});
  Damage damage(world);
  // The second inner node's item reads the first one's keys.
  attnrt_item &item =
      damage.find([](const attnrt_item &i) { return i.seg == 4; });
  item.seg = 1;
  damage.expectRejected("I3");
}

TEST(VerifyForest, MissingRow) {
  World world = pair();
  Damage damage(world);
  attnrt_item &item =
      damage.find([](const attnrt_item &i) { return i.row_count == 2; });
  item.row_count = 1;
  EXPECT_NE(damage.verify(), "");
  EXPECT_NE(world.run(damage.copy->get()), "");
}

TEST(VerifyForest, PartsOutOfOrder) {
  World world = pair();
  world.entry.ordered = 1;
  Damage damage(world);
  attnrt_merge &merge =
      damage.findMerge([](const attnrt_merge &m) { return m.count > 1; });
  int32_t *slots = damage.copy->mergeSlots() + merge.begin;
  std::swap(slots[0], slots[merge.count - 1]);
  damage.expectRejected("I7");
}

TEST(VerifyForest, KeptAndForgotten) {
  World world = World::forest({1}, {40, 24});
  world.heads = 2;
  world.entry.resumes = 1;
  world.options.workers = 1;
  Damage damage(world);
  damage.find(resumes).flags &= ~uint32_t(ATTNRT_ITEM_RESUME);
  damage.expectRejected("I2");
}

TEST(VerifyForest, ResumedWithoutAnything) {
  World world = World::forest({1}, {40, 24});
  world.heads = 2;
  world.entry.resumes = 1;
  world.options.workers = 1;
  Damage damage(world);
  attnrt_item &item = damage.find(keeps);
  item.flags |= ATTNRT_ITEM_RESUME;
  EXPECT_EQ(damage.verify().substr(0, 2), "I2") << damage.verify();
}

TEST(VerifyForest, ResumedByAnotherHead) {
  World world = World::forest({1}, {40, 24});
  world.heads = 2;
  world.entry.resumes = 1;
  world.options.workers = 1;
  Damage damage(world);
  attnrt_item &first = damage.find(resumes);
  attnrt_item &second = damage.find(
      [](const attnrt_item &i) { return resumes(i) && i.head == 1; });
  std::swap(first.head, second.head);
  damage.expectRejected("I2");
}

TEST(VerifyForest, ResumedByAnotherWorker) {
  World world = World::forest({1}, {40, 24});
  world.entry.resumes = 1;
  world.options.workers = 2;
  world.options.strategy = ATTNRT_STRATEGY_FOREST;
  world.options.tile_cost = world.options.state_cost = 1;
  world.options.item_cost = 1 << 10; // one chunk
  Damage damage(world);
  int32_t *work = damage.copy->work();
  ASSERT_EQ(damage.copy->get()->items.count, 2u);
  work[1] = 1;
  EXPECT_EQ(damage.verify().substr(0, 2), "I2") << damage.verify();
}

TEST(VerifyForest, ResumedInAnotherOrder) {
  World world = World::forest({1}, {40, 24});
  world.entry.resumes = world.entry.ordered = 1;
  world.options.workers = 1;
  Damage damage(world);
  attnrt_item &first = damage.find(keeps), &second = damage.find(resumes);
  std::swap(first.seg, second.seg);
  std::swap(first.kv_count, second.kv_count);
  std::swap(first.flags, second.flags);
  first.flags ^= ATTNRT_ITEM_KEEP | ATTNRT_ITEM_RESUME;
  second.flags ^= ATTNRT_ITEM_KEEP | ATTNRT_ITEM_RESUME;
  damage.expectRejected("I7");
}

TEST(VerifyForest, KeptByTheLastItem) {
  // The row's last part is kept, and nothing says that it is missing.
  World world;
  world.entry.resumes = 1;
  world.options.workers = 1;
  world.options.strategy = ATTNRT_STRATEGY_FOREST;
  world.addSegment(16, 1);
  world.addSegment(16, 1);
  world.rowBegin = {0, 0};
  world.rowEnd = {1, 1};
  world.coord = {0};
  world.lo = {0};
  world.limit = {100};
  world.entry.resumes = 0; // two parts, for now
  Damage damage(world);
  world.entry.resumes = 1;
  ASSERT_EQ(damage.verify(), "");
  attnrt_item &last = damage.copy->items()[1];
  last.slot = -1;
  last.flags |= ATTNRT_ITEM_KEEP;
  damage.copy->merges()[0].count = 1;
  damage.copy->stage()->slot_count = 1;
  damage.copy->get()->slots = 1;
  damage.expectRejected("I2");
}

TEST(VerifyForest, KeptAndWritten) {
  World world = World::forest({1, 1}, {40, 24, 10});
  world.entry.resumes = 1;
  world.options.workers = 1;
  Damage damage(world);
  attnrt_item &item = damage.find(keeps);
  damage.copy->stage()->slot_count = 1;
  damage.copy->get()->slots = 1;
  item.slot = 0;
  EXPECT_NE(damage.verify().find("keeps its state and writes it"),
            std::string::npos)
      << damage.verify();
  // A chain depends on other rows, so a fixed split has none.
  item.slot = -1;
  damage.copy->stage()->slot_count = 0;
  damage.copy->get()->slots = 0;
  EXPECT_EQ(damage.verify(), "");
  world.options.split = 1;
  EXPECT_EQ(damage.verify().substr(0, 2), "I5") << damage.verify();
}

TEST(VerifyForest, EntryThatCannotResume) {
  World world = World::forest({1}, {40, 24});
  world.entry.resumes = 1;
  world.options.workers = 1;
  Damage damage(world);
  world.entry.resumes = 0;
  EXPECT_NE(damage.verify().find("flags"), std::string::npos);
}

TEST(VerifyForest, MaskBit) {
  World world;
  world.addSegment(9, 5);
  world.limit.assign(5, INT_MAX);
  world.maskBegin = {0};
  world.masks.assign(9, 0x15);
  Damage damage(world);
  damage.copy->masks()[3] ^= 2;
  damage.expectRejected("I3");
  damage.copy->masks()[3] ^= 2;
  damage.find([](const attnrt_item &) { return true; }).mask = -1;
  damage.expectRejected("I3");
}

TEST(VerifyForest, ListOfAnotherHead) {
  World world;
  world.heads = 2;
  world.addSegment(20, 1);
  world.addSegment(20, 0);
  world.segments[0].head = 0;
  world.segments[1].head = 1;
  world.rowBegin = {0, 0};
  world.rowEnd = {1, 1};
  Damage damage(world);
  damage.find([](const attnrt_item &i) { return i.seg == 0; }).seg = 1;
  damage.expectRejected("I3");
}

TEST(VerifyForest, HintsThatHoldAtSomeLengthsOnly) {
  World world;
  world.options.workers = 1;
  world.addSegment(32, 1);
  world.limit[0] = 32;
  world.rowLenRef = {0};
  world.rowBack = {0};
  world.lengthLow = {20};
  world.lengthHigh = {32};
  auto hint = [&](const char *rule) {
    Damage damage(world);
    damage.copy->items()->flags |= ATTNRT_ITEM_FULL;
    EXPECT_EQ(damage.verify().substr(0, 2), rule);
  };
  hint("I8"); // nothing is said about how early the row may end
  world.segments[0].len_ref = 0;
  world.lengthLow = {32};
  world.sureLo = {INT_MIN};
  world.sureLimit = {32};
  hint("I8"); // the row is sure, the segment is not
  world.sureCount = {32};
  hint("");
  world.sureCount = {31};
  hint("I8");
  world.sureCount = {32};
  world.sureLimit = {31};
  hint("I8");
  world.sureLimit = {32};
  world.maskBegin = {0};
  world.masks.assign(32, 1);
  hint("I8");
  world.maskBegin.clear();
  world.segments[0].select = 0;
  for (int32_t x = 0; x < 32; ++x) {
    world.selection.push_back(31 - x);
  }
  hint("I8");
}

TEST(VerifyForest, ExternalStates) {
  World world = pair();
  world.extBegin = {0, 2, 3};
  world.ext = {2, 0, 1};
  world.extCount = 3;
  Damage damage(world);
  const auto first = [](const attnrt_merge &m) { return m.first == 0; };
  attnrt_merge &merge = damage.findMerge(first);
  int32_t *slots = damage.copy->mergeSlots() + merge.begin;
  // In another order: only a fold with an order would notice.
  std::swap(slots[0], slots[1]);
  EXPECT_EQ(damage.verify().substr(0, 2), "I9");
  std::swap(slots[0], slots[1]);
  // That of the other row, and of another head.
  const int32_t old = slots[0];
  slots[0] = 1 * 4;
  damage.expectRejected("I9");
  slots[0] = old + 2;
  damage.expectRejected("I9");
  slots[0] = old;
  // Left out.
  merge.begin += 1;
  merge.count -= 1;
  damage.expectRejected("I9");
}

TEST(VerifyForest, StatesThatStay) {
  World world = pair();
  world.keep = {1, 0};
  world.keepCount = 2;
  Damage damage(world);
  attnrt_merge &merge = damage.findMerge(
      [](const attnrt_merge &m) { return m.first == 0 && m.head == 0; });
  EXPECT_EQ(merge.dst, 4);
  merge.dst = 0;
  damage.expectRejected("I9");
  merge.dst = -1;
  damage.expectRejected("I9");
}

TEST(VerifyForest, KeptStateThatIsFinished) {
  World world;
  world.options.workers = 1;
  world.addSegment(8, 1);
  world.keep = {0};
  world.keepCount = 1;
  Damage damage(world);
  // One item, and one merge into the kept slot: now the item finishes the row.
  ASSERT_EQ(damage.copy->get()->items.count, 1u);
  damage.copy->items()->slot = -1;
  attnrt_stage &stage = *damage.copy->stage();
  stage.merge_count = 0;
  stage.slot_count = 1;
  damage.copy->get()->merges.count = 0;
  damage.copy->get()->slots = 1;
  damage.copy->work()[stage.merge_work_begin + 1] = 0;
  damage.expectRejected("I9");
}

TEST(VerifyForest, RequestsThatShareAFixedSplit) {
  // Two requests whose rows see different parts of one segment.
  World world;
  world.group = 2;
  world.options.split = 2;
  world.addSegment(64, 2);
  world.sym = {0, 1};
  world.lo = {0, 0};
  world.limit = {64, 40};
  Damage damage(world);
  EXPECT_EQ(damage.find([](const attnrt_item &) { return true; }).row_count, 1);
  // Of one request they may share it.
  World one = world;
  one.sym = {7, 7};
  Damage together(one);
  EXPECT_EQ(together.find([](const attnrt_item &) { return true; }).row_count,
            2);
  // That plan for the two requests.
  one.sym = {0, 1};
  together.problem = one.problem();
  for (int32_t r = 0; r < 2; ++r) {
    together.copy->array<attnrt_row>(together.copy->get()->rows)[r].sym = r;
  }
  // They are a run no more.
  EXPECT_EQ(together.verify().substr(0, 2), "I8") << together.verify();
  for (uint32_t i = 0; i < together.copy->get()->items.count; ++i) {
    together.copy->items()[i].flags &= ~uint32_t(ATTNRT_ITEM_RUN);
  }
  EXPECT_EQ(together.verify().substr(0, 2), "I5") << together.verify();
}

TEST(VerifyForest, RunsOfRows) {
  // Rows at 0, 1, 2 of request 0, 3 of request 1, 5 of request 1.
  World world;
  world.group = 1;
  world.addSegment(64, 5);
  world.sym = {0, 0, 0, 1, 1};
  world.coord = {0, 1, 2, 3, 5};
  world.lo.assign(5, 0);
  world.limit.assign(5, 64);
  for (auto [rows, isRun] : {std::pair(3, true), {4, false}, {5, false}}) {
    World some = world;
    some.entry.max_packed_rows = rows;
    Damage damage(some);
    attnrt_item &item =
        damage.find([](const attnrt_item &i) { return i.row_begin == 0; });
    EXPECT_EQ(rows, item.row_count);
    EXPECT_EQ(isRun, (item.flags & ATTNRT_ITEM_RUN) != 0);
    EXPECT_EQ("", damage.verify());
    item.flags ^= ATTNRT_ITEM_RUN;
    EXPECT_EQ(isRun ? "" : "I8", damage.verify().substr(0, 2));
  }
}

TEST(VerifyForest, Columns) {
  World world = pair();
  world.columns = true;
  world.columnEntry.kv_tile = 8;
  world.columnEntry.max_packed_rows = 2; // one row: both rows have parts
  Damage damage(world);
  const int32_t from = damage.copy->stage()[1].item_begin;
  attnrt_item &item = damage.find(
      [](const attnrt_item &i) { return i.seg == 0 && i.row_begin == 0; },
      from);
  item.row_begin = 1;
  damage.expectRejected("I7"); // two parts of row 1
  item.row_begin = 0;
  attnrt_merge &merge =
      damage.findMerge([](const attnrt_merge &m) { return m.seg == 0; });
  ASSERT_EQ(merge.count, 2);
  merge.count = 1;
  damage.expectRejected("I2"); // a slot that nobody merges
  merge.count = 2;
  merge.head ^= 1;
  damage.expectRejected("I2");
  merge.head ^= 1;
  merge.first += 8;
  damage.expectRejected("I2");
  merge.first -= 8;
  EXPECT_EQ(damage.verify(), "");
}

TEST(VerifyForest, ColumnsThatNobodyCounts) {
  World world;
  world.columns = true;
  world.options.workers = 1;
  world.columnEntry.kv_tile = world.columnEntry.max_packed_rows = 16;
  world.addSegment(16, 4);
  world.limit.assign(4, 16);
  Damage damage(world);
  attnrt_item &item = damage.copy->items()[damage.copy->stage()[1].item_begin];
  ASSERT_EQ(item.row_count, 4);
  item.row_count = 3;
  damage.expectRejected("I1");
}

TEST(VerifyForest, ColumnsThatCountARowAgain) {
  World world;
  world.columns = true;
  world.options.workers = 1;
  world.columnEntry.kv_tile = 16;
  world.columnEntry.max_packed_rows = 2;
  world.addSegment(16, 3);
  world.limit.assign(3, 16);
  Damage damage(world);
  attnrt_item &last =
      damage.copy->items()[damage.copy->stage()[1].item_begin + 1];
  ASSERT_EQ(last.row_begin, 2);
  last.row_begin = 1;
  damage.expectRejected("I1");
}

TEST(VerifyForest, ColumnsThatNobodySees) {
  World world;
  world.heads = 2;
  world.columns = true;
  world.options.workers = 1;
  world.options.merge_rows = 8;
  world.columnEntry.kv_tile = world.columnEntry.max_packed_rows = 16;
  world.addSegment(16, 1);
  world.segments[0].head = 0;
  world.limit = {0};
  Damage damage(world);
  // Ordinals 0..7 and 8..15 are merges of nothing.
  attnrt_merge *merges =
      damage.copy->merges() + damage.copy->stage()[1].merge_begin;
  ASSERT_EQ(damage.copy->stage()[1].merge_count, 2);
  merges[1].first = 0;
  damage.expectRejected("I2");
  // One of them does for both; the other one is of a head without the segment.
  world.options.merge_rows = 16;
  merges[0].n = merges[1].n = 16;
  merges[1].head = 1;
  damage.expectRejected("I3");
}
