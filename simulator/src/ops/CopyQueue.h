//===- CopyQueue.h - Asynchronous copies of a warp --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_COPYQUEUE_H
#define PTXSIM_OPS_COPYQUEUE_H

#include "program/Program.h"

#include <deque>
#include <vector>

namespace ptxsim {

/// cp.async of a warp that have not taken place yet, by group [9.7.9.25.3].
/// Groups are per thread; `lanes` of a copy says whose it is.
class CopyQueue {
public:
  struct Copy {
    const Inst *inst;
    Mask lanes;
    uint32_t bytes;
    uint32_t to[kLanes];           // offset in shared memory
    const std::byte *from[kLanes]; // where there is something to copy
    uint32_t fromBytes[kLanes];    // the rest is zero
    uint32_t time = 0;             // of the agent, for the race check
    bool isDone = false;
  };
  struct Group {
    std::vector<Copy> copies;
    uint32_t time = 0;
    /// Lanes that committed it.
    Mask lanes = 0;
  };
  std::vector<Copy> open;
  std::deque<Group> groups;
};

} // namespace ptxsim

#endif // PTXSIM_OPS_COPYQUEUE_H
