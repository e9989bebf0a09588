// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problems that a step poses itself: only shapes are checked here, the rest is
// the runtime's.
#include "Problem.h"
#include "Arrays.h"
#include "Error.h"
#include "Tensor.h"

#include <algorithm>

namespace nb = nanobind;
using namespace nb::literals;
using namespace attn::python;

/// Rows of a tensor of integers [n, columns], or of a sequence of sequences.
static std::vector<std::vector<int32_t>>
tableOf(nb::handle given, size_t columns, const char *what) {
  std::vector<std::vector<int32_t>> table;
  for (nb::handle row : given) {
    table.push_back(intsOf(row, what));
    if (table.back().size() != columns) {
      raise(ATTNRT_INVALID_ARGUMENT,
            std::string("expects ") + what + " [n, " + std::to_string(columns) +
                "], but got a row of " + std::to_string(table.back().size()));
    }
  }
  return table;
}

/// Lists of numbers, one behind the other, and where each begins and ends.
static void flatten(nb::sequence lists, const char *what,
                    std::vector<int32_t> &begins, std::vector<int32_t> &all) {
  begins.assign(1, 0);
  for (nb::handle list : lists) {
    std::vector<int32_t> numbers = intsOf(list, what);
    all.insert(all.end(), numbers.begin(), numbers.end());
    begins.push_back(int32_t(all.size()));
  }
}

static void expectCount(size_t count, size_t wanted, const char *what) {
  if (count != wanted) {
    raise(ATTNRT_INVALID_ARGUMENT, std::string("expects ") +
                                       std::to_string(wanted) + " " + what +
                                       ", but got " + std::to_string(count));
  }
}

void Problem::readRows(nb::handle given) {
  for (const std::vector<int32_t> &row : tableOf(given, 4, "rows")) {
    sym.push_back(row[0]);
    coord.push_back(row[1]);
    lo.push_back(row[2]);
    limit.push_back(row[3]);
  }
}

void Problem::readSegments(nb::handle given) {
  for (const std::vector<int32_t> &row : tableOf(given, 5, "segments")) {
    attnrt_segment segment = {};
    segment.select = segment.len_ref = -1;
    segment.param = row[0];
    segment.coord0 = row[1];
    segment.count = row[2];
    segment.head = row[3];
    segment.view = row[4];
    segments.push_back(segment);
  }
}

Problem::Problem(int32_t heads, int32_t group, nb::object rows,
                 nb::object given, nb::sequence readers, nb::object states,
                 nb::object kept)
    : heads(heads), group(group) {
  readRows(rows);
  readSegments(given);
  flatten(readers, "readers", rowBegin, rowList);
  expectCount(rowBegin.size() - 1, segments.size(),
              "lists of readers, one per segment");
  if (!states.is_none()) {
    flatten(nb::cast<nb::sequence>(states), "ext", extBegin, ext);
    expectCount(extBegin.size() - 1, sym.size(),
                "lists of external states, one per row");
    extCount = ext.empty() ? 0 : *std::max_element(ext.begin(), ext.end()) + 1;
  }
  if (!kept.is_none()) {
    keep = intsOf(kept, "keep");
    expectCount(keep.size(), sym.size(), "numbers of kept states, one per row");
    keepCount = int32_t(std::count_if(keep.begin(), keep.end(),
                                      [](int32_t n) { return n >= 0; }));
  }
  // Not null.
  for (auto *list : {&sym, &coord, &lo, &limit, &rowList, &ext}) {
    list->reserve(1);
  }
  segments.reserve(1);
}

attnrt_problem Problem::get() const {
  attnrt_problem problem = {};
  problem.struct_size = sizeof(problem);
  problem.heads = heads;
  problem.group = group;
  problem.segments = segments.data();
  problem.segment_count = int64_t(segments.size());
  problem.row_begin = rowBegin.data();
  problem.row_list = rowList.data();
  problem.row_list_size = int64_t(rowList.size());
  problem.row_count = int64_t(sym.size());
  problem.coord = coord.data();
  problem.lo = lo.data();
  problem.limit = limit.data();
  problem.sym = sym.data();
  problem.ext_begin = extBegin.empty() ? nullptr : extBegin.data();
  problem.ext = extBegin.empty() ? nullptr : ext.data();
  problem.ext_count = extCount;
  problem.keep = keep.empty() ? nullptr : keep.data();
  problem.keep_count = keepCount;
  return problem;
}

void attn::python::bindProblem(nb::module_ &m) {
  nb::class_<Problem>(
      m, "Problem",
      "What a fold of a step is to compute where that is not what sizes and "
      "lengths say: rows that read runs of anybody's keys, states from "
      "elsewhere and states that stay. For Schedule.update.")
      .def(nb::init<int32_t, int32_t, nb::object, nb::object, nb::sequence,
                    nb::object, nb::object>(),
           "heads"_a, "group"_a, "rows"_a, "segments"_a, "readers"_a,
           "ext"_a = nb::none(), "keep"_a = nb::none(),
           "KV `heads` of `group` query heads. `rows` i32 [n, 4]: request, row "
           "of it, first key it may see and first one behind. `segments` i32 "
           "[n, 5]: request whose keys they are, first key (where a tile "
           "begins), keys, KV head or -1 for all, kernel (of Kernel.join, else "
           "0). `readers`: of each segment the rows that read it, rising; rows "
           "read segments in their order. `ext`: of each row the numbers of "
           "states that are merged first. `keep`: of each row -1, or the "
           "number of the state that its result stays; its slot is behind "
           "those of `ext` (Schedule.state).");
}
