//===- Verifier.h - Does a plan solve its problem? ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Written from the rules in plan.h and plan_format.h alone: it knows nothing of
// how the planners cut, shares no code with them, and trusts no number of the
// plan before it was checked.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_PLAN_VERIFIER_H
#define ATTNRT_SRC_PLAN_VERIFIER_H

#include "Check.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace attnrt {

class Verifier {
public:
  Verifier(const attnrt_plan &plan, const PlanArguments &arguments)
      : plan(plan), problem(arguments.problem), arguments(arguments),
        options(arguments.options) {}

  /// OK, or INVALID_PLAN with a message. Throws std::bad_alloc.
  attnrt_status run(uint64_t bytes);

private:
  /// Ordinals [from, to) of a segment; from >= to: none.
  struct Range {
    int32_t from = 0, to = 0;
    bool any() const { return from < to; }
  };
  /// Segment and ordinal: the order in which the parts of a row are merged.
  using Key = std::pair<int32_t, int32_t>;

  /// One item as seen by one row's output.
  struct Part {
    int32_t seg, from, to;
  };
  /// What a slot was written for: an output of axis 0 or 1, and its first and
  /// last place in the order of merges.
  struct Owner {
    int64_t output = -1;
    Key first, last;
    bool merged = false;
  };

  // Verify.cpp: what stages have in common.
  attnrt_status checkBlock(uint64_t bytes) const;
  attnrt_status checkBatch();
  attnrt_status checkRow(int64_t record, int32_t row) const;
  attnrt_status checkStage(int32_t number);
  attnrt_status checkSlots() const;
  attnrt_status checkLists() const;

  // VerifyItems.cpp: an item on its own.
  attnrt_status checkItem(int32_t i) const;
  attnrt_status checkItemFields(int32_t i) const;
  attnrt_status checkItemRows(int32_t i, Range &all) const;
  attnrt_status checkBorders(int32_t i, Range all) const;
  attnrt_status checkMask(int32_t i) const;
  attnrt_status checkMergeFields(int32_t m) const;
  attnrt_status checkSlotRead(int32_t m, int64_t slot, int64_t output,
                              Key &last);

  // VerifyRows.cpp: a stage of axis 0.
  attnrt_status checkRows();
  attnrt_status checkChain(int32_t i, int32_t before, int32_t workerEnd) const;
  attnrt_status addParts(int32_t i, int32_t chainFirst);
  attnrt_status checkRowMerge(int32_t m);
  attnrt_status checkRowMergeOf(int32_t m, int32_t k, int32_t sub);
  attnrt_status checkCoverage(int32_t row, int64_t output, Part *from,
                              Part *to) const;

  // VerifyColumns.cpp: a stage of axis 1.
  attnrt_status checkColumns();
  attnrt_status addColumns(int32_t i);
  attnrt_status checkColumnMerge(int32_t m);
  attnrt_status checkCounted(int32_t seg, int32_t head,
                             const std::vector<int32_t> &items);

  // The problem, read again without the planners' help.
  Range seen(int32_t seg, int32_t row) const;
  Range surelySeen(int32_t seg, int32_t row) const;
  int32_t readersBegin(int32_t seg) const { return problem.row_begin[seg]; }
  int32_t readersEnd(int32_t seg) const {
    return problem.row_end ? problem.row_end[seg] : problem.row_begin[seg + 1];
  }
  /// Place of the row among the segment's readers; -1: it reads it not.
  int32_t placeOf(int32_t seg, int32_t row) const;
  bool isMasked(int32_t seg) const {
    return problem.mask_begin && problem.mask_begin[seg] != -1;
  }
  bool maskBit(int32_t seg, int32_t place, int32_t ordinal) const;

  const attnrt_item &itemAt(int32_t i) const {
    return attnrt_plan_items(&plan)[i];
  }
  const attnrt_merge &mergeAt(int32_t m) const {
    return attnrt_plan_merges(&plan)[m];
  }
  /// Output row of a Row record, once the batch was checked.
  int32_t rowOf(int64_t record) const {
    return attnrt_plan_rows(&plan)[record].q;
  }
  int64_t rowOutput(int64_t row, int32_t head, int32_t sub) const {
    return (row * problem.heads + head) * problem.group + sub;
  }
  int64_t columnOutput(int32_t seg, int32_t head, int64_t ordinal) const {
    return columnBase[seg] + int64_t(head) * problem.segments[seg].count +
           ordinal;
  }

  const attnrt_plan &plan;
  const attnrt_problem &problem;
  const PlanArguments &arguments;
  const attnrt_plan_options &options;

  // The stage that is looked at.
  attnrt_stage stage;
  const attnrt_entry *entry;
  int64_t firstPartial, slotEnd; ///< slots of partial states

  std::vector<int32_t> readBegin, reads; ///< by row: segments it reads, rising
  std::vector<int32_t> syms;             ///< by row
  std::vector<Owner> owners;             ///< by slot from firstPartial on
  std::vector<int32_t> partBegin;        ///< by output of axis 0
  std::vector<Part> parts;
  std::vector<uint8_t> written; ///< by output: times, up to 2
  std::vector<int64_t> columnBase;
};

} // namespace attnrt

#define REJECT(...) return fail(ATTNRT_INVALID_PLAN, __VA_ARGS__)

#endif // ATTNRT_SRC_PLAN_VERIFIER_H
