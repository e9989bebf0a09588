//===- RegisterPool.cpp - Registers that change hands -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.19.5] setmaxnreg. What warps give up goes to a pool of their CTA; who
// wants more waits until the pool has it.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "check/Reporter.h"
#include "exec/Warp.h"

using namespace ptxsim;

static void report(Warp &w, const Inst &in, std::string message) {
  report(w, in, "barriers", w.exec, std::move(message));
}

/// All warps of a warpgroup must come here.
static void checkTogether(Warp &w, const Inst &in) {
  unsigned first = w.number / kWarpgroupWarps * kWarpgroupWarps;
  if (first + kWarpgroupWarps > w.cta.warps.size()) {
    report(w, in, "expects a warpgroup of four whole warps");
    return;
  }
  const Warpgroup::Step &step =
      w.cta.warpgroups[w.number / kWarpgroupWarps].join(
          w.number % kWarpgroupWarps, in, {uint64_t(in.imm), 0});
  if (step.inst != &in) {
    report(w, in,
           "expects all warps of the warpgroup here, but another one is at "
           "line " +
               std::to_string(step.inst->line()));
  }
}

static Step runSetRegisters(Warp &w, const Inst &in) {
  Cta &cta = w.cta;
  uint32_t count = uint32_t(in.imm);
  bool isInc = in.flags != 0;
  if (!w.isResumed) {
    checkTogether(w, in);
  }
  if (isInc ? count < w.registersPerThread : count > w.registersPerThread) {
    report(w, in,
           std::string("expects at ") + (isInc ? "least" : "most") + " the " +
               std::to_string(w.registersPerThread) +
               " registers that a thread has, but got " +
               std::to_string(count));
    return Step::Next;
  }
  if (!isInc) {
    cta.freeRegisters += (w.registersPerThread - count) * kLanes;
    w.registersPerThread = count;
    for (Warp *other : cta.waitForRegisters) {
      other->wake();
    }
    cta.waitForRegisters.clear();
    ++cta.group.progress;
    return Step::Next;
  }
  uint32_t needed = (count - w.registersPerThread) * kLanes;
  if (needed > cta.freeRegisters) {
    cta.waitForRegisters.push_back(&w);
    w.waitsFor = std::to_string(needed) +
                 " registers of which the CTA's pool "
                 "has " +
                 std::to_string(cta.freeRegisters);
    return Step::Wait;
  }
  cta.freeRegisters -= needed;
  w.registersPerThread = count;
  return Step::Next;
}

/// setmaxnreg.{inc,dec}.sync.aligned.u32 count;
static bool decodeSetRegisters(const Instruction &text, Builder &builder,
                               Inst &inst) {
  Words words(text);
  std::string_view what = words.take({"inc", "dec"});
  bool isSync = words.take("sync") && words.take("aligned");
  if (what.empty() || !isSync) {
    Builder::fail("expects inc or dec and .sync.aligned in '" + text.name() +
                  "'");
  }
  words.take("u32");
  words.done();
  Builder::expectOperands(text, 1, 1);
  inst.imm = builder.immediate(text.operands[0]);
  if (inst.imm < 24 || inst.imm > 256 || inst.imm % 8) {
    Builder::fail("expects a multiple of 8 from 24 to 256 registers, but got " +
                  std::to_string(inst.imm));
  }
  inst.flags = what == "inc";
  builder.setOperands(inst, {}, {});
  inst.run = runSetRegisters;
  inst.kind = InstClass::Barrier;
  inst.needsAllLanes = true;
  return true;
}

void ptxsim::addRegisterPool(DecoderTable &table) {
  table["setmaxnreg"].push_back(decodeSetRegisters);
}
