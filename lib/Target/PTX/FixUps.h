//===- FixUps.h - What the translation cannot say ---------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_PTX_FIXUPS_H
#define ATTN_LIB_TARGET_PTX_FIXUPS_H

#include "llvm/IR/Module.h"

namespace attn {

/// Adds to a module that was just translated what MLIR has no attribute for;
/// must run before any optimisation.
///
///   - Functions and calls of inline assembly with side effects (`mma` on
///     shared memory, barriers, waits) become convergent and nounwind. Without,
///     jump threading copies a barrier into both arms of a branch that threads
///     of one warp take differently.
///   - f32 denormals are flushed in every function.
void addFixUps(llvm::Module &module);

} // namespace attn

#endif // ATTN_LIB_TARGET_PTX_FIXUPS_H
