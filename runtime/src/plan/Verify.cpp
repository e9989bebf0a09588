//===- Verify.cpp - Block, batch and stages of a plan ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../Status.h"
#include "Verifier.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <exception>

using namespace attnrt;

attnrt_status Verifier::checkBlock(uint64_t bytes) const {
  if (bytes < sizeof(attnrt_plan)) {
    REJECT("a plan expects a header of %zu bytes, but got %llu",
           sizeof(attnrt_plan), (unsigned long long)bytes);
  }
  if (reinterpret_cast<uintptr_t>(&plan) % 64) {
    REJECT("a plan expects an address that is a multiple of 64");
  }
  if (plan.magic != ATTNRT_PLAN_MAGIC || plan.format != ATTNRT_PLAN_FORMAT) {
    REJECT("expects magic 0x%x and format %u, but got 0x%x and %u",
           ATTNRT_PLAN_MAGIC, ATTNRT_PLAN_FORMAT, plan.magic, plan.format);
  }
  if (plan.bytes > bytes) {
    REJECT("expects at most %llu bytes, but the plan says %llu",
           (unsigned long long)bytes, (unsigned long long)plan.bytes);
  }
  const struct {
    const attnrt_plan_array &array;
    uint64_t size;
  } arrays[] = {{plan.segments, sizeof(attnrt_segment)},
                {plan.rows, sizeof(attnrt_row)},
                {plan.items, sizeof(attnrt_item)},
                {plan.merges, sizeof(attnrt_merge)},
                {plan.stages, sizeof(attnrt_stage)},
                {plan.work, sizeof(int32_t)},
                {plan.merge_slots, sizeof(int32_t)},
                {plan.masks, sizeof(uint64_t)}};
  uint64_t end = sizeof(attnrt_plan);
  for (const auto &[array, size] : arrays) {
    if (array.offset % 64 || array.offset < end ||
        array.count > array.capacity || array.capacity > INT32_MAX ||
        array.offset > plan.bytes ||
        array.capacity * size > plan.bytes - array.offset) {
      REJECT("an array of the plan is misplaced: offset %llu, count %u, "
             "capacity %u",
             (unsigned long long)array.offset, array.count, array.capacity);
    }
    end = array.offset + array.capacity * size;
  }
  for (uint32_t word : plan.reserved) {
    if (word) {
      REJECT("reserved words of the header expect 0, but got %u", word);
    }
  }
  return ATTNRT_OK;
}

Verifier::Range Verifier::seen(int32_t seg, int32_t row) const {
  const attnrt_segment &segment = problem.segments[seg];
  const int64_t lo = problem.lo[row], limit = problem.limit[row];
  int64_t from = std::max<int64_t>(lo - segment.coord0, 0);
  int64_t to = std::min<int64_t>(limit - segment.coord0, segment.count);
  if (segment.select != -1) {
    from = 0; // any of them may be visible
    to = segment.count;
  }
  if (lo >= limit || from >= to) {
    return {};
  }
  return {int32_t(from), int32_t(to)};
}

Verifier::Range Verifier::surelySeen(int32_t seg, int32_t row) const {
  const attnrt_segment &segment = problem.segments[seg];
  if (segment.select != -1 || isMasked(seg)) {
    return {};
  }
  Range range = seen(seg, row);
  if (problem.sure_lo) {
    range.from = int32_t(std::max<int64_t>(
        range.from, int64_t(problem.sure_lo[row]) - segment.coord0));
    range.to = int32_t(std::min<int64_t>(
        range.to, int64_t(problem.sure_limit[row]) - segment.coord0));
  } else if (problem.row_len_ref && problem.row_len_ref[row] != -1) {
    return {};
  }
  if (segment.len_ref != -1) {
    range.to =
        std::min(range.to, problem.sure_count ? problem.sure_count[seg] : 0);
  }
  return range;
}

int32_t Verifier::placeOf(int32_t seg, int32_t row) const {
  const int32_t begin = readersBegin(seg), end = readersEnd(seg);
  if (!problem.row_list) {
    return row >= begin && row < end ? row - begin : -1;
  }
  const int32_t *found =
      std::lower_bound(problem.row_list + begin, problem.row_list + end, row);
  bool there = found != problem.row_list + end && *found == row;
  return there ? int32_t(found - problem.row_list) - begin : -1;
}

