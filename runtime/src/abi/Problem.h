//===- Problem.h - What a launch asks the planner ---------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The only place that fills attnrt_problem: from extents and the answers of a
// launch's range function.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_PROBLEM_H
#define ATTNRT_SRC_ABI_PROBLEM_H

#include "Schedule.h"

namespace attnrt {

/// Sizes of a launch.
struct LaunchSizes {
  int64_t segments, rows, heads, subs, ordinals;
  /// Keys of a tile: shared runs end where tiles do.
  int64_t tile = 1;
};

/// A range function and what it is asked with: arguments of host functions, one
/// set for each combination of smallest and largest lengths.
struct RangeOf {
  attnrt_range_fn range;
  std::vector<attnrt_args> corners;
  /// Of the variant, where there are several: its fold has no more tiles.
  int64_t ordinals = INT32_MAX;
};

/// RESOURCE_EXHAUSTED where the sizes of a fold are past what plans can name.
void checkSizes(const LaunchSizes &sizes);

/// Of a fold: one segment for each coordinate of the segment ranks, all with
/// the same rows; with `prefixes` one more for each run of keys that several of
/// them share, and what is left for each. What a row may see is what it sees in
/// any corner of a range. Where kernels are joined there is a range for each
/// variant, and a segment for each that its rows see keys of, as far as these
/// reach. False if there is nothing to compute.
bool poseFold(PlannedLaunch &launch, const LaunchSizes &sizes,
              const std::vector<RangeOf> &variants,
              const attnrt_prefixes *prefixes = nullptr);

/// Of a stage of points: one segment of one ordinal, a row for each point.
bool posePoints(PlannedLaunch &launch, int64_t points);

} // namespace attnrt

#endif // ATTNRT_SRC_ABI_PROBLEM_H
