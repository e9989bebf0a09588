//===- Copies.cpp - Asynchronous copies to shared memory ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.9.25.3] cp.async, cp.async.commit_group, cp.async.wait_group,
// cp.async.wait_all.
//
// Every copy is checked where it is issued: its addresses, and its destination
// as a write of the warp's asynchronous agent, which the warp knows of only
// after the wait. When the bytes move is what Options::completion says: at
// once, at the wait, or lane by lane somewhere between.
//
// Groups are per thread. A warp keeps one queue: a group has the lanes that
// committed it together, and leaves a lane's account when the lane waits for
// it. For the race check a wait by some of the lanes counts as one by all.
//
//===----------------------------------------------------------------------===//
#include "Addresses.h"
#include "CopyQueue.h"
#include "Families.h"
#include "Operands.h"
#include "check/RaceDetector.h"
#include "check/Reporter.h"

#include <algorithm>

using namespace ptxsim;

namespace {

/// What the third source is.
enum Flags : uint32_t { kSourceBytes = 1, kIgnoresSource = 2 };

struct CopyData : InstData {
  unsigned bytes = 0;
  int64_t toOffset = 0, fromOffset = 0;
};

CopyQueue &queueOf(Warp &w) {
  if (!w.copies) {
    w.copies = std::make_unique<CopyQueue>(w);
  }
  return *w.copies;
}

/// Bytes that each lane takes from its source, at most the size of the copy.
void setSourceBytes(Warp &w, const Inst &in, const CopyData &data,
                    FlyingCopy &copy) {
  Mask zeros = in.flags & kIgnoresSource ? w.predicate(in.s[2]) : 0;
  Mask tooMany = 0;
  forEachLane(w.exec, [&](unsigned l) {
    uint64_t n = in.flags & kSourceBytes ? w.lane(in.s[2], l) : data.bytes;
    tooMany |= Mask(n > data.bytes) << l;
    copy.fromBytes[l] =
        zeros >> l & 1 ? 0 : uint32_t(std::min<uint64_t>(n, data.bytes));
  });
  if (tooMany) {
    unsigned l = unsigned(std::countr_zero(tooMany));
    report(w, in, "async", tooMany,
           "expects at most " + std::to_string(data.bytes) +
               " bytes of the source, but got " +
               std::to_string(w.lane(in.s[2], l)));
  }
}

} // namespace

/// Checks the sources; gives the lanes that may go on. Lanes that take fewer
/// bytes touch no others, and none of an empty source.
static Mask accessSources(Warp &w, const Inst &in, const CopyData &data,
                          FlyingCopy &copy) {
  Access access;
  access.space = Space::Global;
  access.align = data.bytes;
  setAddresses(w, in.s[1], data.fromOffset, access);
  Mask good = 0;
  for (Mask left = w.exec; left;) {
    uint32_t n = copy.fromBytes[std::countr_zero(left)];
    Mask same =
        selectLanes(left, [&](unsigned l) { return copy.fromBytes[l] == n; });
    left &= ~same;
    if (n == 0) {
      good |= same;
      continue;
    }
    access.lanes = same;
    access.bytes = n;
    good |= w.access(in, access);
  }
  forEachLane(good, [&](unsigned l) {
    copy.from[l] = copy.fromBytes[l] ? access.host[l] : nullptr;
  });
  return good;
}

static Step runCopy(Warp &w, const Inst &in) {
  const auto &data = *static_cast<const CopyData *>(in.data);
  const Options &options = w.cta.group.launch.options;
  CopyQueue &queue = queueOf(w);
  queue.performSome(w);
  FlyingCopy &copy = queue.open.emplace_back();
  copy.inst = &in;
  copy.bytes = data.bytes;
  setSourceBytes(w, in, data, copy);
  Mask good = accessSources(w, in, data, copy);
  Access access;
  Actor actor;
  if (RaceDetector *races = w.cta.group.races.get()) {
    Agent agent = races->agent(AgentKind::Copies, w.cta.rank, w.number);
    actor = races->start(agent, w.agent(), false, true);
    access.actor = &actor;
    copy.time = queue.lastTime = actor.time;
  }
  access.space = Space::Shared;
  access.kind = Access::Kind::Write;
  access.lanes = good;
  access.bytes = data.bytes;
  setAddresses(w, in.s[0], data.toOffset, access);
  good = w.access(in, access);
  Mask foreign = 0;
  forEachLane(good, [&](unsigned l) {
    foreign |= Mask(access.cta[l] != &w.cta) << l;
    copy.to[l] = access.offset[l];
  });
  if (foreign) {
    report(w, in, "bounds", foreign,
           "copies to the shared memory of another CTA");
  }
  good &= ~foreign;
  forEachLane(options.checks.async ? good : 0, [&](unsigned l) {
    w.cta.shadow.assign(copy.to[l], copy.bytes,
                        Shadow::kWritten | Shadow::kInFlight);
  });
  copy.lanes = copy.pending = good;
  queue.checkOverlap(w, copy);
  if (options.completion == Completion::Eager) {
    queue.perform(w, copy, kAllLanes);
  }
  if (!good) {
    queue.open.pop_back();
  }
  return Step::Next;
}

