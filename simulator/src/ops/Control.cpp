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
#include "Operands.h"
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
  report(w, in, "trap", w.exec, "the kernel traps");
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

/// brx.idx: lanes of one target go together.
static Step runTable(Warp &w, const Inst &in) {
  Path top = w.paths.back();
  std::vector<std::pair<Mask, uint32_t>> ways{
      {top.lanes & ~w.exec, top.pc + 1}};
  for (Mask left = w.exec; left;) {
    unsigned first = unsigned(std::countr_zero(left));
    uint64_t index = w.lane(in.s[0], first);
    Mask same = selectLanes(
        left, [&](unsigned l) { return w.lane(in.s[0], l) == index; });
    left &= ~same;
    if (index >= in.targets.size()) {
      report(w, in, "bounds", same,
             "expects an index below " + std::to_string(in.targets.size()) +
                 ", but got " + std::to_string(index));
      index = 0;
    }
    ways.push_back({same, in.targets[index]});
  }
  if (ways.size() == 2 && ways[1].first == top.lanes) {
    w.paths.back().pc = ways[1].second;
    return Step::Jump;
  }
  return w.divide(in, ways);
}

/// brx.idx{.uni} index, targets;
static bool decodeTable(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  words.take("idx");
  words.take("uni");
  words.done();
  Builder::expectOperands(text, 2, 2);
  const auto &tables = builder.program.function->branchTargets;
  auto table = tables.find(text.operands[1].name);
  if (table == tables.end() || table->second.empty()) {
    Builder::fail("expects a list of .branchtargets, but got '" +
                  text.operands[1].name + "'");
  }
  for (const std::string &label : table->second) {
    Operand operand;
    operand.kind = Operand::Kind::Symbol;
    operand.name = label;
    inst.targets.push_back(builder.label(operand));
  }
  builder.setOperands(inst, {}, {builder.src(text.operands[0], kU32)});
  inst.run = runTable;
  inst.kind = InstClass::Control;
  inst.flow = Inst::Flow::Branch;
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

/// What changes nothing that is modelled, with these operands.
static bool setNothing(Builder &builder, Inst &inst, std::vector<Ref> s) {
  builder.setOperands(inst, {}, std::move(s));
  inst.run = runNothing;
  inst.kind = InstClass::Control;
  return true;
}

/// nanosleep.u32 time;
static bool decodeSleep(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  if (!words.take("u32")) {
    Builder::fail("expects '.u32' in '" + text.name() + "'");
  }
  words.done();
  Builder::expectOperands(text, 1, 1);
  return setNothing(builder, inst, {builder.src(text.operands[0], kU32)});
}

/// pmevent event; pmevent.mask events;
static bool decodeEvent(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  int64_t most = words.take("mask") ? 0xFFFF : 15;
  words.done();
  Builder::expectOperands(text, 1, 1);
  int64_t event = builder.immediate(text.operands[0]);
  if (event < 0 || event > most) {
    Builder::fail("expects from 0 to " + std::to_string(most) + " in '" +
                  text.name() + "', but got " + std::to_string(event));
  }
  return setNothing(builder, inst, {});
}

/// griddepcontrol.{launch_dependents,wait}; grids run one after the other.
static bool decodeDependence(const Instruction &text, Builder &builder,
                             Inst &inst) {
  Words words(text);
  if (words.take({"launch_dependents", "wait"}).empty()) {
    Builder::fail("expects '.launch_dependents' or '.wait' in '" + text.name() +
                  "'");
  }
  words.done();
  Builder::expectOperands(text, 0, 0);
  return setNothing(builder, inst, {});
}

void ptxsim::addControl(DecoderTable &table) {
  table["bra"].push_back(decodeBranch);
  table["brx"].push_back(decodeTable);
  table["ret"].push_back(decodeEnd);
  table["exit"].push_back(decodeEnd);
  table["trap"].push_back(decodeEnd);
  table["nanosleep"].push_back(decodeSleep);
  table["pmevent"].push_back(decodeEvent);
  table["griddepcontrol"].push_back(decodeDependence);
}
