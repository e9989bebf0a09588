//===- VerifyRows.cpp - Stages whose outputs are rows ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../Status.h"
#include "Verifier.h"

#include <algorithm>

using namespace attnrt;

/// Item i resumes item `before` (-1: nothing was kept), and is followed by
/// another item of its worker if it keeps.
attnrt_status Verifier::checkChain(int32_t i, int32_t before,
                                   int32_t workerEnd) const {
  const attnrt_item &item = itemAt(i);
  const bool keeps = item.flags & ATTNRT_ITEM_KEEP;
  const bool resumes = item.flags & ATTNRT_ITEM_RESUME;
  if (resumes != (before >= 0)) {
    REJECT("I2: item %d %s", i,
           resumes ? "resumes what no item kept" : "drops what was kept");
  }
  if (keeps && (item.slot != -1 || i + 1 == workerEnd)) {
    REJECT("I2: item %d keeps its state and %s", i,
           item.slot != -1 ? "writes it" : "nobody resumes it");
  }
  if ((keeps || resumes) && options.split) {
    REJECT("I5: item %d is continued although the split is fixed", i);
  }
  if (!resumes) {
    return ATTNRT_OK;
  }
  const attnrt_item &kept = itemAt(before);
  bool same = item.row_count == kept.row_count && item.head == kept.head &&
              item.sub_begin == kept.sub_begin &&
              item.sub_count == kept.sub_count;
  for (int32_t k = 0; same && k < item.row_count; ++k) {
    same = rowOf(item.row_begin + k) == rowOf(kept.row_begin + k);
  }
  if (!same) {
    REJECT("I2: item %d resumes other rows or heads than item %d kept", i,
           before);
  }
  if (Key(item.seg, item.kv_begin) <
      Key(kept.seg, kept.kv_begin + kept.kv_count)) {
    REJECT("I7: item %d resumes item %d, which comes later", i, before);
  }
  return ATTNRT_OK;
}

/// Enters the item's parts, and its slots where it writes; chainFirst is the
/// first of the items that it continues, or itself.
attnrt_status Verifier::addParts(int32_t i, int32_t chainFirst) {
  const attnrt_item &item = itemAt(i);
  const attnrt_item &begin = itemAt(chainFirst);
  const int32_t kvEnd = item.kv_begin + item.kv_count;
  for (int32_t k = 0; k < item.row_count; ++k) {
    const int32_t row = rowOf(item.row_begin + k);
    for (int32_t s = 0; s < item.sub_count; ++s) {
      const int64_t output = rowOutput(row, item.head, item.sub_begin + s);
      parts[partBegin[output]++] = {item.seg, item.kv_begin, kvEnd};
      if (item.flags & ATTNRT_ITEM_KEEP) {
        continue;
      }
      if (item.slot < 0) {
        if ((problem.keep && problem.keep[row] != -1) ||
            (problem.ext_begin &&
             problem.ext_begin[row] != problem.ext_begin[row + 1])) {
          REJECT("I9: item %d writes row %d, which has external states or "
                 "stays a state",
                 i, row);
        }
        written[output] = uint8_t(std::min(written[output] + 1, 2));
        continue;
      }
      Owner &owner =
          owners[item.slot - firstPartial + int64_t(k) * item.sub_count + s];
      if (owner.output >= 0) {
        REJECT("I2: a slot of item %d is written twice", i);
      }
      owner.output = output;
      owner.first = {begin.seg, begin.kv_begin};
      owner.last = {item.seg, kvEnd - 1};
    }
  }
  return ATTNRT_OK;
}

/// The merge's output of row k and query head `sub` of their runs.
attnrt_status Verifier::checkRowMergeOf(int32_t m, int32_t k, int32_t sub) {
  const attnrt_merge &merge = mergeAt(m);
  const int32_t row = rowOf(int64_t(merge.first) + k);
  const int64_t output = rowOutput(row, merge.head, merge.sub_begin + sub);
  written[output] = uint8_t(std::min(written[output] + 1, 2));

  const int64_t perState = int64_t(problem.heads) * problem.group;
  const int64_t within =
      int64_t(merge.head) * problem.group + merge.sub_begin + sub;
  const int64_t offset = int64_t(k) * merge.sub_count + sub;
  const int32_t keep = problem.keep ? problem.keep[row] : -1;
  const int64_t dst =
      keep < 0 ? -1 : (int64_t(problem.ext_count) + keep) * perState + within;
  if (merge.dst < 0 ? merge.dst != -1 || dst >= 0 : merge.dst + offset != dst) {
    REJECT("I9: merge %d has destination %d, for row %d the slot is %lld", m,
           merge.dst, row, (long long)dst);
  }
  const int32_t *slots = attnrt_plan_merge_slots(&plan) + merge.begin;
  const int32_t *ext =
      problem.ext_begin ? problem.ext + problem.ext_begin[row] : nullptr;
  const int32_t exts = problem.ext_begin
                           ? problem.ext_begin[row + 1] - problem.ext_begin[row]
                           : 0;
  if (merge.count < exts) {
    REJECT("I9: merge %d lists %d slots, row %d has %d external states", m,
           merge.count, row, exts);
  }
  Key last(-1, -1);
  for (int32_t e = 0; e < merge.count; ++e) {
    const int64_t slot = int64_t(slots[e]) + offset;
    if (e < exts) {
      if (slot != ext[e] * perState + within) {
        REJECT("I9: merge %d reads slot %lld for external state %d of row %d",
               m, (long long)slot, ext[e], row);
      }
      continue;
    }
    if (attnrt_status status = checkSlotRead(m, slot, output, last)) {
      return status;
    }
  }
  return ATTNRT_OK;
}

