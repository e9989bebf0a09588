//===- Chunks.h - Cutting units and giving them to workers ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_PLAN_CHUNKS_H
#define ATTNRT_SRC_PLAN_CHUNKS_H

#include "Cut.h"
#include "Strands.h"

#include <vector>

namespace attnrt {

/// Tiles [from, to) of a unit of a strand, done by one worker in one go.
struct Chunk {
  int32_t strand, unit; ///< unit: inside the strand
  int32_t from, to;
  int32_t worker;
  int32_t slot; ///< first state written; -1 = it finishes its outputs
};

/// The strategies; keeps its memory between calls.
class Chunker {
public:
  /// Cuts all units of the strands, of which there are any, as plan.h says for
  /// `strategy` (not AUTO). RESOURCE_EXHAUSTED where costs or counts are too
  /// large. Throws std::bad_alloc.
  attnrt_status cut(const StrandMaker &strands, const Packing &packing,
                    const attnrt_plan_options &options,
                    attnrt_strategy strategy);

  std::vector<Chunk> chunks;  ///< by strand, unit, tile
  std::vector<int32_t> first; ///< by unit number, and one more: first chunk

private:
  attnrt_status layLine();
  void cutEvenly();
  void cutFixed();
  void cutForest();
  int64_t shareLongestFirst(int64_t most);
  void add(int32_t strand, int32_t unit, int32_t from, int32_t to,
           int32_t worker);

  const StrandMaker *made;
  const Packing *packing;
  const attnrt_plan_options *options;
  std::vector<UnitRun> line; ///< one element for each strand
  std::vector<CutPoint> cuts;
  LineCutter cutter;
  std::vector<int32_t> order, bestWorkers;
};

} // namespace attnrt

#endif // ATTNRT_SRC_PLAN_CHUNKS_H
