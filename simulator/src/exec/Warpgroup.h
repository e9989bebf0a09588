//===- Warpgroup.h - What four warps do together ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_EXEC_WARPGROUP_H
#define PTXSIM_EXEC_WARPGROUP_H

#include "program/Program.h"

#include <array>
#include <deque>

namespace ptxsim {

constexpr unsigned kWarpgroupWarps = 4;

/// Instructions that all warps of a warpgroup must execute, with equal operands
/// and in one order. Each warp comes to them when it does.
class Warpgroup {
public:
  struct Step {
    const Inst *inst;
    std::array<uint64_t, 2> operands;
    unsigned numWarps = 0;
  };

  /// The step that the warp (0 to 3) comes to, as the first one to come found
  /// it. It is valid until the next call.
  const Step &join(unsigned warp, const Inst &inst,
                   std::array<uint64_t, 2> operands) {
    uint64_t number = counts[warp]++;
    if (number - first == steps.size()) {
      steps.push_back({&inst, operands, 0});
    }
    Step &step = steps[number - first];
    if (++step.numWarps < kWarpgroupWarps) {
      return step;
    }
    // The first to come is the first to be complete.
    last = step;
    steps.pop_front();
    ++first;
    return last;
  }
  /// Steps that some warps have not come to.
  const std::deque<Step> &open() const { return steps; }

private:
  std::deque<Step> steps;
  uint64_t first = 0; // number of steps[0]
  std::array<uint64_t, kWarpgroupWarps> counts{};
  Step last;
};

} // namespace ptxsim

#endif // PTXSIM_EXEC_WARPGROUP_H
