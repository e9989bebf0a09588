//===- CompileToPtx.h - Tile kernels to PTX ---------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_COMPILETOPTX_H
#define ATTN_COMPILER_COMPILETOPTX_H

#include "attn/Compiler/Compiler.h"
#include "llvm/ADT/StringMap.h"
#include <string>

namespace attn {

struct PtxCompileOptions {
  /// As in PtxOptions.
  std::string chip = "sm_80";
  unsigned level = 0;
  /// Most warps of a CTA, and places of the rings that columns come through.
  int64_t warps = 4, stages = 2;
};

/// What a launch of a kernel must say.
struct PtxKernel {
  /// Its name in the text, where '$' stands for the '.' that PTX has not.
  std::string symbol;
  /// Threads of a CTA, and bytes of its dynamic shared memory.
  unsigned threads = 0, sharedBytes = 0;
};

struct PtxCode {
  std::string text;
  /// By name: kernels of items, and of merges. Each takes the launch's
  /// attnrt_args and attnrt_plan in global memory and the number of the stage.
  llvm::StringMap<PtxKernel> kernels;
};

/// The rows of a work item are a multiple of this on a GPU: options.rowStep.
constexpr int64_t kPtxRowStep = 16;

/// What compileToTile is asked for where nothing else is said: row blocks and
/// tiles of 64, which every chip since sm_80 has room for up to 128 channels.
CompileOptions getPtxTileOptions(CompileOptions options = {});

/// Replaces the kernels of items and merges of such a module by functions of
/// LLVM and NVVM, and erases what stays on the host.
LogicalResult lowerToNVVM(ModuleOp module, const PtxCompileOptions &options);

/// Of a module that compileToTile made with rowStep = kPtxRowStep: its kernels
/// of items and merges as PTX. The module stays as it is. Errors are reported
/// at the kernel that has no form on a GPU.
FailureOr<PtxCode> compileToPtx(ModuleOp module,
                                const PtxCompileOptions &options);

} // namespace attn

#endif // ATTN_COMPILER_COMPILETOPTX_H
