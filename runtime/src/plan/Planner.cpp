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
    // Room first: nothing may fail once the last plan is gone.
    runBegin.resize(size_t(Batch(arguments.problem).records()));
    if (attnrt_status status = FlatPlanner::takes(arguments)
                                   ? flat.plan(arguments, block)
                                   : forest.plan(arguments, block)) {
      return status;
    }
    markRuns();
    return ATTNRT_OK;
  }

  /// Says of items that their rows follow one another.
  void markRuns() {
    const attnrt_plan *plan = block.plan();
    const attnrt_row *rows = attnrt_plan_rows(plan);
    for (uint32_t r = 0; r < plan->rows.count; ++r) {
      bool goesOn = r > 0 && rows[r].sym == rows[r - 1].sym &&
                    int64_t(rows[r].coord) == int64_t(rows[r - 1].coord) + 1;
      runBegin[r] = goesOn ? runBegin[r - 1] : int32_t(r);
    }
    attnrt_item *items = block.items();
    for (uint32_t i = 0; i < plan->items.count; ++i) {
      attnrt_item &item = items[i];
      if (runBegin[item.row_begin + item.row_count - 1] <= item.row_begin) {
        item.flags |= ATTNRT_ITEM_RUN;
      }
    }
  }

  /// The first row of each row's run.
  std::vector<int32_t> runBegin;
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
