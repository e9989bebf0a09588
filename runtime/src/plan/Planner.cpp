//===- Planner.cpp - Decides how a batch is cut ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Planner.h"

#include "../Status.h"
#include "Check.h"

#include <algorithm>
#include <climits>
#include <new>

using namespace attnrt;

void Planner::findRowTiles() {
  subs = (problem.group + entry.max_packed_rows - 1) / entry.max_packed_rows;
  // Even sub runs: 9 + 8 query heads rather than 16 + 1.
  subSize = (problem.group + subs - 1) / subs;
  subs = (problem.group + subSize - 1) / subSize;
  const int32_t maxRows = entry.max_packed_rows / subSize;

  tiles.clear();
  empty.clear();
  for (int32_t s = 0; s < problem.segment_count; ++s) {
    const attnrt_segment &segment = problem.segments[s];
    RowTile open{}; // rows == 0: none
    auto close = [&] {
      if (open.rows && open.kvEnd > 0) {
        open.kvBegin = open.kvBegin / entry.kv_tile * entry.kv_tile;
        tiles.push_back(open);
      } else if (open.rows) {
        empty.push_back(open);
      }
    };
    for (int32_t r = problem.row_begin[s]; r < problem.row_begin[s + 1]; ++r) {
      int64_t lo = int64_t(problem.lo[r]) - segment.coord0;
      int64_t hi = int64_t(problem.limit[r]) - segment.coord0;
      int32_t from = int32_t(std::clamp<int64_t>(lo, 0, segment.count));
      int32_t to = int32_t(std::clamp<int64_t>(hi, 0, segment.count));
      if (from >= to) {
        from = to = 0; // so that kvEnd says whether the rows see anything
      }
      bool same = open.rows && (to == 0) == (open.kvEnd == 0) &&
                  (to == 0 || open.rows < maxRows);
      if (!same) {
        close();
        open = {r, 1, s, from, to, from, to};
        continue;
      }
      ++open.rows;
      open.kvBegin = std::min(open.kvBegin, from);
      open.kvEnd = std::max(open.kvEnd, to);
      open.fullFrom = std::max(open.fullFrom, from);
      open.fullTo = std::min(open.fullTo, to);
    }
    close();
  }
}

attnrt_status Planner::layUnits() {
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

attnrt_status Planner::countParts(Capacities &capacities) {
  int64_t items = 0, merges = 0, mergeSlots = 0, slots = 0;
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
  if (std::max({items, merges, mergeSlots}) > INT32_MAX) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects fewer than 2^31 items, merges and merge slots, but "
                "got %lld, %lld and %lld",
                (long long)items, (long long)merges, (long long)mergeSlots);
  }
  int64_t most = options.max_slots ? options.max_slots : INT32_MAX;
  if (slots > std::min<int64_t>(most, INT32_MAX)) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects at most %lld state slots, but got %lld",
                (long long)std::min<int64_t>(most, INT32_MAX),
                (long long)slots);
  }
  capacities = {items, merges, mergeSlots};
  return ATTNRT_OK;
}

bool Planner::reserveBlock(const Capacities &capacities) {
  attnrt_plan head{};
  uint64_t at = sizeof(attnrt_plan);
  auto place = [&](attnrt_plan_array &array, int64_t count, size_t size) {
    array.offset = at;
    array.count = array.capacity = uint32_t(count);
    at = (at + uint64_t(count) * size + 63) / 64 * 64;
  };
  place(head.segments, problem.segment_count, sizeof(attnrt_segment));
  place(head.rows, problem.row_count, sizeof(attnrt_row));
  place(head.items, capacities.items, sizeof(attnrt_item));
  place(head.merges, capacities.merges, sizeof(attnrt_merge));
  place(head.stages, 1, sizeof(attnrt_stage));
  place(head.work, 2 * (int64_t(options.workers) + 1), sizeof(int32_t));
  place(head.merge_slots, capacities.mergeSlots, sizeof(int32_t));
  place(head.masks, 0, sizeof(uint64_t));
  head.magic = ATTNRT_PLAN_MAGIC;
  head.format = ATTNRT_PLAN_FORMAT;
  head.bytes = at;
  if (at > blockBytes) {
    uint64_t bytes = (at + at / 4 + 63) / 64 * 64;
    void *memory = std::aligned_alloc(64, bytes);
    if (!memory) {
      return false;
    }
    block.reset(static_cast<attnrt_plan *>(memory));
    blockBytes = bytes;
  }
  *block = head;
  char *base = reinterpret_cast<char *>(block.get());
  outRows = reinterpret_cast<attnrt_row *>(base + head.rows.offset);
  outItems = reinterpret_cast<attnrt_item *>(base + head.items.offset);
  outMerges = reinterpret_cast<attnrt_merge *>(base + head.merges.offset);
  outWork = reinterpret_cast<int32_t *>(base + head.work.offset);
  outMergeSlots = reinterpret_cast<int32_t *>(base + head.merge_slots.offset);
  return true;
}

attnrt_status Planner::plan(const attnrt_problem &newProblem,
                            const attnrt_entry &newEntry,
                            const attnrt_plan_options &newOptions) {
  if (attnrt_status status =
          checkProblem(&newProblem, &newEntry, &newOptions)) {
    return status;
  }
  problem = newProblem;
  entry = newEntry;
  options = newOptions;
  if (!options.tile_cost && !options.row_cost && !options.item_cost) {
    options.tile_cost = 16;
    options.row_cost = 1;
    options.item_cost = 8;
  }
  if (!options.merge_rows) {
    options.merge_rows = 32;
  }
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
  Capacities capacities;
  if (attnrt_status status = countParts(capacities)) {
    return status;
  }
  if (!reserveBlock(capacities)) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "no memory for the plan");
  }

  itemCount = mergeCount = mergeSlotCount = slotCount = 0;
  writeRows();
  if (options.split || runs.empty()) {
    writeFixed();
  } else {
    writeEven();
  }
  writeEmpty();
  shareMerges();
  writeStage();
  return ATTNRT_OK;
}

struct attnrt_planner {
  Planner planner;
};

attnrt_status attnrt_planner_create(attnrt_planner **out) {
  if (!out) {
    return fail(ATTNRT_INVALID_ARGUMENT, "expects out, but got null");
  }
  attnrt_planner *planner = new (std::nothrow) attnrt_planner;
  if (!planner) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "no memory for a planner");
  }
  *out = planner;
  return ATTNRT_OK;
}

void attnrt_planner_destroy(attnrt_planner *planner) { delete planner; }

attnrt_status attnrt_planner_plan(attnrt_planner *planner,
                                  const attnrt_problem *problem,
                                  const attnrt_entry *entry,
                                  const attnrt_plan_options *options,
                                  const attnrt_plan **out) {
  if (!planner || !problem || !entry || !options || !out) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects planner, problem, entry, options and out, but got "
                "null");
  }
  try {
    if (attnrt_status status =
            planner->planner.plan(*problem, *entry, *options)) {
      return status;
    }
  } catch (const std::exception &) {
    // bad_alloc, or length_error of a vector past its size.
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "no memory for the plan");
  }
  *out = planner->planner.result();
  return ATTNRT_OK;
}
