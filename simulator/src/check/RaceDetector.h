//===- RaceDetector.h - Unordered accesses to shared memory -----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vector clocks per agent (Flanagan and Freund, FastTrack, 2009). Agents of a
// CTA are its warps and, for each, its asynchronous copies. A granule of 4
// bytes knows its last write and the last read of each agent; two accesses of
// different agents race if neither is known to the other's clock and one of
// them writes. A byte mask lets two warps write the halves of one word.
//
// Not thread-safe: a CTA belongs to one host thread.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_CHECK_RACEDETECTOR_H
#define PTXSIM_CHECK_RACEDETECTOR_H

#include "program/Program.h"

#include <cstdint>
#include <vector>

namespace ptxsim {

/// How far each agent is known to have got; compared by the agents' numbers.
using VectorClock = std::vector<uint32_t>;

void join(VectorClock &into, const VectorClock &from);

class RaceDetector {
public:
  RaceDetector(uint32_t numWarps, uint32_t sharedBytes);

  uint32_t copiesOf(uint32_t warp) const { return numWarps + warp; }

  /// What `agent` has done so far may be acquired by others through `clock`.
  void release(uint32_t agent, VectorClock &clock);
  /// `agent` goes on behind what `clock` holds.
  void acquire(uint32_t agent, const VectorClock &clock);
  /// `agent` goes on behind what `other` had done when its clock was `time`.
  void acquireFrom(uint32_t agent, uint32_t other, uint32_t time);
  /// `agent` starts something that `starter` orders before it.
  void fork(uint32_t starter, uint32_t agent);
  /// How far `agent` knows `other` to have got.
  uint32_t known(uint32_t agent, uint32_t other) const {
    return clocks[agent][other];
  }
  const VectorClock &clock(uint32_t agent) const { return clocks[agent]; }
  /// The agent's own time.
  uint32_t time(uint32_t agent) const { return clocks[agent][agent]; }
  /// Moves the agent's own time on, so that what follows is told apart.
  void advance(uint32_t agent) { ++clocks[agent][agent]; }

  /// The other side of a race.
  struct Conflict {
    uint32_t agent;
    const Inst *inst;
    bool isWrite;
    uint32_t offset; // of the bytes
  };
  /// Records an access; the first conflict of it, if any, is given back. Atomic
  /// accesses do not conflict with each other.
  bool access(uint32_t agent, const Inst &in, uint32_t offset, uint32_t bytes,
              bool isWrite, bool isAtomic, Conflict &conflict);

private:
  struct Granule {
    uint32_t writer = ~uint32_t(0), writeTime = 0;
    const Inst *writeInst = nullptr;
    uint8_t writeBytes = 0; // mask
    bool isAtomic = false;
  };
  struct Read {
    uint32_t time = 0;
    const Inst *inst = nullptr;
    uint8_t bytes = 0;
    bool isAtomic = false;
  };

  uint32_t numWarps, numAgents;
  std::vector<VectorClock> clocks;
  std::vector<Granule> granules;
  std::vector<Read> reads; // granule * agents + agent
};

} // namespace ptxsim

#endif // PTXSIM_CHECK_RACEDETECTOR_H
