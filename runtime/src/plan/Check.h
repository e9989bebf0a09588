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

/// INVALID_ARGUMENT or RESOURCE_EXHAUSTED with a message if the arguments break
/// a rule stated in plan.h. Used by the planner and by the verifier, which may
/// then trust their input.
attnrt_status checkProblem(const attnrt_problem *problem,
                           const attnrt_entry *entry,
                           const attnrt_plan_options *options);

} // namespace attnrt

#endif // ATTNRT_SRC_PLAN_CHECK_H
