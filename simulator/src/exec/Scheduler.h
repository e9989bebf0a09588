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

  /// Runs all warps to their end. False after a deadlock, which is reported.
  bool run();

private:
  uint64_t drawQuantum();
  void finish(Warp &warp);
  void endCta(Cta &cta);

  Group &group;
  /// Polls in vain of all warps, after which they count as stuck.
  static constexpr uint64_t kMostIdleRounds = 10000;

  std::vector<Warp *> warps;
  size_t numLive = 0;
};

} // namespace ptxsim

#endif // PTXSIM_EXEC_SCHEDULER_H
