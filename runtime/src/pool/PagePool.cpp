//===- PagePool.cpp - What all operations of a page pool use --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PagePool.h"

#include <chrono>
#include <unistd.h>

using namespace attnrt;

/// Its address tells threads apart.
static thread_local char threadMark;

static attnrt_page_pool_params check(attnrt_page_pool_params params) {
  const uint32_t known =
      ATTNRT_PAGES_BY_KEY | ATTNRT_PAGES_NO_NULL | ATTNRT_PAGES_CHECK_OWNER;
  const uint32_t sides = ATTNRT_SIDE_POSITION | ATTNRT_SIDE_COUNT;
  if ((params.flags & ~known) || (params.side & ~sides) || params.reserved) {
    raise(
        ATTNRT_INVALID_ARGUMENT,
        "expects flags of ATTNRT_PAGES_*, sides of ATTNRT_SIDE_* and reserved "
        "0, but got 0x%x, 0x%x and %u",
        params.flags, params.side, params.reserved);
  }
  if (params.num_pages < 2 || params.num_pages > 1 << 30 ||
      params.page_size < 1 || params.page_size > 65536 ||
      int64_t(params.num_pages) * params.page_size >= int64_t(1) << 40) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects num_pages in 2..2^30 and page_size in 1..65536, and their "
          "product below 2^40, but got %d and %d",
          params.num_pages, params.page_size);
  }
  params.num_groups = params.num_groups ? params.num_groups : 1;
  if (params.num_groups < 1 || params.num_groups > 64 ||
      params.side_heads < 0 || params.side_heads > 4096 ||
      (params.side_heads && !params.side)) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects num_groups in 0..64, and side_heads in 0..4096 only where "
          "there are side pools, but got %d and %d",
          params.num_groups, params.side_heads);
  }
  for (int32_t g = 0; params.groups && g < params.num_groups; ++g) {
    const attnrt_page_group &rule = params.groups[g];
    if (rule.sink < 0 || rule.window < 0 || rule.window == 1 ||
        (rule.sink && !rule.window)) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects sink >= 0 and a window of 0 or from 2 on of group %d, and "
            "no sink without a window, but got %lld and %lld",
            g, (long long)rule.sink, (long long)rule.window);
    }
  }
  if (!params.seed &&
      (getentropy(&params.seed, sizeof(params.seed)) || !params.seed)) {
    params.seed = uint64_t(
        std::chrono::steady_clock::now().time_since_epoch().count() | 1);
  }
  return params;
}

PagePool::PagePool(std::shared_ptr<Context> given,
                   const attnrt_page_pool_params &unchecked)
    : PagePool(Checked{}, std::move(given), check(unchecked)) {}

PagePool::PagePool(Checked, std::shared_ptr<Context> given,
                   const attnrt_page_pool_params &params)
    : context(std::move(given)), rules(size_t(params.num_groups)),
      flags(params.flags), size(params.page_size),
      null(params.flags & ATTNRT_PAGES_NO_NULL ? -1 : 0),
      slots(null + 1, params.num_pages),
      blocks(byKey() ? uint32_t(sizeof(attnrt_block_key))
                     : uint32_t(params.page_size) * 4,
             params.num_groups, params.num_pages, params.seed),
      side(*context, params), owner(&threadMark) {
  if (params.groups) {
    std::copy(params.groups, params.groups + params.num_groups, rules.begin());
  }
#ifndef NDEBUG
  flags |= ATTNRT_PAGES_CHECK_OWNER;
#endif
}

void PagePool::requireOwner() const {
  if ((flags & ATTNRT_PAGES_CHECK_OWNER) && owner != &threadMark) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects calls from the thread that owns the page pool, but got one "
          "from another (attnrt_page_pool_adopt hands it over)");
  }
}

void PagePool::adopt() { owner = &threadMark; }

void PagePool::requireGroup(int32_t group) const {
  if (group < 0 || group >= numGroups()) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects a group in 0..%d, but got %d",
          numGroups() - 1, group);
  }
}

int64_t PagePool::windowBegin(int32_t group, int64_t length) const {
  const int64_t window = rule(group).window;
  return window ? std::max<int64_t>(0, length - window + 1) : 0;
}

int64_t PagePool::sinkEnd(int32_t group, int64_t length) const {
  return std::min(rule(group).sink, length);
}

int32_t PagePool::takePage(int32_t after, int32_t group) {
  const int32_t victim = slots.victim();
  if (victim >= 0) {
    forget(victim);
    ++counters.pages_evicted;
  }
  return slots.take(after, group);
}

void PagePool::forget(int32_t page) {
  const int32_t block = slots[page].block, group = slots[page].group;
  slots.forgotten(page);
  blocks.setPage(block, group, -1);
}

void PagePool::refuse(int64_t pages) {
  ++counters.refusals;
  raise(ATTNRT_RESOURCE_EXHAUSTED,
        "expects %lld pages, but got %lld free, %lld cached and %lld in limbo "
        "behind steps to %llu",
        (long long)pages, (long long)slots.numFree(),
        (long long)slots.numCached(), (long long)slots.numLimbo(),
        (unsigned long long)slots.stepsBegun());
}

void PagePool::setBlocks(Sequence &sequence, size_t count) {
  const int32_t last = sequence.lastBlock();
  sequence.blocks.resize(count);
  if (count) {
    blocks.ref(sequence.lastBlock());
  }
  if (last >= 0) {
    blocks.deref(last);
  }
}

uint64_t PagePool::beginStep(const uint64_t *handles, int64_t count) {
  if (count < 0 || (!handles && count)) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects %s, but got %lld sequences",
          handles ? "a count" : "null and 0", (long long)count);
  }
  for (int64_t i = 0; i < count; ++i) {
    sequences.get(handles[i], SequenceKind::Live);
  }
  const uint64_t step = slots.beginStep();
  for (int64_t i = 0; i < count; ++i) {
    sequences.get(handles[i], SequenceKind::Live).lastStep = step;
  }
  if (!handles) {
    for (const auto &sequence : sequences.all()) {
      if (sequence->kind == SequenceKind::Live) {
        sequence->lastStep = step;
      }
    }
  }
  return step;
}

void PagePool::endStep(uint64_t step) {
  if (step > slots.stepsBegun()) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects a step that was begun (to %llu), but got %llu",
          (unsigned long long)slots.stepsBegun(), (unsigned long long)step);
  }
  slots.endStep(step);
}
