//===- AsyncGroups.cpp - Groups of asynchronous work --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "AsyncGroups.h"
#include "exec/Warp.h"

using namespace ptxsim;

void ptxsim::acquireFrom(Warp &w, AgentKind kind, uint32_t time) {
  if (RaceDetector *races = w.cta.group.races.get(); races && time) {
    races->acquireFrom(w.agent(), races->agent(kind, w.cta.rank, w.number),
                       time);
  }
}

bool ptxsim::decodeGroups(const Instruction &text, Builder &builder, Inst &inst,
                          Words &words, Handler commit, Handler wait) {
  bool isCommit = words.take("commit_group");
  if (!isCommit && !words.take("wait_group")) {
    return false;
  }
  words.done();
  size_t count = isCommit ? 0 : 1;
  Builder::expectOperands(text, count, count);
  if (!isCommit) {
    inst.imm = builder.immediate(text.operands[0]);
    if (inst.imm < 0 || inst.imm > UINT32_MAX) {
      Builder::fail("expects a number of groups, but got " +
                    std::to_string(inst.imm));
    }
  }
  builder.setOperands(inst, {}, {});
  inst.run = isCommit ? commit : wait;
  return true;
}
