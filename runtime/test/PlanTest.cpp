//===- PlanTest.cpp - Plans give the dense result -------------------------===//
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

/// Cost of each worker's items of the first stage by the model in plan.h.
static std::vector<int64_t> loads(const World &world, const attnrt_plan *plan) {
  attnrt_plan_options o = world.options;
  if (!o.tile_cost && !o.row_cost && !o.item_cost && !o.state_cost) {
    o.tile_cost = 16, o.row_cost = 1, o.item_cost = 8;
  }
  int32_t subSize = 0;
  const attnrt_item *items = attnrt_plan_items(plan);
  for (int32_t i = 0; i < attnrt_plan_stages(plan)->item_count; ++i) {
    subSize = std::max<int32_t>(subSize, items[i].sub_count);
  }
  std::vector<int64_t> result;
  const int32_t *work = attnrt_plan_work(plan);
  for (int32_t w = 0; w < o.workers; ++w) {
    int64_t sum = 0;
    for (int32_t i = work[w]; i < work[w + 1]; ++i) {
      int64_t tiles =
          (items[i].kv_count + world.entry.kv_tile - 1) / world.entry.kv_tile;
      int64_t tile =
          o.tile_cost + int64_t(o.row_cost) * items[i].row_count * subSize;
      sum += o.item_cost + tiles * std::max<int64_t>(1, tile);
    }
    result.push_back(sum);
  }
  return result;
}

/// Most one tile may cost, plus the constant of an item.
static int64_t bound(const World &world) {
  attnrt_plan_options o = world.options;
  if (!o.tile_cost && !o.row_cost && !o.item_cost && !o.state_cost) {
    o.tile_cost = 16, o.row_cost = 1, o.item_cost = 8;
  }
  return o.item_cost +
         std::max<int64_t>(1, o.tile_cost + int64_t(o.row_cost) *
                                                world.entry.max_packed_rows);
}

TEST(Plan, EvenSharesDifferByOneTile) {
  std::mt19937 rng(testSeed());
  PlannerPtr planner = makePlanner();
  for (int it = 0; it < 1500; ++it) {
    World world = World::random(rng, Kind(it % kinds));
    if (!world.entry.states) {
      continue;
    }
    world.options.split = world.entry.resumes = 0;
    world.options.strategy = ATTNRT_STRATEGY_EVEN;
    const attnrt_plan *plan = nullptr;
    ASSERT_EQ(check(world, planner.get(), &plan), "") << "world " << it;
    std::vector<int64_t> load = loads(world, plan);
    auto [low, high] = std::minmax_element(load.begin(), load.end());
    // A worker without items counts as one that has paid the constant.
    int64_t idle = *low == 0 ? bound(world) : 0;
    ASSERT_LE(*high - *low, bound(world) + idle) << "world " << it;
  }
}

TEST(Plan, OneTokenBesideALongRequest) {
  std::mt19937 rng(3);
  PlannerPtr planner = makePlanner();
  for (int32_t split : {0, 1, 2, 3, 7}) {
    World world;
    world.heads = 2;
    world.group = 4;
    world.entry.kv_tile = 64;
    world.options.split = split;
    world.options.workers = 8;
    world.addSegment(1, 1);
    world.addSegment(33001, 1);
    world.addSegment(0, 1);
    world.fill(rng);
    const attnrt_plan *plan = nullptr;
    ASSERT_EQ(check(world, planner.get(), &plan), "") << "split " << split;
    if (split > 0) {
      // Two requests with keys: one tile, and 516 tiles in `split` parts.
      EXPECT_EQ(plan->items.count, 2u * (1 + split));
    } else {
      std::vector<int64_t> load = loads(world, plan);
      auto [low, high] = std::minmax_element(load.begin(), load.end());
      EXPECT_LE(*high - *low, bound(world));
      // 2 x 517 tiles over 8 workers.
      EXPECT_GE(plan->items.count, 8u);
      EXPECT_LE(plan->items.count, 4u + 7u);
    }
  }
}

