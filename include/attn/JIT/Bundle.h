//===- Bundle.h - From a module to the bytes of a bundle --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A bundle holds one module for one or several targets; runtime/schema says its
// format and attnrt/attnrt.h loads it. The bytes depend on the module, the
// options and the version of the compiler, not on the machine that makes them
// (but for the target "cpu").
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_JIT_BUNDLE_H
#define ATTN_JIT_BUNDLE_H

#include "attn/Compiler/CompileToPtx.h"
#include "attn/Target/Host/Host.h"
#include <string>

namespace attn {

struct BundleOptions {
  /// "cpu" (this machine), "x86-64-v2" .. "x86-64-v4", with features of
  /// attnrt/cpu_features.h behind it ("x86-64-v4+avx512bf16"), or a chip:
  /// "sm_80".
  SmallVector<std::string> targets;
  /// Functions with a cascade; empty: all of them.
  SmallVector<std::string> entries;
  /// Of tiles, for all targets.
  CompileOptions tiles;
  /// Of GPUs; the chip is the target's.
  PtxCompileOptions ptx;
  /// Has ptxas make a cubin of each program of a GPU, which goes beside its
  /// PTX.
  bool cubins = false;
  std::string ptxas; ///< its path; empty: findPtxas (attn/Target/PTX/Ptxas.h)
};

/// Where the time of a compile went, in milliseconds: derivation and lowering
/// to tile kernels, to loops over vectors, and what the host target says. The
/// total is by the clock; as kernels are compiled side by side, the phases need
/// not add up to it.
struct CompileTimes {
  double tile = 0, vector = 0, total = 0;
  HostTimes host;
};

/// Whether this machine runs the code of such a target, which is no chip.
bool runsHere(StringRef target);

/// Fails with `error`, one line, for targets and options that nothing can be
/// made for, whatever the module is.
LogicalResult validateBundleOptions(const BundleOptions &options,
                                    std::string &error);

/// The module is left as it is. Errors are reported at it or at what cannot be
/// compiled. Adds to `times`, but for the total.
FailureOr<SmallVector<char, 0>> makeBundle(ModuleOp module,
                                           const BundleOptions &options,
                                           CompileTimes *times = nullptr);

} // namespace attn

#endif // ATTN_JIT_BUNDLE_H
