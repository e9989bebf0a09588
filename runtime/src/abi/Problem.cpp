//===- Problem.cpp - What a launch asks the planner -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Problem.h"
#include "../plan/Check.h"
#include "SharedCost.h"

#include <algorithm>
#include <numeric>

using namespace attnrt;

static void setProblem(PlannedLaunch &launch, int32_t heads, int32_t group) {
  launch.problem = attnrt_problem{};
  launch.problem.struct_size = sizeof(attnrt_problem);
  launch.problem.segments = launch.segments.data();
  launch.problem.segment_count = int64_t(launch.segments.size());
  launch.problem.row_begin = launch.rowBegin.data();
  launch.problem.row_end =
      launch.rowEnd.empty() ? nullptr : launch.rowEnd.data();
  launch.problem.coord = launch.coord.data();
  launch.problem.lo = launch.low.data();
  launch.problem.limit = launch.high.data();
  launch.problem.row_count = int64_t(launch.coord.size());
  launch.problem.heads = heads;
  launch.problem.group = group;
}

static attnrt_segment segmentOf(int32_t count, int32_t param) {
  attnrt_segment segment{};
  segment.select = segment.len_ref = segment.head = -1;
  segment.count = count;
  segment.param = param;
  return segment;
}

/// The hull of two hulls; one that is empty adds nothing.
static void joinHull(int32_t &low, int32_t &high, int32_t otherLow,
                     int32_t otherHigh) {
  if (otherLow >= otherHigh) {
    return;
  }
  bool isFirst = low >= high; // nothing is seen here
  low = isFirst ? otherLow : std::min(low, otherLow);
  high = isFirst ? otherHigh : std::max(high, otherHigh);
}

/// Moves rows that see nothing before the first or behind the last row of their
/// request that sees something to the end of all rows, where no segment has
/// them: rows of different requests then follow one another, and fit one item.
/// Returns the first row of each request, and where the last one's end.
static std::vector<int32_t> gatherSeeing(PlannedLaunch &launch,
                                         const LaunchSizes &sizes) {
  std::vector<int32_t> order, blind, begins{0};
  for (int64_t i = 0; i < sizes.segments; ++i) {
    auto sees = [&](int64_t row) {
      return launch.low[size_t(row)] < launch.high[size_t(row)];
    };
    int64_t begin = i * sizes.rows, end = begin + sizes.rows;
    int64_t from = begin, to = end;
    while (from < to && !sees(from)) {
      ++from;
    }
    while (from < to && !sees(to - 1)) {
      --to;
    }
    for (int64_t row = begin; row < end; ++row) {
      (row >= from && row < to ? order : blind).push_back(int32_t(row));
    }
    begins.push_back(int32_t(order.size()));
  }
  order.insert(order.end(), blind.begin(), blind.end());
  std::vector<int32_t> moved;
  for (auto *list : {&launch.segmentOfRow, &launch.coord, &launch.low,
                     &launch.high, &launch.sureLow, &launch.sureHigh}) {
    if (!list->empty()) {
      moved.resize(list->size());
      for (size_t row = 0; row < moved.size(); ++row) {
        moved[row] = (*list)[size_t(order[row])];
      }
      list->swap(moved);
    }
  }
  return begins;
}

/// What rows see at the largest lengths of requests that share keys.
static std::vector<SeeingRows> findSeeing(const PlannedLaunch &launch,
                                          const std::vector<int32_t> &begins) {
  std::vector<SeeingRows> seeing(begins.size() - 1);
  for (size_t i = 0; i < seeing.size(); ++i) {
    SeeingRows &rows = seeing[i];
    for (int32_t row = begins[i]; row < begins[i + 1]; ++row) {
      int32_t low = launch.low[size_t(row)], high = launch.high[size_t(row)];
      if (low < high) {
        rows.low = rows.rows ? std::min(rows.low, low) : low;
        rows.high = std::max(rows.high, high);
        ++rows.rows;
      }
    }
  }
  return seeing;
}

