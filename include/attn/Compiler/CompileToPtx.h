//===- CompileToPtx.h - Tile kernels to PTX ---------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_COMPILETOPTX_H
#define ATTN_COMPILER_COMPILETOPTX_H

#include "attn/Compiler/Compiler.h"
#include "attn/Target/PTX/PTX.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/StringMap.h"
#include <optional>
#include <string>

namespace attn {

struct PtxCompileOptions {
  /// As in PtxOptions.
  std::string chip = "sm_80";
  unsigned level = 0;
  /// Most warps of a CTA, and places of the rings that columns come through; 0:
  /// as the model of the chip likes.
  int64_t warps = 0, stages = 0;
  /// Turns before the first mask have a loop of their own (sm-split-loops).
  bool splitLoops = false;
  /// Leaves out the waits for asynchronous copies. Such code is wrong: it is
  /// for tests of what must notice.
  bool sabotage = false;
};

/// Where the time from a module of cascades to PTX went, in milliseconds:
/// derivation and lowering to tile kernels, to functions of LLVM and NVVM, and
/// what the PTX target says. The phases add up to the total.
struct PtxCompileTimes {
  double tile = 0, kernels = 0;
  PtxTimes ptx;

  double total() const {
    return tile + kernels + ptx.lower + ptx.translate + ptx.optimise +
           ptx.codegen;
  }
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
  /// By name: kernels of items, and of merges. Each takes the launch's tensors
  /// (attnrt_tensor) and cells by value, attnrt_plan in global memory and the
  /// number of the stage.
  llvm::StringMap<PtxKernel> kernels;
};

/// The rows of a work item are a multiple of this on a GPU: options.rowStep.
constexpr int64_t kPtxRowStep = 16;

/// Likewise the points of a tile: the narrowest fragment that a warp has.
constexpr int64_t kPtxColumnStep = 8;
/// On a function: the name of a kernel in its tile.program.
constexpr llvm::StringLiteral kProgramNameAttr = "attn.name";

/// Fails with `error`, which says what would fit, for a chip that has no model
/// and for choices that no kernel can be made with, whatever the cascade is.
/// What a kernel's blocks need is known later: sm-check-limits.
LogicalResult validatePtxCompile(const PtxCompileOptions &options,
                                 const CompileOptions &tiles,
                                 std::string &error);

/// The function that is compiled: `name`, else the only one with a body; empty
/// if there is none. Fails with an error at the module if there are several.
FailureOr<std::string> findEntry(ModuleOp module, StringRef name);

/// What a launch of a kernel that lowerToNVVM made must say; none if it is
/// none.
std::optional<PtxKernel> getPtxKernel(LLVM::LLVMFuncOp func);

/// What compileToTile is asked for: blocks of rows for matrix products, and
/// where `options` leave them open tiles that the model of the chip chooses.
CompileOptions getPtxTileOptions(StringRef chip, CompileOptions options = {});

/// validatePtxCompile, then compileToTile with what getPtxTileOptions makes of
/// `tiles`. Errors are reported at the module or at what cannot be compiled.
LogicalResult compileToPtxKernels(ModuleOp module, StringRef entry,
                                  const PtxCompileOptions &options,
                                  const CompileOptions &tiles);

/// Replaces the kernels of items and merges of such a module by functions of
/// LLVM and NVVM, and erases what stays on the host.
LogicalResult lowerToNVVM(ModuleOp module, const PtxCompileOptions &options);

/// Of a module that compileToPtxKernels made: its kernels
/// of items and merges as PTX. The module stays as it is. Errors are reported
/// at the kernel that has no form on a GPU. Of `times`, all but `tile` is set.
FailureOr<PtxCode> compileToPtx(ModuleOp module,
                                const PtxCompileOptions &options,
                                PtxCompileTimes *times = nullptr);

} // namespace attn

#endif // ATTN_COMPILER_COMPILETOPTX_H
