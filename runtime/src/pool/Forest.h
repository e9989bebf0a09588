//===- Forest.h - The forest of pages as a plan problem ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_POOL_FOREST_H
#define ATTNRT_SRC_POOL_FOREST_H

#include "PagePool.h"

namespace attnrt {

/// Builds problems and prefixes, and owns the arrays of the last one.
class PageForest {
public:
  explicit PageForest(std::shared_ptr<PagePool> pool) : pool(std::move(pool)) {}

  attnrt_problem build(const attnrt_forest_params &params);
  attnrt_prefixes prefixes(const attnrt_forest_params &params);
  const PagePool &owner() const { return *pool; }

private:
  /// One sequence of the batch.
  struct Member {
    const int32_t *pages;
    int64_t numPages, length;
    int64_t wholePages; ///< that are full at any length
    bool hasNull;
    int64_t list;
    int32_t rowBegin, rowEnd;
    int32_t number; ///< in the batch
  };

  void readMembers(const attnrt_forest_params &params, bool hasRows);
  void writeRows();
  /// Segments of the members [begin, end) of `order`, whose tables agree in the
  /// first `depth` pages, parents first. Pages before `from` have theirs.
  void split(size_t begin, size_t end, int64_t depth, int64_t from);
  /// Nodes of prefixes, likewise; what is shared so far is of `parent`.
  void grow(size_t begin, size_t end, int64_t depth, int32_t parent);
  /// Calls visit(begin, end) for members whose next full page is the same, and
  /// for each that has none.
  template <class F>
  void eachChild(size_t begin, size_t end, int64_t depth, F visit);
  /// Pages from `depth` on that all of them have, as full pages.
  int64_t common(size_t begin, size_t end, int64_t depth) const;
  /// Segments of the pages [depth, end) that are there, up to `length`, read by
  /// the members.
  void addSegments(size_t begin, size_t end, int64_t depth, int64_t endPage,
                   int64_t length);
  void joinRows();

  std::shared_ptr<PagePool> pool;
  attnrt_forest_params params{};
  std::vector<Member> members;
  std::vector<int32_t> order; ///< members, those that share pages together
  std::vector<attnrt_segment> segments;
  /// Members of a segment: memberList[memberBegin[s] .. memberBegin[s + 1]).
  std::vector<int64_t> memberBegin;
  std::vector<int32_t> memberList;
  std::vector<attnrt_prefix_node> nodes;
  std::vector<int32_t> leaves; ///< by member
  std::vector<int32_t> rowBegin, rowEnd, rowList, coord, lo, limit, sym;
};

} // namespace attnrt

struct attnrt_page_forest {
  std::unique_ptr<attnrt::PageForest> impl;
};

#endif // ATTNRT_SRC_POOL_FOREST_H
