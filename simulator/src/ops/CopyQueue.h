//===- CopyQueue.h - Asynchronous copies of a warp --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_COPYQUEUE_H
#define PTXSIM_OPS_COPYQUEUE_H

#include "AsyncGroups.h"

namespace ptxsim {

/// A cp.async of some lanes.
struct FlyingCopy {
  const Inst *inst = nullptr;
  /// Lanes that have not waited for it; those of them whose bytes have not
  /// been moved.
  Mask lanes = 0, pending = 0;
  /// Lanes that told an mbarrier to wait for it.
  Mask tracked = 0;
  uint32_t bytes = 0;
  uint32_t to[kLanes];           // offset in shared memory
  const std::byte *from[kLanes]; // where there is something to copy
  uint32_t fromBytes[kLanes];    // the rest is zero
  uint32_t time = 0;             // of the agent, for the race check
};

/// cp.async of a warp that it has not waited for yet, by group. `lanes` of a
/// copy or group says whose it still is.
class CopyQueue : public LaneGroups<FlyingCopy> {
public:
  /// Sees to `taken`, if that is kept.
  explicit CopyQueue(Warp &w);

  /// Moves the bytes of these lanes.
  void perform(Warp &w, FlyingCopy &copy, Mask lanes);
  /// Under Completion::Random some lanes of some copies come to their end
  /// whenever the warp has to do with copies. A lane's groups complete in their
  /// order: what a later one writes over an earlier one stays.
  void performSome(Warp &w);

  /// Copies of one group are not ordered: reports if this one, the latest,
  /// fills what another one of its group fills.
  void checkOverlap(Warp &w, const FlyingCopy &copy);
  /// The lanes commit their open copies.
  void commit(Mask lanes);
  /// The lanes wait for all of their groups but the latest `allowed`.
  void wait(Warp &w, Mask lanes, uint32_t allowed);

  /// cp.async.mbarrier.arrive: an mbarrier answers for what the lanes have
  /// issued so far; all of that is done now.
  void track(Mask lanes);
  void performTracked(Warp &w, Mask lanes);

  /// Of the copy that was issued last.
  uint32_t lastTime = 0;

private:
  /// By 4-byte word of shared memory: bit set if an open copy fills it. Only
  /// with Checks::async.
  std::vector<uint32_t> taken;
};

} // namespace ptxsim

#endif // PTXSIM_OPS_COPYQUEUE_H
