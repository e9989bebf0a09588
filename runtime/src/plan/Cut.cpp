//===- Cut.cpp - Cutting a line of work into even pieces ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Cut.h"

#include <algorithm>
#include <cassert>

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

/// a(1) .. a(pieces); 0, or where a piece would end behind the line about what
/// the line is too short by.
static int64_t walkShortest(const std::vector<UnitRun> &runs, int64_t item,
                            int64_t least, std::vector<int64_t> &out) {
  Walker walker(runs, item);
  int64_t at = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    if (at + least > walker.total) {
      return int64_t(out.size() - i) * least - (walker.total - at);
    }
    // For `least` below `item` the first such cut may lie before this one.
    at = out[i] = std::max(at, walker.firstFrom(at + least));
  }
  return 0;
}

/// b(1) .. b(pieces); what is left of the line, 0 if its end is reached.
static int64_t walkLongest(const std::vector<UnitRun> &runs, int64_t item,
                           int64_t most, std::vector<int64_t> &out) {
  Walker walker(runs, item);
  int64_t at = 0;
  for (int64_t &point : out) {
    int64_t cost = at + most;
    at = point = cost >= walker.total ? walker.total : walker.lastTo(cost);
  }
  return walker.total - at;
}

/// Walks back from the end of the line. Cut w is chosen so that the piece
/// behind it costs between `least` and `most`, near the even share of what is
/// left (where each cut is taken to cost `cutCost`); and, as far as these are
/// given, within [shortest[w - 1], longest[w - 1]]. False if there is no such
/// cut, which cannot be where they are given for all pieces.
static bool walkBack(const std::vector<UnitRun> &runs, int64_t item,
                     int64_t least, int64_t most, int64_t cutCost,
                     const std::vector<int64_t> &shortest,
                     const std::vector<int64_t> &longest,
                     std::vector<CutPoint> &out) {
  const int32_t known = int32_t(shortest.size());
  const int32_t workers = int32_t(out.size()) - 1;
  const int32_t runCount = int32_t(runs.size());
  const int64_t total = runs.back().end();
  out[0] = {0, 0, 0};
  out[workers] = {runCount, 0, 0};
  int32_t r = runCount - 1;
  int64_t next = total; // end(p) of the cut behind the piece
  for (int32_t w = workers - 1; w > 0; --w) {
    int64_t from = std::max<int64_t>(0, next - most), to = next - least;
    if (w <= known) {
      from = std::max(from, shortest[w - 1]);
      to = std::min(to, longest[w - 1]);
    }
    if (from > to) {
      return false;
    }
    int64_t want = std::clamp(next - (next + w * cutCost) / (w + 1), from, to);
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
    int64_t base = run.start + unit * run.unit, tile = 0;
    // A cut between two units needs no merge.
    if (base < from && base + run.unit <= to) {
      ++unit;
    } else if (base < from) {
      tile = std::min<int64_t>((want - base) / run.tile, run.tiles - 1);
      int64_t below = base + tile * run.tile;
      int64_t above =
          tile + 1 == run.tiles ? base + run.unit : below + run.tile;
      bool nearer = above <= to && above - want < want - below;
      if (below < from || nearer) {
        ++tile;
      }
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
  return next >= least && next <= most;
}

void LineCutter::cut(const std::vector<UnitRun> &runs, int32_t item,
                     int32_t workers, std::vector<CutPoint> &out) {
  const int64_t total = runs.back().end();
  int64_t largest = 0, units = 0;
  for (const UnitRun &run : runs) {
    largest = std::max(largest, run.tile);
    units += run.count;
  }
  const int64_t spread = item + largest;
  out.resize(size_t(workers) + 1);

  // Where units are long, nearly every cut lies inside one.
  const int64_t cutCost = total / units > 2 * spread ? item : 0;
  const int64_t share = (total + (workers - 1) * cutCost) / workers;
  int64_t low = std::max<int64_t>(0, total / workers - spread);
  int64_t high = total / workers + item;
  // The middle of what the pieces may cost works almost always. So does walking
  // back without bounds until few pieces are left, where the bounds are narrow.
  int64_t least = std::clamp(share - spread / 2, low, high);
  shortest.resize(std::min(workers, 12));
  longest.resize(shortest.size());
  if (!walkShortest(runs, item, least, shortest)) {
    walkLongest(runs, item, least + spread, longest);
    if (walkBack(runs, item, least, least + spread, cutCost, shortest, longest,
                 out)) {
      return;
    }
  }
  shortest.resize(workers);
  longest.resize(workers);
  // The ends move by at most `workers` where `least` moves by 1, so what is
  // missing says how far to go at least: a little further each time, and when
  // that was too far, or takes long, to the middle of what is left.
  bool wasOver = false, wasLeft = false;
  for (int tries = 0;; ++tries) {
    const int64_t over = walkShortest(runs, item, least, shortest);
    const int64_t left =
        over ? 0 : walkLongest(runs, item, least + spread, longest);
    if (!over && !left) {
      break;
    }
    (over ? wasOver : wasLeft) = true;
    (over ? high : low) = over ? least - 1 : least + 1;
    const int64_t step = std::max<int64_t>(1, (over + left) / workers) << tries;
    least = wasOver != wasLeft && tries < 4
                ? std::clamp(over ? least - step : least + step, low, high)
                : low + (high - low) / 2;
  }
  bool found = walkBack(runs, item, least, least + spread, cutCost, shortest,
                        longest, out);
  assert(found && "a cut inside the window and the bounds exists");
  (void)found;
}
