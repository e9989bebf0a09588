//===- Needs.cpp - What instructions ask of a chip ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Needs.h"

using namespace attn;

LogicalResult attn::checkNeeds(const llvm::Module &module, const PtxChip &chip,
                               unsigned &level, std::string &error) {
  if (level == 0) {
    level = chip.lowestLevel;
  }
  return success();
}
