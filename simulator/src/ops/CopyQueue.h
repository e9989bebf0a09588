//===- CopyQueue.h - Asynchronous copies of a warp --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_COPYQUEUE_H
#define PTXSIM_OPS_COPYQUEUE_H

#include "program/Program.h"

#include <deque>
#include <vector>

namespace ptxsim {

struct Warp;

/// cp.async of a warp that it has not waited for yet, by group [9.7.9.25.3].
/// Groups are per thread; `lanes` of a copy or group says whose it still is.
class CopyQueue {
public:
  struct Copy {
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
  struct Group {
    std::vector<Copy> copies;
    Mask lanes = 0;
  };
  /// Not committed.
  std::vector<Copy> open;
  /// From the oldest to the latest.
  std::deque<Group> groups;
  /// By 4-byte word of shared memory: bit set if an open copy fills it. Only
  /// with Checks::async.
  std::vector<uint32_t> taken;
  /// Of the copy that was issued last.
  uint32_t lastTime = 0;

  /// cp.async.mbarrier.arrive: an mbarrier answers for what the lanes have
  /// issued so far; all of that is done now.
  void track(Mask lanes);
  void performTracked(Warp &w, Mask lanes);
  /// f(copy) for all.
  template <class F> void forEach(F f) {
    for (Group &group : groups) {
      for (Copy &copy : group.copies) {
        f(copy);
      }
    }
    for (Copy &copy : open) {
      f(copy);
    }
  }
};

} // namespace ptxsim

#endif // PTXSIM_OPS_COPYQUEUE_H