attnrt_status Verifier::checkRowMerge(int32_t m) {
  if (attnrt_status status = checkMergeFields(m)) {
    return status;
  }
  const attnrt_merge &merge = mergeAt(m);
  const int32_t subEnd = int32_t(merge.sub_begin) + merge.sub_count;
  if (!merge.sub_count || subEnd > problem.group || merge.seg != -1 ||
      int64_t(merge.first) + merge.n > int64_t(plan.rows.count)) {
    REJECT("I3: merge %d has rows %d..%lld, query heads %d..%d, segment %d", m,
           merge.first, int64_t(merge.first) + (long long)merge.n,
           merge.sub_begin, subEnd, merge.seg);
  }
  for (int32_t k = 0; k < merge.n; ++k) {
    for (int32_t s = 0; s < merge.sub_count; ++s) {
      if (attnrt_status status = checkRowMergeOf(m, k, s)) {
        return status;
      }
    }
  }
  return ATTNRT_OK;
}

/// The parts [from, to) of an output cover what the row sees of each of its
/// segments, once. That there are no others was seen item by item.
attnrt_status Verifier::checkCoverage(int32_t row, int64_t output, Part *from,
                                      Part *to) const {
  std::sort(from, to, [](const Part &a, const Part &b) {
    return a.seg != b.seg ? a.seg < b.seg : a.from < b.from;
  });
  const int32_t head = int32_t(output / problem.group % problem.heads);
  for (int32_t j = readBegin[row]; j < readBegin[row + 1]; ++j) {
    const int32_t seg = reads[j];
    const attnrt_segment &segment = problem.segments[seg];
    if (segment.head != -1 && segment.head != head) {
      continue;
    }
    const Range range = seen(seg, row);
    int32_t at = range.from;
    bool first = true;
    for (; from < to && from->seg == seg; ++from) {
      bool joins = first ? from->from <= at : from->from == at;
      if (range.any() && !joins) {
        REJECT("I1: row %d has a part from ordinal %d of segment %d, expects "
               "one from %d",
               row, from->from, seg, at);
      }
      at = from->to;
      first = false;
    }
    if (range.any() && at < range.to) {
      REJECT("I1: row %d expects ordinals of segment %d up to %d, but got %d",
             row, seg, range.to, at);
    }
  }
  return ATTNRT_OK;
}

attnrt_status Verifier::checkRows() {
  const int64_t perRow = int64_t(problem.heads) * problem.group;
  const int64_t outputs = problem.row_count * perRow;
  const int32_t end = stage.item_begin + stage.item_count;
  written.assign(size_t(outputs), 0);
  partBegin.assign(size_t(outputs) + 1, 0);
  int64_t all = 0;
  for (int32_t i = stage.item_begin; i < end; ++i) {
    const attnrt_item &item = itemAt(i);
    all += int64_t(item.row_count) * item.sub_count;
    for (int32_t k = 0; k < item.row_count && all <= INT32_MAX; ++k) {
      const int32_t row = rowOf(item.row_begin + k);
      for (int32_t s = 0; s < item.sub_count; ++s) {
        ++partBegin[rowOutput(row, item.head, item.sub_begin + s) + 1];
      }
    }
  }
  if (all > INT32_MAX) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects fewer than 2^31 parts to verify, but got %lld",
                (long long)all);
  }
  for (int64_t output = 0; output < outputs; ++output) {
    partBegin[output + 1] += partBegin[output];
  }
  parts.resize(size_t(all));
  const int32_t *work = attnrt_plan_work(&plan) + stage.work_begin;
  for (int32_t w = 0; w < stage.workers; ++w) {
    int32_t before = -1, chainFirst = -1;
    for (int32_t i = work[w]; i < work[w + 1]; ++i) {
      if (attnrt_status status = checkChain(i, before, work[w + 1])) {
        return status;
      }
      chainFirst = before < 0 ? i : chainFirst;
      if (attnrt_status status = addParts(i, chainFirst)) {
        return status;
      }
      before = itemAt(i).flags & ATTNRT_ITEM_KEEP ? i : -1;
    }
  }
  const int32_t mergeEnd = stage.merge_begin + stage.merge_count;
  for (int32_t m = stage.merge_begin; m < mergeEnd; ++m) {
    if (attnrt_status status = checkRowMerge(m)) {
      return status;
    }
  }
  // Entering the parts has moved every begin to the end of its parts.
  Part *from = parts.data();
  for (int64_t output = 0; output < outputs; ++output) {
    Part *to = parts.data() + partBegin[output];
    const int32_t row = int32_t(output / perRow);
    if (attnrt_status status = checkCoverage(row, output, from, to)) {
      return status;
    }
    if (written[output] != 1) {
      REJECT("I2: an output of row %d is written %s", row,
             written[output] ? "more than once" : "by nobody");
    }
    from = to;
  }
  return ATTNRT_OK;
}