static Step runCommit(Warp &w, const Inst &) {
  CopyQueue &queue = queueOf(w);
  queue.performSome(w);
  queue.commit(w.exec);
  return Step::Next;
}

static Step runWaitGroup(Warp &w, const Inst &in) {
  CopyQueue &queue = queueOf(w);
  queue.performSome(w);
  queue.wait(w, w.exec, uint32_t(in.imm));
  return Step::Next;
}

static Step runWaitAll(Warp &w, const Inst &) {
  CopyQueue &queue = queueOf(w);
  queue.commit(w.exec);
  queue.wait(w, w.exec, 0);
  return Step::Next;
}

/// cp.async.{ca,cg}.shared{::cta}.global{.L2::cache_hint}{.L2::128B} [to],
/// [from], bytes{, source bytes | predicate}{, policy}
static void decodeCopy(const Instruction &text, Builder &builder, Inst &inst,
                       Words &words) {
  std::string_view cache = words.take({"ca", "cg"});
  if (cache.empty() || words.take({"shared", "shared::cta"}).empty() ||
      !words.take("global")) {
    Builder::fail("expects '.ca' or '.cg', '.shared' and '.global' in '" +
                  text.name() + "'");
  }
  bool hasPolicy = words.take("L2::cache_hint");
  words.take({"L2::64B", "L2::128B", "L2::256B"});
  words.done();
  size_t n = text.operands.size() - size_t(hasPolicy);
  if (text.operands.size() < 3 + size_t(hasPolicy) || n > 4) {
    Builder::fail("expects two addresses, a size and at most one operand more "
                  "before the policy of '" +
                  text.name() + "'");
  }
  auto &data = builder.makeData<CopyData>(inst);
  std::vector<Ref> s{builder.address(text.operands[0], data.toOffset),
                     builder.address(text.operands[1], data.fromOffset)};
  int64_t bytes = builder.immediate(text.operands[2]);
  bool isKnown =
      cache == "cg" ? bytes == 16 : bytes == 4 || bytes == 8 || bytes == 16;
  if (!isKnown) {
    Builder::fail(
        "expects " + std::string(cache == "cg" ? "16" : "4, 8 or 16") +
        " bytes of '" + text.name() + "', but got " + std::to_string(bytes));
  }
  data.bytes = unsigned(bytes);
  if (n == 4) {
    const Operand &last = text.operands[3];
    auto declared = builder.program.function->registers.find(last.name);
    bool isPredicate = last.kind == Operand::Kind::Register &&
                       declared != builder.program.function->registers.end() &&
                       declared->second == RegisterWidth::Pred;
    inst.flags = isPredicate ? kIgnoresSource : kSourceBytes;
    s.push_back(isPredicate ? builder.predSrc(last) : builder.src(last, kU32));
  }
  if (hasPolicy) {
    s.push_back(builder.src(text.operands.back(), kB64));
  }
  builder.setOperands(inst, {}, std::move(s));
  inst.run = runCopy;
}

/// What the folder of copies has for one thread. Bulk copies are another
/// family's.
static bool decodeCp(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  if (!words.take("async") || text.has("bulk") || text.has("mbarrier")) {
    return false;
  }
  inst.kind = InstClass::AsyncCopy;
  if (decodeGroups(text, builder, inst, words, runCommit, runWaitGroup)) {
    return true;
  }
  if (words.take("wait_all")) {
    words.done();
    Builder::expectOperands(text, 0, 0);
    builder.setOperands(inst, {}, {});
    inst.run = runWaitAll;
  } else {
    decodeCopy(text, builder, inst, words);
  }
  return true;
}

void ptxsim::addCopies(DecoderTable &table) { table["cp"].push_back(decodeCp); }
