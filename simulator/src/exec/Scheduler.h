//===- Scheduler.h - Which warp of a group runs next ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_EXEC_SCHEDULER_H
#define PTXSIM_EXEC_SCHEDULER_H

#include "Warp.h"

namespace ptxsim {

class Scheduler {
public:
  explicit Scheduler(Group &group);

  enum class Outcome : uint8_t {
    Done,
    Failed,  // a deadlock, or too many instructions: reported
    Stalled, // polls global memory that other groups must change
  };
  /// Runs all warps as far as they get; goes on where it stalled.
  Outcome run();
  /// Where each waiting warp is, and what for.
  std::string describeWaiters() const;

private:
  uint64_t drawQuantum();
  /// Ends the time limit of every mbarrier.try_wait that blocks. False if there
  /// is none, or if that has been of no use too often.
  bool endWaits();
  void finish(Warp &warp);
  void endCta(Cta &cta);

  Group &group;
  /// Polls in vain of all warps, after which they count as stuck.
  static constexpr uint64_t kMostIdleRounds = 10000;
  /// The same of global memory, after which other groups have their turn.
  static constexpr uint64_t kMostPollRounds = 64;
  /// Time limits that end in a row without any progress.
  static constexpr uint64_t kMostTimeouts = 1000;

  std::vector<Warp *> warps;
  size_t numLive = 0;
  uint64_t instructions = 0;
  uint64_t numTimeouts = 0, progressAtTimeout = 0;
  bool hasStarted = false;
};

} // namespace ptxsim

#endif // PTXSIM_EXEC_SCHEDULER_H
