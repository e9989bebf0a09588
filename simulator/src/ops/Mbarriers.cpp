//===- Mbarriers.cpp - Barrier objects in shared memory -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.13.15] mbarrier.init, inval, expect_tx, complete_tx, arrive,
// arrive_drop, test_wait, try_wait, pending_count; [9.7.13.15.13.1]
// cp.async.mbarrier.arrive. Every lane that runs does the operation for itself.
//
// To the race check, initialising an object is a write of its 8 bytes and every
// other operation a strong read of them.
//
//===----------------------------------------------------------------------===//
#include "Addresses.h"
#include "CopyQueue.h"
#include "Families.h"
#include "Operands.h"
#include "check/Reporter.h"
#include "exec/Mbarrier.h"
#include "exec/Warp.h"

#include <algorithm>
#include <utility>

using namespace ptxsim;

namespace {

struct MbarrierData : InstData {
  Space space = Space::Generic;
  int64_t offset = 0;
  bool isStrong = true; // releases or acquires; false: .relaxed
  bool isDrop = false;  // arrive_drop
  /// arrive.expect_tx: the operand is a number of bytes.
  bool isExpecting = false;
  bool isNoComplete = false;
  bool isTry = false, isParity = false;
  bool hasOperand = false; // a count
  bool isCounted = false;  // cp.async.mbarrier.arrive without .noinc
};

const MbarrierData &dataOf(const Inst &in) {
  return *static_cast<const MbarrierData *>(in.data);
}

/// A state as mbarrier.arrive gives it: the phase, and what was missing of it.
uint64_t makeState(const Mbarrier &barrier) {
  return barrier.phase << 20 | barrier.pending;
}

void report(Warp &w, const Inst &in, unsigned lane, std::string message) {
  report(w, in, "barriers", Mask(1) << lane, std::move(message));
}

/// The lanes' objects; null where there is none, which was reported.
struct Targets {
  Mbarrier *barrier[kLanes] = {};

  Targets(Warp &w, const Inst &in, const Ref &base) {
    const MbarrierData &data = dataOf(in);
    Access access = makeAccess(w, data, base);
    access.kind = Access::Kind::Read;
    access.order = Order::Relaxed;
    forEachLane(w.access(in, access), [&](unsigned l) {
      if (access.resolved[l] == Space::Shared) {
        barrier[l] = access.cta[l]->mbarriers.find(access.offset[l]);
      }
      if (!barrier[l]) {
        report(w, in, l,
               "expects an mbarrier that was initialised, but got " +
                   describeAddress(w, access.resolved[l], access.address[l]));
      }
    });
  }

