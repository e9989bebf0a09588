//===- Run.cpp - Runs one stage of a plan on CPU threads ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Run.h"

#include "Pool.h"

#include "../../Status.h"

using namespace attnrt;

namespace {

/// A stage on a team of threads.
struct TeamRun {
  StageRun stage;
  ThreadTeam *team;
};

} // namespace

static void runItems(void *ctx, int64_t worker, int32_t thread) {
  const TeamRun &run = *static_cast<const TeamRun *>(ctx);
  run.stage.runItems(worker, run.team->scratch(thread));
}

static void runMerges(void *ctx, int64_t worker, int32_t thread) {
  const TeamRun &run = *static_cast<const TeamRun *>(ctx);
  run.stage.runMerges(worker, run.team->scratch(thread));
}

/// The ranges that the executor itself walks.
static attnrt_status checkStage(const attnrt_plan &plan,
                                const attnrt_stage &stage) {
  const int32_t *work = attnrt_plan_work(&plan);
  const struct {
    const char *name;
    int32_t list, begin, count;
    uint32_t all;
  } lists[] = {{"items", stage.work_begin, stage.item_begin, stage.item_count,
                plan.items.count},
               {"merges", stage.merge_work_begin, stage.merge_begin,
                stage.merge_count, plan.merges.count}};
  for (const auto &list : lists) {
    if (stage.workers < 1 || list.list < 0 || list.begin < 0 ||
        list.count < 0 ||
        int64_t(list.list) + stage.workers >= int64_t(plan.work.count) ||
        int64_t(list.begin) + list.count > int64_t(list.all)) {
      return fail(ATTNRT_INVALID_PLAN, "the stage's %s leave the plan",
                  list.name);
    }
    int32_t at = list.begin;
    for (int32_t w = 0; w <= stage.workers; ++w) {
      int32_t next = work[list.list + w];
      if (next < at || (w == 0 && next != at)) {
        return fail(ATTNRT_INVALID_PLAN,
                    "the worker list of %s is not monotone", list.name);
      }
      at = next;
    }
    if (at != list.begin + list.count) {
      return fail(ATTNRT_INVALID_PLAN,
                  "the worker list of %s expects to end at %d, but got %d",
                  list.name, list.begin + list.count, at);
    }
  }
  return ATTNRT_OK;
}

static attnrt_status runHere(const StageRun &run, uint64_t scratchBytes) {
  Scratch scratch;
  if (!scratch.reserve(scratchBytes)) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "no memory for %llu scratch bytes",
                static_cast<unsigned long long>(scratchBytes));
  }
  KernelMode mode;
  for (int32_t w = 0; w < run.workers; ++w) {
    run.runItems(w, scratch.data());
  }
  for (int32_t w = 0; w < run.workers; ++w) {
    run.runMerges(w, scratch.data());
  }
  return ATTNRT_OK;
}

void attnrt::addRecords(attnrt_args &args, const attnrt_plan *plan) {
  args.segments = attnrt_plan_segments(plan);
  args.rows = attnrt_plan_rows(plan);
  args.masks = attnrt_plan_masks(plan);
  args.merge_slots = attnrt_plan_merge_slots(plan);
}

attnrt_status attnrt::prepareStage(const attnrt_plan *plan, int32_t number,
                                   attnrt_item_fn itemFn,
                                   attnrt_merge_fn mergeFn,
                                   const attnrt_args *args, StageRun &run) {
  if (!plan || !args) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "expects a plan and arguments, but got null");
  }
  if (plan->magic != ATTNRT_PLAN_MAGIC || plan->format != ATTNRT_PLAN_FORMAT) {
    return fail(ATTNRT_INVALID_PLAN,
                "expects a plan of format %u, but got magic 0x%x, format %u",
                ATTNRT_PLAN_FORMAT, plan->magic, plan->format);
  }
  if (number < 0 || uint32_t(number) >= plan->stages.count) {
    return fail(ATTNRT_INVALID_ARGUMENT, "expects a stage below %u, but got %d",
                plan->stages.count, number);
  }
  const attnrt_stage &stage = attnrt_plan_stages(plan)[number];
  if (attnrt_status status = checkStage(*plan, stage)) {
    return status;
  }
  if ((stage.item_count && !itemFn) || (stage.merge_count && !mergeFn)) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "the stage has %d items and %d merges, but got a null kernel",
                stage.item_count, stage.merge_count);
  }

  const int32_t *work = attnrt_plan_work(plan);
  run.items = attnrt_plan_items(plan);
  run.merges = attnrt_plan_merges(plan);
  run.itemWork = work + stage.work_begin;
  run.mergeWork = work + stage.merge_work_begin;
  run.workers = stage.workers;
  run.hasItems = stage.item_count != 0;
  run.hasMerges = stage.merge_count != 0;
  run.mergeFn = mergeFn;
  run.args = *args;
  addRecords(run.args, plan);
  run.only = {itemFn, run.args};
  return ATTNRT_OK;
}

attnrt_status attnrt_cpu_run(const attnrt_plan *plan, int32_t number,
                             attnrt_item_fn itemFn, attnrt_merge_fn mergeFn,
                             const attnrt_args *args, attnrt_pool *pool,
                             uint64_t scratchBytes) {
  TeamRun run{};
  if (attnrt_status status =
          prepareStage(plan, number, itemFn, mergeFn, args, run.stage)) {
    return status;
  }
  if (!pool) {
    return runHere(run.stage, scratchBytes);
  }
  run.team = pool->current();
  bool done = run.team != nullptr;
  if (done && run.stage.hasItems) {
    done = run.team->run(run.stage.workers, runItems, &run, scratchBytes);
  }
  if (done && run.stage.hasMerges) {
    done = run.team->run(run.stage.workers, runMerges, &run, scratchBytes);
  }
  if (!done) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "no threads, or no memory for %llu scratch bytes",
                static_cast<unsigned long long>(scratchBytes));
  }
  return ATTNRT_OK;
}
