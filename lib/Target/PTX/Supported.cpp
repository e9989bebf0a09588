//===- Supported.cpp - What LLVM has a form for in PTX --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Supported.h"

using namespace attn;

LogicalResult attn::checkSupported(const llvm::Module &, std::string &) {
  return success();
}
