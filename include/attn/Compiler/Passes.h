//===- Passes.h - From a module of cascades to PTX --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_PASSES_H
#define ATTN_COMPILER_PASSES_H

#include "attn/Compiler/CompileToPtx.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace attn {

#define GEN_PASS_DECL
#include "attn/Compiler/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "attn/Compiler/Passes.h.inc"

/// Canonicalisation of ops. Blocks stay as they are: our control flow is
/// structured, and looking for blocks to merge takes half as long again.
std::unique_ptr<Pass> createSimplifyOpsPass();

/// Tile kernels of items and merges -> functions of LLVM and NVVM with names
/// that PTX can spell. The one place that knows the order of these passes:
/// attn-opt, attn-translate and compileToPtx all come here.
void buildKernelsToNVVMPipeline(OpPassManager &pm,
                                const PtxCompileOptions &options);

/// --attn-to-ptx: attn-to-kernels, the pipeline above, kernels-to-binary. What
/// it leaves is a module with one gpu.binary.
void registerAttnToPtxPipeline();

} // namespace attn

#endif // ATTN_COMPILER_PASSES_H
