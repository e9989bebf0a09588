//===- CheckProblem.cpp - Rules of a problem's arrays ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Check.h"

#include "../Status.h"

#include <climits>
#include <vector>

using namespace attnrt;

static attnrt_status checkSegment(const attnrt_problem &problem, int64_t s) {
  const attnrt_segment &segment = problem.segments[s];
  const long long number = s;
  if (segment.count < 0 || segment.head < -1 || segment.head >= problem.heads ||
      segment.len_ref < -1 || segment.select < -1 || segment.reserved != 0 ||
      segment.view < 0 || segment.view > UINT16_MAX) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "segment %lld expects count >= 0, head in -1..%d, len_ref and "
                "select >= -1, a view in 0..65535 and reserved 0, but got "
                "count %d, head %d, len_ref %d, select %lld, view %d, "
                "reserved %d",
                number, problem.heads - 1, segment.count, segment.head,
                segment.len_ref, static_cast<long long>(segment.select),
                segment.view, segment.reserved);
  }
  if (int64_t(segment.coord0) + segment.count > INT32_MAX) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "segment %lld expects coordinates below 2^31, but got "
                "coord0 %d with count %d",
                number, segment.coord0, segment.count);
  }
  if (problem.sure_count &&
      (problem.sure_count[s] < 0 || problem.sure_count[s] > segment.count)) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "sure_count of segment %lld expects 0..%d, but got %d", number,
                segment.count, problem.sure_count[s]);
  }
  return ATTNRT_OK;
}

static attnrt_status checkReads(const attnrt_problem &problem, int64_t s) {
  const long long number = s;
  const int64_t most =
      problem.row_list ? problem.row_list_size : problem.row_count;
  const int32_t from = problem.row_begin[s];
  const int32_t to =
      problem.row_end ? problem.row_end[s] : problem.row_begin[s + 1];
  if (from < 0 || from > to || to > most) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "row_begin of segment %lld expects a rising range within %lld "
                "rows, but got %d..%d",
                number, static_cast<long long>(most), from, to);
  }
  if (problem.row_list) {
    int32_t last = -1;
    for (int32_t j = from; j < to; ++j) {
      int32_t row = problem.row_list[j];
      if (row <= last || row >= problem.row_count) {
        return fail(ATTNRT_INVALID_ARGUMENT,
                    "the row list of segment %lld expects rising rows below "
                    "%lld, but got %d behind %d",
                    number, static_cast<long long>(problem.row_count), row,
                    last);
      }
      last = row;
    }
  }
  if (problem.mask_begin && problem.mask_begin[s] != -1) {
    const int64_t words = (int64_t(to) - from + 63) / 64;
    const int64_t need = words * problem.segments[s].count;
    const int64_t begin = problem.mask_begin[s];
    if (begin < 0 || begin > problem.mask_words - need) {
      return fail(ATTNRT_INVALID_ARGUMENT,
                  "mask_begin of segment %lld expects %lld words within %lld, "
                  "but got them from %lld",
                  number, static_cast<long long>(need),
                  static_cast<long long>(problem.mask_words),
                  static_cast<long long>(begin));
    }
  }
  return ATTNRT_OK;
}

/// Each number of [0, count) at most once, or exactly once.
static attnrt_status checkNumbers(const char *what, const int32_t *numbers,
                                  int64_t size, int32_t count, bool gaps) {
  std::vector<bool> seen(count);
  int64_t found = 0;
  for (int64_t i = 0; i < size; ++i) {
    const int32_t number = numbers[i];
    if (number == -1 && !gaps) {
      continue; // a row that keeps nothing
    }
    if (number < 0 || number >= count || seen[number]) {
      return fail(ATTNRT_INVALID_ARGUMENT,
                  "%s expects different numbers below %d, but got %d", what,
                  count, number);
    }
    seen[number] = true;
    ++found;
  }
  if (!gaps && found != count) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "%s expects %d different numbers, but got %lld", what, count,
                static_cast<long long>(found));
  }
  return ATTNRT_OK;
}

