//===- ProblemTest.cpp - What rows see between bounds of lengths ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../src/abi/Problem.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

using namespace attnrt;

/// A window of 4 up to the length in scalar 0; rows of segment 1 see nothing at
/// lengths below 3.
static void window(const attnrt_args *args, const int32_t *seg,
                   const int32_t *coord, int32_t *lo, int32_t *hi, int64_t n) {
  int32_t length = int32_t(args->scalars[0]);
  for (int64_t i = 0; i < n; ++i) {
    bool isEmpty = seg[i] == 1 && length < 3;
    lo[i] = isEmpty ? 0 : std::max(0, length - 4) + coord[i];
    hi[i] = isEmpty ? 0 : length + coord[i];
  }
}

TEST(Problem, HullsOfAllCorners) {
  const uint64_t high = 9, middle = 5, low = 2;
  auto ask = [](std::vector<const uint64_t *> lengths) {
    std::vector<attnrt_args> corners;
    for (const uint64_t *length : lengths) {
      corners.push_back(attnrt_args{});
      corners.back().scalars = length;
    }
    PlannedLaunch launch;
    EXPECT_TRUE(poseFold(launch, {2, 2, 1, 1, 20}, {{window, corners}}));
    EXPECT_EQ(4, launch.problem.row_count);
    EXPECT_EQ(corners.size() > 1, launch.problem.sure_lo != nullptr);
    if (corners.size() == 3) { // at 2, 5 and 9; nothing is sure of segment 1
      EXPECT_EQ((std::vector<int32_t>{5, 6, 5, 6}), launch.sureLow);
      EXPECT_EQ((std::vector<int32_t>{2, 3, 0, 0}), launch.sureHigh);
    }
    return std::pair(launch.low, launch.high);
  };
  using Rows = std::vector<int32_t>;
  EXPECT_EQ(std::pair(Rows({5, 6, 5, 6}), Rows({9, 10, 9, 10})), ask({&high}));
  // From the lower end at the smallest length to the upper end at the largest;
  // where the smallest sees nothing it says nothing.
  auto both = std::pair(Rows({0, 1, 5, 6}), Rows({9, 10, 9, 10}));
  EXPECT_EQ(both, ask({&high, &low}));
  EXPECT_EQ(both, ask({&low, &high})); // in any order
  EXPECT_EQ(std::pair(Rows({0, 1, 1, 2}), Rows({9, 10, 9, 10})),
            ask({&middle, &low, &high}));
}

TEST(Problem, NothingToCompute) {
  PlannedLaunch launch;
  std::vector<attnrt_args> corners(1);
  EXPECT_FALSE(poseFold(launch, {0, 2, 1, 1, 20}, {{window, corners}}));
  EXPECT_FALSE(poseFold(launch, {2, 0, 1, 1, 20}, {{window, corners}}));
  EXPECT_FALSE(posePoints(launch, 0));
  EXPECT_THROW(
      poseFold(launch, {1 << 20, 1 << 20, 1, 1, 20}, {{window, corners}}),
      Failure);
  EXPECT_THROW(poseFold(launch, {1, 1, 1 << 17, 1, 20}, {{window, corners}}),
               Failure);
}

/// Rows see all keys up to 90, request 4 only 60.
static void upTo90(const attnrt_args *, const int32_t *seg, const int32_t *,
                   int32_t *lo, int32_t *hi, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    lo[i] = 0;
    hi[i] = seg[i] == 4 ? 60 : 90;
  }
}

static attnrt_prefixes describe(const std::vector<attnrt_prefix_node> &nodes,
                                const std::vector<int32_t> &leaf) {
  attnrt_prefixes prefixes{};
  prefixes.struct_size = sizeof(prefixes);
  prefixes.num_nodes = int32_t(nodes.size());
  prefixes.nodes = nodes.data();
  prefixes.leaf = leaf.data();
  prefixes.num_leaves = int32_t(leaf.size());
  return prefixes;
}

