//===- BulkCopies.cpp - Copies by the asynchronous proxy ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.9.25.4] cp.async.bulk, its prefetch, commit_group, wait_group;
// [9.7.9.27.1] cp.async.bulk.tensor, its prefetch.
//
// Every lane that runs issues a copy of its own. A copy is checked where it is
// issued: addresses, and its accesses as those of an asynchronous agent. Copies
// into shared memory are agents of the mbarrier that tells their end, copies
// out of it are those of their warp. An mbarrier tells all bytes of the box,
// also those that lie outside of the tensor.
//
//===----------------------------------------------------------------------===//
#include "BulkCopies.h"
#include "BulkQueue.h"
#include "check/Reporter.h"

#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::bulk;

//===--- Copies into shared memory ----------------------------------------===//

namespace {

/// A copy whose end an mbarrier tells.
class BulkCopy : public Deferred {
public:
  BulkCopy(Mbarrier &barrier, Warp &w, const Inst &in, unsigned lane,
           Transfer transfer, uint32_t time)
      : Deferred(barrier, w, in, lane), transfer(std::move(transfer)),
        time(time) {
    barrier.lastCopy = std::max(barrier.lastCopy, time);
    barrier.copies.push_back(time);
  }

  void perform() override {
    moveIn(warp.cta.group.launch.memory, transfer);
    if (!transfer.cta->shadow.empty()) {
      mark(transfer, Shadow::kWritten);
    }
    std::erase(barrier.copies, time);
    barrier.bytes -= transfer.sharedBytes();
    if (-barrier.bytes > Mbarrier::kMostBytes) {
      report(warp, inst, "barriers", Mask(1) << lane,
             "copies more bytes than " + barrier.describe() + " can count");
    }
    ++warp.cta.group.progress;
    barrier.update();
  }

private:
  Transfer transfer;
  uint32_t time;
};

/// One copy that ends at the object at `offset` of the CTA it goes to.
void load(Warp &w, const Inst &in, unsigned lane, Transfer transfer,
          uint32_t offset) {
  Group &group = w.cta.group;
  Mbarrier *barrier = transfer.cta->mbarriers.find(offset);
  if (!barrier) {
    report(w, in, "barriers", Mask(1) << lane,
           "expects an mbarrier that was initialised, but got " +
               describeAddress(w, Space::Shared, offset));
    return;
  }
  Actor actor, *by = nullptr;
  if (RaceDetector *races = group.races.get()) {
    // The object itself, by the generic proxy.
    Actor own = races->actor(w.agent());
    RaceDetector::Recorder recorder(*races, own, w.program.indexOf(in), false,
                                    true);
    if (recorder.access(transfer.cta->rank, offset, 8)) {
      reportRace(w, in, lane, own, *transfer.cta, false, recorder.conflict);
    }
    Agent agent = races->agent(AgentKind::Barrier, transfer.cta->rank, offset);
    actor = races->start(agent, w.agent(), true, false);
    by = &actor;
  }
  if (!checkTransfer(w, in, lane, transfer, false, by)) {
    return;
  }
  if (group.launch.options.checks.async) {
    mark(transfer, Shadow::kWritten | Shadow::kInFlight);
  }
  group.deferred.add(std::make_unique<BulkCopy>(
      *barrier, w, in, lane, std::move(transfer), by ? actor.time : 0));
}

} // namespace

Step bulk::runLoad(Warp &w, const Inst &in) {
  const Data &data = dataOf(in);
  Group &group = w.cta.group;
  forEachLane(w.exec, [&](unsigned l) {
    std::optional<Transfer> transfer = makeTransfer(w, in, l);
    if (!transfer) {
      return;
    }
    auto [cta, offset] =
        findShared(w, in, l, data.barrier, data.barrierOffset, 8);
    if (!cta) {
      return;
    }
    if (cta != transfer->cta) {
      report(w, in, "async", Mask(1) << l,
             "expects the mbarrier in the CTA that the copy goes to");
      return;
    }
    if (!data.isMulticast) {
      load(w, in, l, std::move(*transfer), offset);
      return;
    }
    uint32_t ranks = uint32_t(w.lane(in.s[data.mask], l)) & 0xFFFF;
    if (ranks == 0 || ranks >> group.ctas.size()) {
      report(w, in, "async", Mask(1) << l,
             "expects a mask of the cluster's " +
                 std::to_string(group.ctas.size()) + " CTAs, but got " +
                 std::to_string(ranks));
    }
    for (auto &target : group.ctas) {
      if (!(ranks >> target->rank & 1)) {
        continue;
      }
      if (target->numLive == 0) {
        report(w, in, "bounds", Mask(1) << l,
               "copies to cta rank " + std::to_string(target->rank) +
                   ", which has ended");
      } else {
        transfer->cta = target.get();
        load(w, in, l, *transfer, offset);
      }
    }
  });
  return Step::Next;
}

//===--- Copies out of shared memory --------------------------------------===//

static BulkQueue &queueOf(Warp &w) {
  if (!w.bulk) {
    w.bulk = std::make_unique<BulkQueue>();
  }
  return *w.bulk;
}

Step bulk::runStore(Warp &w, const Inst &in) {
  Group &group = w.cta.group;
  BulkQueue &queue = queueOf(w);
  queue.performSome(w);
  forEachLane(w.exec, [&](unsigned l) {
    std::optional<Transfer> transfer = makeTransfer(w, in, l);
    if (!transfer) {
      return;
    }
    Actor actor, *by = nullptr;
    if (RaceDetector *races = group.races.get()) {
      Agent agent = races->agent(AgentKind::Bulk, w.cta.rank, w.number);
      actor = races->start(agent, w.agent(), true, false);
      by = &actor;
    }
    if (!checkTransfer(w, in, l, *transfer, true, by)) {
      return;
    }
    FlyingStore &store = queue.open.emplace_back();
    store.inst = &in;
    store.lane = l;
    store.transfer = std::move(*transfer);
    store.time = by ? actor.time : 0;
    if (group.launch.options.completion == Completion::Eager) {
      queue.perform(w, store);
    }
  });
  return Step::Next;
}

Step bulk::runCommit(Warp &w, const Inst &) {
  BulkQueue &queue = queueOf(w);
  queue.performSome(w);
  queue.commit(w.exec);
  return Step::Next;
}

Step bulk::runWait(Warp &w, const Inst &in) {
  BulkQueue &queue = queueOf(w);
  queue.performSome(w);
  queue.wait(w, w.exec, uint32_t(in.imm), in.flags);
  return Step::Next;
}

//===--- Prefetches -------------------------------------------------------===//

Step bulk::runPrefetch(Warp &w, const Inst &in) {
  forEachLane(w.exec, [&](unsigned l) { (void)makeTransfer(w, in, l); });
  return Step::Next;
}
