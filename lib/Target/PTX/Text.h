//===- Text.h - From LLVM IR to PTX text ------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_PTX_TEXT_H
#define ATTN_LIB_TARGET_PTX_TEXT_H

#include "attn/Support/LLVM.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"
#include <string>

namespace attn {

/// O3 without unrolling and vectorising. The module must have the data layout
/// of `machine` already: folding depends on it.
void optimisePtx(llvm::Module &module, llvm::TargetMachine &machine);

/// Code generation alone, of a module that Needs.h and Supported.h have
/// nothing against. Consumes the module.
FailureOr<std::string> printPtx(llvm::Module &module,
                                llvm::TargetMachine &machine,
                                std::string &error);

} // namespace attn

#endif // ATTN_LIB_TARGET_PTX_TEXT_H
