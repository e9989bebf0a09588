//===- AsyncGroups.h - Groups of asynchronous work --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the families with commit_group and wait_group share: cp.async, bulk
// copies out of shared memory, and wgmma.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_ASYNCGROUPS_H
#define PTXSIM_OPS_ASYNCGROUPS_H

#include "check/RaceDetector.h"
#include "program/Decode.h"
#include "program/Program.h"

#include <deque>
#include <vector>

namespace ptxsim {

struct Warp;

/// What a warp has issued and not waited for, where groups are per thread
/// [9.7.9.25.3]: a group has the lanes that committed it together, and leaves a
/// lane's account when the lane has waited for it.
template <class Operation> class LaneGroups {
public:
  struct Group {
    Mask lanes = 0;
    std::vector<Operation> operations;
  };

  /// f(operation) for all, the oldest group first.
  template <class F> void forEach(F f) {
    for (Group &group : groups) {
      for (Operation &operation : group.operations) {
        f(operation);
      }
    }
    for (Operation &operation : open) {
      f(operation);
    }
  }

  /// A wait of `lanes` for all of their groups but the latest `allowed`:
  /// f(group, lanes that the group is due for), the oldest first. Groups that f
  /// leaves without lanes are over.
  template <class F> void forEachDue(Mask lanes, uint32_t allowed, F f) {
    uint32_t numNewer[kLanes] = {};
    std::vector<Mask> due(groups.size());
    for (size_t g = groups.size(); g-- > 0;) {
      due[g] = selectLanes(groups[g].lanes & lanes, [&](unsigned l) {
        return numNewer[l]++ >= allowed;
      });
    }
    for (size_t g = 0; g < groups.size(); ++g) {
      if (due[g]) {
        f(groups[g], due[g]);
      }
    }
    std::erase_if(groups, [](const Group &group) { return group.lanes == 0; });
  }

  /// Not committed.
  std::vector<Operation> open;
  /// From the oldest to the latest.
  std::deque<Group> groups;
};

/// Behind a wait: the warp knows of what its agent of this kind has done up to
/// `time`. 0: nothing new.
void acquireFrom(Warp &w, AgentKind kind, uint32_t time);

/// What is left of an opcode of commit_group, or of wait_group, whose number of
/// groups goes to Inst::imm (it fits in 32 bits). False if it is of neither.
bool decodeGroups(const Instruction &text, Builder &builder, Inst &inst,
                  Words &words, Handler commit, Handler wait);

} // namespace ptxsim

#endif // PTXSIM_OPS_ASYNCGROUPS_H
