//===- LLVM.h - MLIR and LLVM names used throughout -------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Imports the MLIR namespace into ours, so that no file of the project reopens
// namespace mlir. It includes little: clients include what they use.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_SUPPORT_LLVM_H
#define ATTN_SUPPORT_LLVM_H

#include "mlir/Support/LLVM.h"

namespace attn {
using namespace mlir; // NOLINT: the one place where it is done
} // namespace attn

#endif // ATTN_SUPPORT_LLVM_H
