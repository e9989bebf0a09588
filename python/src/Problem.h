// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Problems that a step poses itself (attnrt_step::problems), with their arrays.
#ifndef ATTN_PYTHON_PROBLEM_H
#define ATTN_PYTHON_PROBLEM_H

#include "attnrt/plan.h"

#include <nanobind/nanobind.h>
#include <vector>

namespace attn::python {

class Problem {
public:
  Problem(int32_t heads, int32_t group, nanobind::object rows,
          nanobind::object segments, nanobind::sequence readers,
          nanobind::object ext, nanobind::object keep);

  /// Points to arrays of this object.
  attnrt_problem get() const;

private:
  void readRows(nanobind::handle given);
  void readSegments(nanobind::handle given);

  int32_t heads, group, extCount = 0, keepCount = 0;
  std::vector<int32_t> sym, coord, lo, limit, rowBegin, rowList, extBegin, ext,
      keep;
  std::vector<attnrt_segment> segments;
};

void bindProblem(nanobind::module_ &m);

} // namespace attn::python

#endif // ATTN_PYTHON_PROBLEM_H
