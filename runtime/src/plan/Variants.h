//===- Variants.h - Plans with a stage for each variant ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_PLAN_VARIANTS_H
#define ATTNRT_SRC_PLAN_VARIANTS_H

#include "attnrt/plan_format.h"

#include <vector>

namespace attnrt {

/// A copy of a plan of one stage for devices on which a kernel is the code of
/// one variant only: stage v has the items of variant v, each with the worker
/// that it had, and the first has all merges. Items of the plan neither keep
/// nor resume states, and have variants below `count`. The copy lies in `block`
/// and lives as long as its content. O(items + workers * count).
const attnrt_plan *splitVariants(const attnrt_plan &plan, int32_t count,
                                 std::vector<uint64_t> &block);

} // namespace attnrt

#endif // ATTNRT_SRC_PLAN_VARIANTS_H
