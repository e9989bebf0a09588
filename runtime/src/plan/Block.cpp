//===- Block.cpp - The memory of a plan -----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Block.h"

#include "../Status.h"

#include <climits>
#include <cstring>

using namespace attnrt;

attnrt_status Block::reserve(const BlockCounts &counts, int64_t slots,
                             const PlanArguments &arguments) {
  const attnrt_problem &problem = arguments.problem;
  const attnrt_plan_capacity *room = arguments.options.capacity;
  const Batch batch(problem);
  attnrt_plan head{};
  const struct {
    const char *name;
    attnrt_plan_array &array;
    int64_t count, room;
    uint64_t size;
  } arrays[] = {{"segments", head.segments, problem.segment_count,
                 room ? room->segments : 0, sizeof(attnrt_segment)},
                {"rows", head.rows, batch.records(), room ? room->rows : 0,
                 sizeof(attnrt_row)},
                {"items", head.items, counts.items, room ? room->items : 0,
                 sizeof(attnrt_item)},
                {"merges", head.merges, counts.merges, room ? room->merges : 0,
                 sizeof(attnrt_merge)},
                {"stages", head.stages, counts.stages, room ? room->stages : 0,
                 sizeof(attnrt_stage)},
                {"worker bounds", head.work, counts.work, room ? room->work : 0,
                 sizeof(int32_t)},
                {"merge slots", head.merge_slots, counts.mergeSlots,
                 room ? room->merge_slots : 0, sizeof(int32_t)},
                {"mask words", head.masks, counts.masks, room ? room->masks : 0,
                 sizeof(uint64_t)}};
  uint64_t end = sizeof(attnrt_plan);
  for (const auto &a : arrays) {
    const int64_t most = room ? a.room : INT32_MAX;
    if (a.count > most) {
      return fail(ATTNRT_RESOURCE_EXHAUSTED,
                  "expects at most %lld %s, but got %lld", (long long)most,
                  a.name, (long long)a.count);
    }
    a.array.offset = end;
    a.array.count = uint32_t(a.count);
    a.array.capacity = uint32_t(room ? a.room : a.count);
    end = (end + a.array.capacity * a.size + 63) / 64 * 64;
  }
  int64_t most =
      arguments.options.max_slots ? arguments.options.max_slots : INT32_MAX;
  most = std::min<int64_t>(most, INT32_MAX);
  if (slots > most) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects at most %lld state slots, but got %lld",
                (long long)most, (long long)slots);
  }
  head.magic = ATTNRT_PLAN_MAGIC;
  head.format = ATTNRT_PLAN_FORMAT;
  head.bytes = end;
  head.slots = uint32_t(slots);
  if (end > allocated) {
    uint64_t bytes = (end + end / 4 + 63) / 64 * 64;
    void *memory = std::aligned_alloc(64, bytes);
    if (!memory) {
      return fail(ATTNRT_RESOURCE_EXHAUSTED,
                  "no memory for a plan of %llu bytes",
                  (unsigned long long)end);
    }
    block.reset(static_cast<attnrt_plan *>(memory));
    allocated = bytes;
  }
  *block = head;
  if (problem.segment_count) {
    std::memcpy(at<attnrt_segment>(head.segments), problem.segments,
                size_t(problem.segment_count) * sizeof(attnrt_segment));
  }
  writeRows(batch);
  return ATTNRT_OK;
}

void Block::writeRows(const Batch &batch) {
  const attnrt_problem &p = batch.problem();
  attnrt_row *rows = at<attnrt_row>(block->rows);
  auto write = [&](int32_t r, int32_t sym) {
    rows[r] = {r,
               p.coord[r],
               p.lo[r],
               p.limit[r],
               p.row_len_ref ? p.row_len_ref[r] : -1,
               p.row_back ? p.row_back[r] : 0,
               p.sym ? p.sym[r] : sym,
               0};
  };
  if (!p.row_list && !p.row_end) {
    // Every row reads exactly one segment.
    if (!p.row_len_ref && !p.row_back && !p.sym) {
      for (int32_t s = 0; s < p.segment_count; ++s) {
        const int32_t sym = p.segments[s].param;
        for (int32_t r = p.row_begin[s]; r < p.row_begin[s + 1]; ++r) {
          rows[r] = {r, p.coord[r], p.lo[r], p.limit[r], -1, 0, sym, 0};
        }
      }
      return;
    }
    for (int32_t s = 0; s < p.segment_count; ++s) {
      for (int32_t r = p.row_begin[s]; r < p.row_begin[s + 1]; ++r) {
        write(r, p.segments[s].param);
      }
    }
    return;
  }
  for (int32_t r = 0; r < p.row_count; ++r) {
    write(r, 0);
  }
  if (!p.sym) {
    // The first segment of a row is written last.
    for (int32_t s = int32_t(p.segment_count) - 1; s >= 0; --s) {
      const int32_t sym = p.segments[s].param, end = batch.placeEnd(s);
      for (int32_t place = batch.placeBegin(s); place < end; ++place) {
        rows[batch.rowAt(place)].sym = sym;
      }
    }
  }
  if (p.row_list) {
    for (int64_t j = 0; j < p.row_list_size; ++j) {
      rows[p.row_count + j] = rows[p.row_list[j]];
    }
  }
}