static attnrt_status checkStates(const attnrt_problem &problem) {
  if (problem.ext_count < 0 || problem.keep_count < 0 ||
      (problem.ext_begin && !problem.ext &&
       problem.ext_begin[problem.row_count] > 0) ||
      (!problem.ext_begin && problem.ext_count) ||
      (!problem.keep && problem.keep_count)) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects counts of external and kept states >= 0 and their "
                "arrays, but got %d and %d",
                problem.ext_count, problem.keep_count);
  }
  const int64_t perState = int64_t(problem.heads) * problem.group;
  if ((int64_t(problem.ext_count) + problem.keep_count) * perState >
      INT32_MAX) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects slots of external and kept states below 2^31, but got "
                "%d and %d states of %lld",
                problem.ext_count, problem.keep_count,
                static_cast<long long>(perState));
  }
  if (problem.ext_begin) {
    if (problem.ext_begin[0] != 0) {
      return invalid("ext_begin[0]", "0", problem.ext_begin[0]);
    }
    for (int64_t r = 0; r < problem.row_count; ++r) {
      if (problem.ext_begin[r + 1] < problem.ext_begin[r]) {
        return fail(ATTNRT_INVALID_ARGUMENT,
                    "ext_begin expects to rise, but got %d behind %d",
                    problem.ext_begin[r + 1], problem.ext_begin[r]);
      }
    }
    if (attnrt_status status = checkNumbers(
            "ext", problem.ext, problem.ext_begin[problem.row_count],
            problem.ext_count, true)) {
      return status;
    }
  }
  return problem.keep ? checkNumbers("keep", problem.keep, problem.row_count,
                                     problem.keep_count, false)
                      : ATTNRT_OK;
}

static attnrt_status checkSizes(const attnrt_problem &problem) {
  const struct {
    const char *name;
    int64_t value;
  } sizes[] = {{"segment_count", problem.segment_count},
               {"row_count", problem.row_count},
               {"row_list_size", problem.row_list_size},
               {"mask_words", problem.mask_words}};
  for (const auto &[name, value] : sizes) {
    if (value < 0) {
      return invalid(name, "0 or more", value);
    }
  }
  const int64_t records =
      problem.row_count + (problem.row_list ? problem.row_list_size : 0);
  if (problem.segment_count > INT32_MAX || problem.row_count > INT32_MAX ||
      records > INT32_MAX) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects segments and rows below 2^31, but got %lld and %lld",
                static_cast<long long>(problem.segment_count),
                static_cast<long long>(records));
  }
  const bool segments = problem.segment_count > 0, rows = problem.row_count > 0;
  if (((segments || !problem.row_end) && !problem.row_begin) ||
      (segments && !problem.segments) ||
      (rows && (!problem.coord || !problem.lo || !problem.limit)) ||
      (problem.mask_begin && problem.mask_words && !problem.masks)) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects the arrays of a problem, but got a null pointer");
  }
  if (!problem.sure_lo != !problem.sure_limit) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects both sure_lo and sure_limit, but got one");
  }
  return problem.reserved
             ? invalid("reserved of the problem", "0", problem.reserved)
             : ATTNRT_OK;
}

attnrt_status attnrt::checkProblem(const attnrt_problem &problem) {
  if (problem.heads < 1) {
    return invalid("heads", "1 or more", problem.heads);
  }
  if (problem.group < 1) {
    return invalid("group", "1 or more", problem.group);
  }
  if (problem.heads > 1 << 16 || problem.group > UINT16_MAX) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects at most 65536 heads and a group of at most 65535, but "
                "got %d and %d",
                problem.heads, problem.group);
  }
  if (attnrt_status status = checkSizes(problem)) {
    return status;
  }
  if (!problem.row_end && problem.row_begin[0] != 0) {
    return invalid("row_begin[0]", "0", problem.row_begin[0]);
  }
  for (int64_t s = 0; s < problem.segment_count; ++s) {
    if (attnrt_status status = checkSegment(problem, s)) {
      return status;
    }
    if (attnrt_status status = checkReads(problem, s)) {
      return status;
    }
  }
  const int64_t most =
      problem.row_list ? problem.row_list_size : problem.row_count;
  if (!problem.row_end && problem.row_begin[problem.segment_count] != most) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "row_begin expects to end at the %lld rows, but got %d",
                static_cast<long long>(most),
                problem.row_begin[problem.segment_count]);
  }
  for (int64_t j = 0; problem.row_list && j < problem.row_list_size; ++j) {
    // Also where no segment names the element: it becomes a Row record.
    if (problem.row_list[j] < 0 || problem.row_list[j] >= problem.row_count) {
      return fail(ATTNRT_INVALID_ARGUMENT,
                  "row_list expects rows below %lld, but got %d",
                  static_cast<long long>(problem.row_count),
                  problem.row_list[j]);
    }
  }
  for (int64_t r = 0; problem.row_len_ref && r < problem.row_count; ++r) {
    if (problem.row_len_ref[r] < -1) {
      return invalid("row_len_ref", "-1 or more", problem.row_len_ref[r]);
    }
  }
  return checkStates(problem);
}
