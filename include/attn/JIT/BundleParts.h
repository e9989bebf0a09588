//===- BundleParts.h - A launch without a compiler, as files ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_JIT_BUNDLEPARTS_H
#define ATTN_JIT_BUNDLEPARTS_H

#include "attn/Compiler/CompileToPtx.h"
#include <string>

namespace attn {

/// A program for a GPU whose launches a script makes itself (benchmarks/gpu);
/// engines load bundles (attn/JIT/Bundle.h).
struct BundleParts {
  /// The kernels of items and merges.
  std::string ptx;
  /// A shared object for x86-64-v3 with the host functions of the program:
  /// extents, and what rows see (attnrt_range_fn), by their names.
  SmallVector<char, 0> host;
  /// JSON: chip, arguments, extents, buffers in the order of attnrt_args, and
  /// each launch with its two kernels and the ranks it is spread over. Numbers
  /// in shape, segments, heads, subs, row and fold are those of extents.
  std::string program;
};

/// Of a function of cascades all of whose work is in folds. Errors are reported
/// at the module or at what cannot be compiled.
FailureOr<BundleParts> makeBundleParts(ModuleOp module, StringRef entry,
                                       const PtxCompileOptions &options,
                                       const CompileOptions &tiles);

} // namespace attn

#endif // ATTN_JIT_BUNDLEPARTS_H
