//===- PlanForestTest.cpp - Prefix trees: what is read, and by whom -------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PlanModel.h"

#include <algorithm>
#include <cstdio>
#include <gtest/gtest.h>

using namespace attnrt::test;

namespace {
/// A tree of prefixes, and how many times fewer keys it reads when an item may
/// hold all rows below a node, or 64 or 128 packed rows.
struct Tree {
  const char *name;
  std::vector<int32_t> children, counts;
  double all, rows64, rows128;
};
constexpr int32_t k = 1024;
const Tree trees[] = {
    {"8 x (8k + 256)", {8}, {8 * k, 256}, 6.6, 6.6, 6.6},
    {"32 x (32k + 128)", {32}, {32 * k, 128}, 28.6, 15.1, 28.6},
    {"128 x (128k + 64)", {128}, {128 * k, 64}, 120.5, 15.9, 31.5},
    {"[1,4,4,8] x [16k,4k,1k,128]",
     {4, 4, 8},
     {16 * k, 4 * k, k, 128},
     42.25,
     14.08,
     24.14}};

World worldOf(const Tree &tree, int32_t packedRows, int32_t shrink = 1) {
  std::vector<int32_t> counts = tree.counts;
  for (int32_t &count : counts) {
    count /= shrink;
  }
  World world = World::forest(tree.children, counts);
  world.heads = 8;
  world.group = 4;
  world.entry.max_packed_rows = packedRows;
  world.entry.kv_tile = std::max(1, 128 / shrink);
  world.options.workers = 264;
  return world;
}

/// Plans and verifies; what the items read.
int64_t readsOf(World &world, attnrt_planner *planner) {
  attnrt_problem problem = world.problem();
  const attnrt_plan *plan = nullptr;
  EXPECT_EQ(attnrt_planner_plan(planner, &problem, world.stages(),
                                &world.options, &plan),
            ATTNRT_OK)
      << attnrt_last_message();
  EXPECT_EQ(attnrt_plan_verify(plan, plan->bytes, &problem, world.stages(),
                               &world.options),
            ATTNRT_OK)
      << attnrt_last_message();
  return World::reads(plan);
}
} // namespace

TEST(PlanForest, KeysReadFall) {
  PlannerPtr planner = makePlanner();
  for (const Tree &tree : trees) {
    const int32_t requests = int32_t(worldOf(tree, 1).coord.size());
    World flat;
    flat.heads = 8;
    flat.group = 4;
    flat.entry.kv_tile = 128;
    flat.options.workers = 264;
    int32_t keys = 0;
    for (int32_t count : tree.counts) {
      keys += count;
    }
    for (int32_t r = 0; r < requests; ++r) {
      flat.addSegment(keys, 1);
    }
    const double alone = double(readsOf(flat, planner.get()));
    for (auto [packed, want] :
         {std::pair(requests * 4, tree.all), std::pair(64, tree.rows64),
          std::pair(128, tree.rows128)}) {
      World world = worldOf(tree, packed);
      const double fall = alone / double(readsOf(world, planner.get()));
      std::printf("%s, %d packed rows: %.2fx fewer keys read\n", tree.name,
                  packed, fall);
      EXPECT_NEAR(fall, want, want < 42 || want > 43 ? 0.05 : 0.005);
    }
  }
}

TEST(PlanForest, SharedAndUnsharedAgree) {
  // The same trees with a 64th of the keys: the falls are the same.
  PlannerPtr planner = makePlanner();
  std::mt19937 rng(testSeed());
  for (const Tree &tree : trees) {
    World world = worldOf(tree, 512, 64);
    world.heads = 2;
    world.fill(rng);
    World flat = world.unshared();
    const attnrt_plan *plan = nullptr;
    Outcome shared, alone;
    ASSERT_EQ(check(flat, planner.get(), &plan, nullptr, &alone), "");
    const double reads = double(World::reads(plan));
    for (int32_t strategy : {0, 1, 2, 3}) {
      for (int32_t resumes : {0, 1}) {
        world.options.strategy = strategy;
        world.entry.resumes = resumes;
        ASSERT_EQ(check(world, planner.get(), &plan, nullptr, &shared), "")
            << tree.name << ", strategy " << strategy;
        EXPECT_NEAR(reads / double(World::reads(plan)), tree.all,
                    tree.all < 42 || tree.all > 43 ? 0.05 : 0.005);
        for (size_t o = 0; o < shared.out.size(); ++o) {
          ASSERT_NEAR(shared.out[o], alone.out[o], 1e-12);
        }
      }
    }
  }
}