  static Access makeAccess(Warp &w, const MbarrierData &data, const Ref &base) {
    Access access;
    access.space = data.space;
    access.lanes = w.exec;
    access.bytes = 8;
    access.isOfBarrier = true;
    setAddresses(w, base, data.offset, access);
    return access;
  }
};

//===--- Objects ----------------------------------------------------------===//

/// Nothing may refer to the object any more.
void release(Warp &w, const Mbarrier &barrier) {
  w.cta.group.deferred.performFor(barrier);
  for (Warp *waiting : barrier.waiting) {
    waiting->wake();
  }
}

/// Runs change(lane, offset) for lanes whose address is good.
template <class F> Step changeObject(Warp &w, const Inst &in, F change) {
  Access access = Targets::makeAccess(w, dataOf(in), in.s[0]);
  access.kind = Access::Kind::Write;
  forEachLane(w.access(in, access), [&](unsigned l) {
    if (access.resolved[l] != Space::Shared || access.cta[l] != &w.cta) {
      report(w, in, l, "expects shared memory of the CTA itself");
      return;
    }
    change(l, access.offset[l]);
  });
  return Step::Next;
}

Step runInit(Warp &w, const Inst &in) {
  return changeObject(w, in, [&](unsigned l, uint32_t offset) {
    uint32_t count = uint32_t(w.lane(in.s[1], l));
    if (count == 0 || count > Mbarrier::kMostArrivals) {
      report(w, in, l,
             "expects from 1 to 1048575 arrivals, but got " +
                 std::to_string(count));
      return;
    }
    if (const Mbarrier *old = w.cta.mbarriers.find(offset)) {
      report(w, in, l,
             "initialises " + old->describe() +
                 " again without mbarrier.inval");
      release(w, *old);
    }
    Mbarrier &barrier = w.cta.mbarriers.create(offset);
    barrier.cta = &w.cta;
    barrier.offset = offset;
    barrier.expected = barrier.pending = count;
    if (!w.cta.shadow.empty()) {
      w.cta.shadow.assign(offset, 8, Shadow::kWritten | Shadow::kBarrier);
    }
  });
}

Step runInval(Warp &w, const Inst &in) {
  return changeObject(w, in, [&](unsigned l, uint32_t offset) {
    Mbarrier *barrier = w.cta.mbarriers.find(offset);
    if (!barrier) {
      report(w, in, l,
             "expects an mbarrier, but got " +
                 describeAddress(w, Space::Shared, offset));
      return;
    }
    if (!barrier->waiting.empty() || w.cta.group.deferred.reaches(*barrier)) {
      report(w, in, l, "ends " + barrier->describe() + ", which is in use");
    }
    release(w, *barrier);
    w.cta.mbarriers.remove(offset);
    if (!w.cta.shadow.empty()) {
      w.cta.shadow.assign(offset, 8, Shadow::kWritten);
    }
  });
}

//===--- Arrivals and bytes -----------------------------------------------===//

void addBytes(Warp &w, const Inst &in, unsigned lane, Mbarrier &barrier,
              int64_t bytes) {
  barrier.bytes += bytes;
  if (std::abs(barrier.bytes) > Mbarrier::kMostBytes) {
    report(w, in, lane,
           "expects at most 1048575 bytes in a phase of an mbarrier, but got " +
               std::to_string(barrier.bytes));
  }
}

void arrive(Warp &w, const Inst &in, unsigned lane, Mbarrier &barrier,
            uint32_t count) {
  const MbarrierData &data = dataOf(in);
  if (count == 0 || count > barrier.pending) {
    report(w, in, lane,
           "arrives " + std::to_string(count) + " times at " +
               barrier.describe());
    count = barrier.pending;
  }
  if (data.isNoComplete && count == barrier.pending) {
    report(w, in, lane,
           "arrives with .noComplete at " + barrier.describe() +
               ", which completes the phase");
  }
  if (RaceDetector *races = w.cta.group.races.get()) {
    if (data.isStrong) {
      races->release(w.agent(), barrier.arriving);
    } else {
      barrier.arriving.join(w.fenced);
    }
  }
  barrier.pending -= count;
  if (data.isDrop) {
    barrier.expected -= std::min(count, barrier.expected);
  }
  ++w.cta.group.progress;
  barrier.update();
}

Step runArrive(Warp &w, const Inst &in) {
  const MbarrierData &data = dataOf(in);
  Targets targets(w, in, in.s[0]);
  forEachLane(w.exec, [&](unsigned l) {
    Mbarrier *barrier = targets.barrier[l];
    uint64_t state = barrier ? makeState(*barrier) : 0;
    uint64_t value = data.hasOperand ? w.lane(in.s[1], l) : 1;
    if (barrier) {
      if (!in.d.empty() && barrier->cta != &w.cta) {
        report(w, in, l,
               "expects '_' for the state of " + barrier->describe() +
                   ", which is not the CTA's own");
      }
      if (data.isExpecting) {
        addBytes(w, in, l, *barrier, int64_t(value));
      }
      arrive(w, in, l, *barrier, data.isExpecting ? 1 : uint32_t(value));
    }
    if (!in.d.empty()) {
      w.setLane(in.d[0], l, state);
    }
  });
  return Step::Next;
}

/// expect_tx; complete_tx, which stands for the end of a copy.
Step runBytes(Warp &w, const Inst &in) {
  Targets targets(w, in, in.s[0]);
  forEachLane(w.exec, [&](unsigned l) {
    if (Mbarrier *barrier = targets.barrier[l]) {
      addBytes(w, in, l, *barrier, in.imm * int64_t(w.lane(in.s[1], l)));
      ++w.cta.group.progress;
      barrier->update();
    }
  });
  return Step::Next;
}

/// [9.7.13.15.8] Only arrivals may come from other CTAs.
void expectOwn(Warp &w, const Inst &in, unsigned lane,
               const Mbarrier &barrier) {
  if (barrier.cta != &w.cta) {
    report(w, in, lane,
           "expects an mbarrier of the CTA itself, but got " +
               barrier.describe());
  }
}

/// The end of the cp.async that some lanes have issued so far.
class CopyArrival : public Deferred {
public:
  CopyArrival(Mbarrier &barrier, Warp &w, const Inst &in, Mask lanes,
              uint32_t count)
      : Deferred(barrier, w, in, unsigned(std::countr_zero(lanes))),
        lanes(lanes), count(count) {
    if (warp.copies) {
      warp.copies->track(lanes);
      time = warp.copies->lastTime;
    }
  }

