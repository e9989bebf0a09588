//===- Group.cpp - CTAs that run together -------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Scheduler.h"
#include "check/GlobalRaces.h"
#include "check/RaceDetector.h"
#include "check/Reporter.h"
#include "ops/BulkQueue.h"
#include "ops/CopyQueue.h"
#include "ops/ProductQueue.h"

#include <algorithm>

using namespace ptxsim;

Cta::Cta(Group &group, uint32_t rank, const uint32_t (&index)[3])
    : group(group), rank(rank), index{index[0], index[1], index[2]},
      shared(group.launch.sharedBytes, std::byte(0xCD)), barriers(16) {
  const LaunchContext &launch = group.launch;
  const Checks &checks = launch.options.checks;
  if (checks.uninitialised || checks.barriers || checks.async) {
    shadow.reset(shared.size(), !checks.uninitialised);
  }
  uint32_t threads = uint32_t(launch.config.block.count());
  uint32_t numWarps = (threads + kLanes - 1) / kLanes;
  for (uint32_t w = 0; w < numWarps; ++w) {
    uint32_t count = std::min(threads - w * kLanes, kLanes);
    Mask lanes = count == kLanes ? kAllLanes : (Mask(1) << count) - 1;
    warps.push_back(std::make_unique<Warp>(*this, launch.program, w, lanes));
  }
  numLive = numWarps;
  warpgroups.resize((numWarps + kWarpgroupWarps - 1) / kWarpgroupWarps);
}

Cta::~Cta() = default;

std::array<uint32_t, 3> ptxsim::locateCta(const LaunchConfig &config,
                                          uint64_t cluster, uint32_t rank) {
  const Dim3 &c = config.cluster;
  uint64_t nx = config.grid.x / c.x, ny = config.grid.y / c.y;
  return {uint32_t(cluster % nx) * c.x + rank % c.x,
          uint32_t(cluster / nx % ny) * c.y + rank / c.x % c.y,
          uint32_t(cluster / nx / ny) * c.z + rank / c.x / c.y};
}

// Every group draws from numbers of its own: host threads do not matter.
Group::Group(const LaunchContext &launch, uint64_t number)
    : launch(launch), number(number),
      random(launch.options.seed * 0x9E3779B97F4A7C15ull + number),
      deferred(launch.options.completion, random),
      counters(launch.program.code.size()) {
  const LaunchConfig &config = launch.config;
  for (uint32_t rank = 0; rank < config.cluster.count(); ++rank) {
    auto [x, y, z] = locateCta(config, number, rank);
    const uint32_t index[3] = {x, y, z};
    ctas.push_back(std::make_unique<Cta>(*this, rank, index));
  }
  if (launch.options.checks.races) {
    races = std::make_unique<RaceDetector>(uint32_t(ctas.size()),
                                           uint32_t(ctas.front()->warps.size()),
                                           launch.sharedBytes);
    if (config.grid.count() < kMostTrackedCtas) {
      order =
          std::make_unique<GroupOrder>(*this, *races, launch.memory.releases());
    }
  }
}

Group::~Group() = default;

namespace {

/// Values of the special registers of one warp.
class Specials {
public:
  Specials(Warp &warp) : warp(warp), launch(warp.cta.group.launch) {}

  void fill() {
    for (const auto &[name, ref] : warp.program.specials) {
      if (ref.file == Ref::File::Predicate) {
        warp.predicates[ref.offset] = value(name, 0) ? kAllLanes : 0;
      } else {
        for (unsigned l = 0; l < kLanes; ++l) {
          warp.setLane(ref, l, value(name, l));
        }
      }
      if (!warp.defined.empty()) {
        warp.defined[ref.reg] = kAllLanes;
      }
    }
  }

private:
  static uint32_t part(const Dim3 &dim, char axis) {
    return axis == 'x' ? dim.x : axis == 'y' ? dim.y : dim.z;
  }

