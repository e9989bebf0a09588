//===- ProgramInfo.h - What tile.program says, as plain data ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_PROGRAMINFO_H
#define ATTN_LIB_JIT_PROGRAMINFO_H

#include "attn/Dialect/Tile/IR/Tile.h"
#include "attn/Support/HostArray.h"
#include "attnrt/plan_format.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace attn {

struct BufferInfo {
  tile::BufferKind kind;
  int64_t index; // argument, result, extent or component number
  DType dtype = DType::F32;
  bool memory = false;        // a tensor; else a scalar
  SmallVector<int64_t> sizes; // static sizes of a tensor, kDynamic
  SmallVector<int64_t> shape; // extent numbers
  bool zero = false;
};

struct ExtentInfo {
  std::string source, rank;
  int64_t group;
};

struct LaunchInfo {
  std::string kernel, merge, range, classes;
  SmallVector<int64_t> segments, heads, subs, states, size;
  int64_t row = -1, fold = -1, rows = 0, cols = 1;
  bool ordered = false;
  /// Items may hold rows of several segments.
  bool shares = false;
  /// Items may keep and resume states.
  bool resumes = false;
  /// Views that are read along the fold: number, and what each axis is.
  SmallVector<SmallVector<int64_t>> keys;
  bool isFold() const { return !range.empty(); }
};

struct ProgramInfo {
  std::string name, extentsKernel;
  std::vector<BufferInfo> buffers;
  std::vector<ExtentInfo> extents;
  std::vector<LaunchInfo> launches;
  int64_t numArguments = 0, numResults = 0;
};

/// Reads the only tile.program of `module`. Fails with a message on it.
FailureOr<ProgramInfo> readProgram(ModuleOp module);

/// The number of an element type for the runtime.
attnrt_dtype runtimeType(DType dtype);

} // namespace attn

#endif // ATTN_LIB_JIT_PROGRAMINFO_H
