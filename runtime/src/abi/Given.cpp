//===- Given.cpp - Problems that an engine poses itself -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Given.h"

#include "../plan/Check.h"

using namespace attnrt;

namespace {

/// What compiled kernels expect of a problem whose arrays are in order.
class Checker {
public:
  Checker(const attnrt_problem &problem, const LaunchSizes &sizes, bool shares,
          const std::vector<int64_t> &ordinals)
      : problem(problem), sizes(sizes), shares(shares), ordinals(ordinals) {
    if (problem.sym) {
      syms.assign(problem.sym, problem.sym + problem.row_count);
      return;
    }
    // The default: of the first segment that a row reads.
    syms.assign(size_t(problem.row_count), 0);
    for (int64_t s = problem.segment_count; s-- > 0;) {
      for (int64_t j = begin(s); j < end(s); ++j) {
        syms[size_t(reader(j))] = problem.segments[s].param;
      }
    }
  }

  void checkRows() const;
  void checkSegments() const;

private:
  int32_t symOf(int64_t row) const { return syms[size_t(row)]; }
  void checkReaders(int64_t s) const;
  int64_t begin(int64_t s) const { return problem.row_begin[s]; }
  int64_t end(int64_t s) const {
    return problem.row_end ? problem.row_end[s] : problem.row_begin[s + 1];
  }
  int64_t reader(int64_t j) const {
    return problem.row_list ? problem.row_list[j] : j;
  }

  const attnrt_problem &problem;
  const LaunchSizes &sizes;
  bool shares;
  const std::vector<int64_t> &ordinals; ///< by view
  std::vector<int32_t> syms;
};

} // namespace

void Checker::checkRows() const {
  std::vector<bool> written(size_t(sizes.segments * sizes.rows));
  for (int64_t r = 0; r < problem.row_count; ++r) {
    int32_t sym = symOf(r), coord = problem.coord[r];
    if (sym < 0 || sym >= sizes.segments || coord < 0 || coord >= sizes.rows) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "row %lld expects a request below %lld and a coordinate below "
            "%lld, but got request %d and coordinate %d",
            static_cast<long long>(r), static_cast<long long>(sizes.segments),
            static_cast<long long>(sizes.rows), sym, coord);
    }
    bool stays = problem.keep && problem.keep[r] >= 0;
    size_t result = size_t(sym * sizes.rows + coord);
    if (!stays && written[result]) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "row %lld expects a result of its own, but another row writes that "
            "of request %d and coordinate %d",
            static_cast<long long>(r), sym, coord);
    }
    written[result] = written[result] || !stays;
  }
}

void Checker::checkReaders(int64_t s) const {
  const attnrt_segment &segment = problem.segments[s];
  int64_t last = int64_t(segment.coord0) + segment.count;
  for (int64_t j = begin(s); j < end(s); ++j) {
    int64_t row = reader(j);
    if (last % sizes.tile && last != ordinals[size_t(segment.view)] &&
        problem.limit[row] > last && problem.lo[row] < problem.limit[row]) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "segment %lld expects to end at a multiple of %lld keys or at the "
            "limit of its rows, but got %lld where row %lld has %d",
            static_cast<long long>(s), static_cast<long long>(sizes.tile),
            static_cast<long long>(last), static_cast<long long>(row),
            problem.limit[row]);
    }
    if (!shares && symOf(row) != symOf(reader(begin(s)))) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "segment %lld expects rows of one request, as the entry looks up "
            "masks for a whole request, but got requests %d and %d",
            static_cast<long long>(s), symOf(reader(begin(s))), symOf(row));
    }
  }
}

void Checker::checkSegments() const {
  const int32_t views = int32_t(ordinals.size());
  for (int64_t s = 0; s < problem.segment_count; ++s) {
    const attnrt_segment &segment = problem.segments[s];
    if (segment.param < 0 || segment.param >= sizes.segments) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "segment %lld expects a param below %lld requests, but got %d",
            static_cast<long long>(s), static_cast<long long>(sizes.segments),
            segment.param);
    }
    if (segment.view >= views || segment.select != -1 ||
        (problem.mask_begin && problem.mask_begin[s] != -1)) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "segment %lld expects a view below %d, the kernels that are "
            "joined, select -1 and no mask words (lists and masks of compiled "
            "kernels are operands), but got view %d, select %lld and masks "
            "from %lld",
            static_cast<long long>(s), views, segment.view,
            static_cast<long long>(segment.select),
            static_cast<long long>(problem.mask_begin ? problem.mask_begin[s]
                                                      : -1));
    }
    const int64_t keys = ordinals[size_t(segment.view)];
    if (segment.coord0 < 0 || segment.coord0 % sizes.tile ||
        segment.count > keys - segment.coord0) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "segment %lld expects to begin at a multiple of %lld keys and to "
            "end within %lld, but got %d keys from %d",
            static_cast<long long>(s), static_cast<long long>(sizes.tile),
            static_cast<long long>(keys), segment.count, segment.coord0);
    }
    checkReaders(s);
  }
}

/// A copy of `count` elements and where it lies; null stays null.
template <class T>
static const T *copy(std::vector<T> &into, const T *from, int64_t count) {
  into.assign(from, from + (from ? count : 0));
  into.reserve(1); // not null
  return from ? into.data() : nullptr;
}

bool attnrt::takeFold(PlannedLaunch &launch, const attnrt_problem &given,
                      const LaunchSizes &sizes, bool shares,
                      const std::vector<int64_t> &ordinals) {
  attnrt_problem problem = readParams(&given, "attnrt_problem");
  check(checkProblem(problem));
  checkSizes(sizes);
  if (problem.heads != sizes.heads || problem.group != sizes.subs) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "a problem expects %lld KV heads of %lld query heads, but got %d of "
          "%d",
          static_cast<long long>(sizes.heads),
          static_cast<long long>(sizes.subs), problem.heads, problem.group);
  }
  Checker checker(problem, sizes, shares, ordinals);
  checker.checkRows();
  checker.checkSegments();
  int64_t segments = problem.segment_count, rows = problem.row_count;
  GivenArrays &own = launch.given;
  problem.segments = copy(launch.segments, problem.segments, segments);
  problem.row_begin = copy(launch.rowBegin, problem.row_begin,
                           segments + (problem.row_end ? 0 : 1));
  problem.row_end = copy(launch.rowEnd, problem.row_end, segments);
  problem.row_list = copy(own.rowList, problem.row_list, problem.row_list_size);
  problem.coord = copy(launch.coord, problem.coord, rows);
  problem.lo = copy(launch.low, problem.lo, rows);
  problem.limit = copy(launch.high, problem.limit, rows);
  problem.sure_lo = copy(launch.sureLow, problem.sure_lo, rows);
  problem.sure_limit = copy(launch.sureHigh, problem.sure_limit, rows);
  problem.row_len_ref = copy(own.rowLenRef, problem.row_len_ref, rows);
  problem.row_back = copy(own.rowBack, problem.row_back, rows);
  problem.sym = copy(launch.segmentOfRow, problem.sym, rows);
  problem.sure_count = copy(own.sureCount, problem.sure_count, segments);
  problem.ext = copy(own.ext, problem.ext,
                     problem.ext_begin ? problem.ext_begin[rows] : 0);
  problem.ext_begin = copy(own.extBegin, problem.ext_begin, rows + 1);
  problem.keep = copy(own.keep, problem.keep, rows);
  problem.mask_begin = nullptr;
  problem.masks = nullptr;
  problem.mask_words = 0;
  launch.problem = problem;
  return rows > 0;
}
