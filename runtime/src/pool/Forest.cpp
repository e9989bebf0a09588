//===- Forest.cpp - The forest of pages as a plan problem -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sequences whose tables begin with the same pages share a node of the forest.
// A node is split at the first page at which they differ: the members are
// sorted by that page, and each run of equal ones is a child. Every page of
// every table is compared once.
//
//===----------------------------------------------------------------------===//
#include "Forest.h"

#include <algorithm>
#include <climits>

using namespace attnrt;

void PageForest::readMembers(const attnrt_forest_params &given) {
  params = given;
  pool->requireGroup(params.group);
  if (params.reserved || params.num_sequences < 0 || params.min_shared < 0 ||
      (params.num_sequences && !params.sequences) ||
      (!params.lists && params.columns < 0)) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects num_sequences, columns and min_shared >= 0, sequences and "
          "reserved 0, but got %lld, %lld, %lld%s and %u",
          (long long)params.num_sequences, (long long)params.columns,
          (long long)params.min_shared, params.sequences ? "" : ", null",
          params.reserved);
  }
  members.clear();
  order.clear();
  int64_t row = 0;
  for (int64_t i = 0; i < params.num_sequences; ++i) {
    const GroupTable &table =
        pool->sequence(params.sequences[i]).groups[size_t(params.group)];
    const int64_t rows = params.rows ? params.rows[i] : 1;
    if (rows < 0 || rows > table.length || row + rows > INT32_MAX) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects rows in 0..%lld for sequence %lld, but got %lld",
            (long long)table.length, (long long)i, (long long)rows);
    }
    members.push_back({table.pages.data(), int64_t(table.pages.size()),
                       table.length, table.numNull != 0,
                       params.lists ? params.lists[i] : i * params.columns,
                       int32_t(row), int32_t(row + rows), int32_t(i)});
    order.push_back(int32_t(i));
    row += rows;
  }
}

void PageForest::writeRows() {
  const attnrt_page_group rule = pool->rule(params.group);
  coord.clear();
  lo.clear();
  limit.clear();
  sym.clear();
  for (const Member &member : members) {
    for (int32_t row = member.rowBegin; row < member.rowEnd; ++row) {
      const int32_t at = int32_t(member.length - (member.rowEnd - row));
      const int64_t from = rule.window && !rule.sink
                               ? std::max<int64_t>(0, at - rule.window + 1)
                               : 0;
      coord.push_back(at);
      lo.push_back(int32_t(from));
      limit.push_back(at + 1);
      sym.push_back(member.number);
    }
  }
}

int64_t PageForest::common(size_t begin, size_t end, int64_t depth) const {
  const Member &first = members[size_t(order[begin])];
  int64_t most = first.length / pool->pageSize();
  for (size_t i = begin + 1; i < end; ++i) {
    const Member &member = members[size_t(order[i])];
    most = std::min(most, member.length / pool->pageSize());
    // Whole runs first: tables agree for long, or not at all.
    constexpr int64_t run = 64;
    int64_t same = depth;
    while (same + run <= most &&
           std::memcmp(first.pages + same, member.pages + same, run * 4) == 0) {
      same += run;
    }
    while (same < most && first.pages[same] == member.pages[same]) {
      ++same;
    }
    most = same;
  }
  return std::max(most, depth);
}

void PageForest::addSegments(size_t begin, size_t end, int64_t depth,
                             int64_t endPage, int64_t length) {
  const Member &first = members[size_t(order[begin])];
  const int64_t size = pool->pageSize();
  for (int64_t page = depth; page < endPage;) {
    int64_t last = first.hasNull ? page : endPage;
    while (last < endPage && first.pages[last] != pool->nullPage()) {
      ++last;
    }
    if (last > page) {
      attnrt_segment segment{};
      segment.list = first.list + page;
      segment.select = segment.len_ref = segment.head = -1;
      segment.view = params.view;
      segment.coord0 = int32_t(page * size);
      segment.count = int32_t(std::min(last * size, length) - page * size);
      segment.param = first.number;
      segments.push_back(segment);
      for (size_t i = begin; i < end; ++i) {
        memberList.push_back(order[i]);
      }
      std::sort(memberList.begin() + memberBegin.back(), memberList.end());
      memberBegin.push_back(int64_t(memberList.size()));
    }
    page = last + 1;
  }
}

