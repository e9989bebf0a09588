//===- Arguments.h - Arguments of a program from the command line -*- C++ -*-=//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TOOLS_ATTN_RUN_ARGUMENTS_H
#define ATTN_TOOLS_ATTN_RUN_ARGUMENTS_H

#include "attn/Support/HostArray.h"

namespace attn {

/// The array that `spec` describes, for an argument of `type`:
///   FILE.npy           bf16 from u2, i4 from packed u1, f8 from u1
///   NUMBER             a scalar
///   rand:SHAPE:SEED    standard normal, floating-point types
///   zeros:SHAPE
/// SHAPE is 2x3x4, and empty for a scalar.
FailureOr<HostArray> makeArgument(StringRef spec, Type type,
                                  std::string &error);

/// Prints shape and elements, a row per line.
void printArray(const HostArray &array, raw_ostream &os);

} // namespace attn

#endif // ATTN_TOOLS_ATTN_RUN_ARGUMENTS_H