bool Verifier::maskBit(int32_t seg, int32_t place, int32_t ordinal) const {
  const int64_t words = (readersEnd(seg) - readersBegin(seg) + 63) / 64;
  const uint64_t *mask = problem.masks + problem.mask_begin[seg];
  return mask[ordinal * words + place / 64] >> place % 64 & 1;
}

attnrt_status Verifier::checkRow(int64_t record, int32_t row) const {
  const attnrt_row &got = attnrt_plan_rows(&plan)[record];
  const attnrt_row want = {row,
                           problem.coord[row],
                           problem.lo[row],
                           problem.limit[row],
                           problem.row_len_ref ? problem.row_len_ref[row] : -1,
                           problem.row_back ? problem.row_back[row] : 0,
                           syms[row],
                           0};
  if (std::memcmp(&got, &want, sizeof(want)) != 0) {
    REJECT("I3: row %lld differs from the one asked for", (long long)record);
  }
  return ATTNRT_OK;
}

attnrt_status Verifier::checkBatch() {
  const int64_t rows = problem.row_count;
  const int64_t copies = problem.row_list ? problem.row_list_size : 0;
  if (plan.segments.count != uint64_t(problem.segment_count) ||
      plan.rows.count != uint64_t(rows + copies)) {
    REJECT("I3: expects %lld segments and %lld rows, but got %u and %u",
           (long long)problem.segment_count, (long long)(rows + copies),
           plan.segments.count, plan.rows.count);
  }
  if (problem.segment_count &&
      std::memcmp(attnrt_plan_segments(&plan), problem.segments,
                  size_t(problem.segment_count) * sizeof(attnrt_segment)) !=
          0) {
    REJECT("I3: the segments differ from those asked for");
  }
  auto eachRead = [&](auto visit) {
    for (int32_t s = 0; s < problem.segment_count; ++s) {
      for (int32_t j = readersBegin(s); j < readersEnd(s); ++j) {
        visit(problem.row_list ? problem.row_list[j] : j, s);
      }
    }
  };
  std::vector<int32_t> next(size_t(rows) + 1);
  eachRead([&](int32_t row, int32_t) { ++next[row + 1]; });
  for (int64_t r = 0; r < rows; ++r) {
    next[r + 1] += next[r];
  }
  readBegin = next;
  reads.resize(readBegin.back());
  eachRead([&](int32_t row, int32_t s) { reads[next[row]++] = s; });
  syms.resize(rows);
  for (int32_t r = 0; r < rows; ++r) {
    bool none = readBegin[r] == readBegin[r + 1];
    syms[r] = problem.sym ? problem.sym[r]
              : none      ? 0
                          : problem.segments[reads[readBegin[r]]].param;
    if (attnrt_status status = checkRow(r, r)) {
      return status;
    }
  }
  for (int64_t j = 0; j < copies; ++j) {
    if (attnrt_status status = checkRow(rows + j, problem.row_list[j])) {
      return status;
    }
  }
  return ATTNRT_OK;
}

attnrt_status Verifier::checkSlots() const {
  const int64_t perState = int64_t(problem.heads) * problem.group;
  const int64_t ext = entry->axis == 0 ? problem.ext_count * perState : 0;
  if (stage.ext_slots != ext || stage.slot_begin != ext) {
    REJECT("I9: expects %lld slots of external states, but got %d and first "
           "slot %d",
           (long long)ext, stage.ext_slots, stage.slot_begin);
  }
  const int64_t kept = firstPartial - ext;
  if (stage.slot_count < kept || slotEnd > int64_t(plan.slots) ||
      (options.max_slots && slotEnd > options.max_slots) ||
      (!entry->states && stage.slot_count)) {
    REJECT("I2: %d slots in the stage, %u in the plan, do not fit %lld kept "
           "ones and the entry",
           stage.slot_count, plan.slots, (long long)kept);
  }
  return ATTNRT_OK;
}

