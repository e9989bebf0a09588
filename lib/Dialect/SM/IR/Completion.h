//===- Completion.h - Nothing is read before it is there --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_DIALECT_SM_IR_COMPLETION_H
#define ATTN_LIB_DIALECT_SM_IR_COMPLETION_H

#include "attn/Dialect/SM/IR/SM.h"

namespace attn::sm {

/// Whether buffers of a kernel are read while their copies are complete, as far
/// as the ops tell; an error at the op that is wrong, if not. Its ops must be
/// valid each for itself.
LogicalResult verifyCompletion(KernelOp kernel);

} // namespace attn::sm

#endif // ATTN_LIB_DIALECT_SM_IR_COMPLETION_H