TEST(Problem, SegmentsOfAForest) {
  // Node 1 continues node 0 for the same requests, node 2 has one request, node
  // 3 two of the four below 1.
  std::vector<attnrt_prefix_node> nodes{{-1, 10}, {0, 30}, {1, 50}, {1, 40}};
  std::vector<int32_t> leaf{3, -1, 2, 1, 3, 1};
  attnrt_prefixes prefixes = describe(nodes, leaf);
  PlannedLaunch launch;
  launch.entry.max_packed_rows = 64;
  std::vector<attnrt_args> corners(1);
  ASSERT_TRUE(
      poseFold(launch, {6, 2, 1, 1, 100}, {{upTo90, corners}}, &prefixes));
  // First who shares nothing, then those of node 1, its children's behind.
  EXPECT_EQ((std::vector<int32_t>{1, 1, 3, 3, 5, 5, 2, 2, 0, 0, 4, 4}),
            launch.segmentOfRow);
  EXPECT_EQ((std::vector<int32_t>{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}),
            launch.coord);
  EXPECT_EQ(launch.segmentOfRow.data(), launch.problem.sym);
  struct Want {
    int32_t begin, end, param, first, last;
  };
  const Want wanted[] = {{0, 30, 3, 2, 12},  // nodes 0 and 1
                         {30, 40, 0, 8, 12}, // node 3; request 4 is shorter
                         {0, 100, 1, 0, 2},  // what is left for each
                         {30, 100, 3, 2, 4},  {30, 100, 5, 4, 6},
                         {30, 100, 2, 6, 8},  {40, 100, 0, 8, 10},
                         {40, 100, 4, 10, 12}};
  ASSERT_EQ(std::size(wanted), launch.segments.size());
  for (size_t s = 0; s < launch.segments.size(); ++s) {
    SCOPED_TRACE(s);
    const attnrt_segment &segment = launch.segments[s];
    EXPECT_EQ(wanted[s].begin, segment.coord0);
    EXPECT_EQ(wanted[s].end, segment.coord0 + segment.count);
    EXPECT_EQ(wanted[s].param, segment.param);
    EXPECT_EQ(wanted[s].first, launch.problem.row_begin[s]);
    EXPECT_EQ(wanted[s].last, launch.problem.row_end[s]);
  }
  // The next step shares nothing again.
  ASSERT_TRUE(poseFold(launch, {6, 2, 1, 1, 100}, {{upTo90, corners}}));
  EXPECT_EQ(nullptr, launch.problem.row_end);
  EXPECT_EQ(nullptr, launch.problem.sym);
  EXPECT_EQ(6u, launch.segments.size());
}

/// Segments as (first key, end, request of the tables, first row, end).
using Segments = std::vector<std::array<int32_t, 5>>;
static Segments segmentsOf(const PlannedLaunch &launch) {
  Segments found;
  for (size_t s = 0; s < launch.segments.size(); ++s) {
    const attnrt_segment &segment = launch.segments[s];
    found.push_back({segment.coord0, segment.coord0 + segment.count,
                     segment.param, launch.problem.row_begin[s],
                     launch.problem.row_end[s]});
  }
  return found;
}

TEST(Problem, RunsThatCostMoreThanTheySave) {
  // A long run of all four requests, a short one of two of them behind it.
  std::vector<attnrt_prefix_node> nodes{{-1, 640}, {0, 704}};
  std::vector<int32_t> leaf{1, 0, 1, 0};
  attnrt_prefixes prefixes = describe(nodes, leaf);
  std::vector<attnrt_args> corners(1);
  auto all = [](const attnrt_args *, const int32_t *, const int32_t *,
                int32_t *lo, int32_t *hi, int64_t n) {
    std::fill_n(lo, n, 0);
    std::fill_n(hi, n, 768);
  };
  auto pose = [&](int64_t rows, int32_t packed, int32_t split = 0) {
    PlannedLaunch launch;
    launch.entry.max_packed_rows = packed;
    launch.options.split = split;
    EXPECT_TRUE(poseFold(launch, {4, rows, 1, 1, 768, 64}, {{all, corners}},
                         &prefixes));
    return segmentsOf(launch);
  };
  // One row each: both are worth it.
  const Segments both{{0, 640, 1, 0, 4},   {640, 704, 0, 2, 4},
                      {640, 768, 1, 0, 1}, {640, 768, 3, 1, 2},
                      {704, 768, 0, 2, 3}, {704, 768, 2, 3, 4}};
  EXPECT_EQ(both, pose(1, 64));
  // Eight rows each: the states of 16 rows cost more than a tile of keys.
  EXPECT_EQ((Segments{{0, 640, 1, 0, 32},
                      {640, 768, 1, 0, 8},
                      {640, 768, 3, 8, 16},
                      {640, 768, 0, 16, 24},
                      {640, 768, 2, 24, 32}}),
            pose(8, 64));
  // Rows fill items alone: there is nothing to save.
  EXPECT_EQ((Segments{{0, 768, 1, 0, 8},
                      {0, 768, 3, 8, 16},
                      {0, 768, 0, 16, 24},
                      {0, 768, 2, 24, 32}}),
            pose(8, 8));
  // A fixed split does not depend on what other requests there are.
  EXPECT_EQ(6u, pose(8, 8, 2).size());
  // One tile of two requests: a row that shares nothing else gets two states,
  // one of the run and one of its own keys.
  nodes = {{-1, 64}};
  leaf = {0, -1, -1, 0};
  prefixes = describe(nodes, leaf);
  EXPECT_EQ(5u, pose(1, 64).size());
  EXPECT_EQ(4u, pose(3, 64).size());
}

