//===- Cut.cpp - Cutting a line of work into even pieces ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Cut.h"

#include <algorithm>

using namespace attnrt;

namespace {

/// One walk along the line: turns costs that do not decrease into cuts.
struct Walker {
  const std::vector<UnitRun> &runs;
  const int64_t item;
  const int64_t total;
  size_t at = 0;

  Walker(const std::vector<UnitRun> &runs, int64_t item)
      : runs(runs), item(item), total(runs.back().end()) {}

  const UnitRun &runOf(int64_t cost) {
    while (runs[at].end() <= cost) {
      ++at;
    }
    return runs[at];
  }

  /// start(p) of the first cut with end(p) >= cost; cost <= total.
  int64_t firstFrom(int64_t cost) {
    if (cost == total) {
      return total;
    }
    const UnitRun &run = runOf(cost);
    int64_t unit = (cost - run.start) / run.unit;
    int64_t base = run.start + unit * run.unit, rest = cost - base;
    if (rest == 0) {
      return base;
    }
    int64_t tiles =
        rest <= item + run.tile ? 1 : (rest - item + run.tile - 1) / run.tile;
    return tiles >= run.tiles ? base + run.unit : base + tiles * run.tile;
  }

  /// start(p) of the last cut with end(p) <= cost; cost < total.
  int64_t lastTo(int64_t cost) {
    const UnitRun &run = runOf(cost);
    int64_t unit = (cost - run.start) / run.unit;
    int64_t base = run.start + unit * run.unit, rest = cost - base;
    return rest < item + run.tile ? base
                                  : base + (rest - item) / run.tile * run.tile;
  }
};

} // namespace

/// a(1) .. a(workers); false if a piece would end behind the line.
static bool walkShortest(const std::vector<UnitRun> &runs, int64_t item,
                         int64_t least, std::vector<int64_t> &out) {
  Walker walker(runs, item);
  int64_t at = 0;
  for (int64_t &point : out) {
    if (at + least > walker.total) {
      return false;
    }
    // For `least` below `item` the first such cut may lie before this one.
    at = point = std::max(at, walker.firstFrom(at + least));
  }
  return true;
}

/// b(1) .. b(workers); false if the end of the line is not reached.
static bool walkLongest(const std::vector<UnitRun> &runs, int64_t item,
                        int64_t most, std::vector<int64_t> &out) {
  Walker walker(runs, item);
  int64_t at = 0;
  for (int64_t &point : out) {
    int64_t cost = at + most;
    at = point = cost >= walker.total ? walker.total : walker.lastTo(cost);
  }
  return at == walker.total;
}

void LineCutter::cut(const std::vector<UnitRun> &runs, int32_t item,
                     int32_t workers, std::vector<CutPoint> &out) {
  const int64_t total = runs.back().end();
  int64_t largest = 0;
  for (const UnitRun &run : runs) {
    largest = std::max(largest, run.tile);
  }
  const int64_t spread = item + largest;
  shortest.resize(workers);
  longest.resize(workers);

  int64_t low = std::max<int64_t>(0, total / workers - spread);
  int64_t high = total / workers + item;
  // The middle of what the pieces may cost works almost always.
  int64_t least = std::max<int64_t>(low, total / workers - spread / 2);
  while (low < high) {
    if (!walkShortest(runs, item, least, shortest)) {
      high = least - 1;
    } else if (!walkLongest(runs, item, least + spread, longest)) {
      low = least + 1;
    } else {
      break;
    }
    least = low + (high - low) / 2;
  }
  if (low >= high) {
    least = low;
    walkShortest(runs, item, least, shortest);
    walkLongest(runs, item, least + spread, longest);
  }

  const int32_t runCount = int32_t(runs.size());
  out.resize(size_t(workers) + 1);
  out[0] = {0, 0, 0};
  out[workers] = {runCount, 0, 0};
  int32_t r = runCount - 1;
  int64_t next = total; // end(p) of the cut behind the piece
  for (int32_t w = workers - 1; w > 0; --w) {
    int64_t from = std::max(shortest[w - 1], next - least - spread);
    int64_t to = std::min(longest[w - 1], next - least);
    // The share that leaves the same to every piece before.
    int64_t want = std::clamp(next - next / (w + 1), from, to);
    if (want >= total) {
      out[w] = {runCount, 0, 0};
      next = total;
      continue;
    }
    while (runs[r].start > want) {
      --r;
    }
    const UnitRun &run = runs[r];
    int64_t unit = (want - run.start) / run.unit;
    int64_t base = run.start + unit * run.unit;
    int64_t tile = 0;
    if (base < from && base + run.unit <= to) {
      ++unit;
    } else if (base < from) {
      tile = std::min<int64_t>((want - base) / run.tile, run.tiles - 1);
      tile += base + tile * run.tile < from;
      if (tile == run.tiles) {
        ++unit;
        tile = 0;
      }
    }
    int64_t at = run.start + unit * run.unit + tile * run.tile;
    next = at + (tile > 0 ? item : 0);
    if (unit == run.count) {
      out[w] = {r + 1, 0, 0};
    } else {
      out[w] = {r, int32_t(unit), int32_t(tile)};
    }
  }
}
