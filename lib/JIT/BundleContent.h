//===- BundleContent.h - What goes into a bundle ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_BUNDLECONTENT_H
#define ATTN_LIB_JIT_BUNDLECONTENT_H

#include "ProgramInfo.h"
#include "attn/JIT/Bundle.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace attn {

struct BundleTarget {
  bool isGpu = false;
  std::string chip; // "x86-64-v3", "sm_80"
  SmallVector<std::string> features;
  int64_t ptxLevel = 0;

  bool operator==(const BundleTarget &other) const {
    return chip == other.chip && features == other.features;
  }
};

/// A function for one target.
struct BundleProgram {
  BundleTarget target, hostTarget;
  ProgramInfo info;
  /// Arguments whose values host functions read.
  SmallVector<int64_t> hostReads;
  /// Host functions, and on a CPU the kernels.
  SmallVector<char, 0> host;
  llvm::StringMap<uint64_t> scratch; // bytes, by kernel
  PtxCode ptx;                       // of a GPU
  SmallVector<char, 0> cubin;        // of its text; may be empty
};

/// A function with what does not depend on targets.
struct BundleEntry {
  func::FuncOp func;
  /// By fold in the order of launches: what its states start from.
  SmallVector<SmallVector<double>> units;
  std::vector<BundleProgram> programs;
};

/// The bytes; digests included.
SmallVector<char, 0> writeBundle(ArrayRef<BundleEntry> entries,
                                 StringRef source);

} // namespace attn

#endif // ATTN_LIB_JIT_BUNDLECONTENT_H