  uint64_t value(const std::string &name, unsigned lane) const {
    const LaunchConfig &config = launch.config;
    char axis = name.back();
    auto is = [&](std::string_view stem) {
      return name.size() == stem.size() + 2 && name.starts_with(stem) &&
             name[stem.size()] == '.';
    };
    if (is("%tid")) {
      uint32_t t = warp.number * kLanes + lane;
      const Dim3 &b = config.block;
      return axis == 'x'   ? t % b.x
             : axis == 'y' ? t / b.x % b.y
                           : t / b.x / b.y;
    }
    if (is("%ntid")) {
      return part(config.block, axis);
    }
    if (is("%ctaid")) {
      return warp.cta.index[axis - 'x'];
    }
    if (is("%nctaid")) {
      return part(config.grid, axis);
    }
    if (is("%clusterid")) {
      return warp.cta.index[axis - 'x'] / part(config.cluster, axis);
    }
    if (is("%nclusterid")) {
      return part(config.grid, axis) / part(config.cluster, axis);
    }
    if (is("%cluster_ctaid")) {
      return warp.cta.index[axis - 'x'] % part(config.cluster, axis);
    }
    if (is("%cluster_nctaid")) {
      return part(config.cluster, axis);
    }
    if (name == "%cluster_ctarank") {
      return warp.cta.rank;
    }
    if (name == "%cluster_nctarank") {
      return config.cluster.count();
    }
    if (name == "%is_explicit_cluster") {
      return config.cluster.count() > 1;
    }
    if (name == "%laneid") {
      return lane;
    }
    if (name == "%warpid") {
      return warp.number;
    }
    if (name == "%nwarpid") {
      return warp.cta.warps.size();
    }
    if (name == "%dynamic_smem_size") {
      return config.dynamicSharedBytes;
    }
    if (name == "%total_smem_size") {
      return launch.sharedBytes;
    }
    if (name == "%nsmid") {
      return 1;
    }
    Mask bit = Mask(1) << lane;
    if (name == "%lanemask_eq") {
      return bit;
    }
    if (name == "%lanemask_lt") {
      return bit - 1;
    }
    if (name == "%lanemask_le") {
      return bit | (bit - 1);
    }
    if (name == "%lanemask_gt") {
      return ~(bit | (bit - 1));
    }
    if (name == "%lanemask_ge") {
      return ~(bit - 1);
    }
    // %clock, %clock64, %globaltimer, %smid, %gridid: time stands still on the
    // one SM that there is.
    return 0;
  }

  Warp &warp;
  const LaunchContext &launch;
};

} // namespace

Scheduler::Scheduler(Group &group) : group(group) {
  for (auto &cta : group.ctas) {
    for (auto &warp : cta->warps) {
      Specials(*warp).fill();
      warps.push_back(warp.get());
    }
  }
  numLive = warps.size();
}

uint64_t Scheduler::drawQuantum() {
  switch (group.launch.options.schedule) {
  case Schedule::RoundRobin:
    return 256;
  case Schedule::Random:
    return 1 + group.random() % 64;
  case Schedule::Adversarial:
    break;
  }
  return ~uint64_t(0);
}

std::string Scheduler::describeWaiters() const {
  std::string text;
  for (const auto &cta : group.ctas) {
    for (const auto &warp : cta->warps) {
      if (warp->status == WarpStatus::Done) {
        continue;
      }
      const Inst &in = warp->program.code[warp->pc()];
      // A warp that blocked stands behind what it waits at.
      uint32_t at =
          warp->pc() && warp->status == WarpStatus::Blocked && !warp->isResumed
              ? warp->pc() - 1
              : warp->pc();
      text += text.empty() ? "" : "; ";
      text += "warp " + std::to_string(warp->number) + " at line " +
              std::to_string(warp->program.code[at].text == in.text
                                 ? in.line()
                                 : warp->program.code[at].line());
      text += group.ctas.size() > 1
                  ? " of cta rank " + std::to_string(cta->rank)
                  : "";
      text += warp->waitsAt ? " waits for " + warp->waitsAt->describe()
              : warp->waitsFor.empty() ? ""
                                       : " waits for " + warp->waitsFor;
      if (warp->polledCta && warp->status == WarpStatus::Ready) {
        const Mbarrier *polled =
            warp->polledCta->mbarriers.find(warp->polledOffset);
        text += polled ? " polls " + polled->describe() + " at line " +
                             std::to_string(warp->polledBy->line())
                       : "";
      }
      bool isDivided = warp->paths.size() > 1 && warp->exec != warp->live;
      text += isDivided ? ", while other lanes of it are elsewhere" : "";
    }
  }
  return text;
}

