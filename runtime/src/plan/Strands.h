//===- Strands.h - Which rows read what together --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_PLAN_STRANDS_H
#define ATTNRT_SRC_PLAN_STRANDS_H

#include "Batch.h"

#include <vector>

namespace attnrt {

/// Rows of one segment, at places that follow one another, that read it
/// together, and what they read of it. Rows in between may see nothing.
struct RowRun {
  int32_t seg;
  int32_t place, rows;
  int32_t kvBegin, kvEnd;   ///< ordinals; kvBegin is a multiple of the KV tile
  int32_t fullFrom, fullTo; ///< ordinals that every row surely sees
  int32_t tiles;
  int32_t next; ///< run of the next segment of the strand; -1: none
};

/// A line of KV tiles that the same rows read: the tiles of one run, or of
/// several where segments were folded into one another. Its units, one for each
/// KV head and sub run, are what strategies cut.
struct Strand {
  int32_t run; ///< first run
  int32_t tiles;
  int32_t head;  ///< KV head; -1: all
  int32_t units; ///< sub runs, times KV heads where head is -1
  int32_t unit;  ///< number of its first unit
};

/// What one stage packs into an item.
struct Packing {
  int32_t subs;    ///< runs of query heads of a group
  int32_t subSize; ///< query heads of a run; the last one may be shorter
  int32_t maxRows;

  Packing() = default;
  Packing(int32_t group, int32_t maxPackedRows);
};

/// Makes strands; keeps its memory between calls.
class StrandMaker {
public:
  /// For one stage of the batch; `options` with its defaults filled in. Throws
  /// std::bad_alloc.
  void make(const Batch &batch, const attnrt_entry &entry,
            const attnrt_plan_options &options, const Packing &packing);

  std::vector<RowRun> runs;
  std::vector<Strand> strands; ///< by first segment, then place
  int64_t units = 0;           ///< of all strands

private:
  void findRuns(int32_t seg);
  void findAloof(int32_t seg);
  void addRun(int32_t seg, int32_t place, int32_t rows);
  void addRunsOf(int32_t seg, int32_t from, int32_t to, bool overBlind);
  void addStrands(size_t firstRun);
  bool fold(int32_t seg, size_t firstRun);
  bool findReaders(int32_t seg);
  void foldInto(int32_t seg);
  int32_t mostRows(int32_t seg) const;
  void findSyms();

  const Batch *batch;
  const attnrt_entry *entry;
  const attnrt_plan_options *options;
  Packing packing;

  /// By row: the strand that it reads next; -1: none. Empty: nothing is folded.
  std::vector<int32_t> nextStrand;
  struct Reader {
    int32_t strand, place, rows; ///< strand -1: rows that read nothing after
  };
  std::vector<Reader> readers;
  std::vector<int32_t> syms; ///< by row, with a fixed split
};

} // namespace attnrt

#endif // ATTNRT_SRC_PLAN_STRANDS_H