TEST(Plan, EmptyRowsAreMergesOfNothing) {
  std::mt19937 rng(5);
  PlannerPtr planner = makePlanner();
  World world;
  world.heads = 2;
  world.group = 3;
  world.addSegment(0, 4);
  world.addSegment(40, 70);
  world.fill(rng);
  const attnrt_plan *plan = nullptr;
  ASSERT_EQ(check(world, planner.get(), &plan), "");
  // Rows 4..33 of the second segment see nothing: 4 + 30 rows x 2 heads.
  int32_t rows = 0;
  for (uint32_t m = 0; m < plan->merges.count; ++m) {
    const attnrt_merge &merge = attnrt_plan_merges(plan)[m];
    rows += merge.count == 0 ? merge.n : 0;
  }
  EXPECT_EQ(rows, 2 * (4 + 30));

  World none;
  none.fill(rng);
  EXPECT_EQ(check(none, planner.get()), "");
}

TEST(Plan, LatentGroupIsCutEvenly) {
  std::mt19937 rng(5);
  PlannerPtr planner = makePlanner();
  World world;
  world.group = 128;
  world.entry.max_packed_rows = 48;
  world.addSegment(200, 2);
  world.fill(rng);
  world.options.workers = 1;
  const attnrt_plan *plan = nullptr;
  ASSERT_EQ(check(world, planner.get(), &plan), "");
  std::vector<int32_t> sizes;
  for (uint32_t i = 0; i < plan->items.count; ++i) {
    sizes.push_back(attnrt_plan_items(plan)[i].sub_count);
  }
  // 3 runs of at most 43 query heads, one row each: 2 x 43 > 48.
  std::sort(sizes.begin(), sizes.end());
  EXPECT_EQ(sizes, (std::vector<int32_t>{42, 42, 43, 43, 43, 43}));
}

TEST(Plan, RowsOfASegmentShareAnItem) {
  std::mt19937 rng(5);
  PlannerPtr planner = makePlanner();
  World world;
  world.group = 4;
  world.options.workers = 1;
  world.addSegment(100, 8); // 16 packed rows = 4 rows of 4 query heads
  world.fill(rng);
  const attnrt_plan *plan = nullptr;
  ASSERT_EQ(check(world, planner.get(), &plan), "");
  ASSERT_EQ(plan->items.count, 2u);
  EXPECT_EQ(attnrt_plan_items(plan)[1].row_begin, 4);
  EXPECT_EQ(attnrt_plan_items(plan)[1].row_count, 4);
  EXPECT_EQ(plan->merges.count, 0u);
}

TEST(Plan, WindowStartsAtTheTileOfTheFirstVisiblePoint) {
  std::mt19937 rng(5);
  PlannerPtr planner = makePlanner();
  World world;
  world.options.workers = 1;
  world.addSegment(1000, 1, /*window=*/100); // sees 900..999
  world.fill(rng);
  const attnrt_plan *plan = nullptr;
  ASSERT_EQ(check(world, planner.get(), &plan), "");
  ASSERT_EQ(plan->items.count, 1u);
  EXPECT_EQ(attnrt_plan_items(plan)->kv_begin, 896);
  EXPECT_EQ(attnrt_plan_items(plan)->kv_count, 1000 - 896);
}

/// Boundaries (head, sub, kv) of the items of the rows of one segment.
static std::vector<std::vector<int32_t>> borders(const attnrt_plan *plan,
                                                 int32_t seg) {
  std::vector<std::vector<int32_t>> result;
  for (uint32_t i = 0; i < plan->items.count; ++i) {
    const attnrt_item &item = attnrt_plan_items(plan)[i];
    if (item.seg == seg) {
      int32_t first = -1; // row inside the segment
      for (uint32_t r = 0; first < 0; ++r) {
        first = attnrt_plan_rows(plan)[r].sym == seg ? int32_t(r) : -1;
      }
      result.push_back({item.row_begin - first, item.row_count, item.head,
                        item.sub_begin, item.sub_count, item.kv_begin,
                        item.kv_count});
    }
  }
  std::sort(result.begin(), result.end());
  return result;
}

