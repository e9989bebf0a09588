//===- Machine.h - Features and code generator of a CPU ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_HOST_MACHINE_H
#define ATTN_LIB_TARGET_HOST_MACHINE_H

#include "attn/Target/Host/Host.h"
#include "llvm/Target/TargetMachine.h"

namespace attn {

/// The features of a request (HostOptions::features), as "+avx2,-avx512f,..".
std::string featureString(StringRef request);
bool hasFeature(StringRef features, StringRef name);

/// The scheduling model; it changes no instruction set.
const char *tuningFor(StringRef features);

/// A code generator for this machine's triple. Null with a message if LLVM was
/// built without.
std::unique_ptr<llvm::TargetMachine> makeMachine(StringRef features,
                                                 std::string &error);

} // namespace attn

#endif // ATTN_LIB_TARGET_HOST_MACHINE_H
