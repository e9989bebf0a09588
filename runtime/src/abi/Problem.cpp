//===- Problem.cpp - What a launch asks the planner -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Problem.h"
#include "Prefixes.h"

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

/// Segments of what is shared, then of what each request has alone. A run is
/// looked up as the keys of the request that surely has most.
static void shareKeys(PlannedLaunch &launch, const LaunchSizes &sizes,
                      const SharedRuns &shared) {
  const std::vector<int32_t> &high =
      launch.sureHigh.empty() ? launch.high : launch.sureHigh;
  auto add = [&](int32_t begin, int64_t end, int32_t param, int64_t first,
                 int64_t last) {
    launch.segments.push_back(segmentOf(int32_t(end - begin), param));
    launch.segments.back().coord0 = begin;
    launch.rowBegin.push_back(int32_t(first * sizes.rows));
    launch.rowEnd.push_back(int32_t(last * sizes.rows));
  };
  // Kernels mask no point for the sake of a border: what is left of a tile is
  // read with what follows, from each request's own tables.
  auto toTile = [&](int32_t key) {
    return int32_t(key / sizes.tile * sizes.tile);
  };
  launch.segments.clear();
  launch.rowBegin.clear();
  for (const SharedRuns::Run &run : shared.runs) {
    int32_t begin = toTile(run.begin), end = toTile(run.end);
    if (begin == end) {
      continue;
    }
    size_t longest = size_t(run.first * sizes.rows);
    for (size_t row = longest; row < size_t(run.last * sizes.rows); ++row) {
      longest = high[row] > high[longest] ? row : longest;
    }
    add(begin, end, launch.segmentOfRow[longest], run.first, run.last);
  }
  for (size_t i = 0; i < shared.order.size(); ++i) {
    int32_t request = shared.order[i];
    add(toTile(shared.own[size_t(request)]), sizes.ordinals, request,
        int64_t(i), int64_t(i) + 1);
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

bool attnrt::poseFold(PlannedLaunch &launch, const LaunchSizes &sizes,
                      attnrt_range_fn range,
                      const std::vector<attnrt_args> &corners,
                      const attnrt_prefixes *prefixes) {
  if (!sizes.segments || !sizes.rows || !sizes.heads || !sizes.subs) {
    return false;
  }
  checkSizes(sizes);
  size_t rows = size_t(sizes.segments * sizes.rows);
  SharedRuns shared;
  if (prefixes) {
    shared = findSharedRuns(*prefixes, sizes.segments, sizes.ordinals);
  }
  launch.segments.clear();
  launch.rowBegin.assign(1, 0);
  launch.rowEnd.clear();
  launch.segmentOfRow.resize(rows);
  for (auto *list : {&launch.coord, &launch.low, &launch.high, &launch.otherLow,
                     &launch.otherHigh}) {
    list->resize(rows);
  }
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
  launch.sureLow.clear();
  launch.sureHigh.clear();
  for (size_t corner = 0; corner < corners.size(); ++corner) {
    auto &low = corner ? launch.otherLow : launch.low;
    auto &high = corner ? launch.otherHigh : launch.high;
    range(&corners[corner], launch.segmentOfRow.data(), launch.coord.data(),
          low.data(), high.data(), int64_t(rows));
    if (corner == 1) {
      launch.sureLow = launch.low;
      launch.sureHigh = launch.high;
    }
    for (size_t i = 0; corner && i < rows; ++i) {
      launch.sureLow[i] = std::max(launch.sureLow[i], low[i]);
      launch.sureHigh[i] = std::min(launch.sureHigh[i], high[i]);
      if (low[i] >= high[i]) {
        continue; // nothing is seen here
      }
      bool isFirst = launch.low[i] >= launch.high[i];
      launch.low[i] = isFirst ? low[i] : std::min(launch.low[i], low[i]);
      launch.high[i] = isFirst ? high[i] : std::max(launch.high[i], high[i]);
    }
  }
  if (prefixes) {
    shareKeys(launch, sizes, shared);
  }
  setProblem(launch, int32_t(sizes.heads), int32_t(sizes.subs));
  launch.problem.sym = prefixes ? launch.segmentOfRow.data() : nullptr;
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
