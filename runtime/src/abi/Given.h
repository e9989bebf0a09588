//===- Given.h - Problems that an engine poses itself -----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_GIVEN_H
#define ATTNRT_SRC_ABI_GIVEN_H

#include "Problem.h"

namespace attnrt {

/// Takes the problem of attnrt_step::problems for a fold: checks what its
/// kernels expect beside the rules of attnrt/plan.h, and copies the arrays, as
/// the engine's are its own after the call. `shares`: items may hold rows of
/// several requests; `ordinals`: of each kernel that is
/// joined, else of the only one. False if no row is asked for.
bool takeFold(PlannedLaunch &launch, const attnrt_problem &given,
              const LaunchSizes &sizes, bool shares,
              const std::vector<int64_t> &ordinals);

} // namespace attnrt

#endif // ATTNRT_SRC_ABI_GIVEN_H
