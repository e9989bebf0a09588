//===- Check.h - Rules of a problem and of an entry -----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_PLAN_CHECK_H
#define ATTNRT_SRC_PLAN_CHECK_H

#include "attnrt/plan.h"

namespace attnrt {

/// The arguments of a planning call in full: fields that the caller's structs
/// do not have are 0, defaults of options are filled in.
struct PlanArguments {
  static constexpr int32_t mostStages = 64;

  attnrt_problem problem;
  attnrt_entry entries[mostStages];
  int32_t stages;
  attnrt_plan_options options; ///< `capacity` is null or points to `capacity`
  attnrt_plan_capacity capacity;
};

/// Reads the arguments; INVALID_ARGUMENT or RESOURCE_EXHAUSTED with a message
/// if they break a rule stated in plan.h. Used by the planner and by the
/// verifier, which may then trust their input. Throws std::bad_alloc.
attnrt_status readArguments(const attnrt_problem *problem,
                            const attnrt_entry *entry,
                            const attnrt_plan_options *options,
                            PlanArguments &out);

/// Options with their defaults filled in.
attnrt_plan_options withDefaults(attnrt_plan_options options);

/// The part of it that looks at arrays.
attnrt_status checkProblem(const attnrt_problem &problem);

/// "`what` expects `want`, but got `got`" as INVALID_ARGUMENT.
attnrt_status invalid(const char *what, const char *want, int64_t got);

} // namespace attnrt

#endif // ATTNRT_SRC_PLAN_CHECK_H
