//===- ControlFlow.h - Basic blocks of a program ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_PROGRAM_CONTROLFLOW_H
#define PTXSIM_PROGRAM_CONTROLFLOW_H

#include "Program.h"

namespace ptxsim {

struct ControlFlow {
  explicit ControlFlow(const Program &program);

  struct Block {
    uint32_t begin, end; // instructions
    std::vector<uint32_t> next;
  };
  std::vector<Block> blocks;
  /// By instruction.
  std::vector<uint32_t> blockOf;

  /// The immediate post-dominator of each block; blocks.size() is the exit.
  std::vector<uint32_t> postDominators() const;
};

} // namespace ptxsim

#endif // PTXSIM_PROGRAM_CONTROLFLOW_H