TEST(PlanForest, LongestFirstIsEven) {
  PlannerPtr planner = makePlanner();
  for (const Tree &tree : trees) {
    World world = worldOf(tree, 512);
    attnrt_problem problem = world.problem();
    const attnrt_plan *plan = nullptr;
    ASSERT_EQ(attnrt_planner_plan(planner.get(), &problem, &world.entry,
                                  &world.options, &plan),
              ATTNRT_OK);
    int64_t longest = 0, all = 0;
    for (int32_t w = 0; w < world.options.workers; ++w) {
      int64_t load = 0;
      for (int32_t i = attnrt_plan_work(plan)[w];
           i < attnrt_plan_work(plan)[w + 1]; ++i) {
        const attnrt_item &item = attnrt_plan_items(plan)[i];
        int64_t tiles = (item.kv_count + 127) / 128;
        load += 8 + tiles * (16 + item.row_count * 4);
      }
      longest = std::max(longest, load);
      all += load;
    }
    // Where a worker's share is few tiles, one of them is a large part of it.
    const int64_t tile = 16 + int64_t(world.coord.size()) * 4;
    EXPECT_LE(double(longest),
              1.25 * double(all) / world.options.workers + double(tile))
        << tree.name;
  }
}

/// Items of a plan that satisfy a condition.
template <typename Condition>
static int64_t countItems(const attnrt_plan *plan, Condition condition) {
  const attnrt_item *items = attnrt_plan_items(plan);
  return std::count_if(items, items + plan->items.count, condition);
}

TEST(PlanForest, NodeIsFoldedWhereStatesCostMore) {
  PlannerPtr planner = makePlanner();
  std::mt19937 rng(testSeed());
  auto plan = [&](World &world) {
    world.heads = 2;
    world.group = 4;
    world.options.workers = 1;
    world.fill(rng);
    const attnrt_plan *result = nullptr;
    EXPECT_EQ(check(world, planner.get(), &result), "");
    return result;
  };
  // Two requests of one row: reading 20 tiles again costs more than 8 states.
  World shared = World::forest({2}, {320, 16});
  shared.entry.resumes = 1;
  const attnrt_plan *result = plan(shared);
  EXPECT_EQ(World::reads(result), 2 * (320 + 2 * 16));
  EXPECT_EQ(result->slots, 2u * 4 * (2 + 2));

  // States that cost 1,000 each: every row reads all of its path in one go.
  shared.options.tile_cost = 16;
  shared.options.state_cost = 1000;
  result = plan(shared);
  EXPECT_EQ(World::reads(result), 2 * 2 * (320 + 16));
  EXPECT_EQ(result->slots, 0u);
  EXPECT_EQ(result->merges.count, 0u);
  EXPECT_EQ(countItems(result,
                       [](const attnrt_item &item) {
                         return (item.flags & ATTNRT_ITEM_KEEP) != 0;
                       }),
            4);

  // Kernels that cannot resume gain nothing from it.
  shared.entry.resumes = 0;
  result = plan(shared);
  EXPECT_EQ(World::reads(result), 2 * (320 + 2 * 16));

  // A node with one child is one run of work, whatever it costs.
  World chain = World::forest({1, 1}, {100, 50, 20});
  chain.entry.resumes = 1;
  result = plan(chain);
  EXPECT_EQ(result->slots, 0u);
  EXPECT_EQ(result->items.count, 2u * 3);

  // A fixed split depends on no other row, so it folds nothing.
  chain.options.split = 1;
  result = plan(chain);
  EXPECT_EQ(result->slots, 2u * 4 * 3);
}

TEST(PlanForest, RowsOfAListShareItems) {
  // Four requests; the first and the last share a prefix.
  PlannerPtr planner = makePlanner();
  std::mt19937 rng(testSeed());
  World world;
  for (int32_t count : {64, 8, 8, 8, 8}) {
    world.addSegment(count, count == 64 ? 0 : 1);
  }
  world.rowBegin = {0, 2, 3, 4, 5};
  world.rowEnd = {2, 3, 4, 5, 6};
  world.rowList = {0, 3, 0, 1, 2, 3};
  world.limit.assign(4, 1000);
  world.options.workers = 1;
  world.fill(rng);
  const attnrt_plan *plan = nullptr;
  ASSERT_EQ(check(world, planner.get(), &plan), "");
  EXPECT_EQ(World::reads(plan), 64 + 4 * 8);
  EXPECT_EQ(plan->rows.count, 4u + 6);
  EXPECT_EQ(countItems(plan,
                       [](const attnrt_item &item) {
                         return item.row_count == 2 && item.kv_count == 64;
                       }),
            1);
}
