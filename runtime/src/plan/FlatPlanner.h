//===- FlatPlanner.h - Plans of batches without sharing -------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Batches in which every row reads one segment, and every segment serves all
// heads: decode and prefill without shared prefixes, where planning is a large
// part of a step. Nothing is kept for a row or a unit that could be computed
// from the few numbers of its row tile. ForestPlanner takes everything.
//
// One plan is made in two phases. The first looks at every row once and decides
// all cuts; it only writes working vectors, so a failure leaves the last plan
// as it was. The second writes the block, whose size is then known. Vectors are
// kept between calls.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_PLAN_FLATPLANNER_H
#define ATTNRT_SRC_PLAN_FLATPLANNER_H

#include "Block.h"
#include "Cut.h"

#include <vector>

namespace attnrt {

/// Rows that are computed together: a run that sees something, or a run of rows
/// that see nothing (kvBegin == kvEnd).
struct RowTile {
  int32_t row, rows;
  int32_t seg;
  int32_t kvBegin, kvEnd;   ///< ordinals; kvBegin is a multiple of the KV tile
  int32_t fullFrom, fullTo; ///< ordinals that every row surely sees
};

class FlatPlanner {
public:
  /// Can this class plan it?
  static bool takes(const PlanArguments &arguments);

  /// Writes the plan into `block`. Throws std::bad_alloc.
  attnrt_status plan(const PlanArguments &arguments, Block &block);

private:
  void findRowTiles();
  int32_t addSeeingTiles(int32_t s, int32_t maxRows);
  attnrt_status layUnits();
  void countParts(BlockCounts &counts, int64_t &slots);

  void writeEven();
  void writeFixed();
  void writeEmpty();
  void writeStage(Block &block);

  attnrt_item itemOf(const UnitRun &run, int32_t fromTile,
                     int32_t toTile) const;
  void addUnits(const UnitRun &run, int32_t from, int32_t to);
  void addPart(const UnitRun &run, int32_t unit, int32_t fromTile,
               int32_t toTile);
  void addMerge(const RowTile &tile, const UnitRun *run, int32_t unit);
  void setHeads(const UnitRun &run, int32_t unit, uint16_t &head,
                uint16_t &subBegin, uint16_t &subCount) const;

  int32_t tilesOf(const RowTile &tile) const {
    return int32_t((int64_t(tile.kvEnd) - tile.kvBegin + entry.kv_tile - 1) /
                   entry.kv_tile);
  }
  int32_t partsOf(int32_t tiles) const {
    return options.split < tiles ? options.split : tiles;
  }

  Batch batch;
  attnrt_problem problem;
  attnrt_entry entry;
  attnrt_plan_options options;
  int32_t subs;    ///< runs of query heads of a group
  int32_t subSize; ///< query heads of a run; the last one may be shorter

  std::vector<RowTile> tiles, empty;
  std::vector<UnitRun> runs;
  std::vector<CutPoint> cuts;
  LineCutter cutter;

  // Where the block's arrays are and how far they are written.
  attnrt_item *outItems;
  attnrt_merge *outMerges;
  int32_t *outWork, *outMergeSlots;
  int32_t itemCount, mergeCount, mergeSlotCount, slotCount;
  std::vector<int32_t> parts; ///< first slot of each part of the current unit
};

} // namespace attnrt

#endif // ATTNRT_SRC_PLAN_FLATPLANNER_H