/// Segments of what is shared, then of what each request has alone. A run is
/// looked up as the keys of the request that surely has most.
static void shareKeys(PlannedLaunch &launch, const LaunchSizes &sizes,
                      SharedRuns &shared) {
  const std::vector<int32_t> begins = gatherSeeing(launch, sizes);
  const std::vector<int32_t> &high =
      launch.sureHigh.empty() ? launch.high : launch.sureHigh;
  // Kernels mask no point for the sake of a border: what is left of a tile is
  // read with what follows, from each request's own tables.
  auto toTile = [&](int32_t key) {
    return int32_t(key / sizes.tile * sizes.tile);
  };
  for (SharedRuns::Run &run : shared.runs) {
    run.begin = toTile(run.begin);
    run.end = toTile(run.end);
  }
  const attnrt_plan_options costs = withDefaults(launch.options);
  if (!costs.split) { // else every node stays
    const int32_t subs = int32_t(sizes.subs);
    dropCheapRuns(shared, findSeeing(launch, begins),
                  {costs.tile_cost, costs.item_cost, costs.state_cost,
                   int32_t(sizes.tile),
                   std::max(launch.entry.max_packed_rows / subs, 1), subs});
  }
  auto add = [&](int32_t begin, int64_t end, int32_t param, int32_t first,
                 int32_t last) {
    launch.segments.push_back(segmentOf(int32_t(end - begin), param));
    launch.segments.back().coord0 = begin;
    launch.rowBegin.push_back(begins[size_t(first)]);
    launch.rowEnd.push_back(begins[size_t(last)]);
  };
  launch.segments.clear();
  launch.rowBegin.clear();
  for (const SharedRuns::Run &run : shared.runs) {
    const size_t from = size_t(begins[size_t(run.first)]);
    const size_t to = size_t(begins[size_t(run.last)]);
    if (run.begin == run.end || from == to) {
      continue;
    }
    size_t longest = from;
    for (size_t row = from; row < to; ++row) {
      longest = high[row] > high[longest] ? row : longest;
    }
    add(run.begin, run.end, launch.segmentOfRow[longest], run.first, run.last);
  }
  for (size_t i = 0; i < shared.order.size(); ++i) {
    int32_t request = shared.order[i];
    add(toTile(shared.own[size_t(request)]), sizes.ordinals, request,
        int32_t(i), int32_t(i) + 1);
  }
}

void attnrt::checkSizes(const LaunchSizes &sizes) {
  if (sizes.heads > 1 << 16 || sizes.subs > UINT16_MAX ||
      sizes.ordinals > INT32_MAX ||
      sizes.segments > INT32_MAX / std::max<int64_t>(sizes.rows, 1)) {
    raise(ATTNRT_RESOURCE_EXHAUSTED,
          "%lld segments of %lld rows, %lld KV heads of %lld query heads and "
          "%lld keys are too many",
          static_cast<long long>(sizes.segments),
          static_cast<long long>(sizes.rows),
          static_cast<long long>(sizes.heads),
          static_cast<long long>(sizes.subs),
          static_cast<long long>(sizes.ordinals));
  }
}

/// Hulls of what rows see of a variant: at any corner in low and high, and at
/// all of them in sureLow and sureHigh, which stay empty if there is but one.
static void findHulls(PlannedLaunch &launch, const RangeOf &variant) {
  const size_t rows = launch.coord.size();
  for (auto *list :
       {&launch.low, &launch.high, &launch.otherLow, &launch.otherHigh}) {
    list->resize(rows);
  }
  launch.sureLow.clear();
  launch.sureHigh.clear();
  for (size_t corner = 0; corner < variant.corners.size(); ++corner) {
    auto &low = corner ? launch.otherLow : launch.low;
    auto &high = corner ? launch.otherHigh : launch.high;
    variant.range(&variant.corners[corner], launch.segmentOfRow.data(),
                  launch.coord.data(), low.data(), high.data(), int64_t(rows));
    if (corner == 1) {
      launch.sureLow = launch.low;
      launch.sureHigh = launch.high;
    }
    for (size_t i = 0; corner && i < rows; ++i) {
      launch.sureLow[i] = std::max(launch.sureLow[i], low[i]);
      launch.sureHigh[i] = std::min(launch.sureHigh[i], high[i]);
      joinHull(launch.low[i], launch.high[i], low[i], high[i]);
    }
  }
}

/// Hulls of what rows see of any variant. Nothing is sure: a segment ends where
/// a tile does, which may be behind the last key of its format.
static void findJointHulls(PlannedLaunch &launch,
                           const std::vector<RangeOf> &variants) {
  std::vector<int32_t> low, high;
  for (const RangeOf &variant : variants) {
    findHulls(launch, variant);
    if (low.empty()) {
      low = launch.low;
      high = launch.high;
      continue;
    }
    for (size_t i = 0; i < low.size(); ++i) {
      joinHull(low[i], high[i], launch.low[i], launch.high[i]);
    }
  }
  launch.low = std::move(low);
  launch.high = std::move(high);
  launch.sureLow.assign(launch.low.size(), 0);
  launch.sureHigh.assign(launch.low.size(), 0);
}

