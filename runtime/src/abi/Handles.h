//===- Handles.h - Bundles and kernels behind their handles -----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_HANDLES_H
#define ATTNRT_SRC_ABI_HANDLES_H

#include "Context.h"
#include "KeyEnds.h"

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

/// An entry as a bundle has it, with its host code.
struct KernelPart {
  std::shared_ptr<LoadedBundle> bundle;
  const Entry *entry;
  const Program *program;
  std::shared_ptr<Library> host;
  ExtentsFn extents;
  std::vector<attnrt_range_fn> ranges; ///< by launch; null without a fold
  std::vector<ClassesFn> classes;      ///< by launch; null: not counted
  // Where its own begin among those of the kernel.
  size_t firstTensor = 0, firstScalar = 0, firstExtent = 0;

  PartCode code() const {
    return {&bundle->bundle, program, host.get(), firstTensor, firstScalar};
  }
  /// What its functions take, of tensors and cells of the kernel.
  attnrt_args args(const attnrt_tensor *tensors, const uint64_t *cells) const {
    attnrt_args args{};
    args.tensors = tensors + firstTensor;
    args.scalars = cells + firstScalar;
    return args;
  }
};

/// An entry for one device, with its code; or several that are joined
/// (attnrt_kernel_join). Immutable.
struct Kernel {
  std::vector<KernelPart> parts;
  // Of the only part, or of all of them, one behind the other (Join.cpp).
  const Entry *entry;
  const Program *program;
  std::unique_ptr<Entry> jointEntry;
  std::unique_ptr<Program> jointProgram;
  DLDevice device;
  Device *where;
  std::unique_ptr<LoadedKernel> code;      ///< dies before `parts`
  std::vector<bool> isHostRead;            ///< by argument
  std::vector<int32_t> bufferOf;           ///< by argument; -1: none
  std::vector<std::vector<ViewKeys>> keys; ///< by launch

  Context &context() const { return *parts[0].bundle->context; }
  bool isJoined() const { return parts.size() > 1; }
  /// Marks what host functions read, and loads the code of the parts.
  void finish();
  /// Extents of all parts, from the arguments.
  void findExtents(const attnrt_tensor *tensors, const uint64_t *cells,
                   int64_t *extents) const {
    for (const KernelPart &part : parts) {
      attnrt_args args = part.args(tensors, cells);
      part.extents(&args, extents + part.firstExtent);
    }
  }
};

} // namespace attnrt

struct attnrt_bundle {
  std::shared_ptr<attnrt::LoadedBundle> impl;
};

struct attnrt_kernel {
  std::shared_ptr<attnrt::Kernel> impl;
};

#endif // ATTNRT_SRC_ABI_HANDLES_H
