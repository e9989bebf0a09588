//===- Warp.h - State of running warps and CTAs -----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Lanes that take different ways meet again at the immediate post-dominator of
// their branch: a stack of {where to meet, lanes, where they are}. A group of
// CTAs that must run together (a cluster) belongs to one host thread.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_EXEC_WARP_H
#define PTXSIM_EXEC_WARP_H

#include "check/RaceDetector.h"
#include "exec/Deferred.h"
#include "exec/Mbarrier.h"
#include "exec/Warpgroup.h"
#include "memory/Memory.h"
#include "memory/Shadow.h"
#include "program/Program.h"
#include "ptxsim/Device.h"

#include <array>
#include <bit>
#include <cstring>
#include <random>

namespace ptxsim {

struct Cta;
struct Group;
class Reporter;
class GroupOrder;
class CopyQueue;
class BulkQueue;
class ProductQueue;

/// Lanes of a warp that are at one place.
struct Path {
  uint32_t meet; // popped when `pc` gets there
  Mask lanes;
  uint32_t pc;
};

enum class WarpStatus : uint8_t { Ready, Blocked, Done };

struct Warp {
  Warp(Cta &cta, const Program &program, uint32_t number, Mask lanes);
  ~Warp();

  Cta &cta;
  const Program &program;
  /// In its CTA.
  const uint32_t number;

  std::vector<std::byte> registers;
  std::vector<Mask> predicates;
  /// The condition code of add.cc and its like.
  Mask carry = 0;
  /// By register: lanes that were written. Only with Checks::uninitialised.
  std::vector<Mask> defined;
  /// .local memory of the 32 lanes, one after the other.
  std::vector<std::byte> local;
  std::vector<uint8_t> localWritten;

  /// Lanes that run the current instruction; that have not exited.
  Mask exec = 0, live = 0;
  std::vector<Path> paths;
  WarpStatus status = WarpStatus::Ready;
  /// While blocked: on what, for reports of deadlock ("barrier 1").
  std::string waitsFor;
  Mbarrier *waitsAt = nullptr;
  /// Where the last wait of an mbarrier gave false, and whose mbarrier.
  const Inst *polledBy = nullptr;
  Cta *polledCta = nullptr;
  uint32_t polledOffset = 0;
  /// Says that a waiting instruction runs for the second time.
  bool isResumed = false;
  /// mbarrier.try_wait has waited for long enough, and gives false.
  bool isTimeUp = false;

  /// Quanta since a poll has failed: what runs in the first of them is the loop
  /// around it, and no progress.
  static constexpr uint32_t kMostVainQuanta = 64;
  uint32_t vainQuanta = kMostVainQuanta;
  /// What the last poll of memory saw.
  const Inst *lastPoll = nullptr;
  uint64_t lastPolled = 0;

  /// barrier.cluster: lanes that have arrived at the phase that is open, and
  /// those that have yet to wait for one that is complete.
  Mask clusterArrived = 0, clusterPassed = 0;
  /// What fence.mbarrier_init has made known to the cluster.
  Clock initialised;
  /// What a relaxed arrival takes along behind a fence; what relaxed waits have
  /// seen, which counts from the next fence on.
  Clock fenced, observed;

  /// What setmaxnreg has left it with.
  uint32_t registersPerThread;

  /// cp.async groups in flight; made on first use (src/ops/Copies.cpp).
  std::unique_ptr<CopyQueue> copies;
  /// Bulk copies out of shared memory (src/ops/BulkCopies.cpp).
  std::unique_ptr<BulkQueue> bulk;
  /// wgmma in flight (src/ops/Wgmma.cpp).
  std::unique_ptr<ProductQueue> products;
  /// wgmma.fence so far, and by register how many there were when it was
  /// written. Only with Checks::async and in kernels that have wgmma.
  uint32_t numFences = 0;
  std::vector<uint32_t> writeFences;
  /// Lookups of global memory start at the buffer hit last.
  Buffer *lastBuffer = nullptr;
  uint64_t instructions = 0, threadInstructions = 0;

  /// Itself, for the race check.
  Agent agent() const;

  //===--- Operands -------------------------------------------------------===//
  /// 32 lanes of 4 (T of up to 4 bytes must be read as uint32_t and cut) or 8.
  template <class T> const T *in(const Ref &ref) const {
    return reinterpret_cast<const T *>((ref.file == Ref::File::Constant
                                            ? program.constants.data()
                                            : registers.data()) +
                                       ref.offset);
  }
  template <class T> T *out(const Ref &ref) {
    return reinterpret_cast<T *>(registers.data() + ref.offset);
  }
  /// A lane of an integer operand of any width, zero-extended.
  uint64_t lane(const Ref &ref, unsigned lane) const {
    return ref.laneBytes == 8 ? in<uint64_t>(ref)[lane]
                              : in<uint32_t>(ref)[lane];
  }
  void setLane(const Ref &ref, unsigned lane, uint64_t value) {
    if (ref.laneBytes == 8) {
      out<uint64_t>(ref)[lane] = value;
    } else {
      out<uint32_t>(ref)[lane] = uint32_t(value);
    }
  }
  Mask predicate(const Ref &ref) const {
    Mask value =
        ref.file == Ref::File::True ? kAllLanes : predicates[ref.offset];
    return ref.isNegated ? ~value : value;
  }
  /// Of the lanes that run.
  void setPredicate(const Ref &ref, Mask value) {
    Mask &p = predicates[ref.offset];
    p = (p & ~exec) | (value & exec);
  }

