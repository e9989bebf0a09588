//===- BulkQueue.h - Bulk copies out of shared memory --------- -*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_BULKQUEUE_H
#define PTXSIM_OPS_BULKQUEUE_H

#include "AsyncGroups.h"
#include "memory/Transfer.h"

namespace ptxsim {

/// A bulk copy of one lane out of shared memory.
struct FlyingStore {
  const Inst *inst;
  unsigned lane;
  Transfer transfer;
  uint32_t time; // of the agent, for the race check
  bool isDone = false;
  /// Somebody waited until its source was read.
  bool isRead = false;
};

/// Those of a warp that it has not waited for yet, by bulk group
/// [9.7.9.25.4.4].
class BulkQueue : public LaneGroups<FlyingStore> {
public:
  void perform(Warp &w, FlyingStore &store);
  /// Under Completion::Random, some of them.
  void performSome(Warp &w);
  void commit(Mask lanes);
  /// The lanes wait for all of their groups but the latest `allowed`, or only
  /// until those have read their sources.
  void wait(Warp &w, Mask lanes, uint32_t allowed, bool readsOnly);
};

} // namespace ptxsim

#endif // PTXSIM_OPS_BULKQUEUE_H
