//===- Check.cpp - Rules of a problem and of an entry ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Check.h"

#include "../Status.h"

#include <climits>

using namespace attnrt;

static attnrt_status invalid(const char *what, const char *want, int64_t got) {
  return fail(ATTNRT_INVALID_ARGUMENT, "%s expects %s, but got %lld", what,
              want, static_cast<long long>(got));
}

static attnrt_status checkSegment(const attnrt_problem &problem, int64_t s) {
  const attnrt_segment &segment = problem.segments[s];
  const long long number = s;
  if (segment.count < 0 || segment.head != -1 || segment.len_ref != -1 ||
      segment.reserved != 0 || segment.view < 0 || segment.view > UINT16_MAX) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "segment %lld expects count >= 0, head -1, len_ref -1, a view "
                "in 0..65535 and reserved 0, but got count %d, head %d, "
                "len_ref %d, view %d, reserved %d",
                number, segment.count, segment.head, segment.len_ref,
                segment.view, segment.reserved);
  }
  if (int64_t(segment.coord0) + segment.count > INT32_MAX) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "segment %lld expects coordinates below 2^31, but got "
                "coord0 %d with count %d",
                number, segment.coord0, segment.count);
  }
  int32_t from = problem.row_begin[s], to = problem.row_begin[s + 1];
  if (from > to || to > problem.row_count) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "row_begin of segment %lld expects a rising range within %lld "
                "rows, but got %d..%d",
                number, static_cast<long long>(problem.row_count), from, to);
  }
  return ATTNRT_OK;
}

static attnrt_status checkBatch(const attnrt_problem &problem) {
  if (problem.segment_count < 0) {
    return invalid("segment_count", "0 or more", problem.segment_count);
  }
  if (problem.row_count < 0) {
    return invalid("row_count", "0 or more", problem.row_count);
  }
  if (problem.segment_count > INT32_MAX || problem.row_count > INT32_MAX) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects segments and rows below 2^31, but got %lld and %lld",
                static_cast<long long>(problem.segment_count),
                static_cast<long long>(problem.row_count));
  }
  if (!problem.row_begin || (problem.segment_count && !problem.segments) ||
      (problem.row_count &&
       (!problem.coord || !problem.lo || !problem.limit))) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects the arrays of a problem, but got a null pointer");
  }
  if (problem.row_begin[0] != 0) {
    return invalid("row_begin[0]", "0", problem.row_begin[0]);
  }
  for (int64_t s = 0; s < problem.segment_count; ++s) {
    if (attnrt_status status = checkSegment(problem, s)) {
      return status;
    }
  }
  int32_t last = problem.row_begin[problem.segment_count];
  if (last != problem.row_count) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "row_begin expects to end at the %lld rows, but got %d",
                static_cast<long long>(problem.row_count), last);
  }
  return ATTNRT_OK;
}

static attnrt_status checkOptions(const attnrt_entry &entry,
                                  const attnrt_plan_options &options) {
  const int32_t costs[] = {options.tile_cost, options.row_cost,
                           options.item_cost};
  for (int32_t cost : costs) {
    if (cost < 0 || cost > 1 << 20) {
      return invalid("a cost", "0..1048576", cost);
    }
  }
  if (entry.max_packed_rows < 1 || entry.max_packed_rows > 1 << 20) {
    return invalid("max_packed_rows", "1..1048576", entry.max_packed_rows);
  }
  if (entry.kv_tile < 1) {
    return invalid("kv_tile", "1 or more", entry.kv_tile);
  }
  if (entry.states < 0) {
    return invalid("states", "0 or more", entry.states);
  }
  if (entry.ordered != 0 && entry.ordered != 1) {
    return invalid("ordered", "0 or 1", entry.ordered);
  }
  if (options.workers < 1 || options.workers > 1 << 16) {
    return invalid("workers", "1..65536", options.workers);
  }
  if (options.split < 0) {
    return invalid("split", "0 or more", options.split);
  }
  if (entry.states == 0 && options.split > 1) {
    return invalid("split of an entry without states", "0 or 1", options.split);
  }
  if (options.max_slots < 0) {
    return invalid("max_slots", "0 or more", options.max_slots);
  }
  if (options.merge_rows < 0 || options.merge_rows > 1 << 16) {
    return invalid("merge_rows", "0..65536", options.merge_rows);
  }
  return ATTNRT_OK;
}

attnrt_status attnrt::checkProblem(const attnrt_problem *problem,
                                   const attnrt_entry *entry,
                                   const attnrt_plan_options *options) {
  if (!problem || !entry || !options) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects a problem, an entry and options, but got null");
  }
  if (attnrt_status status = checkOptions(*entry, *options)) {
    return status;
  }
  if (problem->heads < 1) {
    return invalid("heads", "1 or more", problem->heads);
  }
  if (problem->group < 1) {
    return invalid("group", "1 or more", problem->group);
  }
  if (problem->heads > 1 << 16 || problem->group > UINT16_MAX) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects at most 65536 heads and a group of at most 65535, but "
                "got %d and %d",
                problem->heads, problem->group);
  }
  return checkBatch(*problem);
}
