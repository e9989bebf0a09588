//===- Planner.h - Cuts a batch into items and merges ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One plan is made in two phases. The first looks at every row once and decides
// all cuts; it only writes working vectors, so a failure leaves the last plan
// as it was. The second writes the block, whose size is then known. Vectors and
// block are kept between calls.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_PLAN_PLANNER_H
#define ATTNRT_SRC_PLAN_PLANNER_H

#include "Cut.h"

#include "attnrt/plan.h"

#include <cstdlib>
#include <memory>
#include <vector>

namespace attnrt {

/// Rows that are computed together: a run that sees something, or a run of rows
/// that see nothing (kvBegin == kvEnd).
struct RowTile {
  int32_t row, rows;
  int32_t seg;
  int32_t kvBegin, kvEnd;   ///< ordinals; kvBegin is a multiple of the KV tile
  int32_t fullFrom, fullTo; ///< ordinals that every row of the run sees
};

class Planner {
public:
  /// See attnrt_planner_plan. Throws std::bad_alloc.
  attnrt_status plan(const attnrt_problem &problem, const attnrt_entry &entry,
                     const attnrt_plan_options &options);

  const attnrt_plan *result() const { return block.get(); }

private:
  struct Capacities {
    int64_t items, merges, mergeSlots;
  };

  void findRowTiles();
  attnrt_status layUnits();
  attnrt_status countParts(Capacities &capacities);
  bool reserveBlock(const Capacities &capacities);

  void writeRows();
  void writeEven();
  void writeFixed();
  void writeEmpty();
  void shareMerges();
  void writeStage();

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

  attnrt_problem problem;
  attnrt_entry entry;
  attnrt_plan_options options;
  int32_t subs;    ///< runs of query heads of a group
  int32_t subSize; ///< query heads of a run; the last one may be shorter

  std::vector<RowTile> tiles, empty;
  std::vector<UnitRun> runs;
  std::vector<CutPoint> cuts;
  LineCutter cutter;

  struct Free {
    void operator()(attnrt_plan *plan) const { std::free(plan); }
  };
  std::unique_ptr<attnrt_plan, Free> block;
  uint64_t blockBytes = 0;

  // Where the block's arrays are and how far they are written.
  attnrt_row *outRows;
  attnrt_item *outItems;
  attnrt_merge *outMerges;
  int32_t *outWork, *outMergeSlots;
  int32_t itemCount, mergeCount, mergeSlotCount, slotCount;
  std::vector<int32_t> parts; ///< first slot of each part of the current unit
};

} // namespace attnrt

#endif // ATTNRT_SRC_PLAN_PLANNER_H
