//===- Mbarrier.h - Barrier objects in shared memory ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.13.15] A phase completes when all arrivals that it expects have come and
// all bytes that were announced for it (tx-count) have been copied. The state
// is kept beside shared memory, which holds nothing that a program could read.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_EXEC_MBARRIER_H
#define PTXSIM_EXEC_MBARRIER_H

#include "check/RaceDetector.h"

#include <map>
#include <string>
#include <vector>

namespace ptxsim {

struct Warp;
struct Cta;

struct Mbarrier {
  static constexpr uint32_t kMostArrivals = (1 << 20) - 1;
  static constexpr int64_t kMostBytes = (1 << 20) - 1;

  Cta *cta = nullptr;
  uint32_t offset = 0;
  /// Arrivals of a phase; what is missing of the current one.
  uint32_t expected = 0, pending = 0;
  /// Announced and not copied; negative if copies came first.
  int64_t bytes = 0;
  /// Phases that are complete.
  uint64_t phase = 0;
  /// All have dropped out: there is no phase any more.
  bool hasEnded = false;

  /// What those that arrived have done; those of completed phases.
  Clock arriving, completed;
  /// Copies that complete here: started last, not done.
  uint32_t lastCopy = 0;
  std::vector<uint32_t> copies;

  /// Blocked until the phase completes.
  std::vector<Warp *> waiting;
  /// By warp: the phase that it waited for last, from 1 on.
  std::map<const Warp *, uint64_t> waited;

  bool hasCompleted(unsigned parity) const { return (phase & 1) != parity; }
  /// Completes the phase if nothing is missing, and wakes who waits.
  void update();
  /// "mbarrier shared+8 (phase 3: 1 of 2 arrivals missing, 4096 bytes to come)"
  std::string describe() const;
};

/// The objects of a CTA, by offset.
class MbarrierTable {
public:
  /// Null if there is none.
  Mbarrier *find(uint32_t offset) {
    auto it = objects.find(offset);
    return it == objects.end() ? nullptr : &it->second;
  }
  Mbarrier &create(uint32_t offset) {
    Mbarrier &made = objects[offset];
    made = Mbarrier();
    return made;
  }
  void remove(uint32_t offset) { objects.erase(offset); }

private:
  std::map<uint32_t, Mbarrier> objects;
};

} // namespace ptxsim

#endif // PTXSIM_EXEC_MBARRIER_H
