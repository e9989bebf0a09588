//===- ForestPlanner.h - Plans of any batch -------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For each stage: which rows read what together (Strands), how that is cut and
// who does it (Chunks), which parts meet in which output (JoinRows for axis 0,
// JoinColumns for axis 1); then the records. They are written to the block when
// all sizes are known, so a failure leaves the last plan as it was.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_PLAN_FORESTPLANNER_H
#define ATTNRT_SRC_PLAN_FORESTPLANNER_H

#include "Block.h"
#include "Chunks.h"

namespace attnrt {

class ForestPlanner {
public:
  /// Writes the plan into `block`. Throws std::bad_alloc.
  attnrt_status plan(const PlanArguments &arguments, Block &block);

private:
  attnrt_status planStage(const attnrt_entry &entry);
  attnrt_strategy strategyOf() const;
  void writeItems(const attnrt_entry &entry, attnrt_stage &stage);
  void addItems(const attnrt_entry &entry, const Chunk &chunk);
  int32_t addMask(const RowRun &run);

  // Axis 0.
  void joinRows();
  void joinRowsOf(int32_t head);
  void listReaders(int32_t head);
  void giveSlots(int32_t head);
  bool isAlone(const Strand &strand) const;
  bool joinsRow(int64_t row) const;
  void addRowMerges(int32_t row, int32_t n, int32_t head);

  // Axis 1.
  void joinColumns(const attnrt_entry &entry);
  void joinColumnsOf(const attnrt_entry &entry, int32_t seg, int32_t head,
                     size_t from, size_t to);

  /// Number, inside the strand, of its first unit of a KV head; -1: none.
  int32_t unitOf(const Strand &strand, int32_t head) const {
    return strand.head < 0 ? head * packing.subs : strand.head == head ? 0 : -1;
  }
  int32_t headOf(const Chunk &chunk) const {
    const Strand &strand = maker.strands[chunk.strand];
    return strand.head < 0 ? chunk.unit / packing.subs : strand.head;
  }
  int32_t subBegin(int32_t unit) const {
    return unit % packing.subs * packing.subSize;
  }
  int32_t subCount(int32_t unit) const {
    return std::min(packing.subSize, batch.problem().group - subBegin(unit));
  }
  Ordinals ordinalsOf(const Chunk &chunk, const attnrt_entry &entry) const;

  Batch batch;
  attnrt_plan_options options;
  Packing packing;
  StrandMaker maker;
  Chunker chunker;

  /// By row: the strands that read for it, in the order of its segments.
  struct Reading {
    int32_t strand, place; ///< place: of the row inside the strand's rows
  };
  std::vector<Reading> readings;
  std::vector<int32_t> readingBegin;

  /// What a chunk of axis 1 contributes to the outputs of one segment and head.
  struct Interval {
    int32_t from, to, chunk;
  };
  std::vector<Interval> intervals;
  std::vector<int32_t> borders, bySize;

  // The records of all stages so far.
  std::vector<attnrt_stage> stages;
  std::vector<attnrt_item> items;
  std::vector<attnrt_merge> merges;
  std::vector<int32_t> work, mergeSlots;
  std::vector<uint64_t> masks;
  std::vector<int32_t> runMasks, workerOrder;
  int64_t slots;     ///< of this stage so far
  int64_t mostSlots; ///< of all stages
};

} // namespace attnrt

#endif // ATTNRT_SRC_PLAN_FORESTPLANNER_H
