//===- FakeKernels.cpp - A launch of TestKernel.c -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FakeKernels.h"

extern "C" {
void sums(const attnrt_args *, const attnrt_item *, void *);
void sums_merge(const attnrt_args *, const attnrt_merge *, void *);
void scale_stage(const attnrt_args *, const attnrt_item *, void *);
}

void attnrt_test::runFakeKernel(const std::string &name,
                                const FakeParameters &given,
                                const attnrt_plan *plan, int32_t number) {
  attnrt_args args{};
  args.tensors = given.tensors;
  args.scalars = given.cells;
  args.segments = attnrt_plan_segments(plan);
  args.rows = attnrt_plan_rows(plan);
  args.masks = attnrt_plan_masks(plan);
  args.merge_slots = attnrt_plan_merge_slots(plan);
  const attnrt_stage &stage = attnrt_plan_stages(plan)[number];
  const int32_t *work = attnrt_plan_work(plan);
  alignas(64) char scratch[64];
  if (name == "sums_merge") {
    for (int32_t m = work[stage.merge_work_begin];
         m < work[stage.merge_work_begin + stage.workers]; ++m) {
      sums_merge(&args, &attnrt_plan_merges(plan)[m], scratch);
    }
    return;
  }
  auto item = name == "sums" ? sums : scale_stage;
  for (int32_t i = work[stage.work_begin];
       i < work[stage.work_begin + stage.workers]; ++i) {
    item(&args, &attnrt_plan_items(plan)[i], scratch);
  }
}
