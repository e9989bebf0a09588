//===- PlanKernels.h - Compiled kernels called with any plan ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_UNITTESTS_JIT_PLANKERNELS_H
#define ATTN_UNITTESTS_JIT_PLANKERNELS_H

#include "attn/Dialect/Tile/IR/Tile.h"
#include "attn/Target/Host/Host.h"
#include "attnrt/plan.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include <string>
#include <vector>

namespace attn::test {

/// A compact tensor for a kernel.
attnrt_tensor tensorOf(const void *data, const std::vector<int64_t> &sizes);

/// What a kernel is called with, by number of the argument; of a number `data`
/// points to a cell of 8 bytes.
struct KernelArguments {
  std::vector<attnrt_tensor> arguments;
  attnrt_tensor result;
};

/// The kernels of the one fold of a function `attend` that is compiled for this
/// machine, without the C ABI around them: they take plans of any kind, made
/// for any entry within their limits.
class PlanKernels {
public:
  /// Packed rows of an item and points of a tile; a fold over single points has
  /// tiles of one whatever is asked for.
  explicit PlanKernels(const std::string &text, int64_t rows = 24,
                       int64_t tile = 32);

  /// Runs stage 0. `states` has the elements of each component, for plan->slots
  /// slots; all that need be are written before: those from elsewhere.
  void run(const attnrt_plan *plan, const KernelArguments &call,
           std::vector<std::vector<float>> &states) const;

  attnrt_entry entry{}; ///< as the launch says
  bool shares = false;  ///< items may hold rows of several requests
  std::vector<std::vector<int64_t>> stateSizes; ///< of one slot, by component

private:
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<HostLibrary> library;
  llvm::SmallVector<std::pair<tile::BufferKind, int64_t>> buffers;
  size_t numExtents = 0;
  uint64_t scratch = 0;
  void (*extents)(const attnrt_args *, int64_t *) = nullptr;
  attnrt_item_fn item = nullptr;
  attnrt_merge_fn merge = nullptr;
};

} // namespace attn::test

#endif // ATTN_UNITTESTS_JIT_PLANKERNELS_H
