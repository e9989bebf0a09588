//===- FlatPlanner.cpp - Decides how a flat batch is cut ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FlatPlanner.h"

#include "../Status.h"
#include "Share.h"

#include <algorithm>
#include <climits>

using namespace attnrt;

bool FlatPlanner::takes(const PlanArguments &arguments) {
  const attnrt_problem &p = arguments.problem;
  const attnrt_plan_options &o = arguments.options;
  if (p.row_list || p.row_end || p.mask_begin || p.ext_count || p.keep_count ||
      arguments.stages != 1 || arguments.entries[0].axis != 0 ||
      o.strategy == ATTNRT_STRATEGY_FOREST) {
    return false;
  }
  // With a fixed split, rows of one segment may have to stay apart.
  if (p.sym && o.split) {
    return false;
  }
  for (int64_t s = 0; s < p.segment_count; ++s) {
    if (p.segments[s].head >= 0) {
      return false;
    }
  }
  return true;
}

/// Adds row tiles of `maxRows` rows as long as all their rows see something,
/// and returns the first row that is left. For exact lengths: a long prefill
/// spends most of its time here, so nothing in the loop branches.
int32_t FlatPlanner::addSeeingTiles(int32_t s, int32_t maxRows) {
  const attnrt_segment &segment = problem.segments[s];
  const int32_t first = segment.coord0, last = first + segment.count;
  const int32_t end = problem.row_begin[s + 1];
  int32_t r = problem.row_begin[s];
  for (int32_t rows; r < end; r += rows) {
    rows = std::min(maxRows, end - r);
    int32_t least = INT32_MAX, most = INT32_MIN, from = INT32_MIN,
            to = INT32_MAX, sees = 1;
    for (int32_t i = r; i < r + rows; ++i) {
      int32_t lo = std::max(problem.lo[i], first);
      int32_t limit = std::min(problem.limit[i], last);
      sees &= lo < limit;
      least = std::min(least, lo);
      most = std::max(most, limit);
      from = std::max(from, lo);
      to = std::min(to, limit);
    }
    if (!sees) {
      break;
    }
    const int32_t begin = (least - first) / entry.kv_tile * entry.kv_tile;
    tiles.push_back(
        {r, rows, s, begin, most - first, from - first, to - first});
  }
  return r;
}

void FlatPlanner::findRowTiles() {
  subs = (problem.group + entry.max_packed_rows - 1) / entry.max_packed_rows;
  // Even sub runs: 9 + 8 query heads rather than 16 + 1.
  subSize = (problem.group + subs - 1) / subs;
  subs = (problem.group + subSize - 1) / subSize;
  const int32_t maxRows = entry.max_packed_rows / subSize;

  tiles.clear();
  empty.clear();
  for (int32_t s = 0; s < problem.segment_count; ++s) {
    const bool exact = !problem.row_len_ref && !problem.sure_lo &&
                       problem.segments[s].len_ref < 0 &&
                       problem.segments[s].select < 0;
    RowTile open{}; // rows == 0: none
    auto close = [&] {
      if (open.rows && open.kvEnd > 0) {
        open.kvBegin = open.kvBegin / entry.kv_tile * entry.kv_tile;
        tiles.push_back(open);
      } else if (open.rows) {
        empty.push_back(open);
      }
    };
    int32_t r = exact ? addSeeingTiles(s, maxRows) : problem.row_begin[s];
    for (; r < problem.row_begin[s + 1]; ++r) {
      auto [from, to] = batch.hull(s, r);
      auto [sureFrom, sureTo] = batch.sure(s, r);
      bool same = open.rows && (to == 0) == (open.kvEnd == 0) &&
                  (to == 0 || open.rows < maxRows);
      if (!same) {
        close();
        open = {r, 1, s, from, to, sureFrom, sureTo};
        continue;
      }
      ++open.rows;
      open.kvBegin = std::min(open.kvBegin, from);
      open.kvEnd = std::max(open.kvEnd, to);
      open.fullFrom = std::max(open.fullFrom, sureFrom);
      open.fullTo = std::min(open.fullTo, sureTo);
    }
    close();
  }
}

