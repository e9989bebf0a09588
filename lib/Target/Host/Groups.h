//===- Groups.h - Functions that are compiled side by side ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_HOST_GROUPS_H
#define ATTN_LIB_TARGET_HOST_GROUPS_H

#include "attn/Support/LLVM.h"
#include "mlir/IR/BuiltinOps.h"

namespace attn {

/// Copies the functions of `module` into at most `most` modules of about the
/// same amount of code, nested in a new one; functions that refer to each other
/// stay together. A module that defines anything but functions and internal
/// constants is one group.
/// What is no code describes the code to others and is left out.
OwningOpRef<ModuleOp> groupFunctions(ModuleOp module, unsigned most);

} // namespace attn

#endif // ATTN_LIB_TARGET_HOST_GROUPS_H
