//===- Machine.h - The code generator for PTX -------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_PTX_MACHINE_H
#define ATTN_LIB_TARGET_PTX_MACHINE_H

#include "attn/Target/PTX/Chips.h"
#include "llvm/Target/TargetMachine.h"
#include <memory>

namespace attn {

/// A code generator for one chip at one level, which must be one that the chip
/// has. Null with a message if LLVM was built without.
std::unique_ptr<llvm::TargetMachine>
makePtxMachine(const PtxChip &chip, unsigned level, std::string &error);

} // namespace attn

#endif // ATTN_LIB_TARGET_PTX_MACHINE_H
