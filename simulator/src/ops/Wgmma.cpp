//===- Wgmma.cpp - Products of matrices by a warpgroup ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.15] wgmma.mma_async: D = A * B + D with A 64xk, B kxN; wgmma.fence,
// commit_group, wait_group. Each of the four warps has 16 rows of A and D and
// needs no other warp for them. Fragments are those of mma.m16n8: A in
// registers is one of them, D is N / 8 side by side.
//
// A product reads shared memory and writes D at some point between its issue
// and the wait; A in registers is taken at the issue.
//
//===----------------------------------------------------------------------===//
#include "Wgmma.h"
#include "AsyncGroups.h"
#include "check/Reporter.h"

using namespace ptxsim;
using namespace ptxsim::wgmma;

static ProductQueue &queueOf(Warp &w) {
  if (!w.products) {
    w.products = std::make_unique<ProductQueue>(w.program);
  }
  return *w.products;
}

/// Under Completion::Random, some products more are done.
static void performSome(Warp &w, ProductQueue &queue) {
  Group &group = w.cta.group;
  if (group.launch.options.completion != Completion::Random) {
    return;
  }
  while (queue.numDone < queue.flying.size() && group.random() % 2) {
    queue.performOne(w);
  }
}

/// A descriptor, the same in all lanes.
static uint64_t readDescriptor(Warp &w, const Inst &in, const Ref &ref) {
  unsigned first = unsigned(std::countr_zero(w.exec));
  uint64_t value = w.lane(ref, first);
  if (selectLanes(w.exec,
                  [&](unsigned l) { return w.lane(ref, l) != value; })) {
    report(w, in, "async", w.exec, "expects one descriptor in all lanes");
  }
  return value;
}

Step wgmma::runProduct(Warp &w, const Inst &in) {
  const Data &data = dataOf(in);
  Group &group = w.cta.group;
  const Options &options = group.launch.options;
  ProductQueue &queue = queueOf(w);
  performSome(w, queue);
  if (w.number / kWarpgroupWarps * kWarpgroupWarps + kWarpgroupWarps >
      w.cta.warps.size()) {
    report(w, in, "async", w.exec, "expects a warpgroup of four whole warps");
    return Step::Next;
  }
  ProductQueue::Product product;
  product.inst = &in;
  unsigned next = data.isAInRegisters ? kRegistersOfA : 1;
  if (data.isAInRegisters) {
    for (unsigned r = 0; r < kRegistersOfA; ++r) {
      std::copy_n(w.in<uint32_t>(in.s[r]), kLanes,
                  product.registers[r].begin());
    }
  } else {
    product.a = readDescriptor(w, in, in.s[0]);
  }
  product.b = readDescriptor(w, in, in.s[next]);
  Mask adds = w.predicate(in.s[next + 1]) & w.exec;
  product.addsD = adds != 0;
  if (adds && adds != w.exec) {
    report(w, in, "async", w.exec, "expects one scale-d in all lanes");
  }
  if (options.checks.async) {
    checkRegisters(w, in);
    checkTogether(w, in, product.a, product.b);
  }
  if (product.addsD && !w.defined.empty()) {
    checkDefined(w, in);
  }
  Actor actor, *by = nullptr;
  if (RaceDetector *races = group.races.get()) {
    Agent agent = races->agent(AgentKind::Products, w.cta.rank, w.number);
    actor = races->start(agent, w.agent(), true, false);
    by = &actor;
    product.time = actor.time;
  }
  unsigned warp = w.number % kWarpgroupWarps;
  if (!data.isAInRegisters) {
    checkOperand(w, in, Descriptor(product.a, data.isATransposed), warp * 2, 2,
                 by, true);
  }
  // The four warps share B.
  checkOperand(w, in, Descriptor(product.b, data.isBTransposed), 0,
               data.n / kTile, by, warp == 0);
  queue.add(std::move(product));
  if (options.completion == Completion::Eager) {
    queue.performUpTo(w, queue.openGroup);
  }
  return Step::Next;
}

Step wgmma::runFence(Warp &w, const Inst &) {
  ++w.numFences;
  return Step::Next;
}

Step wgmma::runCommit(Warp &w, const Inst &) {
  ProductQueue &queue = queueOf(w);
  performSome(w, queue);
  ++queue.openGroup;
  return Step::Next;
}

Step wgmma::runWait(Warp &w, const Inst &in) {
  ProductQueue &queue = queueOf(w);
  performSome(w, queue);
  uint64_t allowed = uint64_t(in.imm);
  if (queue.openGroup <= allowed) {
    return Step::Next;
  }
  // Groups are numbered from 0: all before this one are over.
  uint64_t last = queue.openGroup - allowed - 1;
  queue.performUpTo(w, last);
  uint32_t time = 0;
  for (const ProductQueue::Product &product : queue.flying) {
    time = product.group <= last ? product.time : time;
  }
  queue.retire(last);
  acquireFrom(w, AgentKind::Products, time);
  return Step::Next;
}