attnrt_status FlatPlanner::layUnits() {
  runs.clear();
  bool overflow = false;
  int64_t end = 0;
  const int32_t heads = problem.heads * subs;
  /// Cost of one unit of the row tile; adds all its units to `end`.
  auto price = [&](int32_t t) {
    UnitRun run;
    run.start = end;
    run.tile =
        options.tile_cost + int64_t(options.row_cost) * tiles[t].rows * subSize;
    run.tile = std::max<int64_t>(1, run.tile);
    run.tiles = tilesOf(tiles[t]);
    run.count = heads;
    run.rowTile = t;
    run.first = 0;
    int64_t items = options.split ? partsOf(run.tiles) : 1, all;
    overflow |= __builtin_mul_overflow(run.tile, int64_t(run.tiles), &run.unit);
    overflow |=
        __builtin_add_overflow(run.unit, items * options.item_cost, &run.unit);
    overflow |= __builtin_mul_overflow(run.unit, int64_t(heads), &all);
    overflow |= __builtin_add_overflow(end, all, &end);
    return run;
  };

  for (size_t t = 0; t < tiles.size() && !overflow;) {
    const size_t first = runs.size();
    const int64_t start = end;
    const int32_t seg = tiles[t].seg;
    for (; t < tiles.size() && tiles[t].seg == seg; ++t) {
      runs.push_back(price(int32_t(t)));
    }
    const size_t count = runs.size() - first;
    if (count == 1 || overflow) {
      continue; // equal units: one run, which keeps decode short
    }
    int64_t at = start;
    runs.resize(first + count * heads);
    for (int32_t unit = heads - 1; unit >= 0; --unit) {
      UnitRun *out = &runs[first + count * unit];
      for (size_t x = 0; x < count; ++x) {
        out[x] = runs[first + x];
        out[x].first = unit;
        out[x].count = 1;
      }
    }
    for (size_t x = first; x < runs.size(); ++x) {
      runs[x].start = at;
      at += runs[x].unit;
    }
  }
  // The walks add a few pieces to the total; keep away from the end of int64.
  if (overflow || end > INT64_MAX / 4) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects a batch whose cost fits 62 bits");
  }
  return ATTNRT_OK;
}

void FlatPlanner::countParts(BlockCounts &counts, int64_t &slots) {
  int64_t items = 0, merges = 0, mergeSlots = 0;
  auto split = [&](const RowTile &tile, int64_t units, int64_t parts,
                   int64_t subCount) {
    int64_t chunks = (tile.rows + options.merge_rows - 1) / options.merge_rows;
    merges += units * chunks;
    mergeSlots += units * chunks * parts;
    slots += units * parts * tile.rows * subCount;
  };
  if (options.split || runs.empty()) {
    for (const UnitRun &run : runs) {
      int64_t parts = partsOf(run.tiles);
      items += run.count * parts;
      if (parts > 1) {
        for (int32_t unit = 0; unit < run.count; ++unit) {
          uint16_t head, begin, count;
          setHeads(run, unit, head, begin, count);
          split(tiles[run.rowTile], 1, parts, count);
        }
      }
    }
  } else {
    for (const UnitRun &run : runs) {
      items += run.count;
    }
    for (size_t c = 0, next; c < cuts.size(); c = next) {
      // All cuts inside one unit, places that are equal counted once.
      int64_t inside = cuts[c].tile > 0;
      for (next = c + 1; next < cuts.size() && cuts[next].run == cuts[c].run &&
                         cuts[next].unit == cuts[c].unit;
           ++next) {
        inside += cuts[next].tile != cuts[next - 1].tile;
      }
      if (inside) {
        const UnitRun &run = runs[cuts[c].run];
        uint16_t head, begin, count;
        setHeads(run, cuts[c].unit, head, begin, count);
        split(tiles[run.rowTile], 1, inside + 1, count);
        items += inside;
      }
    }
  }
  for (const RowTile &tile : empty) {
    int64_t chunks = (tile.rows + options.merge_rows - 1) / options.merge_rows;
    merges += chunks * problem.heads * subs;
  }
  counts = {items,      merges, 1, 2 * (int64_t(options.workers) + 1),
            mergeSlots, 0};
}

attnrt_status FlatPlanner::plan(const PlanArguments &arguments, Block &block) {
  batch = Batch(arguments.problem);
  problem = arguments.problem;
  entry = arguments.entries[0];
  options = arguments.options;
  if (!entry.states) {
    options.split = 1;
  }

  findRowTiles();
  if (attnrt_status status = layUnits()) {
    return status;
  }
  if (!options.split && !runs.empty()) {
    cutter.cut(runs, options.item_cost, options.workers, cuts);
  }
  BlockCounts counts;
  int64_t slots = 0;
  countParts(counts, slots);
  if (attnrt_status status = block.reserve(counts, slots, arguments)) {
    return status;
  }
  outItems = block.items();
  outMerges = block.merges();
  outWork = block.work();
  outMergeSlots = block.mergeSlots();
  itemCount = mergeCount = mergeSlotCount = slotCount = 0;
  if (options.split || runs.empty()) {
    writeFixed();
  } else {
    writeEven();
  }
  writeEmpty();
  shareMerges(outMerges, 0, mergeCount, outWork + options.workers + 1,
              options.workers);
  writeStage(block);
  return ATTNRT_OK;
}