TEST(Plan, FixedSplitDoesNotDependOnTheBatch) {
  std::mt19937 rng(11);
  PlannerPtr planner = makePlanner();
  for (int it = 0; it < 300; ++it) {
    const Kind drawn[] = {Kind::Ragged, Kind::Causal, Kind::Latent, Kind::Hulls,
                          Kind::Shifted};
    World world = World::random(rng, drawn[it % 5]);
    world.options.split = draw(rng, 1, 7);
    world.options.strategy = 0;
    world.entry.states = 3;
    int32_t count = draw(rng, 1, 300), rows = draw(rng, 1, 8);
    World alone;
    alone.heads = world.heads;
    alone.group = world.group;
    alone.entry = world.entry;
    alone.options = world.options;
    alone.options.workers = draw(rng, 1, 9);
    alone.addSegment(count, rows);
    alone.fill(rng);
    int32_t seg = int32_t(world.segments.size());
    world.addSegment(count, rows);
    world.addSegment(draw(rng, 0, 99), 2);
    world.fill(rng);
    const attnrt_plan *plan = nullptr;
    ASSERT_EQ(check(alone, planner.get(), &plan), "");
    std::vector<std::vector<int32_t>> want = borders(plan, 0);
    ASSERT_EQ(check(world, planner.get(), &plan), "");
    ASSERT_EQ(borders(plan, seg), want) << "world " << it;
  }
}

TEST(Plan, PoolGivesTheSameResult) {
  std::mt19937 rng(13);
  PlannerPtr planner = makePlanner();
  attnrt_pool_options options{3, 0};
  attnrt_pool *pool = nullptr;
  ASSERT_EQ(attnrt_pool_create(&options, &pool), ATTNRT_OK);
  for (int it = 0; it < 500; ++it) {
    World world = World::random(rng, Kind(it % kinds));
    ASSERT_EQ(check(world, planner.get(), nullptr, pool), "") << "world " << it;
  }
  attnrt_pool_destroy(pool);
}

TEST(Plan, FailureLeavesTheLastPlan) {
  std::mt19937 rng(17);
  PlannerPtr planner = makePlanner();
  World world;
  world.heads = 3;
  world.options.workers = 4; // three units: some are cut
  world.addSegment(900, 2);
  world.addSegment(0, 2);
  world.fill(rng);
  const attnrt_plan *plan = nullptr;
  ASSERT_EQ(check(world, planner.get(), &plan), "");
  PlanCopy before(plan);
  const uint32_t slots = plan->slots;
  ASSERT_GT(slots, 0u);

  attnrt_problem problem = world.problem();
  auto make = [&](const char *message) {
    const attnrt_plan *other = nullptr;
    attnrt_status status = attnrt_planner_plan(
        planner.get(), &problem, &world.entry, &world.options, &other);
    EXPECT_EQ(other, nullptr);
    EXPECT_NE(std::string(attnrt_last_message()).find(message),
              std::string::npos)
        << attnrt_last_message();
    EXPECT_EQ(std::memcmp(before.get(), plan, before.bytes()), 0);
    return status;
  };
  world.options.max_slots = slots - 1;
  EXPECT_EQ(make("state slots"), ATTNRT_RESOURCE_EXHAUSTED);
  world.options.max_slots = 0;
  problem.heads = 65537;
  EXPECT_EQ(make("65537"), ATTNRT_RESOURCE_EXHAUSTED);
  problem.heads = 3;
  problem.group = 65536;
  EXPECT_EQ(make("65536"), ATTNRT_RESOURCE_EXHAUSTED);
  problem.group = 1;
  world.rowBegin[1] = 5;
  EXPECT_EQ(make("row_begin"), ATTNRT_INVALID_ARGUMENT);
  world.rowBegin[1] = 2;
  world.segments[0].count = -1;
  EXPECT_EQ(make("count -1"), ATTNRT_INVALID_ARGUMENT);
  world.segments[0].count = 900;
  world.options.workers = 0;
  EXPECT_EQ(make("workers"), ATTNRT_INVALID_ARGUMENT);
  world.options.workers = 4;
  world.entry.kv_tile = 0;
  EXPECT_EQ(make("kv_tile"), ATTNRT_INVALID_ARGUMENT);
  // 2^31 tiles of 2^20 packed rows for 2^16 heads, twice: past 62 bits.
  world.entry.max_packed_rows = 1 << 20;
  world.entry.kv_tile = 1;
  world.options.tile_cost = world.options.row_cost = 1 << 20;
  world.segments[0].count = INT32_MAX;
  world.limit[0] = world.limit[1] = INT32_MAX;
  problem.heads = 1 << 16;
  problem.group = 65535;
  EXPECT_EQ(make("62 bits"), ATTNRT_RESOURCE_EXHAUSTED);

  // Exactly enough slots is enough.
  World again;
  again.heads = 3;
  again.options.workers = 4;
  again.addSegment(900, 2);
  again.addSegment(0, 2);
  again.options.max_slots = slots;
  again.fill(rng);
  EXPECT_EQ(check(again, planner.get()), "");
}
