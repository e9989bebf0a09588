//===- Grid.h - All CTAs of a launch ----------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Host threads take groups of CTAs one by one and run each to its end. A group
// that polls global memory in vain is put aside, for what it waits for is to
// come from another one: as many groups as a device holds may be under way. If
// all of them wait, the launch is dead.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_EXEC_GRID_H
#define PTXSIM_EXEC_GRID_H

#include "Scheduler.h"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

namespace ptxsim {

class Grid {
public:
  /// `mostResident`: groups that the device holds at a time.
  Grid(const LaunchContext &launch, uint64_t mostResident);

  /// Runs everything and adds up what was counted, but for what memory knows.
  void run(unsigned threads, LaunchStats &stats);

private:
  struct Running {
    Running(const LaunchContext &launch, uint64_t number)
        : group(launch, number), scheduler(group) {}
    Group group;
    Scheduler scheduler;
    /// What had happened when it ran last.
    uint64_t epoch = 0;
  };
  using Stalled = std::deque<std::unique_ptr<Running>>;
  struct Totals {
    std::vector<Counters> counters;
    LaunchStats stats;
  };

  void work(LaunchStats &stats);
  /// What a host thread is to run next, of its own groups or a new one; null if
  /// nothing is left for it. Blocks while others may bring it on.
  std::unique_ptr<Running> pick(Stalled &stalled);
  void collect(const Running &running, Totals &totals, LaunchStats &stats);
  void reportDeadlock(const Running &running);

  const LaunchContext &launch;
  const uint64_t numGroups, mostResident;

  std::mutex mutex;
  std::condition_variable changed;
  uint64_t next = 0, numResident = 0;
  /// Counts runs that brought something about.
  uint64_t epoch = 0;
  /// Host threads at work; those that have seen everything of this epoch and
  /// wait for others.
  unsigned numWorkers = 0, numStuck = 0;
  bool isDead = false;
  std::vector<Counters> counters;
};

} // namespace ptxsim

#endif // PTXSIM_EXEC_GRID_H
