//===- Object.h - From LLVM IR to an object ---------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_HOST_OBJECT_H
#define ATTN_LIB_TARGET_HOST_OBJECT_H

#include "attn/Target/Host/Host.h"
#include "llvm/IR/Module.h"

namespace attn {

/// Optimises `module` and writes its code. May run in several threads, each
/// with a module of its own context. Fails with a message.
FailureOr<SmallVector<char, 0>> makeObject(llvm::Module &module,
                                           StringRef features, int optLevel,
                                           HostTimes &times,
                                           std::string &error);

} // namespace attn

#endif // ATTN_LIB_TARGET_HOST_OBJECT_H
