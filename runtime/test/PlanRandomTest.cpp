//===- PlanRandomTest.cpp - 18,000 plans of every kind --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// World n is drawn from n alone. The long tier takes all of them; the short one
// a slice, which ATTN_TEST_SEED moves by its own width.
//
//===----------------------------------------------------------------------===//
#include "PlanModel.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>

using namespace attnrt::test;

static World worldOf(unsigned number, std::mt19937 &rng) {
  rng.seed(number);
  return World::random(rng, Kind(number % kinds));
}

/// Calls body with the numbers of this run, of `all`, of which the short tier
/// takes `slice`; stops at the first failure.
template <typename Body>
static void eachWorld(unsigned all, unsigned slice, Body body) {
  const unsigned first = testLong() ? 0 : testSeed() % (all / slice) * slice;
  const unsigned count = testLong() ? all : slice;
  for (unsigned n = first; n < first + count && !testing::Test::HasFailure();
       ++n) {
    SCOPED_TRACE("world " + std::to_string(n));
    body(n);
  }
}

TEST(PlanRandom, PlansGiveTheDenseResult) {
  PlannerPtr planner = makePlanner();
  int64_t items = 0, merges = 0, full = 0, resumed = 0, masked = 0, shared = 0,
          kept = 0, shorter = 0;
  eachWorld(18000, 2250, [&](unsigned n) {
    std::mt19937 rng;
    World world = worldOf(n, rng);
    const attnrt_plan *plan = nullptr;
    ASSERT_EQ(check(world, planner.get(), &plan), "");
    // Other real lengths, other data, the same plan.
    for (int again = 0; again < 2; ++again) {
      world.fill(rng);
      shorter += world.lengths != world.lengthHigh;
      ASSERT_EQ(world.run(plan), "");
    }
    items += plan->items.count;
    merges += plan->merges.count;
    kept += world.keepCount;
    for (uint32_t i = 0; i < plan->items.count; ++i) {
      const attnrt_item &item = attnrt_plan_items(plan)[i];
      const attnrt_row *rows = attnrt_plan_rows(plan) + item.row_begin;
      full += item.flags & ATTNRT_ITEM_FULL;
      resumed += (item.flags & ATTNRT_ITEM_RESUME) != 0;
      masked += item.mask >= 0;
      shared += rows[0].sym != rows[item.row_count - 1].sym;
    }
  });
  // The draw contains what the test is about.
  EXPECT_GT(items, 20000);
  EXPECT_GT(merges, 10000);
  EXPECT_GT(full, 4000);
  EXPECT_GT(resumed, 200);
  EXPECT_GT(masked, 200);
  EXPECT_GT(shared, 200);
  EXPECT_GT(kept, 50);
  EXPECT_GT(shorter, 500);
}

TEST(PlanRandom, StrategiesAgree) {
  PlannerPtr planner = makePlanner();
  eachWorld(2400, 300, [&](unsigned n) {
    std::mt19937 rng;
    World world = worldOf(20000 + n, rng);
    Outcome first;
    int cut = 0;
    for (int32_t strategy : {0, 1, 2, 3, 3}) {
      // Unsplit, then cut in up to four parts.
      world.options.split = strategy == 3 && cut++ ? n % 4 + 1 : 0;
      world.options.strategy = strategy;
      if (!world.entry.states) {
        world.options.split = 0;
      }
      Outcome outcome;
      ASSERT_EQ(check(world, planner.get(), nullptr, nullptr, &outcome), "");
      if (strategy == 0) {
        first = outcome;
      }
      for (size_t o = 0; o < first.out.size(); ++o) {
        const double a = first.out[o], b = outcome.out[o];
        ASSERT_TRUE((std::isnan(a) && std::isnan(b)) ||
                    std::fabs(a - b) <= 1e-12 * (1 + std::fabs(a)))
            << a << " and " << b;
      }
    }
  });
}

