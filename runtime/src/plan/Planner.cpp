//===- Planner.cpp - The planner's C interface ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../Status.h"
#include "FlatPlanner.h"
#include "ForestPlanner.h"

#include <new>

using namespace attnrt;

struct attnrt_planner {
  attnrt_status plan(const attnrt_problem *problem, const attnrt_entry *entry,
                     const attnrt_plan_options *options) {
    if (attnrt_status status =
            readArguments(problem, entry, options, arguments)) {
      return status;
    }
    return FlatPlanner::takes(arguments) ? flat.plan(arguments, block)
                                         : forest.plan(arguments, block);
  }

  PlanArguments arguments;
  FlatPlanner flat;
  ForestPlanner forest;
  Block block;
};

attnrt_status attnrt_planner_create(attnrt_planner **out) {
  if (!out) {
    return fail(ATTNRT_INVALID_ARGUMENT, "expects out, but got null");
  }
  attnrt_planner *planner = new (std::nothrow) attnrt_planner;
  if (!planner) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "no memory for a planner");
  }
  *out = planner;
  return ATTNRT_OK;
}

void attnrt_planner_destroy(attnrt_planner *planner) { delete planner; }

attnrt_status attnrt_planner_plan(attnrt_planner *planner,
                                  const attnrt_problem *problem,
                                  const attnrt_entry *entry,
                                  const attnrt_plan_options *options,
                                  const attnrt_plan **out) {
  if (!planner || !problem || !entry || !options || !out) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects planner, problem, entry, options and out, but got "
                "null");
  }
  try {
    if (attnrt_status status = planner->plan(problem, entry, options)) {
      return status;
    }
  } catch (const std::exception &) {
    // bad_alloc, or length_error of a vector past its size.
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "no memory for the plan");
  }
  *out = planner->block.plan();
  return ATTNRT_OK;
}
