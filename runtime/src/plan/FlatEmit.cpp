//===- FlatEmit.cpp - Writes the records of a flat plan -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FlatPlanner.h"
#include "Share.h"

#include <algorithm>
#include <cassert>

using namespace attnrt;

void FlatPlanner::setHeads(const UnitRun &run, int32_t unit, uint16_t &head,
                           uint16_t &subBegin, uint16_t &subCount) const {
  int32_t number = run.first + unit;
  int32_t begin = number % subs * subSize;
  head = uint16_t(number / subs);
  subBegin = uint16_t(begin);
  subCount = uint16_t(std::min(subSize, problem.group - begin));
}

/// The item of tiles [fromTile, toTile) of a run's units, without heads.
attnrt_item FlatPlanner::itemOf(const UnitRun &run, int32_t fromTile,
                                int32_t toTile) const {
  const RowTile &tile = tiles[run.rowTile];
  attnrt_item item{};
  item.row_begin = tile.row;
  item.row_count = tile.rows;
  item.seg = tile.seg;
  item.kv_begin = tile.kvBegin + fromTile * entry.kv_tile;
  int32_t end =
      toTile == run.tiles ? tile.kvEnd : tile.kvBegin + toTile * entry.kv_tile;
  item.kv_count = end - item.kv_begin;
  item.slot = item.carry = item.mask = -1;
  item.variant = uint16_t(problem.segments[tile.seg].view);
  bool full = item.kv_begin >= tile.fullFrom && end <= tile.fullTo;
  item.flags = full ? ATTNRT_ITEM_FULL : 0;
  return item;
}

/// Writes the items of whole units [from, to) of a run: most of a plan.
void FlatPlanner::addUnits(const UnitRun &run, int32_t from, int32_t to) {
  const attnrt_item item = itemOf(run, 0, run.tiles);
  const int32_t group = problem.group, size = subSize;
  uint16_t head, subBegin, subCount;
  setHeads(run, from, head, subBegin, subCount);
  attnrt_item *out = outItems + itemCount;
  itemCount += to - from;
  for (int32_t unit = from; unit < to; ++unit, ++out) {
    *out = item;
    out->head = head;
    out->sub_begin = subBegin;
    out->sub_count = subCount;
    int32_t next = subBegin + subCount;
    if (next == group) {
      ++head;
      next = 0;
    }
    subBegin = uint16_t(next);
    subCount = uint16_t(std::min(size, group - next));
  }
}

/// Writes a part of a unit, with its slots, and the merge when it is the last.
void FlatPlanner::addPart(const UnitRun &run, int32_t unit, int32_t fromTile,
                          int32_t toTile) {
  attnrt_item &item = outItems[itemCount++];
  item = itemOf(run, fromTile, toTile);
  setHeads(run, unit, item.head, item.sub_begin, item.sub_count);
  item.slot = slotCount;
  slotCount += item.row_count * item.sub_count;
  if (fromTile == 0) {
    parts.clear();
  }
  parts.push_back(item.slot);
  if (toTile == run.tiles) {
    addMerge(tiles[run.rowTile], &run, unit);
  }
}

/// Writes the merges of a unit's rows; run == null: of rows that see nothing,
/// where `unit` counts heads and sub runs.
void FlatPlanner::addMerge(const RowTile &tile, const UnitRun *run,
                           int32_t unit) {
  static const UnitRun none{};
  for (int32_t k = 0; k < tile.rows; k += options.merge_rows) {
    attnrt_merge &merge = outMerges[mergeCount++];
    merge.first = tile.row + k;
    merge.n = std::min(options.merge_rows, tile.rows - k);
    merge.begin = mergeSlotCount;
    merge.count = run ? int32_t(parts.size()) : 0;
    setHeads(run ? *run : none, unit, merge.head, merge.sub_begin,
             merge.sub_count);
    merge.flags = 0;
    merge.seg = merge.dst = -1;
    for (int32_t p = 0; p < merge.count; ++p) {
      outMergeSlots[mergeSlotCount++] = parts[p] + k * merge.sub_count;
    }
  }
}

void FlatPlanner::writeEven() {
  for (int32_t w = 0; w < options.workers; ++w) {
    outWork[w] = itemCount;
    CutPoint at = cuts[w];
    const CutPoint end = cuts[w + 1];
    while (at.run < end.run || (at.run == end.run && at.unit < end.unit)) {
      const UnitRun &run = runs[at.run];
      if (at.tile > 0) {
        addPart(run, at.unit++, at.tile, run.tiles);
        at.tile = 0;
      }
      int32_t to = at.run == end.run ? end.unit : run.count;
      if (at.unit < to) {
        addUnits(run, at.unit, to);
        at.unit = to;
      }
      if (at.unit == run.count) {
        at.unit = 0;
        ++at.run;
      }
    }
    if (at.tile < end.tile) {
      addPart(runs[at.run], at.unit, at.tile, end.tile);
    }
  }
  outWork[options.workers] = itemCount;
}

void FlatPlanner::writeFixed() {
  Sharer sharer(outWork, options.workers, runs.empty() ? 0 : runs.back().end());
  for (const UnitRun &run : runs) {
    int64_t count = partsOf(run.tiles);
    for (int32_t unit = 0; unit < run.count; ++unit) {
      int32_t from = 0;
      for (int64_t part = 1; part <= count; ++part) {
        int32_t to = int32_t(run.tiles * part / count);
        sharer.add(itemCount, options.item_cost + run.tile * (to - from));
        if (count == 1) {
          addUnits(run, unit, unit + 1);
        } else {
          addPart(run, unit, from, to);
        }
        from = to;
      }
    }
  }
  sharer.finish(itemCount);
}

void FlatPlanner::writeEmpty() {
  for (const RowTile &tile : empty) {
    for (int32_t unit = 0; unit < problem.heads * subs; ++unit) {
      addMerge(tile, nullptr, unit);
    }
  }
}

void FlatPlanner::writeStage(Block &block) {
  // Sizes were counted before; a difference would be a write past an array.
  assert(uint32_t(itemCount) == block.plan()->items.count);
  assert(uint32_t(mergeCount) == block.plan()->merges.count);
  assert(uint32_t(mergeSlotCount) == block.plan()->merge_slots.count);
  assert(uint32_t(slotCount) == block.plan()->slots);
  attnrt_stage stage{};
  stage.kernel = entry.kernel;
  stage.item_count = itemCount;
  stage.workers = options.workers;
  stage.merge_count = mergeCount;
  stage.slot_count = slotCount;
  stage.ordered = entry.ordered;
  stage.merge_work_begin = options.workers + 1;
  *block.stages() = stage;
}
