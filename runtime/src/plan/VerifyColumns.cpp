//===- VerifyColumns.cpp - Stages whose outputs are ordinals --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../Status.h"
#include "Verifier.h"

#include <algorithm>

using namespace attnrt;

/// Enters what the item writes: outputs, or slots.
attnrt_status Verifier::addColumns(int32_t i) {
  const attnrt_item &item = itemAt(i);
  for (int32_t t = 0; t < item.kv_count; ++t) {
    const int64_t output =
        columnOutput(item.seg, item.head, int64_t(item.kv_begin) + t);
    if (item.slot < 0) {
      written[output] = uint8_t(std::min(written[output] + 1, 2));
      continue;
    }
    Owner &owner = owners[item.slot - firstPartial + t];
    if (owner.output >= 0) {
      REJECT("I2: a slot of item %d is written twice", i);
    }
    owner.output = output;
    owner.first = owner.last = {rowOf(item.row_begin), item.sub_begin};
  }
  return ATTNRT_OK;
}

attnrt_status Verifier::checkColumnMerge(int32_t m) {
  if (attnrt_status status = checkMergeFields(m)) {
    return status;
  }
  const attnrt_merge &merge = mergeAt(m);
  if (merge.seg < 0 || merge.seg >= problem.segment_count) {
    REJECT("I3: merge %d names segment %d", m, merge.seg);
  }
  const attnrt_segment &segment = problem.segments[merge.seg];
  if (merge.sub_begin != 0 || merge.sub_count != 1 || merge.dst != -1 ||
      merge.first > segment.count - merge.n ||
      (segment.head != -1 && segment.head != merge.head)) {
    REJECT("I3: merge %d has %d ordinals from %d of %d, head %d of segment "
           "head %d, query heads %d from %d, destination %d",
           m, merge.n, merge.first, segment.count, merge.head, segment.head,
           merge.sub_count, merge.sub_begin, merge.dst);
  }
  const int32_t *slots = attnrt_plan_merge_slots(&plan) + merge.begin;
  for (int32_t k = 0; k < merge.n; ++k) {
    const int64_t output =
        columnOutput(merge.seg, merge.head, int64_t(merge.first) + k);
    written[output] = uint8_t(std::min(written[output] + 1, 2));
    Key last(-1, -1);
    for (int32_t e = 0; e < merge.count; ++e) {
      if (attnrt_status status =
              checkSlotRead(m, int64_t(slots[e]) + k, output, last)) {
        return status;
      }
    }
  }
  return ATTNRT_OK;
}

/// Between two ends of items all ordinals are covered by the same ones: there
/// each query head of each row that may see any counts in exactly one.
attnrt_status Verifier::checkCounted(int32_t seg, int32_t head,
                                     const std::vector<int32_t> &items) {
  std::vector<int32_t> ends{0, problem.segments[seg].count};
  for (int32_t i : items) {
    ends.push_back(itemAt(i).kv_begin);
    ends.push_back(itemAt(i).kv_begin + itemAt(i).kv_count);
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  const int32_t rows = readersEnd(seg) - readersBegin(seg);
  std::vector<uint8_t> counted;
  for (size_t e = 0; e + 1 < ends.size(); ++e) {
    counted.assign(size_t(rows) * problem.group, 0);
    for (int32_t i : items) {
      const attnrt_item &item = itemAt(i);
      if (item.kv_begin > ends[e] || item.kv_begin + item.kv_count <= ends[e]) {
        continue;
      }
      for (int32_t k = 0; k < item.row_count; ++k) {
        const int64_t place = placeOf(seg, rowOf(item.row_begin + k));
        for (int32_t s = 0; s < item.sub_count; ++s) {
          uint8_t &times = counted[place * problem.group + item.sub_begin + s];
          times = uint8_t(std::min(times + 1, 2));
        }
      }
    }
    for (int32_t place = 0; place < rows; ++place) {
      const int32_t at = readersBegin(seg) + place;
      const int32_t row = problem.row_list ? problem.row_list[at] : at;
      const Range range = seen(seg, row);
      const uint8_t *times = counted.data() + int64_t(place) * problem.group;
      bool needed = range.from < ends[e + 1] && range.to > ends[e];
      if (needed &&
          std::count(times, times + problem.group, 1) != problem.group) {
        REJECT("I1: row %d is not counted once for ordinals %d..%d of segment "
               "%d, head %d",
               row, ends[e], ends[e + 1], seg, head);
      }
    }
  }
  return ATTNRT_OK;
}

attnrt_status Verifier::checkColumns() {
  int64_t outputs = 0;
  columnBase.clear();
  for (int32_t s = 0; s < problem.segment_count; ++s) {
    columnBase.push_back(outputs);
    outputs += int64_t(problem.segments[s].count) * problem.heads;
  }
  written.assign(size_t(outputs), 0);
  std::vector<std::vector<int32_t>> items(size_t(problem.segment_count) *
                                          problem.heads);
  for (int32_t i = stage.item_begin; i < stage.item_begin + stage.item_count;
       ++i) {
    if (attnrt_status status = addColumns(i)) {
      return status;
    }
    items[int64_t(itemAt(i).seg) * problem.heads + itemAt(i).head].push_back(i);
  }
  for (int32_t m = stage.merge_begin; m < stage.merge_begin + stage.merge_count;
       ++m) {
    if (attnrt_status status = checkColumnMerge(m)) {
      return status;
    }
  }
  for (int32_t s = 0; s < problem.segment_count; ++s) {
    const attnrt_segment &segment = problem.segments[s];
    for (int32_t h = 0; h < problem.heads; ++h) {
      if (segment.head != -1 && segment.head != h) {
        continue;
      }
      if (attnrt_status status =
              checkCounted(s, h, items[int64_t(s) * problem.heads + h])) {
        return status;
      }
      for (int32_t t = 0; t < segment.count; ++t) {
        const int64_t times = written[columnOutput(s, h, t)];
        if (times != 1) {
          REJECT("I2: ordinal %d of segment %d, head %d is written %s", t, s, h,
                 times ? "more than once" : "by nobody");
        }
      }
    }
  }
  return ATTNRT_OK;
}
