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

void PageForest::readMembers(const attnrt_forest_params &given, bool hasRows) {
  params = given;
  pool->requireGroup(params.group);
  if (params.reserved || params.num_sequences < 0 || params.min_shared < 0 ||
      (params.num_sequences && !params.sequences) ||
      (hasRows && !params.lists && params.columns < 0)) {
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
    const int64_t rows = !hasRows ? 0 : params.rows ? params.rows[i] : 1;
    const int64_t least = params.least ? params.least[i] : table.length;
    if (least < 0 || least > table.length) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a least length in 0..%lld for sequence %lld, but got %lld",
            (long long)table.length, (long long)i, (long long)least);
    }
    if (rows < 0 || rows > table.length || row + rows > INT32_MAX) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects rows in 0..%lld for sequence %lld, but got %lld",
            (long long)table.length, (long long)i, (long long)rows);
    }
    members.push_back({table.pages.data(), int64_t(table.pages.size()),
                       table.length, least / pool->pageSize(),
                       table.numNull != 0,
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
  int64_t most = first.wholePages;
  for (size_t i = begin + 1; i < end; ++i) {
    const Member &member = members[size_t(order[i])];
    most = std::min(most, member.wholePages);
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
  eachChild(begin, end, shared, [&](size_t first, size_t last) {
    split(first, last, shared, from);
  });
}

template <class F>
void PageForest::eachChild(size_t begin, size_t end, int64_t depth, F visit) {
  // By their next full page; those that have none stand alone.
  auto key = [&](int32_t number) {
    const Member &member = members[size_t(number)];
    return depth < member.wholePages ? int64_t(member.pages[depth])
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
    visit(i, next);
    i = next;
  }
}

void PageForest::grow(size_t begin, size_t end, int64_t depth, int32_t parent) {
  if (end - begin == 1) {
    leaves[size_t(order[begin])] = parent;
    return;
  }
  const int64_t shared = common(begin, end, depth);
  const int64_t last = shared * pool->pageSize();
  const int64_t from = parent < 0 ? 0 : nodes[size_t(parent)].end;
  if (last > INT32_MAX) {
    raise(ATTNRT_RESOURCE_EXHAUSTED, "a prefix of %lld ordinals is too long",
          (long long)last);
  }
  // What is too short for a node of its own goes to the children.
  if (last - from >= std::max<int64_t>(params.min_shared, 1)) {
    nodes.push_back({parent, int32_t(last)});
    parent = int32_t(nodes.size()) - 1;
  }
  eachChild(begin, end, shared, [&](size_t first, size_t end) {
    grow(first, end, shared, parent);
  });
}

attnrt_prefixes PageForest::prefixes(const attnrt_forest_params &given) {
  readMembers(given, /*hasRows=*/false);
  nodes.clear();
  leaves.assign(members.size(), -1);
  if (!members.empty() && params.min_shared != INT64_MAX) {
    grow(0, members.size(), 0, -1);
  }
  // Not null.
  nodes.reserve(1);
  leaves.reserve(1);
  attnrt_prefixes prefixes{};
  prefixes.struct_size = sizeof(prefixes);
  prefixes.num_nodes = int32_t(nodes.size());
  prefixes.nodes = nodes.data();
  prefixes.leaf = leaves.data();
  prefixes.num_leaves = int32_t(leaves.size());
  return prefixes;
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
  readMembers(given, /*hasRows=*/true);
  if (params.least) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects exact lengths in a problem, but got least ones: a schedule "
          "takes prefixes");
  }
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

static PageForest &owned(attnrt_page_forest *forest) {
  if (!forest) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects a page forest, but got null");
  }
  forest->impl->owner().requireOwner();
  return *forest->impl;
}

attnrt_status attnrt_page_forest_build(attnrt_page_forest *forest,
                                       const attnrt_forest_params *params,
                                       attnrt_problem *out) {
  return guard([&] {
    writeInfo(owned(forest).build(readParams(params, "attnrt_forest_params")),
              out, "attnrt_problem");
  });
}

attnrt_status attnrt_page_forest_prefixes(attnrt_page_forest *forest,
                                          const attnrt_forest_params *params,
                                          attnrt_prefixes *out) {
  return guard([&] {
    writeInfo(
        owned(forest).prefixes(readParams(params, "attnrt_forest_params")), out,
        "attnrt_prefixes");
  });
}
