//===- RaceDetector.h - Unordered accesses to shared memory -----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vector clocks (Flanagan and Freund, FastTrack, 2009) over the shared memory
// of CTAs that run together. Agents are their warps and what works beside them:
// the cp.async copies of a warp, its bulk copies, its wgmma products, and for
// each mbarrier the copies that complete on it. Two accesses race if neither is
// known to the other's side and one of them writes.
//
// Proxies [8.6]. Tensor copies, bulk copies and wgmma go through the
// asynchronous proxy. They may follow a write of the generic one only if a
// fence.proxy.async lies somewhere on the way from the write to them; a second
// clock says which writes have one behind them. It travels with the first.
//
// Memory is watched in cells of 16 bytes, the size that copies and matrix loads
// move. A cell that is accessed in part falls into words of 4 bytes, each with
// a mask of bytes, until a write covers it whole again.
//
// Not thread-safe: CTAs that run together belong to one host thread.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_CHECK_RACEDETECTOR_H
#define PTXSIM_CHECK_RACEDETECTOR_H

#include "program/Program.h"

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace ptxsim {

/// By agent: up to when what it did is known.
using VectorClock = std::vector<uint32_t>;
void join(VectorClock &into, const VectorClock &from);

/// What an agent knows, or leaves behind for others.
struct Clock {
  VectorClock seen;
  /// Of that, what has a proxy fence behind it.
  VectorClock fenced;

  void join(const Clock &other) {
    ptxsim::join(seen, other.seen);
    ptxsim::join(fenced, other.fenced);
  }
  void clear() {
    seen.clear();
    fenced.clear();
  }
};

using Agent = uint32_t;

enum class AgentKind : uint8_t {
  Warp,
  Copies,   // cp.async of a warp
  Bulk,     // bulk copies of a warp, by bulk group
  Products, // wgmma of a warp
  Barrier,  // copies that complete on an mbarrier
};

/// Who accesses memory, and when.
struct Actor {
  Agent agent;
  uint32_t time;
  /// What comes before the access.
  const Clock *clock;
  /// Through the asynchronous proxy.
  bool isAsync = false;
  /// What the agent does is done in its order.
  bool isInOrder = true;
};

class RaceDetector {
public:
  RaceDetector(uint32_t numCtas, uint32_t numWarps, uint32_t sharedBytes);

  Agent warp(uint32_t rank, uint32_t number) const {
    return rank * numWarps + number;
  }
  /// Made when it is first asked for. `number`: of the warp, or the offset of
  /// the mbarrier.
  Agent agent(AgentKind kind, uint32_t rank, uint32_t number);
  /// "warp 2", "cp.async of warp 2", "copies of mbarrier shared+16".
  std::string name(Agent agent) const;

  //===--- What warps know ------------------------------------------------===//
  const Clock &clock(Agent warp) const { return clocks[warp]; }
  uint32_t time(Agent warp) const { return clocks[warp].seen[warp]; }
  /// How far `warp` knows `other` to have got.
  uint32_t known(Agent warp, Agent other) const {
    return clocks[warp].seen[other];
  }
  /// What `warp` has done so far may be acquired by others through `clock`.
  void release(Agent warp, Clock &clock) {
    clock.join(clocks[warp]);
    advance(warp);
  }
  /// `warp` goes on behind what `clock` holds.
  void acquire(Agent warp, const Clock &clock) { clocks[warp].join(clock); }
  /// `warp` goes on behind what `other` had done by `time`.
  void acquireFrom(Agent warp, Agent other, uint32_t time);
  /// Moves the warp's own time on, so that what follows is told apart.
  void advance(Agent warp) { ++clocks[warp].seen[warp]; }
  /// fence.proxy.async: of all that `warp` knows.
  void fenceProxy(Agent warp);

  //===--- Accesses -------------------------------------------------------===//
  Actor actor(Agent warp) const { return {warp, time(warp), &clocks[warp]}; }
  /// An operation of `agent` that the warp starts now.
  Actor start(Agent agent, Agent warp, bool isAsync, bool isInOrder) {
    return {agent, ++times[agent], &clocks[warp], isAsync, isInOrder};
  }

  /// An access of an agent of another CTA to the shared memory of one.
  struct Visit {
    Agent agent;
    uint32_t time; // 0: there was none
    uint32_t inst;
    uint32_t offset;
    bool isWrite;
  };
  /// The last visits of agents to a CTA whose warps have all ended that none of
  /// them knew to be over: its memory may have been gone.
  std::vector<Visit> visitsAtEnd(uint32_t rank) const;

  /// The other side of a race.
  struct Conflict {
    Agent agent;
    uint32_t inst; // index in the program
    bool isWrite;
    /// Ordered, but without a proxy fence.
    bool isProxy;
    uint32_t offset; // of the bytes
  };
  class Recorder;

private:
  struct Mark {
    uint32_t time = 0; // 0: nobody
    uint32_t inst = 0;
    uint16_t agent = 0;
    uint8_t bytes = 0; // of a word, as a mask
    bool isAtomic : 1 = false;
    bool isAsync : 1 = false;
  };
  /// The last write of a word or cell, and the reads since that are not ordered
  /// among each other: one, and the others in `crowds`.
  struct State {
    Mark write, read;
    uint32_t crowd = 0; // index + 1
  };
  struct Cell {
    State whole;
    uint32_t words = 0; // index + 1 into `split`
  };

  /// Some of the reads of a state; more are in the next one.
  struct Crowd {
    std::array<Mark, 7> marks;
    uint32_t count = 0, next = 0; // index + 1
  };
  bool isKnown(const Actor &actor, const Mark &mark) const {
    return actor.clock->seen[mark.agent] >= mark.time ||
           (actor.isInOrder && mark.agent == actor.agent);
  }
  /// Whether a write is before the actor, with a fence if it needs one.
  bool isSafe(const Actor &actor, const Mark &write) const {
    return !write.time || (isKnown(actor, write) &&
                           (!actor.isAsync || write.isAsync ||
                            actor.clock->fenced[write.agent] >= write.time));
  }
  template <class F> bool anyOfCrowd(uint32_t crowd, F f);
  void noteRead(State &state, const Actor &actor, const Mark &mark);
  void dropReads(State &state, uint8_t bytes);
  void addToCrowd(State &state, const Mark &mark);
  void freeCrowd(State &state);
  void splitCell(Cell &cell);
  void noteVisit(uint32_t rank, const Visit &visit);

  uint32_t numWarps, cellsPerCta;
  std::vector<Clock> clocks;   // of warps
  std::vector<uint32_t> times; // of the others, by agent
  using Key = std::tuple<AgentKind, uint32_t, uint32_t>; // rank, number
  std::map<Key, Agent> agents;
  std::vector<Key> names;
  std::vector<Cell> cells;
  std::vector<std::array<State, 4>> split;
  std::vector<Crowd> crowds;
  std::vector<uint32_t> freeSplits, freeCrowds;
  /// By rank, then by agent: the last one.
  std::vector<std::vector<Visit>> visits;
};

/// Records accesses of one instruction. Atomic accesses do not conflict with
/// each other.
class RaceDetector::Recorder {
public:
  Recorder(RaceDetector &races, const Actor &actor, uint32_t inst, bool isWrite,
           bool isAtomic)
      : races(races), actor(actor), isWrite(isWrite),
        ownRank(std::get<1>(races.names[actor.agent])) {
    mark.time = actor.time;
    mark.inst = inst;
    mark.agent = uint16_t(actor.agent);
    mark.bytes = kAllBytes;
    mark.isAtomic = isAtomic;
    mark.isAsync = actor.isAsync;
  }

  /// An access to the shared memory of a CTA. If it conflicts, the first
  /// conflict is in `conflict`.
  bool access(uint32_t rank, uint32_t offset, uint32_t bytes) {
    if (rank != ownRank) {
      races.noteVisit(rank,
                      {actor.agent, actor.time, mark.inst, offset, isWrite});
    }
    if (bytes == 16 && offset % 16 == 0) {
      Cell &cell = races.cells[size_t(rank) * races.cellsPerCta + offset / 16];
      State &state = cell.whole;
      // A read that changes nothing but its own mark.
      if (!isWrite && !cell.words && races.isSafe(actor, state.write) &&
          (!state.read.time || state.read.agent == actor.agent)) {
        state.read = mark;
        return false;
      }
    }
    return accessSlowly(rank, offset, bytes);
  }

  Conflict conflict{};

private:
  static constexpr uint8_t kAllBytes = 0xF;

  bool accessSlowly(uint32_t rank, uint32_t offset, uint32_t bytes);
  /// True at a conflict, which is then in `conflict` if it is the first.
  bool visit(State &state, uint8_t bytes, uint32_t offset, bool hasFound);

  RaceDetector &races;
  Actor actor;
  Mark mark;
  const bool isWrite;
  const uint32_t ownRank;
};

} // namespace ptxsim

#endif // PTXSIM_CHECK_RACEDETECTOR_H
