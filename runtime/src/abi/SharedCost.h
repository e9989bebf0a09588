//===- SharedCost.h - Which shared runs are worth an item of their own -*- C++
//-*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reading keys once for many requests costs items and, for every row, a state
// of what it read there, which is written and merged. A short run is cheaper
// read by each: then what follows it begins where it began. Costs are those of
// attnrt/plan.h. (The planner folds segments likewise, for entries that go on
// with a state; here tables of a request have all keys of the runs above it, so
// that no entry must.)
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_SHAREDCOST_H
#define ATTNRT_SRC_ABI_SHAREDCOST_H

#include "Prefixes.h"

namespace attnrt {

/// Rows of one request that see anything, and keys [low, high) they see.
struct SeeingRows {
  int32_t rows = 0, low = 0, high = 0;
};

struct SharingCosts {
  int32_t tile, item, state; ///< of attnrt_plan_options; state: of packed rows
  int32_t keys;              ///< of a tile
  int32_t rowsPerItem;       ///< at most; a row counts once for all query heads
  int32_t subs;              ///< query heads of a row
};

/// Drops runs that cost more than they save. `seeing` has an element for each
/// of `shared.order`. O(runs x requests below them).
void dropCheapRuns(SharedRuns &shared, const std::vector<SeeingRows> &seeing,
                   const SharingCosts &costs);

} // namespace attnrt

#endif // ATTNRT_SRC_ABI_SHAREDCOST_H