  //===--- Control flow (Exec.cpp) ----------------------------------------===//
  uint32_t pc() const { return paths.back().pc; }
  /// Runs until the warp blocks, yields, ends, or has run `quantum`
  /// instructions. False if it ended with a poll that failed, or soon after it.
  bool run(uint64_t quantum);
  /// The lanes of `exec` go to the branch's only target.
  Step branch(const Inst &in);
  /// Lanes and where they go; all that are at this place.
  using Ways = std::span<const std::pair<Mask, uint32_t>>;
  Step divide(const Inst &in, Ways ways);
  void exit(Mask lanes);
  /// Behind a read of memory that others may be about to change: Poll if it saw
  /// what it saw the last time. `isGlobal`: other groups may change it.
  Step afterPoll(const Inst &in, uint64_t seen, bool isGlobal);
  /// Makes a blocked warp ready.
  void wake() {
    status = WarpStatus::Ready;
    waitsFor.clear();
    waitsAt = nullptr;
  }

  //===--- Memory (memory/Access.cpp) -------------------------------------===//
  /// Resolves an access of the lanes in `lanes` and runs every check and
  /// counter on it. Gives the lanes that may go on and a host address for each.
  Mask access(const Inst &in, Access &access);

private:
  Step step(const Inst &in);
  void checkInFlight(const Inst &in);
};

/// Arrivals at one of the 16 barriers of a CTA.
struct NamedBarrier {
  uint32_t expected = 0; // threads; 0: no generation is open
  uint32_t arrived = 0;
  /// Warps that wait, in the order that they came; the same for all arrivals.
  std::vector<uint32_t> waiting, arrivals;
  /// Where the first one arrived, and whether it was `.aligned`.
  const Inst *first = nullptr;
  /// barrier.red: what the threads brought.
  uint32_t population = 0;
  bool conjunction = true, disjunction = false;
  /// What those that came have done.
  Clock clock;
};

struct Cta {
  Cta(Group &group, uint32_t rank, const uint32_t (&index)[3]);
  ~Cta();

  Group &group;
  /// In its cluster; in the grid.
  const uint32_t rank;
  const uint32_t index[3];

  std::vector<std::byte> shared;
  /// Of `shared`; empty without the checks that ask it.
  Shadow shadow;
  std::vector<std::unique_ptr<Warp>> warps;
  std::vector<NamedBarrier> barriers;
  MbarrierTable mbarriers;
  std::vector<Warpgroup> warpgroups;
  /// Given up by setmaxnreg; warps that want some.
  uint32_t freeRegisters = 0;
  std::vector<Warp *> waitForRegisters;
  /// Warps that have not ended.
  uint32_t numLive = 0;

  /// Whose shared memory an offset of the shared window is in; null: nobody's.
  Cta *findShared(uint64_t offset);
};

/// Coordinates of the CTA with this rank of this cluster.
std::array<uint32_t, 3> locateCta(const LaunchConfig &config, uint64_t cluster,
                                  uint32_t rank);

/// Facts of the launch, for all CTAs. Const while it runs.
struct LaunchContext {
  const Program &program;
  const Options &options;
  const LaunchConfig &config;
  GlobalMemory &memory;
  Reporter &reporter;
  std::vector<std::byte> parameters;
  uint32_t sharedBytes = 0;
  /// What a thread starts with.
  uint32_t registersPerThread = 0;
};

/// Arrivals at the barrier of a cluster [9.7.13.3].
struct ClusterBarrier {
  Clock arriving, completed;
  std::vector<Warp *> waiting;
};

/// CTAs that run together on one host thread, and what they count.
struct Group {
  /// The cluster with this number, its CTAs ready to start.
  Group(const LaunchContext &launch, uint64_t number);
  ~Group();

  const LaunchContext &launch;
  const uint64_t number;
  std::vector<std::unique_ptr<Cta>> ctas;
  /// Only with Checks::races: of shared memory; of global memory.
  std::unique_ptr<RaceDetector> races;
  std::unique_ptr<GroupOrder> order;
  std::mt19937_64 random;
  DeferredList deferred;
  ClusterBarrier barrier;
  LaunchStats stats;
  /// By instruction.
  std::vector<Counters> counters;
  /// Counts everything that another warp may wait for; a full round of polls
  /// without a change is a deadlock.
  uint64_t progress = 0;
  /// A warp has polled global memory in vain since then.
  bool pollsMemory = false;

  /// Whether a wait that may fail for no reason (try_wait) does so now.
  bool drawsFailure() {
    return launch.options.schedule != Schedule::RoundRobin && random() % 4 == 0;
  }
  /// Opens the cluster's barrier if all threads that run have come.
  void updateBarrier();
};

inline Step Warp::afterPoll(const Inst &in, uint64_t seen, bool isGlobal) {
  bool isSame = lastPoll == &in && lastPolled == seen;
  lastPoll = &in;
  lastPolled = seen;
  cta.group.pollsMemory |= isSame && isGlobal;
  return isSame ? Step::Poll : Step::Yield;
}

inline Cta *Cta::findShared(uint64_t offset) {
  uint64_t place = offset / kCtaWindowBytes;
  if (place == 0) {
    return this;
  }
  return place <= group.ctas.size() ? group.ctas[place - 1].get() : nullptr;
}

inline Agent Warp::agent() const {
  return Agent(cta.rank * cta.warps.size() + number);
}

/// "shared+16 (tile+0)", "k+4096", for findings.
std::string describeAddress(const Warp &warp, Space space, uint64_t offset);
/// A finding about an access of the warp, or of a copy of its, to the shared
/// memory of `cta`.
void reportRace(Warp &warp, const Inst &in, unsigned lane, const Actor &actor,
                const Cta &cta, bool isWrite,
                const RaceDetector::Conflict &other,
                std::vector<Doubt> *doubts = nullptr);

} // namespace ptxsim

#endif // PTXSIM_EXEC_WARP_H
