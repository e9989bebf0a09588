// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plans as arrays, to look at.
#include "Arrays.h"
#include "Runtime.h"

#include "attnrt/plan_format.h"

#include <array>

namespace nb = nanobind;
using namespace attn::python;

Array<int32_t> attn::python::itemsOf(const attnrt_plan *plan) {
  using Row = std::array<int32_t, 8>;
  std::vector<Row> out;
  const uint32_t stages = plan ? plan->stages.count : 0;
  for (uint32_t s = 0; s < stages; ++s) {
    const attnrt_stage &stage = attnrt_plan_stages(plan)[s];
    const int32_t *work = attnrt_plan_work(plan) + stage.work_begin;
    for (int32_t worker = 0; worker < stage.workers; ++worker) {
      for (int32_t i = work[worker]; i < work[worker + 1]; ++i) {
        const attnrt_item &item = attnrt_plan_items(plan)[i];
        const attnrt_segment &segment = attnrt_plan_segments(plan)[item.seg];
        out.push_back({worker, item.seg, segment.param, item.head,
                       item.row_count, item.sub_count, item.kv_begin,
                       item.kv_count});
      }
    }
  }
  size_t count = out.size();
  return arrayOf<int32_t>(std::move(out), {count, 8});
}