attnrt_status Verifier::checkStage(int32_t number) {
  entry = &arguments.entries[number];
  const attnrt_stage *all = attnrt_plan_stages(&plan);
  stage = all[number];
  if (stage.kernel != entry->kernel || stage.axis != entry->axis ||
      stage.ordered != entry->ordered || stage.workers != options.workers) {
    REJECT("stage %d expects kernel %d, axis %d, ordered %d and %d workers, "
           "but got %d, %d, %d and %d",
           number, entry->kernel, entry->axis, entry->ordered, options.workers,
           stage.kernel, stage.axis, stage.ordered, stage.workers);
  }
  for (int32_t word : stage.reserved) {
    if (word) {
      REJECT("reserved words of a stage expect 0, but got %d", word);
    }
  }
  const int64_t items =
      number ? int64_t(all[number - 1].item_begin) + all[number - 1].item_count
             : 0;
  const int64_t merges = number ? int64_t(all[number - 1].merge_begin) +
                                      all[number - 1].merge_count
                                : 0;
  const bool last = number + 1 == arguments.stages;
  if (stage.item_begin != items || stage.item_count < 0 ||
      stage.merge_begin != merges || stage.merge_count < 0 ||
      items + stage.item_count > int64_t(plan.items.count) ||
      merges + stage.merge_count > int64_t(plan.merges.count) ||
      (last && (items + stage.item_count != int64_t(plan.items.count) ||
                merges + stage.merge_count != int64_t(plan.merges.count)))) {
    REJECT("the stages expect all %u items and %u merges, but stage %d has %d "
           "from %d and %d from %d",
           plan.items.count, plan.merges.count, number, stage.item_count,
           stage.item_begin, stage.merge_count, stage.merge_begin);
  }
  const int64_t perState = int64_t(problem.heads) * problem.group;
  firstPartial =
      entry->axis == 0
          ? (int64_t(problem.ext_count) + problem.keep_count) * perState
          : 0;
  slotEnd = int64_t(stage.slot_begin) + stage.slot_count;
  if (attnrt_status status = checkSlots()) {
    return status;
  }
  return checkLists();
}

attnrt_status Verifier::checkLists() const {
  const int32_t *work = attnrt_plan_work(&plan);
  const struct {
    const char *name;
    int32_t list, first, count;
  } lists[] = {
      {"items", stage.work_begin, stage.item_begin, stage.item_count},
      {"merges", stage.merge_work_begin, stage.merge_begin, stage.merge_count}};
  for (const auto &[name, list, first, count] : lists) {
    if (list < 0 || int64_t(list) + stage.workers >= int64_t(plan.work.count)) {
      REJECT("I4: the worker list of %s leaves the array", name);
    }
    if (work[list] != first || work[list + stage.workers] != first + count) {
      REJECT("I4: the worker list of %s expects to cover %d..%d, but got "
             "%d..%d",
             name, first, first + count, work[list],
             work[list + stage.workers]);
    }
    if (!std::is_sorted(work + list, work + list + stage.workers + 1)) {
      REJECT("I4: the worker list of %s is not monotone", name);
    }
  }
  return ATTNRT_OK;
}

attnrt_status Verifier::run(uint64_t bytes) {
  if (attnrt_status status = checkBlock(bytes)) {
    return status;
  }
  if (attnrt_status status = checkBatch()) {
    return status;
  }
  if (plan.stages.count != uint32_t(arguments.stages)) {
    REJECT("expects %d stages, but got %u", arguments.stages,
           plan.stages.count);
  }
  int64_t most = 0;
  for (int32_t number = 0; number < arguments.stages; ++number) {
    if (attnrt_status status = checkStage(number)) {
      return status;
    }
    most = std::max(most, slotEnd);
    owners.assign(size_t(slotEnd - firstPartial), {});
    const int32_t end = stage.item_begin + stage.item_count;
    for (int32_t i = stage.item_begin; i < end; ++i) {
      if (attnrt_status status = checkItem(i)) {
        return status;
      }
    }
    if (attnrt_status status =
            entry->axis == 0 ? checkRows() : checkColumns()) {
      return status;
    }
    for (size_t slot = 0; slot < owners.size(); ++slot) {
      if (owners[slot].output < 0 || !owners[slot].merged) {
        REJECT("I2: slot %lld is %s", (long long)(firstPartial + slot),
               owners[slot].output < 0 ? "never written" : "never merged");
      }
    }
  }
  if (most != int64_t(plan.slots)) {
    REJECT("I2: the plan expects %lld slots, but got %u", (long long)most,
           plan.slots);
  }
  return ATTNRT_OK;
}

attnrt_status attnrt_plan_verify(const attnrt_plan *plan, uint64_t bytes,
                                 const attnrt_problem *problem,
                                 const attnrt_entry *entry,
                                 const attnrt_plan_options *options) {
  if (!plan) {
    return fail(ATTNRT_INVALID_ARGUMENT, "expects a plan, but got null");
  }
  try {
    PlanArguments arguments;
    if (attnrt_status status =
            readArguments(problem, entry, options, arguments)) {
      return status;
    }
    return Verifier(*plan, arguments).run(bytes);
  } catch (const std::exception &) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "no memory to verify the plan");
  }
}
