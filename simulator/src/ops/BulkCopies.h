//===- BulkCopies.h - Copies by the asynchronous proxy -------- -*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What decoding, checking and running cp.async.bulk share.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_BULKCOPIES_H
#define PTXSIM_OPS_BULKCOPIES_H

#include "exec/Warp.h"
#include "memory/Transfer.h"

#include <optional>

namespace ptxsim::bulk {

enum class Direction : uint8_t { Load, Across, Store, Prefetch };

struct Data : InstData {
  Direction direction = Direction::Load;
  /// 0: a range of bytes.
  uint32_t rank = 0;
  bool isMulticast = false;
  /// .shared::cta.global: into the own CTA only.
  bool isOwn = false;
  int64_t sharedOffset = 0, globalOffset = 0, barrierOffset = 0;
  /// Places among the sources; coordinates stand from `start` on.
  unsigned shared = 0, global = 0, start = 0, bytes = 0, barrier = 0, mask = 0;
};

inline const Data &dataOf(const Inst &in) {
  return *static_cast<const Data *>(in.data);
}

//===--- What a lane asks for (BulkRequests.cpp) --------------------------===//

/// The copy that the lane asks for; nothing if it is not a good one, which was
/// reported.
std::optional<Transfer> makeTransfer(Warp &w, const Inst &in, unsigned lane);
/// The place in shared memory of an operand; its CTA is null if there is none,
/// which was reported.
std::pair<Cta *, uint32_t> findShared(Warp &w, const Inst &in, unsigned lane,
                                      unsigned operand, int64_t offset,
                                      uint32_t align);
/// Checks all accesses of a copy. False if it must not be done.
bool checkTransfer(Warp &w, const Inst &in, unsigned lane,
                   const Transfer &transfer, bool isStore, const Actor *actor);

//===--- Handlers (BulkCopies.cpp) ----------------------------------------===//

Step runLoad(Warp &w, const Inst &in); // and across
Step runStore(Warp &w, const Inst &in);
Step runPrefetch(Warp &w, const Inst &in);
Step runCommit(Warp &w, const Inst &in);
/// Inst::flags: whether it waits only until sources are read.
Step runWait(Warp &w, const Inst &in);

} // namespace ptxsim::bulk

#endif // PTXSIM_OPS_BULKCOPIES_H
