//===- ForestPlanner.cpp - Plans of any batch -----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ForestPlanner.h"

#include "../Status.h"
#include "Share.h"

#include <climits>

using namespace attnrt;

/// Forest where rows have more than one part anyway.
attnrt_strategy ForestPlanner::strategyOf() const {
  if (options.split) {
    return ATTNRT_STRATEGY_FIXED;
  }
  if (options.strategy != ATTNRT_STRATEGY_AUTO) {
    return attnrt_strategy(options.strategy);
  }
  const attnrt_problem &p = batch.problem();
  int64_t reads = 0;
  for (int32_t s = 0; s < p.segment_count; ++s) {
    if (p.segments[s].head >= 0) {
      return ATTNRT_STRATEGY_FOREST;
    }
    reads += batch.placeEnd(s) - batch.placeBegin(s);
  }
  return reads > p.row_count ? ATTNRT_STRATEGY_FOREST : ATTNRT_STRATEGY_EVEN;
}

/// Copies the mask words of a run, one for each of its ordinals, so that bit k
/// is row k of the run. All units of the run share them.
int32_t ForestPlanner::addMask(const RowRun &run) {
  const attnrt_problem &p = batch.problem();
  const int64_t before = run.place - batch.placeBegin(run.seg);
  const int64_t places = batch.placeEnd(run.seg) - batch.placeBegin(run.seg);
  const int64_t words = (places + 63) / 64;
  const uint64_t all =
      run.rows == 64 ? ~uint64_t(0) : (uint64_t(1) << run.rows) - 1;
  const int64_t begin = int64_t(masks.size());
  for (int64_t t = run.kvBegin; t < run.kvEnd; ++t) {
    const uint64_t *word =
        p.masks + p.mask_begin[run.seg] + t * words + before / 64;
    uint64_t bits = word[0] >> before % 64;
    if (before % 64 && before / 64 + 1 < words) {
      bits |= word[1] << (64 - before % 64);
    }
    masks.push_back(bits & all);
  }
  // Past 2^31 words the block is refused.
  return int32_t(begin);
}

/// The items of a chunk: one for each segment that it touches, continued.
void ForestPlanner::addItems(const attnrt_entry &entry, const Chunk &chunk) {
  const Strand &strand = maker.strands[chunk.strand];
  int32_t before = 0; // tiles of the strand's runs so far
  bool resumes = false;
  for (int32_t r = strand.run; r >= 0 && before < chunk.to;
       before += maker.runs[r].tiles, r = maker.runs[r].next) {
    const RowRun &run = maker.runs[r];
    const int32_t from = std::max(chunk.from - before, 0);
    const int32_t to = std::min(chunk.to - before, run.tiles);
    if (from >= to) {
      continue;
    }
    const bool last = chunk.to - before <= run.tiles;
    attnrt_item item{};
    item.row_begin = batch.recordAt(run.place);
    item.row_count = run.rows;
    item.seg = run.seg;
    item.kv_begin = run.kvBegin + from * entry.kv_tile;
    int32_t end =
        to == run.tiles ? run.kvEnd : run.kvBegin + to * entry.kv_tile;
    item.kv_count = end - item.kv_begin;
    item.slot = last ? chunk.slot : -1;
    item.carry = -1;
    item.mask =
        runMasks[r] < 0 ? -1 : runMasks[r] + (item.kv_begin - run.kvBegin);
    item.head = uint16_t(headOf(chunk));
    item.sub_begin = uint16_t(subBegin(chunk.unit));
    item.sub_count = uint16_t(subCount(chunk.unit));
    item.variant = uint16_t(batch.segment(run.seg).view);
    bool full = item.kv_begin >= run.fullFrom && end <= run.fullTo;
    item.flags |= full ? uint32_t(ATTNRT_ITEM_FULL) : 0;
    item.flags |= last ? 0 : uint32_t(ATTNRT_ITEM_KEEP);
    item.flags |= resumes ? uint32_t(ATTNRT_ITEM_RESUME) : 0;
    items.push_back(item);
    resumes = true;
  }
}

