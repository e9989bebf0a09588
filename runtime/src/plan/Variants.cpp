//===- Variants.cpp - Plans with a stage for each variant -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Variants.h"

#include <cstring>

using namespace attnrt;

/// An array of records behind the others, on its own cache line.
static void place(attnrt_plan_array &array, uint64_t count, uint64_t size,
                  uint64_t &end) {
  array.offset = end;
  array.count = array.capacity = uint32_t(count);
  end = (end + count * size + 63) / 64 * 64;
}

const attnrt_plan *attnrt::splitVariants(const attnrt_plan &plan, int32_t count,
                                         std::vector<uint64_t> &block) {
  const attnrt_stage &stage = attnrt_plan_stages(&plan)[0];
  const int32_t workers = stage.workers;
  attnrt_plan head = plan;
  uint64_t end = sizeof(attnrt_plan);
  place(head.segments, plan.segments.count, sizeof(attnrt_segment), end);
  place(head.rows, plan.rows.count, sizeof(attnrt_row), end);
  place(head.items, plan.items.count, sizeof(attnrt_item), end);
  place(head.merges, plan.merges.count, sizeof(attnrt_merge), end);
  place(head.stages, uint64_t(count), sizeof(attnrt_stage), end);
  // Of the items of each stage, of all merges, and of no merges.
  place(head.work, uint64_t(count + 2) * uint64_t(workers + 1), sizeof(int32_t),
        end);
  place(head.merge_slots, plan.merge_slots.count, sizeof(int32_t), end);
  place(head.masks, plan.masks.count, sizeof(uint64_t), end);
  head.bytes = end;
  block.resize(end / sizeof(uint64_t));
  char *to = reinterpret_cast<char *>(block.data());
  std::memcpy(to, &head, sizeof(head));
  auto copy = [&](attnrt_plan_array attnrt_plan::*array, uint64_t size) {
    if ((plan.*array).count) {
      std::memcpy(to + (head.*array).offset,
                  reinterpret_cast<const char *>(&plan) + (plan.*array).offset,
                  (plan.*array).count * size);
    }
  };
  copy(&attnrt_plan::segments, sizeof(attnrt_segment));
  copy(&attnrt_plan::rows, sizeof(attnrt_row));
  copy(&attnrt_plan::merges, sizeof(attnrt_merge));
  copy(&attnrt_plan::merge_slots, sizeof(int32_t));
  copy(&attnrt_plan::masks, sizeof(uint64_t));

  auto *items = reinterpret_cast<attnrt_item *>(to + head.items.offset);
  auto *stages = reinterpret_cast<attnrt_stage *>(to + head.stages.offset);
  auto *work = reinterpret_cast<int32_t *>(to + head.work.offset);
  const attnrt_item *from = attnrt_plan_items(&plan);
  const int32_t *bounds = attnrt_plan_work(&plan) + stage.work_begin;
  const int32_t merges = count * (workers + 1), none = merges + workers + 1;
  int32_t at = 0;
  for (int32_t v = 0; v < count; ++v) {
    stages[v] = stage;
    stages[v].item_begin = at;
    stages[v].work_begin = v * (workers + 1);
    int32_t *own = work + stages[v].work_begin;
    for (int32_t w = 0; w < workers; ++w) {
      own[w] = at;
      for (int32_t i = bounds[w]; i < bounds[w + 1]; ++i) {
        if (from[i].variant == v) {
          items[at++] = from[i];
        }
      }
    }
    own[workers] = at;
    stages[v].item_count = at - stages[v].item_begin;
    stages[v].merge_work_begin = v ? none : merges;
    stages[v].merge_begin = v ? 0 : stage.merge_begin;
    stages[v].merge_count = v ? 0 : stage.merge_count;
  }
  std::memcpy(work + merges, attnrt_plan_work(&plan) + stage.merge_work_begin,
              size_t(workers + 1) * sizeof(int32_t));
  std::memset(work + none, 0, size_t(workers + 1) * sizeof(int32_t));
  return reinterpret_cast<const attnrt_plan *>(to);
}