  void perform() override {
    if (warp.copies) {
      warp.copies->performTracked(warp, lanes);
    }
    // The copies' doing, and not what the warp has done meanwhile.
    Group &group = warp.cta.group;
    if (RaceDetector *races = group.races.get(); races && time) {
      Agent agent = races->agent(AgentKind::Copies, warp.cta.rank, warp.number);
      VectorClock &seen = barrier.arriving.seen;
      seen.resize(std::max<size_t>(seen.size(), agent + 1), 0);
      seen[agent] = std::max(seen[agent], time);
    }
    if (count > barrier.pending) {
      report(warp, inst, lane,
             "copies arrive " + std::to_string(count) + " times at " +
                 barrier.describe());
      count = barrier.pending;
    }
    barrier.pending -= count;
    ++group.progress;
    barrier.update();
  }

private:
  Mask lanes;
  uint32_t count, time = 0;
};

/// cp.async.mbarrier.arrive: the lanes of one object arrive together.
Step runCopyArrive(Warp &w, const Inst &in) {
  Targets targets(w, in, in.s[0]);
  for (Mask left = w.exec; left;) {
    Mbarrier *barrier = targets.barrier[std::countr_zero(left)];
    Mask same = selectLanes(
        left, [&](unsigned l) { return targets.barrier[l] == barrier; });
    left &= ~same;
    if (!barrier) {
      continue;
    }
    expectOwn(w, in, unsigned(std::countr_zero(same)), *barrier);
    uint32_t count = uint32_t(std::popcount(same));
    if (dataOf(in).isCounted) {
      barrier->pending += count;
    }
    w.cta.group.deferred.add(
        std::make_unique<CopyArrival>(*barrier, w, in, same, count));
  }
  return Step::Next;
}

//===--- Waits ------------------------------------------------------------===//

/// Whether the phase that the lane waits for is complete.
bool isComplete(Warp &w, const Inst &in, unsigned lane,
                const Mbarrier &barrier) {
  uint64_t operand = w.lane(in.s[1], lane);
  return dataOf(in).isParity ? barrier.hasCompleted(operand & 1)
                             : barrier.phase > operand >> 20;
}

/// Only the current phase and the one before it can be told apart [9.7.13.15].
void checkAge(Warp &w, const Inst &in, unsigned lane, Mbarrier &barrier) {
  uint64_t &last = barrier.waited[&w];
  bool isLate = dataOf(in).isParity
                    ? last && barrier.phase > last + 2
                    : barrier.phase > (w.lane(in.s[1], lane) >> 20) + 1;
  if (isLate) {
    w.cta.group.launch.reporter.warn(
        w, in, "barriers", Mask(1) << lane,
        "waits for a phase of " + barrier.describe() +
            " that lies two or more phases back; a phase of the same parity "
            "answers for it");
  }
  last = barrier.phase;
}

Step runWait(Warp &w, const Inst &in) {
  const MbarrierData &data = dataOf(in);
  Group &group = w.cta.group;
  group.deferred.performSome();
  Targets targets(w, in, in.s[0]);
  Mask done = 0;
  Mbarrier *open = nullptr;
  forEachLane(w.exec, [&](unsigned l) {
    Mbarrier *barrier = targets.barrier[l];
    // Without an object nothing would ever end.
    if (barrier && !w.isResumed) {
      expectOwn(w, in, l, *barrier);
      uint64_t parity = w.lane(in.s[1], l);
      // Triton has a -1 for an odd phase: the GPU looks at the low bit.
      if (data.isParity && parity > 1 && parity != 0xFFFF'FFFF) {
        report(w, in, l,
               "expects parity 0 or 1, but got " + std::to_string(parity));
      }
    }
    bool isDone = !barrier || isComplete(w, in, l, *barrier);
    done |= Mask(isDone) << l;
    open = isDone ? open : barrier;
  });
  bool isTimeUp = std::exchange(w.isTimeUp, false);
  if (open && !done && data.isTry && !isTimeUp && !group.drawsFailure()) {
    open->waiting.push_back(&w);
    w.waitsAt = open;
    return Step::Wait;
  }
  RaceDetector *races = group.races.get();
  const Mbarrier *last = nullptr;
  forEachLane(done, [&](unsigned l) {
    Mbarrier *barrier = targets.barrier[l];
    if (barrier && barrier != last) {
      checkAge(w, in, l, *barrier);
      if (races && data.isStrong) {
        races->acquire(w.agent(), barrier->completed);
      } else if (races) {
        w.observed.join(barrier->completed);
      }
      last = barrier;
    }
  });
  w.setPredicate(in.d[0], done);
  w.polledBy = &in;
  w.polledCta = done == w.exec ? nullptr : open->cta;
  w.polledOffset = open ? open->offset : 0;
  if (done != w.exec) {
    return Step::Poll;
  }
  w.vainQuanta = Warp::kMostVainQuanta;
  return Step::Next;
}

Step runPendingCount(Warp &w, const Inst &in) {
  forEachLane(w.exec, [&](unsigned l) {
    w.setLane(in.d[0], l, w.lane(in.s[0], l) & Mbarrier::kMostArrivals);
  });
  return Step::Next;
}

//===--- Decoding ---------------------------------------------------------===//

/// Takes `strong`.cta, .relaxed.cluster and their like; true unless it is
/// .relaxed.
bool takeStrength(const Instruction &text, Words &words,
                  std::string_view strong) {
  std::string_view order = words.take({strong, "relaxed"});
  if (words.take({"cta", "cluster"}).empty() != order.empty()) {
    Builder::fail("expects an order and a scope or none of them in '" +
                  text.name() + "'");
  }
  return order != "relaxed";
}

/// For what only the CTA's own objects have.
void expectNotRemote(const Instruction &text) {
  if (text.has("shared::cluster")) {
    Builder::fail("expects an mbarrier of the CTA itself in '" + text.name() +
                  "'");
  }
}

void expectShared(const Instruction &text, Words &words, MbarrierData &data) {
  data.space = takeSpace(words);
  if (data.space != Space::Shared && data.space != Space::Generic) {
    Builder::fail("expects shared memory in '" + text.name() + "'");
  }
}

void decodeArrive(const Instruction &text, Builder &builder, Inst &inst,
                  Words &words, MbarrierData &data) {
  data.isExpecting = words.take("expect_tx");
  data.isNoComplete = words.take("noComplete");
  if (data.isNoComplete) {
    expectNotRemote(text);
    if (text.has("relaxed") || text.has("cluster")) {
      Builder::fail("expects .release.cta or nothing of it in '" + text.name() +
                    "'");
    }
  }
  data.isStrong = takeStrength(text, words, "release");
  expectShared(text, words, data);
  words.take("b64");
  words.done();
  // .noComplete has a count, .expect_tx a number of bytes.
  data.hasOperand = text.operands.size() > 2;
  bool needsOperand = data.isNoComplete || data.isExpecting;
  Builder::expectOperands(text, needsOperand ? 3 : 2, 3);
  std::vector<Ref> d, s{builder.address(text.operands[1], data.offset)};
  if (text.operands[0].kind != Operand::Kind::Sink) {
    expectNotRemote(text);
    d.push_back(builder.dst(text.operands[0], 64));
  }
  if (data.hasOperand) {
    s.push_back(builder.src(text.operands[2], kU32));
  }
  builder.setOperands(inst, std::move(d), std::move(s));
  inst.run = runArrive;
}

void decodeWait(const Instruction &text, Builder &builder, Inst &inst,
                Words &words, MbarrierData &data) {
  expectNotRemote(text);
  data.isParity = words.take("parity");
  data.isStrong = takeStrength(text, words, "acquire");
  expectShared(text, words, data);
  words.take("b64");
  words.done();
  // A hint of how long to wait may follow.
  Builder::expectOperands(text, 3, data.isTry ? 4 : 3);
  builder.setOperands(
      inst, {builder.predDst(text.operands[0])},
      {builder.address(text.operands[1], data.offset),
       builder.src(text.operands[2], data.isParity ? kU32 : kB64)});
  inst.run = runWait;
}

bool decodeMbarrier(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  auto &data = builder.makeData<MbarrierData>(inst);
  inst.kind = InstClass::Barrier;
  std::string_view what =
      words.take({"init", "inval", "arrive", "arrive_drop", "test_wait",
                  "try_wait", "pending_count"});
  if (what == "arrive" || what == "arrive_drop") {
    data.isDrop = what == "arrive_drop";
    decodeArrive(text, builder, inst, words, data);
    return true;
  }
  if (what == "test_wait" || what == "try_wait") {
    data.isTry = what == "try_wait";
    decodeWait(text, builder, inst, words, data);
    return true;
  }
  if (what == "pending_count") {
    words.take("b64");
    words.done();
    Builder::expectOperands(text, 2, 2);
    builder.setOperands(inst, {builder.dst(text.operands[0], 32)},
                        {builder.src(text.operands[1], kB64)});
    inst.run = runPendingCount;
    return true;
  }
  if (what.empty()) {
    what = words.take({"expect_tx", "complete_tx"});
    takeStrength(text, words, "relaxed");
  } else {
    expectNotRemote(text);
  }
  if (what.empty()) {
    return false;
  }
  expectShared(text, words, data);
  words.take("b64");
  words.done();
  size_t count = what == "inval" ? 1 : 2;
  Builder::expectOperands(text, count, count);
  std::vector<Ref> s{builder.address(text.operands[0], data.offset)};
  if (count == 2) {
    s.push_back(builder.src(text.operands[1], kU32));
  }
  builder.setOperands(inst, {}, std::move(s));
  inst.run = what == "init" ? runInit : what == "inval" ? runInval : runBytes;
  inst.imm = what == "complete_tx" ? -1 : 1;
  return true;
}

/// cp.async.mbarrier.arrive{.noinc}{.shared{::cta}}.b64 [address];
bool decodeCopyArrive(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  if (!words.take("async") || !words.take("mbarrier")) {
    return false;
  }
  auto &data = builder.makeData<MbarrierData>(inst);
  words.take("arrive");
  expectNotRemote(text);
  data.isCounted = !words.take("noinc");
  expectShared(text, words, data);
  words.take("b64");
  words.done();
  Builder::expectOperands(text, 1, 1);
  builder.setOperands(inst, {},
                      {builder.address(text.operands[0], data.offset)});
  inst.run = runCopyArrive;
  inst.kind = InstClass::AsyncCopy;
  return true;
}

} // namespace

void ptxsim::addMbarriers(DecoderTable &table) {
  table["mbarrier"].push_back(decodeMbarrier);
  table["cp"].push_back(decodeCopyArrive);
}
