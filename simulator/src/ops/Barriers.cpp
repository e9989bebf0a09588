//===- Barriers.cpp - Named barriers of a CTA ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.13.1] bar, barrier; [9.7.13.2] bar.warp.sync. A generation of a barrier
// opens with the first arrival and closes when as many threads as it names have
// come. Arrivals count whole warps.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "check/RaceDetector.h"
#include "check/Reporter.h"
#include "exec/Warp.h"

#include <algorithm>

using namespace ptxsim;

namespace {

enum Flags : uint32_t {
  kWaits = 1, // sync, red; arrive does not
  kHasCount = 2,
  kPopulation = 4, // red.popc
  kAnd = 8,        // red.and
  kOr = 16,        // red.or
};

} // namespace

static void deliver(Warp &w, const Inst &in, const NamedBarrier &barrier) {
  Mask lanes = w.live;
  if (in.flags & kPopulation) {
    forEachLane(lanes,
                [&](unsigned l) { w.setLane(in.d[0], l, barrier.population); });
  } else if (in.flags & (kAnd | kOr)) {
    bool value = in.flags & kAnd ? barrier.conjunction : barrier.disjunction;
    Mask &p = w.predicates[in.d[0].offset];
    p = (p & ~lanes) | (value ? lanes : 0);
  }
}

static Step runBarrier(Warp &w, const Inst &in) {
  Cta &cta = w.cta;
  Group &group = cta.group;
  auto report = [&](std::string message) {
    ptxsim::report(w, in, "barriers", w.exec, std::move(message));
  };
  unsigned lane = unsigned(std::countr_zero(w.exec));
  uint64_t id = w.lane(in.s[0], lane);
  if (id > 15) {
    report("expects a barrier from 0 to 15, but got " + std::to_string(id));
    return Step::Next;
  }
  uint32_t count = uint32_t(cta.warps.size()) * kLanes;
  if (in.flags & kHasCount) {
    count = uint32_t(w.lane(in.s[1], lane));
    if (count == 0 || count % kLanes) {
      report("expects a number of threads that is a multiple of 32, but got " +
             std::to_string(count));
      count = (count / kLanes + 1) * kLanes;
    }
  }
  NamedBarrier &barrier = cta.barriers[id];
  if (barrier.arrivals.empty()) {
    barrier.expected = count;
    barrier.first = &in;
    barrier.population = 0;
    barrier.conjunction = true;
    barrier.disjunction = false;
    barrier.clock.clear();
  } else {
    if (barrier.expected != count) {
      report("expects " + std::to_string(barrier.expected) +
             " threads at barrier " + std::to_string(id) + ", as at line " +
             std::to_string(barrier.first->line()) + ", but got " +
             std::to_string(count));
    }
    if ((in.needsAllLanes || barrier.first->needsAllLanes) &&
        barrier.first != &in) {
      std::string text = "aligned barrier " + std::to_string(id) +
                         " is met at line " +
                         std::to_string(barrier.first->line()) +
                         " by other warps; different places need barrier.sync";
      // Producers and consumers meet so, in the manual's own example as well.
      if (in.flags & barrier.first->flags & kHasCount) {
        cta.group.launch.reporter.warn(w, in, "barriers", w.exec,
                                       std::move(text));
      } else {
        report(std::move(text));
      }
    }
    if (std::find(barrier.arrivals.begin(), barrier.arrivals.end(), w.number) !=
        barrier.arrivals.end()) {
      report("warp " + std::to_string(w.number) + " comes to barrier " +
             std::to_string(id) + " twice in one generation");
    }
  }
  barrier.arrivals.push_back(w.number);
  barrier.arrived += kLanes;
  ++group.progress;
  if (in.flags & (kPopulation | kAnd | kOr)) {
    Mask p = w.predicate(in.s.back());
    barrier.population += uint32_t(std::popcount(p & w.exec));
    barrier.conjunction &= (p & w.exec) == w.exec;
    barrier.disjunction |= (p & w.exec) != 0;
  }
  RaceDetector *races = group.races.get();
  if (races) {
    races->release(w.agent(), barrier.clock);
  }
  bool waits = in.flags & kWaits;
  if (barrier.arrived < barrier.expected) {
    if (!waits) {
      return Step::Next;
    }
    barrier.waiting.push_back(w.number);
    w.waitsFor = "barrier " + std::to_string(id) + " (" +
                 std::to_string(barrier.arrived) + " of " +
                 std::to_string(barrier.expected) + " threads)";
    return Step::Block;
  }
  // The last one opens it for all.
  if (waits) {
    barrier.waiting.push_back(w.number);
  }
  for (uint32_t n : barrier.waiting) {
    Warp &other = *cta.warps[n];
    if (races) {
      races->acquire(other.agent(), barrier.clock);
    }
    // A waiting warp stands behind its barrier.
    const Inst &its = n == w.number ? in : other.program.code[other.pc() - 1];
    deliver(other, its, barrier);
    if (n != w.number) {
      other.wake();
    }
  }
  barrier.waiting.clear();
  barrier.arrivals.clear();
  barrier.arrived = 0;
  return Step::Next;
}