/// Parts of a row: keys [first, second), in the order of the keys.
using Parts = std::vector<std::pair<int32_t, int32_t>>;

/// By request and row: the parts that a plan cuts it into.
static std::map<std::pair<int32_t, int32_t>, Parts>
partsOf(const attnrt_plan *plan) {
  std::map<std::pair<int32_t, int32_t>, Parts> parts;
  for (uint32_t i = 0; i < plan->items.count; ++i) {
    const attnrt_item &item = attnrt_plan_items(plan)[i];
    const int32_t begin =
        attnrt_plan_segments(plan)[item.seg].coord0 + item.kv_begin;
    for (int32_t k = 0; k < item.row_count; ++k) {
      const attnrt_row &row = attnrt_plan_rows(plan)[item.row_begin + k];
      parts[{row.sym, row.coord}].push_back({begin, begin + item.kv_count});
    }
  }
  for (auto &[row, list] : parts) {
    std::sort(list.begin(), list.end());
  }
  return parts;
}

TEST(Problem, FixedPartsDependOnTheRequestsOwnNodesOnly) {
  // In some batches node 0 has one request below it, or the same ones as node
  // 1 or 2; nodes 3 and 4 have one at most, node 5 ends in node 0's tile.
  std::vector<attnrt_prefix_node> nodes{{-1, 128}, {0, 200}, {0, 256},
                                        {2, 320},  {-1, 96}, {0, 136}};
  std::vector<int32_t> leafOf{2, 1, 3, 0, 4, -1, 5};
  const int32_t requests = int32_t(leafOf.size());
  std::vector<attnrt_args> corners(1);
  std::vector<uint64_t> who; // requests of the batch
  auto range = [](const attnrt_args *args, const int32_t *seg,
                  const int32_t *coord, int32_t *lo, int32_t *hi, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const int32_t request = int32_t(args->scalars[seg[i]]);
      lo[i] = request % 3 == 1 ? 70 : 0;
      hi[i] = 330 + 16 * request + coord[i];
    }
  };
  auto plan = [&](int32_t split, int32_t packed) {
    std::vector<int32_t> leaf;
    for (uint64_t request : who) {
      leaf.push_back(leafOf[size_t(request)]);
    }
    attnrt_prefixes prefixes = describe(nodes, leaf);
    corners[0].scalars = who.data();
    PlannedLaunch launch;
    launch.entry.struct_size = sizeof(launch.entry);
    launch.entry.max_packed_rows = packed;
    launch.entry.kv_tile = 16;
    launch.entry.states = 1;
    launch.options.struct_size = sizeof(launch.options);
    launch.options.strategy = ATTNRT_STRATEGY_FIXED;
    launch.options.split = split;
    launch.options.workers = 1 + int32_t(who.size());
    EXPECT_TRUE(poseFold(launch, {int64_t(who.size()), 2, 1, 1, 480, 16},
                         {{range, corners}}, &prefixes));
    launch.makePlan();
    EXPECT_EQ(ATTNRT_OK, attnrt_plan_verify(launch.plan, launch.plan->bytes,
                                            &launch.problem, &launch.entry,
                                            &launch.options))
        << attnrt_last_message();
    return partsOf(launch.plan);
  };
  for (int32_t split : {0, 2, 3}) {
    for (int32_t packed : {2, 64}) {
      std::vector<std::map<std::pair<int32_t, int32_t>, Parts>> alone;
      for (int32_t request = 0; request < requests; ++request) {
        who = {uint64_t(request)};
        alone.push_back(plan(split, packed));
      }
      for (uint32_t set = 1; set < 1u << requests; ++set) {
        who.clear();
        for (int32_t request = 0; request < requests; ++request) {
          if (set >> request & 1) {
            who.insert(set % 2 ? who.end() : who.begin(), request);
          }
        }
        auto together = plan(split, packed);
        for (int32_t at = 0; at < int32_t(who.size()); ++at) {
          for (int32_t row : {0, 1}) {
            ASSERT_EQ((alone[size_t(who[size_t(at)])][{0, row}]),
                      (together[{at, row}]))
                << "request " << who[size_t(at)] << ", row " << row
                << " in batch " << set << ", " << split << " parts, " << packed
                << " packed rows";
          }
        }
      }
    }
  }
}

