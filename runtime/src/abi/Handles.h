//===- Handles.h - Bundles and kernels behind their handles -----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_HANDLES_H
#define ATTNRT_SRC_ABI_HANDLES_H

#include "Context.h"

namespace attnrt {

struct LoadedBundle {
  std::shared_ptr<Context> context;
  Bundle bundle;
};

using ExtentsFn = void (*)(const attnrt_args *, int64_t *);
/// Classes of the tiles of `n` runs of rows, {segment, head, first row, rows}
/// each; adds to counts[3] = {empty, partial, full}.
using ClassesFn = void (*)(const attnrt_args *, const int32_t *, int64_t *,
                           int64_t);

/// An entry for one device, with its code. Immutable.
struct Kernel {
  std::shared_ptr<LoadedBundle> bundle;
  const Entry *entry;
  const Program *program;
  DLDevice device;
  Device *where;
  std::unique_ptr<Library> host;
  std::unique_ptr<LoadedKernel> code; ///< dies before `host`
  ExtentsFn extents;
  std::vector<attnrt_range_fn> ranges; ///< by launch; null without a fold
  std::vector<ClassesFn> classes;      ///< by launch; null: not counted
  std::vector<bool> isHostRead;        ///< by argument

  Context &context() const { return *bundle->context; }
};

} // namespace attnrt

struct attnrt_bundle {
  std::shared_ptr<attnrt::LoadedBundle> impl;
};

struct attnrt_kernel {
  std::shared_ptr<attnrt::Kernel> impl;
};

#endif // ATTNRT_SRC_ABI_HANDLES_H