/// bar{.cta}.sync a{, b}; .arrive a, b; .red.op d, a{, b}, p; barrier the same,
/// with `.aligned` where all lanes and warps meet at one place.
static bool decodeBarrier(const Instruction &text, Builder &builder,
                          Inst &inst) {
  Words words(text);
  if (words.take("warp")) {
    return false;
  }
  if (words.take("cluster")) {
    return false;
  }
  words.take("cta");
  std::string_view what = words.take({"sync", "arrive", "red"});
  if (what.empty()) {
    Builder::fail("expects sync, arrive or red in '" + text.name() + "'");
  }
  bool isAligned = text.opcode == "bar" || words.take("aligned");
  std::span<const Operand> operands(text.operands);
  Type u32{Type::Kind::Unsigned, 32, 1};
  std::vector<Ref> d, s;
  Ref predicate;
  inst.flags = what == "arrive" ? 0u : uint32_t(kWaits);
  if (what == "red") {
    std::string_view op = words.take({"popc", "and", "or"});
    if (op.empty()) {
      Builder::fail("expects popc, and or or in '" + text.name() + "'");
    }
    words.takeType();
    Builder::expectOperands(text, 3, 4);
    inst.flags |= op == "popc" ? kPopulation : op == "and" ? kAnd : kOr;
    d.push_back(op == "popc" ? builder.dst(operands[0], 32)
                             : builder.predDst(operands[0]));
    predicate = builder.predSrc(operands.back());
    operands = operands.subspan(1, operands.size() - 2);
  } else {
    Builder::expectOperands(text, what == "arrive" ? 2 : 1, 2);
  }
  words.done();
  for (const Operand &operand : operands) {
    s.push_back(builder.src(operand, u32));
  }
  if (operands.size() > 1) {
    inst.flags |= kHasCount;
  }
  if (predicate) {
    s.push_back(predicate);
  }
  builder.setOperands(inst, std::move(d), std::move(s));
  inst.run = runBarrier;
  inst.kind = InstClass::Barrier;
  inst.needsAllLanes = isAligned;
  return true;
}

/// The lanes of the mask meet. Lanes of one path are together always.
static Step runWarpBarrier(Warp &w, const Inst &in) {
  unsigned lane = unsigned(std::countr_zero(w.exec));
  Mask mask = Mask(w.lane(in.s[0], lane));
  if (mask & w.live & ~w.exec) {
    report(w, in, "lanes", w.exec,
           "lanes of the mask are elsewhere: relies on progress inside of a "
           "warp");
  }
  return Step::Next;
}

static bool decodeWarpBarrier(const Instruction &text, Builder &builder,
                              Inst &inst) {
  Words words(text);
  if (!words.take("warp")) {
    return false;
  }
  words.take("sync");
  words.done();
  Builder::expectOperands(text, 1, 1);
  builder.setOperands(
      inst, {}, {builder.src(text.operands[0], Type{Type::Kind::Bits, 32, 1})});
  inst.run = runWarpBarrier;
  inst.kind = InstClass::Barrier;
  return true;
}

void ptxsim::addBarriers(DecoderTable &table) {
  table["bar"].push_back(decodeWarpBarrier);
  table["bar"].push_back(decodeBarrier);
  table["barrier"].push_back(decodeBarrier);
}