Scheduler::Outcome Scheduler::run() {
  const Options &options = group.launch.options;
  bool isRandom = options.schedule == Schedule::Random;
  if (options.schedule != Schedule::RoundRobin && !hasStarted) {
    std::shuffle(warps.begin(), warps.end(), group.random);
  }
  hasStarted = true;
  uint64_t idleRounds = 0;
  auto fail = [&](std::string what) {
    group.launch.reporter.report(*group.ctas.front(), "barriers",
                                 what + ": " + describeWaiters());
    return Outcome::Failed;
  };
  while (numLive) {
    bool hasRun = false;
    uint64_t before = group.progress;
    group.deferred.performSome();
    for (size_t i = 0; i < warps.size(); ++i) {
      Warp &warp = *warps[isRandom ? group.random() % warps.size() : i];
      if (warp.status != WarpStatus::Ready) {
        continue;
      }
      uint64_t start = warp.instructions;
      hasRun |= warp.run(drawQuantum());
      instructions += warp.instructions - start;
      if (warp.status == WarpStatus::Done) {
        finish(warp);
      }
    }
    if (options.maxInstructions && instructions > options.maxInstructions) {
      return fail("stopped after " + std::to_string(instructions) +
                  " instructions");
    }
    if (hasRun || before != group.progress) {
      idleRounds = 0;
      group.pollsMemory = false;
      continue;
    }
    // Warps wait or poll in vain; a draw may also have met no ready one.
    bool isBlocked =
        std::none_of(warps.begin(), warps.end(), [](const Warp *warp) {
          return warp->status == WarpStatus::Ready;
        });
    ++idleRounds;
    if (!group.deferred.empty() && (isBlocked || idleRounds > 2)) {
      group.deferred.performDue();
    } else if (group.pollsMemory && idleRounds > kMostPollRounds) {
      return Outcome::Stalled;
    } else if ((isBlocked || idleRounds > kMostPollRounds) && endWaits()) {
      continue;
    } else if (numLive && (isBlocked || idleRounds > kMostIdleRounds)) {
      return fail("deadlock");
    }
  }
  return Outcome::Done;
}

/// A wait that is not repeated may be followed by what completes the phase.
bool Scheduler::endWaits() {
  if (group.progress != progressAtTimeout) {
    numTimeouts = 0;
    progressAtTimeout = group.progress;
  }
  if (++numTimeouts > kMostTimeouts) {
    return false;
  }
  bool isAny = false;
  for (Warp *warp : warps) {
    if (warp->status == WarpStatus::Blocked && warp->waitsAt) {
      std::erase(warp->waitsAt->waiting, warp);
      warp->wake();
      warp->isTimeUp = true;
      isAny = true;
    }
  }
  return isAny;
}

void Scheduler::finish(Warp &warp) {
  Cta &cta = warp.cta;
  if (warp.copies) {
    warp.copies->forEach([&](const FlyingCopy &copy) {
      if (Mask lanes = copy.lanes & ~copy.tracked) {
        report(warp, *copy.inst, "async", lanes,
               "the warp ends with a copy that nobody "
               "waited for");
      }
    });
  }
  if (warp.bulk) {
    warp.bulk->forEach([&](FlyingStore &store) {
      if (!store.isRead) {
        report(warp, *store.inst, "async", Mask(1) << store.lane,
               "the warp ends while a bulk copy reads "
               "its shared memory");
      }
      warp.bulk->perform(warp, store);
    });
  }
  if (warp.products && !warp.products->isIdle()) {
    report(warp, *warp.products->flying.front().inst, "async", kAllLanes,
           "the warp ends with a wgmma that it has not "
           "waited for");
  }
  --cta.numLive;
  if (cta.numLive == 0) {
    endCta(cta);
  }
  --numLive;
  ++group.progress;
}

/// What other CTAs do with the shared memory of one that has ended, or may have
/// when they come to it in another order.
static void reportVisits(Cta &cta) {
  const RaceDetector *races = cta.group.races.get();
  if (!races || cta.group.ctas.size() == 1) {
    return;
  }
  Warp &warp = *cta.warps.front();
  for (const RaceDetector::Visit &visit : races->visitsAtEnd(cta.rank)) {
    report(warp, warp.program.code[visit.inst], "races", kAllLanes,
           std::string(visit.isWrite ? "write" : "read") + " of " +
               describeAddress(warp, Space::Shared,
                               sharedAddress(cta.rank, visit.offset)) +
               " by " + races->name(visit.agent) +
               " races with the end of that CTA");
  }
}

/// What the warps have left undone. Copies on their way to a CTA that has ended
/// would write to memory of others.
void Scheduler::endCta(Cta &cta) {
  reportVisits(cta);
  for (size_t g = 0; g < cta.warpgroups.size(); ++g) {
    for (const Warpgroup::Step &step : cta.warpgroups[g].open()) {
      bool isProduct = step.inst->isProduct;
      report(*cta.warps[g * kWarpgroupWarps], *step.inst,
             isProduct ? "async" : "barriers", kAllLanes,
             "expects all four warps of the warpgroup, but " +
                 std::to_string(step.numWarps) + " came");
    }
  }
  for (const auto &operation : group.deferred.operations()) {
    if (operation->barrier.cta == &cta) {
      report(operation->warp, operation->inst, "async",
             Mask(1) << operation->lane,
             "the CTA ends with a copy on its way to " +
                 operation->barrier.describe());
    }
  }
}
