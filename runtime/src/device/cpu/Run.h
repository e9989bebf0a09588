//===- Run.h - One stage of a plan, ready to run ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_DEVICE_CPU_RUN_H
#define ATTNRT_SRC_DEVICE_CPU_RUN_H

#include "attnrt/cpu.h"

namespace attnrt {

/// A kernel of items and what it is called with.
struct ItemKernel {
  attnrt_item_fn fn = nullptr;
  attnrt_args args{};
};

/// What the bodies of a launch share. Worker lists were checked.
struct StageRun {
  const attnrt_item *items;
  const attnrt_merge *merges;
  const int32_t *itemWork, *mergeWork;
  int32_t workers;
  bool hasItems, hasMerges;
  attnrt_merge_fn mergeFn;
  attnrt_args args;
  ItemKernel only;
  /// By variant of items; null: `only` takes all.
  const ItemKernel *kernels = nullptr;

  void runItems(int64_t worker, void *scratch) const {
    for (int32_t i = itemWork[worker]; i < itemWork[worker + 1]; ++i) {
      const ItemKernel &kernel = kernels ? kernels[items[i].variant] : only;
      kernel.fn(&kernel.args, &items[i], scratch);
    }
  }
  void runMerges(int64_t worker, void *scratch) const {
    for (int32_t m = mergeWork[worker]; m < mergeWork[worker + 1]; ++m) {
      mergeFn(&args, &merges[m], scratch);
    }
  }
};

/// Tells arguments where the records of a plan are.
void addRecords(attnrt_args &args, const attnrt_plan *plan);

/// The checks and contract of attnrt_cpu_run; on success `run` can be run.
attnrt_status prepareStage(const attnrt_plan *plan, int32_t stage,
                           attnrt_item_fn itemFn, attnrt_merge_fn mergeFn,
                           const attnrt_args *args, StageRun &run);

} // namespace attnrt

#endif // ATTNRT_SRC_DEVICE_CPU_RUN_H
