//===- Control.cpp - Branches and ends ----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.12] Control flow.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "check/Reporter.h"
#include "exec/Warp.h"

using namespace ptxsim;

static Step runBranch(Warp &w, const Inst &in) { return w.branch(in); }

static Step runEnd(Warp &w, const Inst &) {
  Path &top = w.paths.back();
  // Lanes whose guard is false go on.
  if (w.exec != top.lanes) {
    ++top.pc;
  }
  w.exit(w.exec);
  return Step::Jump;
}

static Step runTrap(Warp &w, const Inst &in) {
  w.cta.group.launch.reporter.report(w, in, "trap", w.exec, "the kernel traps");
  return runEnd(w, in);
}

static Step runNothing(Warp &, const Inst &) { return Step::Next; }

static bool decodeBranch(const Instruction &text, Builder &builder,
                         Inst &inst) {
  Words words(text);
  words.take("uni");
  words.done();
  Builder::expectOperands(text, 1, 1);
  inst.run = runBranch;
  inst.kind = InstClass::Control;
  inst.flow = Inst::Flow::Branch;
  inst.targets = {builder.label(text.operands[0])};
  return true;
}

static bool decodeEnd(const Instruction &text, Builder &, Inst &inst) {
  Words words(text);
  words.take("uni");
  words.done();
  Builder::expectOperands(text, 0, 0);
  inst.run = text.opcode == "trap" ? runTrap : runEnd;
  inst.kind = InstClass::Control;
  inst.flow = Inst::Flow::End;
  return true;
}

/// What changes nothing that is modelled.
static bool decodeNothing(const Instruction &, Builder &, Inst &inst) {
  inst.run = runNothing;
  inst.kind = InstClass::Control;
  return true;
}

void ptxsim::addControl(DecoderTable &table) {
  table["bra"].push_back(decodeBranch);
  table["ret"].push_back(decodeEnd);
  table["exit"].push_back(decodeEnd);
  table["trap"].push_back(decodeEnd);
  table["nanosleep"].push_back(decodeNothing);
  table["pmevent"].push_back(decodeNothing);
}