void PageForest::split(size_t begin, size_t end, int64_t depth, int64_t from) {
  if (end - begin == 1) {
    const Member &member = members[size_t(order[begin])];
    addSegments(begin, end, from, member.numPages, member.length);
    return;
  }
  const int64_t size = pool->pageSize();
  const int64_t shared = common(begin, end, depth);
  // What is too short for a segment of its own goes to the children.
  if ((shared - from) * size >= std::max<int64_t>(params.min_shared, 1)) {
    addSegments(begin, end, from, shared, shared * size);
    from = shared;
  }
  // Children by their next full page; those that have none stand alone.
  auto key = [&](int32_t number) {
    const Member &member = members[size_t(number)];
    return shared < member.length / size ? int64_t(member.pages[shared])
                                         : INT64_MIN + number;
  };
  std::sort(order.begin() + int64_t(begin), order.begin() + int64_t(end),
            [&](int32_t a, int32_t b) {
              return std::make_pair(key(a), a) < std::make_pair(key(b), b);
            });
  for (size_t i = begin; i < end;) {
    size_t next = i + 1;
    while (next < end && key(order[next]) == key(order[i])) {
      ++next;
    }
    split(i, next, shared, from);
    i = next;
  }
}

/// From the members of segments to rows: ranges if all are, else a list.
void PageForest::joinRows() {
  rowBegin.clear();
  rowEnd.clear();
  rowList.clear();
  bool ranges = true;
  for (size_t s = 0; s < segments.size(); ++s) {
    int32_t begin = 0, end = 0;
    for (int64_t i = memberBegin[s]; i < memberBegin[s + 1]; ++i) {
      const Member &member = members[size_t(memberList[size_t(i)])];
      if (member.rowBegin == member.rowEnd) {
        continue;
      }
      ranges &= begin == end || end == member.rowBegin;
      begin = begin == end ? member.rowBegin : begin;
      end = member.rowEnd;
    }
    rowBegin.push_back(begin);
    rowEnd.push_back(end);
  }
  if (ranges) {
    return;
  }
  rowBegin.clear();
  rowEnd.clear();
  for (size_t s = 0; s < segments.size(); ++s) {
    rowBegin.push_back(int32_t(rowList.size()));
    for (int64_t i = memberBegin[s]; i < memberBegin[s + 1]; ++i) {
      const Member &member = members[size_t(memberList[size_t(i)])];
      for (int32_t row = member.rowBegin; row < member.rowEnd; ++row) {
        rowList.push_back(row);
      }
    }
  }
  rowBegin.push_back(int32_t(rowList.size()));
}

attnrt_problem PageForest::build(const attnrt_forest_params &given) {
  readMembers(given);
  writeRows();
  segments.clear();
  memberList.clear();
  memberBegin.assign(1, 0);
  if (params.min_shared == INT64_MAX) {
    for (size_t i = 0; i < members.size(); ++i) {
      split(i, i + 1, 0, 0);
    }
  } else if (!members.empty()) {
    split(0, members.size(), 0, 0);
  }
  joinRows();
  // A problem without rows has arrays too.
  segments.reserve(1);
  for (std::vector<int32_t> *array :
       {&rowBegin, &rowEnd, &coord, &lo, &limit, &sym}) {
    array->reserve(1);
  }

  attnrt_problem problem{};
  problem.struct_size = sizeof(problem);
  problem.heads = params.heads;
  problem.group = params.query_group;
  problem.segments = segments.data();
  problem.segment_count = int64_t(segments.size());
  problem.row_begin = rowBegin.data();
  if (rowList.empty()) {
    problem.row_end = rowEnd.data();
  } else {
    problem.row_list = rowList.data();
    problem.row_list_size = int64_t(rowList.size());
  }
  problem.row_count = int64_t(coord.size());
  problem.coord = coord.data();
  problem.lo = lo.data();
  problem.limit = limit.data();
  problem.sym = sym.data();
  return problem;
}

//===----------------------------------------------------------------------===//
// C ABI
//===----------------------------------------------------------------------===//

attnrt_status attnrt_page_forest_create(attnrt_page_pool *pool,
                                        attnrt_page_forest **out) {
  return enter(pool, [&](PagePool &) {
    if (!out) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a place for the forest, but got null");
    }
    auto handle = std::make_unique<attnrt_page_forest>();
    handle->impl = std::make_unique<PageForest>(pool->impl);
    *out = handle.release();
  });
}

void attnrt_page_forest_release(attnrt_page_forest *forest) { delete forest; }

attnrt_status attnrt_page_forest_build(attnrt_page_forest *forest,
                                       const attnrt_forest_params *params,
                                       attnrt_problem *out) {
  return guard([&] {
    if (!forest) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a page forest, but got null");
    }
    forest->impl->owner().requireOwner();
    writeInfo(forest->impl->build(readParams(params, "attnrt_forest_params")),
              out, "attnrt_problem");
  });
}
