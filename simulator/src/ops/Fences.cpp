//===- Fences.cpp - Order between accesses of a thread ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.13.4] membar, fence, fence.proxy, fence.mbarrier_init. Only the checks
// know of them: accesses are done in the order of the program.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "check/GlobalRaces.h"
#include "exec/Warp.h"

#include <atomic>

using namespace ptxsim;

static Step runFence(Warp &w, const Inst &in) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (w.cta.group.order) {
    w.cta.group.order->fence(w.agent(), Scope(in.imm));
  }
  // With the relaxed arrivals behind it and the relaxed waits before it [8.7].
  if (RaceDetector *races = w.cta.group.races.get()) {
    races->release(w.agent(), w.fenced);
    races->acquire(w.agent(), w.observed);
  }
  return Step::Next;
}

/// What the asynchronous proxy does from now on may rely on what is known.
static Step runAsyncFence(Warp &w, const Inst &) {
  if (RaceDetector *races = w.cta.group.races.get()) {
    races->fenceProxy(w.agent());
  }
  return Step::Next;
}

/// A relaxed arrival at the cluster's barrier takes along what is known here.
/// By the letter only the initialisation of mbarriers; a fence that covers more
/// hides findings and makes up none.
static Step runInitFence(Warp &w, const Inst &) {
  if (RaceDetector *races = w.cta.group.races.get()) {
    races->release(w.agent(), w.initialised);
  }
  return Step::Next;
}

static Step runNothing(Warp &, const Inst &) { return Step::Next; }

static void setFence(Builder &builder, Inst &inst, Handler run) {
  builder.setOperands(inst, {}, {});
  inst.run = run;
  inst.kind = InstClass::Barrier;
}

/// membar.{cta,gl,sys}.
static bool decodeMembar(const Instruction &text, Builder &builder,
                         Inst &inst) {
  Words words(text);
  if (words.take("proxy")) {
    return false;
  }
  std::string_view level = words.take({"cta", "gl", "sys"});
  if (level.empty()) {
    Builder::fail("expects cta, gl or sys in '" + text.name() + "'");
  }
  words.done();
  Builder::expectOperands(text, 0, 0);
  inst.imm = int64_t(level == "cta" ? Scope::Cta : Scope::Device);
  setFence(builder, inst, runFence);
  return true;
}

/// fence{.sc,.acq_rel,...}.scope; fence.mbarrier_init.release.cluster.
static bool decodeFence(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  if (words.take("proxy")) {
    return false;
  }
  bool isOfInit = words.take("mbarrier_init");
  words.take({"sc", "acq_rel", "acquire", "release"});
  words.take({"sync_restrict::shared::cta", "sync_restrict::shared::cluster"});
  std::string_view scope = words.take({"cta", "cluster", "gpu", "sys"});
  if (scope.empty()) {
    Builder::fail("expects a scope in '" + text.name() + "'");
  }
  words.done();
  Builder::expectOperands(text, 0, 0);
  inst.imm = int64_t(scope == "cta" ? Scope::Cta : Scope::Device);
  setFence(builder, inst, isOfInit ? runInitFence : runFence);
  return true;
}

/// fence.proxy.kind; fence.proxy.tensormap::generic.{release.scope,
/// acquire.scope [address], 128}; membar.proxy.kind.
static bool decodeProxyFence(const Instruction &text, Builder &builder,
                             Inst &inst) {
  Words words(text);
  if (!words.take("proxy")) {
    return false;
  }
  std::string_view kind =
      words.take({"alias", "async", "async::generic", "tensormap::generic"});
  if (kind.empty()) {
    Builder::fail("expects a proxy in '" + text.name() + "'");
  }
  bool isOfGlobal = words.take("global");
  words.take({"shared::cta", "shared::cluster"});
  words.take({"acquire", "release", "acq_rel"});
  words.take({"sync_restrict::shared::cta", "sync_restrict::shared::cluster"});
  words.take({"cta", "cluster", "gpu", "sys"});
  words.done();
  Builder::expectOperands(text, 0, 2);
  // The proxies are told apart in shared memory only.
  bool isAsync = kind.starts_with("async") && !isOfGlobal;
  setFence(builder, inst, isAsync ? runAsyncFence : runNothing);
  return true;
}

void ptxsim::addFences(DecoderTable &table) {
  table["membar"].push_back(decodeMembar);
  table["membar"].push_back(decodeProxyFence);
  table["fence"].push_back(decodeFence);
  table["fence"].push_back(decodeProxyFence);
}
