//===- Supported.h - What LLVM has a form for in PTX ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_PTX_SUPPORTED_H
#define ATTN_LIB_TARGET_PTX_SUPPORTED_H

#include "attn/Support/LLVM.h"
#include "llvm/IR/Module.h"
#include <string>

namespace attn {

/// LLVM's code generator for PTX ends the process at what it cannot do. This
/// finds, in any module that passed LLVM's verifier, with `error`:
///
///   - aliases, ifuncs, constructors, thread-local variables, variables in
///     shared or local memory with a value, common linkage;
///   - kernels with a result;
///   - mathematical functions that PTX lacks (sin of f64, exp of f32, ..), or
///     has as an approximation only where `afn` does not allow it;
///   - floating-point types but f16, bf16, f32, f64;
///   - scopes of synchronisation but system, device, block, cluster and thread.
LogicalResult checkSupported(const llvm::Module &module, std::string &error);

/// Parts of it: f16, bf16, f32, f64, integers, pointers of PTX's spaces, and
/// vectors, arrays and structures of them.
bool hasPtxType(llvm::Type *type);
LogicalResult checkPtxVariable(const llvm::GlobalVariable &variable,
                               std::string &error);

} // namespace attn

#endif // ATTN_LIB_TARGET_PTX_SUPPORTED_H