/// Items by worker, in the order of their chunks.
void ForestPlanner::writeItems(const attnrt_entry &entry, attnrt_stage &stage) {
  runMasks.assign(maker.runs.size(), -1);
  for (const Strand &strand : maker.strands) {
    for (int32_t r = strand.run; r >= 0; r = maker.runs[r].next) {
      if (batch.masked(maker.runs[r].seg)) {
        runMasks[r] = addMask(maker.runs[r]);
      }
    }
  }
  const std::vector<Chunk> &chunks = chunker.chunks;
  std::vector<int32_t> &begin = borders; // of a worker in workerOrder
  begin.assign(size_t(options.workers) + 1, 0);
  for (const Chunk &chunk : chunks) {
    ++begin[chunk.worker + 1];
  }
  for (int32_t w = 0; w < options.workers; ++w) {
    begin[w + 1] += begin[w];
  }
  workerOrder.resize(chunks.size());
  for (size_t c = 0; c < chunks.size(); ++c) {
    workerOrder[begin[chunks[c].worker]++] = int32_t(c);
  }
  stage.item_begin = int32_t(items.size());
  stage.work_begin = int32_t(work.size());
  size_t at = 0;
  for (int32_t w = 0; w < options.workers; ++w) {
    work.push_back(int32_t(items.size()));
    for (; at < chunks.size() && chunks[workerOrder[at]].worker == w; ++at) {
      addItems(entry, chunks[workerOrder[at]]);
    }
  }
  work.push_back(int32_t(items.size()));
  stage.item_count = int32_t(items.size()) - stage.item_begin;
}

attnrt_status ForestPlanner::planStage(const attnrt_entry &entry) {
  const attnrt_problem &p = batch.problem();
  const int32_t split = options.split;
  if (!entry.states) {
    options.split = 1; // no partial states: nothing may be cut
  }
  packing = Packing(p.group, entry.max_packed_rows);
  maker.make(batch, entry, options, packing);
  if (attnrt_status status =
          chunker.cut(maker, packing, options, strategyOf())) {
    return status;
  }
  attnrt_stage stage{};
  stage.kernel = entry.kernel;
  stage.axis = entry.axis;
  stage.ordered = entry.ordered;
  stage.workers = options.workers;
  stage.merge_begin = int32_t(merges.size());
  const int64_t perState = int64_t(p.heads) * p.group;
  slots = 0;
  if (entry.axis == 0) {
    stage.ext_slots = stage.slot_begin = int32_t(p.ext_count * perState);
    slots = (int64_t(p.ext_count) + p.keep_count) * perState;
    joinRows();
  } else {
    joinColumns(entry);
  }
  const int64_t partial = slots - stage.ext_slots;
  if (!entry.states && partial) {
    return fail(ATTNRT_INVALID_ARGUMENT,
                "an entry without states expects outputs of one part, but got "
                "%lld states",
                (long long)partial);
  }
  if (slots > INT32_MAX || merges.size() > INT32_MAX) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED,
                "expects fewer than 2^31 state slots and merges, but got %lld "
                "and %lld",
                (long long)slots, (long long)merges.size());
  }
  stage.slot_count = int32_t(partial);
  stage.merge_count = int32_t(merges.size()) - stage.merge_begin;
  mostSlots = std::max(mostSlots, slots);
  writeItems(entry, stage);
  stage.merge_work_begin = int32_t(work.size());
  work.resize(work.size() + options.workers + 1);
  shareMerges(merges.data(), stage.merge_begin, stage.merge_count,
              work.data() + stage.merge_work_begin, options.workers);
  stages.push_back(stage);
  options.split = split;
  return ATTNRT_OK;
}

attnrt_status ForestPlanner::plan(const PlanArguments &arguments,
                                  Block &block) {
  batch = Batch(arguments.problem);
  options = arguments.options;
  stages.clear();
  items.clear();
  merges.clear();
  work.clear();
  mergeSlots.clear();
  masks.clear();
  mostSlots = 0;
  for (int32_t s = 0; s < arguments.stages; ++s) {
    if (attnrt_status status = planStage(arguments.entries[s])) {
      return status;
    }
  }
  BlockCounts counts{int64_t(items.size()),      int64_t(merges.size()),
                     int64_t(stages.size()),     int64_t(work.size()),
                     int64_t(mergeSlots.size()), int64_t(masks.size())};
  if (attnrt_status status = block.reserve(counts, mostSlots, arguments)) {
    return status;
  }
  std::copy(items.begin(), items.end(), block.items());
  std::copy(merges.begin(), merges.end(), block.merges());
  std::copy(stages.begin(), stages.end(), block.stages());
  std::copy(work.begin(), work.end(), block.work());
  std::copy(mergeSlots.begin(), mergeSlots.end(), block.mergeSlots());
  std::copy(masks.begin(), masks.end(), block.masks());
  return ATTNRT_OK;
}