/// Of each segment a copy for each variant that its rows see keys of, as far as
/// these reach, in whole tiles: where a variant ends its own masks say.
static void splitByVariant(PlannedLaunch &launch, const LaunchSizes &sizes,
                           const std::vector<RangeOf> &variants) {
  const std::vector<attnrt_segment> whole = std::move(launch.segments);
  const std::vector<int32_t> begins = std::move(launch.rowBegin);
  const std::vector<int32_t> ends =
      launch.rowEnd.empty()
          ? std::vector<int32_t>(begins.begin() + 1, begins.end())
          : std::move(launch.rowEnd);
  PlannedLaunch own; // what rows see of one variant
  own.segmentOfRow = launch.segmentOfRow;
  own.coord = launch.coord;
  struct Piece {
    attnrt_segment segment;
    size_t whole;
  };
  std::vector<Piece> pieces;
  for (size_t v = 0; v < variants.size(); ++v) {
    findHulls(own, variants[v]);
    for (size_t s = 0; s < whole.size(); ++s) {
      int32_t low = 0, high = 0;
      for (int32_t row = begins[s]; row < ends[s]; ++row) {
        joinHull(low, high, own.low[size_t(row)], own.high[size_t(row)]);
      }
      const int64_t tile = sizes.tile;
      int64_t begin = std::max<int64_t>(low, 0) / tile * tile;
      int64_t end = (std::max<int64_t>(high, 0) + tile - 1) / tile * tile;
      begin = std::max<int64_t>(begin, whole[s].coord0);
      end = std::min({end, int64_t(whole[s].coord0) + whole[s].count,
                      variants[v].ordinals});
      if (begin < end) {
        pieces.push_back({whole[s], s});
        pieces.back().segment.coord0 = int32_t(begin);
        pieces.back().segment.count = int32_t(end - begin);
        pieces.back().segment.view = int32_t(v);
      }
    }
  }
  // Parents stay in front of their children.
  std::stable_sort(
      pieces.begin(), pieces.end(),
      [](const Piece &a, const Piece &b) { return a.whole < b.whole; });
  launch.segments.clear();
  launch.rowBegin.clear();
  launch.rowEnd.clear();
  for (const Piece &piece : pieces) {
    launch.segments.push_back(piece.segment);
    launch.rowBegin.push_back(begins[piece.whole]);
    launch.rowEnd.push_back(ends[piece.whole]);
  }
  launch.segments.reserve(1); // not null
  launch.rowBegin.reserve(1);
  launch.rowEnd.reserve(1);
}

bool attnrt::poseFold(PlannedLaunch &launch, const LaunchSizes &sizes,
                      const std::vector<RangeOf> &variants,
                      const attnrt_prefixes *prefixes) {
  if (!sizes.segments || !sizes.rows || !sizes.heads || !sizes.subs) {
    return false;
  }
  checkSizes(sizes);
  const bool isJoined = variants.size() > 1;
  size_t rows = size_t(sizes.segments * sizes.rows);
  SharedRuns shared;
  if (prefixes) {
    // With a fixed split no border depends on the other requests of a batch.
    shared = findSharedRuns(*prefixes, sizes.segments, sizes.ordinals,
                            withDefaults(launch.options).split ? Nodes::AsGiven
                                                               : Nodes::Joined);
  }
  launch.segments.clear();
  launch.rowBegin.assign(1, 0);
  launch.rowEnd.clear();
  launch.segmentOfRow.resize(rows);
  launch.coord.resize(rows);
  size_t at = 0;
  for (int32_t i = 0; i < sizes.segments; ++i) {
    int32_t s = prefixes ? shared.order[size_t(i)] : i;
    launch.segments.push_back(segmentOf(int32_t(sizes.ordinals), s));
    for (int32_t r = 0; r < sizes.rows; ++r, ++at) {
      launch.segmentOfRow[at] = s;
      launch.coord[at] = r;
    }
    launch.rowBegin.push_back(int32_t(at));
  }
  if (isJoined) {
    findJointHulls(launch, variants);
  } else {
    findHulls(launch, variants[0]);
  }
  if (prefixes) {
    shareKeys(launch, sizes, shared);
  }
  if (isJoined) {
    splitByVariant(launch, sizes, variants);
  }
  setProblem(launch, int32_t(sizes.heads), int32_t(sizes.subs));
  launch.problem.row_end =
      isJoined ? launch.rowEnd.data() : launch.problem.row_end;
  launch.problem.sym =
      prefixes || isJoined ? launch.segmentOfRow.data() : nullptr;
  if (!launch.sureLow.empty()) {
    launch.problem.sure_lo = launch.sureLow.data();
    launch.problem.sure_limit = launch.sureHigh.data();
  }
  return true;
}

bool attnrt::posePoints(PlannedLaunch &launch, int64_t points) {
  if (!points) {
    return false;
  }
  launch.segments.assign(1, segmentOf(1, 0));
  launch.rowBegin = {0, int32_t(points)};
  launch.rowEnd.clear();
  launch.coord.resize(size_t(points));
  std::iota(launch.coord.begin(), launch.coord.end(), 0);
  launch.low.assign(size_t(points), 0);
  launch.high.assign(size_t(points), 1);
  setProblem(launch, 1, 1);
  return true;
}

void PlannedLaunch::makePlan() {
  if (!planner) {
    attnrt_planner *fresh = nullptr;
    check(attnrt_planner_create(&fresh));
    planner.reset(fresh);
  }
  check(attnrt_planner_plan(planner.get(), &problem, &entry, &options, &plan));
}
