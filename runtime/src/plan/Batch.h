//===- Batch.h - A problem as the planners read it ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_PLAN_BATCH_H
#define ATTNRT_SRC_PLAN_BATCH_H

#include "attnrt/plan.h"

#include <algorithm>

namespace attnrt {

/// Ordinals [from, to) of a segment; from >= to: none.
struct Ordinals {
  int32_t from = 0, to = 0;

  bool any() const { return from < to; }
};

/// A checked problem with its defaults resolved. Places are elements of the
/// segments' row lists: with a row_list its elements, else the rows themselves.
class Batch {
public:
  Batch() = default;
  explicit Batch(const attnrt_problem &problem) : p(problem) {}

  const attnrt_problem &problem() const { return p; }
  const attnrt_segment &segment(int32_t s) const { return p.segments[s]; }
  int32_t placeBegin(int32_t s) const { return p.row_begin[s]; }
  int32_t placeEnd(int32_t s) const {
    return p.row_end ? p.row_end[s] : p.row_begin[s + 1];
  }
  int32_t rowAt(int32_t place) const {
    return p.row_list ? p.row_list[place] : place;
  }
  /// Row record of the plan for a place.
  int32_t recordAt(int32_t place) const {
    return p.row_list ? int32_t(p.row_count) + place : place;
  }
  int64_t records() const {
    return p.row_count + (p.row_list ? p.row_list_size : 0);
  }
  bool masked(int32_t s) const { return p.mask_begin && p.mask_begin[s] >= 0; }
  int32_t extCount(int64_t row) const {
    return p.ext_begin ? p.ext_begin[row + 1] - p.ext_begin[row] : 0;
  }
  int32_t keepOf(int64_t row) const { return p.keep ? p.keep[row] : -1; }

  /// What the row may see of the segment at some length.
  Ordinals hull(int32_t s, int32_t row) const {
    const attnrt_segment &segment = p.segments[s];
    if (p.lo[row] >= p.limit[row]) {
      return {};
    }
    if (segment.select >= 0) {
      return {0, segment.count};
    }
    return within(p.lo[row], p.limit[row], segment.coord0, segment.count);
  }

  /// What the row sees of the segment at every length.
  Ordinals sure(int32_t s, int32_t row) const {
    const attnrt_segment &segment = p.segments[s];
    if (segment.select >= 0 || masked(s)) {
      return {};
    }
    int32_t count = segment.len_ref < 0 ? segment.count
                    : p.sure_count      ? p.sure_count[s]
                                        : 0;
    if (p.sure_lo) {
      return within(std::max(p.lo[row], p.sure_lo[row]),
                    std::min(p.limit[row], p.sure_limit[row]), segment.coord0,
                    count);
    }
    bool exact = !p.row_len_ref || p.row_len_ref[row] < 0;
    return exact ? within(p.lo[row], p.limit[row], segment.coord0, count)
                 : Ordinals{};
  }

private:
  static Ordinals within(int64_t lo, int64_t limit, int64_t coord0,
                         int64_t count) {
    int64_t from = std::clamp<int64_t>(lo - coord0, 0, count);
    int64_t to = std::clamp<int64_t>(limit - coord0, 0, count);
    return from < to ? Ordinals{int32_t(from), int32_t(to)} : Ordinals{};
  }

  attnrt_problem p{};
};

} // namespace attnrt

#endif // ATTNRT_SRC_PLAN_BATCH_H
