//===- Clusters.cpp - CTAs that see each other's shared memory ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.9.23] mapa, [9.7.9.24] getctarank, [9.7.13.3] barrier.cluster.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "Operands.h"
#include "check/Reporter.h"
#include "exec/Warp.h"

using namespace ptxsim;

namespace {

enum Flags : uint32_t {
  kIsShared = 1,  // addresses are offsets of the shared window
  kIsRelaxed = 2, // barrier.cluster.arrive.relaxed
};

//===--- Addresses --------------------------------------------------------===//

/// The offset in the shared window of an operand.
uint64_t offsetOf(const Inst &in, uint64_t address) {
  return in.flags & kIsShared ? address : address - kSharedWindow;
}

Step runMapa(Warp &w, const Inst &in) {
  uint64_t window = in.flags & kIsShared ? 0 : kSharedWindow;
  forEachLane(w.exec, [&](unsigned l) {
    uint64_t offset = offsetOf(in, w.lane(in.s[0], l));
    uint32_t rank = uint32_t(w.lane(in.s[1], l));
    if (offset >= kWindowBytes || rank >= w.cta.group.ctas.size()) {
      report(w, in, "bounds", Mask(1) << l,
             offset >= kWindowBytes
                 ? "expects an address of shared memory"
                 : "expects a rank below " +
                       std::to_string(w.cta.group.ctas.size()) + ", but got " +
                       std::to_string(rank));
      rank = w.cta.rank;
    }
    w.setLane(in.d[0], l,
              window + sharedAddress(rank, uint32_t(offset % kCtaWindowBytes)));
  });
  return Step::Next;
}

Step runRank(Warp &w, const Inst &in) {
  forEachLane(w.exec, [&](unsigned l) {
    uint64_t place = offsetOf(in, w.lane(in.s[0], l)) / kCtaWindowBytes;
    w.setLane(in.d[0], l, place ? place - 1 : w.cta.rank);
  });
  return Step::Next;
}

/// mapa{.shared::cluster}.{u32,u64} d, address, rank;
/// getctarank{.shared::cluster}.{u32,u64} d, address;
bool decodeAddress(const Instruction &text, Builder &builder, Inst &inst) {
  bool isMapa = text.opcode == "mapa";
  Words words(text);
  inst.flags = words.take("shared::cluster") ? uint32_t(kIsShared) : 0;
  Type type = words.takeType();
  words.done();
  if (type != kU32 && type != Type{Type::Kind::Unsigned, 64, 1}) {
    Builder::fail("expects u32 or u64 in '" + text.name() + "'");
  }
  Builder::expectOperands(text, isMapa ? 3 : 2, isMapa ? 3 : 2);
  std::vector<Ref> s{builder.src(text.operands[1], type)};
  if (isMapa) {
    s.push_back(builder.src(text.operands[2], kU32));
  }
  builder.setOperands(
      inst, {builder.dst(text.operands[0], isMapa ? type.totalBits() : 32)},
      std::move(s));
  inst.run = isMapa ? runMapa : runRank;
  return true;
}

//===--- barrier.cluster --------------------------------------------------===//

Step runArrive(Warp &w, const Inst &in) {
  Group &group = w.cta.group;
  if (Mask twice = (w.clusterArrived | w.clusterPassed) & w.exec) {
    report(w, in, "barriers", twice,
           "arrives at the cluster's barrier again without barrier.cluster."
           "wait");
  }
  if (RaceDetector *races = group.races.get()) {
    if (in.flags & kIsRelaxed) {
      group.barrier.arriving.join(w.initialised);
      group.barrier.arriving.join(w.fenced);
    } else {
      races->release(w.agent(), group.barrier.arriving);
    }
  }
  w.clusterArrived |= w.exec;
  ++group.progress;
  group.updateBarrier();
  return Step::Next;
}

Step runWait(Warp &w, const Inst &in) {
  Group &group = w.cta.group;
  // A barrier that has opened has let go of the lanes that arrived.
  if (w.clusterArrived & w.exec) {
    group.barrier.waiting.push_back(&w);
    w.waitsFor = "the cluster's barrier";
    return Step::Wait;
  }
  if (Mask missing = w.exec & ~w.clusterPassed) {
    report(w, in, "barriers", missing,
           "waits at the cluster's barrier without having arrived");
  }
  w.clusterPassed &= ~w.exec;
  if (RaceDetector *races = group.races.get()) {
    races->acquire(w.agent(), group.barrier.completed);
  }
  return Step::Next;
}

/// barrier.cluster.{arrive{.release,.relaxed},wait{.acquire}}{.aligned};
bool decodeClusterBarrier(const Instruction &text, Builder &builder,
                          Inst &inst) {
  Words words(text);
  if (!words.take("cluster")) {
    return false;
  }
  std::string_view what = words.take({"arrive", "wait"});
  if (what.empty()) {
    Builder::fail("expects arrive or wait in '" + text.name() + "'");
  }
  if (what == "arrive") {
    inst.flags = words.take({"release", "relaxed"}) == "relaxed"
                     ? uint32_t(kIsRelaxed)
                     : 0;
  } else {
    words.take("acquire");
  }
  inst.needsAllLanes = words.take("aligned");
  words.done();
  Builder::expectOperands(text, 0, 0);
  builder.setOperands(inst, {}, {});
  inst.run = what == "arrive" ? runArrive : runWait;
  inst.kind = InstClass::Barrier;
  return true;
}

} // namespace

void Group::updateBarrier() {
  bool hasArrived = false;
  for (const auto &cta : ctas) {
    for (const auto &warp : cta->warps) {
      if (warp->live & ~warp->clusterArrived) {
        return;
      }
      hasArrived |= warp->clusterArrived != 0;
    }
  }
  if (!hasArrived) {
    return;
  }
  for (const auto &cta : ctas) {
    for (const auto &warp : cta->warps) {
      warp->clusterPassed |= warp->clusterArrived;
      warp->clusterArrived = 0;
    }
  }
  barrier.completed.join(barrier.arriving);
  barrier.arriving.clear();
  for (Warp *warp : barrier.waiting) {
    warp->wake();
  }
  barrier.waiting.clear();
  ++progress;
}

void ptxsim::addClusters(DecoderTable &table) {
  table["mapa"].push_back(decodeAddress);
  table["getctarank"].push_back(decodeAddress);
  table["barrier"].insert(table["barrier"].begin(), decodeClusterBarrier);
}