TEST(PlanRandom, FixedSplitIsBitwiseInvariant) {
  PlannerPtr planner = makePlanner();
  int64_t compared = 0;
  eachWorld(2400, 300, [&](unsigned n) {
    const Kind drawn[] = {Kind::Forest, Kind::Formats, Kind::Overlap,
                          Kind::Heads,  Kind::Lists,   Kind::Ordered,
                          Kind::Forest};
    std::mt19937 rng(30000 + n);
    World world = World::random(rng, drawn[n % 7]);
    world.options.strategy = ATTNRT_STRATEGY_FIXED;
    world.options.split = draw(rng, 1, 5);
    if (world.sym.empty() || !world.rowList.empty()) {
      // Rows of a request have to follow one another: here each is one.
      world.sym.clear();
      for (size_t r = 0; r < world.coord.size(); ++r) {
        world.sym.push_back(int32_t(r));
      }
      world.fill(rng);
    }
    Outcome all;
    ASSERT_EQ(check(world, planner.get(), nullptr, nullptr, &all), "");
    const size_t perRow = size_t(world.heads) * world.group * State::dim;
    std::vector<int32_t> requests = world.sym;
    std::sort(requests.begin(), requests.end());
    requests.erase(std::unique(requests.begin(), requests.end()),
                   requests.end());
    for (int32_t request : requests) {
      World alone = world.only(request);
      alone.options.workers = draw(rng, 1, 9);
      Outcome own;
      ASSERT_EQ(check(alone, planner.get(), nullptr, nullptr, &own), "");
      size_t at = 0;
      for (size_t r = 0; r < world.sym.size(); ++r) {
        if (world.sym[r] == request) {
          ASSERT_EQ(std::memcmp(&all.out[r * perRow], &own.out[at],
                                perRow * sizeof(double)),
                    0)
              << "row " << r;
          at += perRow;
          ++compared;
        }
      }
    }
  });
  EXPECT_GT(compared, 1000);
}

/// Changes each 16-bit word of each record of small plans in four ways: the
/// plan is rejected, or gives the same result.
TEST(PlanRandom, MutationsAreRejectedOrHarmless) {
  PlannerPtr planner = makePlanner();
  int64_t tried = 0, harmless = 0;
  eachWorld(600, 75, [&](unsigned n) {
    std::mt19937 rng;
    World world = worldOf(40000 + n, rng);
    attnrt_problem problem = world.problem();
    const attnrt_plan *plan = nullptr;
    ASSERT_EQ(attnrt_planner_plan(planner.get(), &problem, world.stages(),
                                  &world.options, &plan),
              ATTNRT_OK);
    PlanCopy copy(plan);
    const attnrt_plan &h = *copy.get();
    const struct {
      const char *name;
      const attnrt_plan_array &array;
      size_t size;
    } arrays[] = {{"segment", h.segments, sizeof(attnrt_segment)},
                  {"row", h.rows, sizeof(attnrt_row)},
                  {"item", h.items, sizeof(attnrt_item)},
                  {"merge", h.merges, sizeof(attnrt_merge)},
                  {"stage", h.stages, sizeof(attnrt_stage)},
                  {"work", h.work, sizeof(int32_t)},
                  {"merge slot", h.merge_slots, sizeof(int32_t)},
                  {"mask", h.masks, sizeof(uint64_t)}};
    for (const auto &[name, array, size] : arrays) {
      // Every record of a small plan, some of a large one.
      uint32_t step = 1 + array.count / 40;
      for (uint32_t r = draw(rng, 0, step - 1); r < array.count; r += step) {
        uint16_t *words = copy.array<uint16_t>(array) + r * size / 2;
        for (size_t w = 0; w < size / 2; ++w) {
          const uint16_t old = words[w];
          const uint16_t changed[] = {uint16_t(old + 1), uint16_t(old - 1),
                                      uint16_t(old ^ 1u << draw(rng, 0, 15)),
                                      uint16_t(draw(rng, 0, 65535))};
          for (uint16_t value : changed) {
            if (value == old) {
              continue;
            }
            ++tried;
            words[w] = value;
            if (attnrt_plan_verify(copy.get(), copy.bytes(), &problem,
                                   world.stages(),
                                   &world.options) == ATTNRT_OK) {
              ++harmless;
              ASSERT_EQ(world.run(copy.get()), "")
                  << name << " " << r << ", word " << w << ": " << old << " -> "
                  << value;
            }
          }
          words[w] = old;
        }
      }
    }
  });
  RecordProperty("tried", std::to_string(tried));
  RecordProperty("harmless", std::to_string(harmless));
  EXPECT_GT(tried, 50000);
  // Worker boundaries that moved, hints that were cleared, unused mask bits.
  EXPECT_LT(harmless, tried / 50);
}
