//===- GlobalRaces.h - Unordered accesses to global memory ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two accesses of one launch to the same bytes race if at least one writes, at
// least one is weak, and nothing orders them [8.7, 8.8]. Inside of a group of
// CTAs that run together (one, or a cluster) the clocks of its RaceDetector
// order them. Between groups a release does that a later acquire of the same
// location sees:
//
//     release: st/atom/red.release, or a fence and then any strong write
//     acquire: ld/atom.acquire, or any strong read and then a fence
//
// By the letter both parts of a pattern are one thread's. Here a barrier may
// lie between them (all threads fence, then one of them counts), as kernels
// have it.
//
// Every 4-byte word of a buffer knows its last write and its last read: CTA,
// warp, the warp's time, instruction and a mask of bytes. Who acquires learns
// how far the warps of other groups had got at their releases.
//
// What is not seen (no finding is made up, some are missed):
// - of two reads of a word by different CTAs the earlier one is only known to
//   exist: a later write is held against it if its CTA acquired nothing at all;
// - of two writes to different bytes of one word, the earlier one;
// - lanes of a warp count as one thread; a release sequence is not ended by a
//   plain store; scope .cluster counts as .gpu;
// - launches of kMostTrackedCtas or more, of which a warning tells.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_CHECK_GLOBALRACES_H
#define PTXSIM_CHECK_GLOBALRACES_H

#include "RaceDetector.h"
#include "memory/Memory.h"

#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace ptxsim {

struct Group;

constexpr uint64_t kMostTrackedCtas = (uint64_t(1) << 21) - 1;

/// How far warps of some groups are known to have got; ascending by group.
struct Knowledge {
  std::vector<std::pair<uint64_t, VectorClock>> groups;

  const VectorClock *of(uint64_t group) const;
  void join(uint64_t group, const VectorClock &clock);
  void join(const Knowledge &other);
  bool covers(const Knowledge &other) const;
};
using SharedKnowledge = std::shared_ptr<const Knowledge>;

/// What was released through locations of global memory in this launch.
/// Thread-safe.
class ReleaseTable {
public:
  /// Null if nothing was.
  SharedKnowledge at(DevicePointer address);
  void release(DevicePointer address, const SharedKnowledge &knowledge);
  void clear();

private:
  struct Part {
    std::mutex mutex;
    std::unordered_map<DevicePointer, SharedKnowledge> released;
  };
  Part parts[64];
};

/// What the warps of a CTA have acquired and released. Not thread-safe: a CTA
/// belongs to one host thread. Strong operations on one location exclude each
/// other (GlobalMemory::atomicMutex), and what they say here is part of them.
class GroupOrder {
public:
  GroupOrder(Group &group, RaceDetector &races, ReleaseTable &table);

  void fence(Agent warp, Scope scope);
  /// A strong write, before others can see it. Shared memory has locations from
  /// kSharedWindow on.
  void beforeWrite(Agent warp, uint64_t location, Scope scope, bool releases);
  /// A strong read, after its value is known.
  void afterRead(Agent warp, uint64_t location, Scope scope, bool acquires);

  struct Conflict {
    unsigned lane;
    /// CTA as Cta::serial.
    uint64_t cta;
    uint32_t warp;    // in its CTA
    const Inst *inst; // null if it is not known
    bool isWrite;
  };
  /// Records an access to global memory; the first conflict of it is given
  /// back. `buffers` says where each lane is.
  std::optional<Conflict> access(Agent warp, const Inst &in,
                                 const Access &access, Mask lanes,
                                 Buffer *const *buffers);

private:
  struct Stamp;
  /// What a warp had got at a time of its own; holds what it had before.
  struct Known {
    uint32_t time;
    /// Of this group; of others (null if nothing).
    Clock own;
    SharedKnowledge ofAll;
  };
  /// Ascending by time.
  using History = std::vector<Known>;
  struct WarpState {
    /// Released by fences; seen by strong reads, for a fence to acquire;
    /// acquired.
    History fences, seen, acquired;
    /// Of the last fence for all; 0: none.
    uint32_t fenceTime = 0;
  };

  /// The last entry of warp `by` that `warp` knows of; null if there is none.
  const Known *latest(History WarpState::*history, Agent by, Agent warp) const;
  static void append(History &history, uint32_t time, const Clock &own,
                     const SharedKnowledge &ofAll);
  SharedKnowledge snapshot(Agent warp);
  void acquire(Agent warp, const SharedKnowledge &knowledge);
  bool isOrdered(Agent warp, const Stamp &stamp) const;
  bool conflicts(Agent warp, const Stamp &now, const Stamp &then) const;

  Group &group;
  Agent warpsPerCta;
  RaceDetector &races;
  ReleaseTable &table;
  std::vector<WarpState> warps;
  bool hasAcquired = false, hasSeen = false, hasFenced = false;
  /// Released to this group, by location.
  std::unordered_map<uint64_t, Clock> released;
};

} // namespace ptxsim

#endif // PTXSIM_CHECK_GLOBALRACES_H