TEST(Problem, ARunBelowOneThatIsDroppedBeginsWhereThatBegan) {
  // The first node has two further nodes of many requests: one tile is not
  // worth a part of eight rows, two tiles of each four are.
  std::vector<attnrt_prefix_node> nodes{{-1, 64}, {0, 640}, {0, 640}};
  std::vector<int32_t> leaf{1, 2, 1, 2, 1, 2, 1, 2};
  attnrt_prefixes prefixes = describe(nodes, leaf);
  std::vector<attnrt_args> corners(1);
  auto all = [](const attnrt_args *, const int32_t *, const int32_t *,
                int32_t *lo, int32_t *hi, int64_t n) {
    std::fill_n(lo, n, 0);
    std::fill_n(hi, n, 768);
  };
  PlannedLaunch launch;
  launch.entry.max_packed_rows = 64;
  ASSERT_TRUE(
      poseFold(launch, {8, 4, 1, 1, 768, 64}, {{all, corners}}, &prefixes));
  const Segments found = segmentsOf(launch);
  ASSERT_EQ(10u, found.size());
  EXPECT_EQ((std::array<int32_t, 5>{0, 640, 0, 0, 16}), found[0]);
  EXPECT_EQ((std::array<int32_t, 5>{0, 640, 1, 16, 32}), found[1]);
  for (size_t s = 2; s < found.size(); ++s) {
    EXPECT_EQ(640, found[s][0]);
  }
}

TEST(Problem, RowsThatSeeNothingAreInNoSegment) {
  // Of six rows of each request the last two or one see something.
  std::vector<attnrt_prefix_node> nodes{{-1, 512}};
  std::vector<int32_t> leaf{0, -1, 0};
  attnrt_prefixes prefixes = describe(nodes, leaf);
  std::vector<attnrt_args> corners(1);
  auto some = [](const attnrt_args *, const int32_t *seg, const int32_t *coord,
                 int32_t *lo, int32_t *hi, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      // Row 3 of request 2 is between rows that see.
      bool sees = seg[i] == 2 ? coord[i] >= 2 && coord[i] != 3 : coord[i] == 5;
      lo[i] = 0;
      hi[i] = sees ? 600 : 0;
    }
  };
  PlannedLaunch launch;
  launch.entry.max_packed_rows = 64;
  ASSERT_TRUE(
      poseFold(launch, {3, 6, 1, 1, 640, 64}, {{some, corners}}, &prefixes));
  EXPECT_EQ((Segments{{0, 512, 0, 1, 6},
                      {0, 640, 1, 0, 1},
                      {512, 640, 0, 1, 2},
                      {512, 640, 2, 2, 6}}),
            segmentsOf(launch));
  EXPECT_EQ(18, launch.problem.row_count);
  EXPECT_EQ((std::vector<int32_t>{1, 0, 2, 2, 2, 2, 1, 1, 1, 1, 1, 0, 0, 0, 0,
                                  0, 2, 2}),
            launch.segmentOfRow);
  EXPECT_EQ((std::vector<int32_t>{5, 5, 2, 3, 4, 5, 0, 1, 2, 3, 4, 0, 1, 2, 3,
                                  4, 0, 1}),
            launch.coord);
  // Every row is written, those without a key too.
  launch.options.struct_size = sizeof(launch.options);
  launch.options.workers = 2;
  launch.entry.struct_size = sizeof(launch.entry);
  launch.entry.kv_tile = 64;
  launch.entry.states = 1;
  launch.makePlan();
  EXPECT_EQ(ATTNRT_OK,
            attnrt_plan_verify(launch.plan, launch.plan->bytes, &launch.problem,
                               &launch.entry, &launch.options))
      << attnrt_last_message();
}

TEST(Problem, ForestsThatAreNone) {
  PlannedLaunch launch;
  std::vector<attnrt_args> corners(1);
  auto refuse = [&](std::vector<attnrt_prefix_node> nodes,
                    std::vector<int32_t> leaf, const std::string &why) {
    attnrt_prefixes prefixes = describe(nodes, leaf);
    try {
      poseFold(launch, {2, 1, 1, 1, 100}, {{upTo90, corners}}, &prefixes);
      ADD_FAILURE() << why;
    } catch (const Failure &failure) {
      EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, failure.status);
      EXPECT_EQ(why, failure.message);
    }
  };
  refuse({{0, 10}}, {0, 0},
         "expects parents before their children, but node 0 continues node 0");
  refuse({{-2, 10}}, {0, 0},
         "expects parents before their children, but node 0 continues node -2");
  refuse({{-1, 10}, {0, 10}}, {0, 0},
         "expects node 1 to end at 11..100, but got 10");
  refuse({{-1, 101}}, {0, 0}, "expects node 0 to end at 1..100, but got 101");
  refuse({{-1, 10}}, {0, 1},
         "expects a node below 1 or -1 for request 1, but got 1");
  refuse({{-1, 10}}, {0, -2},
         "expects a node below 1 or -1 for request 1, but got -2");
  refuse({{-1, 10}}, {0, 0, 0},
         "expects the node of each of 2 requests, but "
         "got 3");
}
