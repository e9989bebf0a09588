//===- Block.h - The memory of a plan -------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_PLAN_BLOCK_H
#define ATTNRT_SRC_PLAN_BLOCK_H

#include "Batch.h"
#include "Check.h"

#include <cstdlib>
#include <memory>

namespace attnrt {

/// Records a plan has, by array.
struct BlockCounts {
  int64_t items, merges, stages, work, mergeSlots, masks;
};

/// The block of the last plan. Kept and reused from plan to plan.
class Block {
public:
  /// Lays out a block for a plan of these sizes and writes what the problem
  /// alone decides: header, segments, rows. RESOURCE_EXHAUSTED, with the last
  /// plan as it was, where the counts pass 2^31 or the capacities, `slots` pass
  /// max_slots, or memory is short.
  attnrt_status reserve(const BlockCounts &counts, int64_t slots,
                        const PlanArguments &arguments);

  const attnrt_plan *plan() const { return block.get(); }

  attnrt_item *items() { return at<attnrt_item>(block->items); }
  attnrt_merge *merges() { return at<attnrt_merge>(block->merges); }
  attnrt_stage *stages() { return at<attnrt_stage>(block->stages); }
  int32_t *work() { return at<int32_t>(block->work); }
  int32_t *mergeSlots() { return at<int32_t>(block->merge_slots); }
  uint64_t *masks() { return at<uint64_t>(block->masks); }

private:
  template <typename T> T *at(const attnrt_plan_array &array) {
    return reinterpret_cast<T *>(reinterpret_cast<char *>(block.get()) +
                                 array.offset);
  }
  void writeRows(const Batch &batch);

  struct Free {
    void operator()(attnrt_plan *plan) const { std::free(plan); }
  };
  std::unique_ptr<attnrt_plan, Free> block;
  uint64_t allocated = 0;
};

} // namespace attnrt

#endif // ATTNRT_SRC_PLAN_BLOCK_H
