//===- Verify.cpp - Does a plan solve its problem? ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Written from the rules in plan.h and plan_format.h alone: it knows nothing of
// how the planner cuts, and trusts no number of the plan before it was checked.
//
//===----------------------------------------------------------------------===//
#include "../Status.h"
#include "Check.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <vector>

using namespace attnrt;

namespace {

/// Ordinals [from, to) of the segment that a row sees; from == to: none.
struct Hull {
  int32_t from = 0, to = 0;
};

/// One item as seen by one output.
struct Part {
  int64_t output; ///< (row * heads + head) * group + query head
  int32_t from, to;
  bool direct; ///< the item finishes the output itself
};

/// The output and the place in its order that a slot was written for.
struct Owner {
  int64_t output = -1;
  int32_t from = 0;
  bool merged = false;
};

class Verifier {
public:
  Verifier(const attnrt_plan &plan, const attnrt_problem &problem,
           const attnrt_entry &entry, const attnrt_plan_options &options)
      : plan(plan), problem(problem), entry(entry), options(options) {}

  attnrt_status run(uint64_t bytes);

private:
  attnrt_status checkBlock(uint64_t bytes) const;
  attnrt_status checkBatch();
  attnrt_status checkStage();
  attnrt_status checkLists() const;
  attnrt_status checkItem(int32_t i);
  attnrt_status checkMerge(int32_t m);
  attnrt_status checkBorders(int32_t i, Hull all) const;
  attnrt_status checkOutputs();

  int64_t outputOf(int64_t row, int32_t head, int32_t sub) const {
    return (row * problem.heads + head) * problem.group + sub;
  }

  const attnrt_plan &plan;
  const attnrt_problem &problem;
  const attnrt_entry &entry;
  const attnrt_plan_options &options;
  attnrt_stage stage;
  std::vector<Hull> hulls;     // by row
  std::vector<Part> parts;     // of all items
  std::vector<Owner> owners;   // by slot
  std::vector<uint8_t> merged; // by output: merges that write it (0, 1)
};

} // namespace

#define REJECT(...) return fail(ATTNRT_INVALID_PLAN, __VA_ARGS__)

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

attnrt_status Verifier::checkBatch() {
  if (plan.segments.count != uint64_t(problem.segment_count) ||
      plan.rows.count != uint64_t(problem.row_count)) {
    REJECT("I3: expects %lld segments and %lld rows, but got %u and %u",
           (long long)problem.segment_count, (long long)problem.row_count,
           plan.segments.count, plan.rows.count);
  }
  hulls.resize(plan.rows.count);
  for (int32_t s = 0; s < problem.segment_count; ++s) {
    const attnrt_segment &want = problem.segments[s];
    if (std::memcmp(&attnrt_plan_segments(&plan)[s], &want, sizeof(want))) {
      REJECT("I3: segment %d differs from the one asked for", s);
    }
    for (int32_t r = problem.row_begin[s]; r < problem.row_begin[s + 1]; ++r) {
      const attnrt_row &row = attnrt_plan_rows(&plan)[r];
      if (row.q != r || row.coord != problem.coord[r] ||
          row.lo != problem.lo[r] || row.limit != problem.limit[r] ||
          row.len_ref != -1 || row.back != 0 || row.sym != want.param ||
          row.reserved != 0) {
        REJECT("I3: row %d differs from the one asked for", r);
      }
      int64_t from = std::max<int64_t>(int64_t(row.lo) - want.coord0, 0);
      int64_t to =
          std::min<int64_t>(int64_t(row.limit) - want.coord0, want.count);
      if (from < to) {
        hulls[r] = {int32_t(from), int32_t(to)};
      }
    }
  }
  return ATTNRT_OK;
}

attnrt_status Verifier::checkStage() {
  if (plan.stages.count != 1 || plan.masks.count != 0) {
    REJECT("expects one stage and no masks, but got %u and %u",
           plan.stages.count, plan.masks.count);
  }
  stage = *attnrt_plan_stages(&plan);
  if (stage.kernel != entry.kernel || stage.axis != 0 ||
      stage.ordered != entry.ordered || stage.workers != options.workers) {
    REJECT("expects a stage of kernel %d, axis 0, ordered %d and %d workers, "
           "but got %d, %d, %d and %d",
           entry.kernel, entry.ordered, options.workers, stage.kernel,
           stage.axis, stage.ordered, stage.workers);
  }
  for (int32_t word : stage.reserved) {
    if (word) {
      REJECT("reserved words of the stage expect 0, but got %d", word);
    }
  }
  if (stage.ext_slots != 0 || stage.slot_begin != 0) {
    REJECT("I9: expects no external states, but got %d and first slot %d",
           stage.ext_slots, stage.slot_begin);
  }
  if (stage.item_begin != 0 || stage.item_count != int64_t(plan.items.count) ||
      stage.merge_begin != 0 ||
      stage.merge_count != int64_t(plan.merges.count)) {
    REJECT("the stage expects all %u items and %u merges, but got %d from %d "
           "and %d from %d",
           plan.items.count, plan.merges.count, stage.item_count,
           stage.item_begin, stage.merge_count, stage.merge_begin);
  }
  if (stage.slot_count < 0 || plan.slots != uint32_t(stage.slot_count) ||
      (options.max_slots && stage.slot_count > options.max_slots) ||
      (!entry.states && stage.slot_count)) {
    REJECT("I2: %d slots in the stage, %u in the plan, do not fit the entry",
           stage.slot_count, plan.slots);
  }
  return checkLists();
}

attnrt_status Verifier::checkLists() const {
  const int32_t *work = attnrt_plan_work(&plan);
  const struct {
    const char *name;
    int32_t begin, count;
  } lists[] = {{"items", stage.work_begin, stage.item_count},
               {"merges", stage.merge_work_begin, stage.merge_count}};
  for (const auto &[name, begin, count] : lists) {
    if (begin < 0 ||
        int64_t(begin) + stage.workers >= int64_t(plan.work.count)) {
      REJECT("I4: the worker list of %s leaves the array", name);
    }
    if (work[begin] != 0 || work[begin + stage.workers] != count) {
      REJECT("I4: the worker list of %s expects to cover 0..%d, but got %d..%d",
             name, count, work[begin], work[begin + stage.workers]);
    }
    if (!std::is_sorted(work + begin, work + begin + stage.workers + 1)) {
      REJECT("I4: the worker list of %s is not monotone", name);
    }
  }
  return ATTNRT_OK;
}

/// Places where a unit may be cut; `all` is what the item's rows see together.
attnrt_status Verifier::checkBorders(int32_t i, Hull all) const {
  const attnrt_item &item = attnrt_plan_items(&plan)[i];
  const int64_t tile = entry.kv_tile;
  int64_t first = all.from / tile * tile, end = item.kv_begin;
  end += item.kv_count;
  if (all.from >= all.to || item.kv_begin < first || end > all.to ||
      item.kv_begin % tile || (end % tile && end != all.to)) {
    REJECT("I3: item %d covers ordinals %d..%lld, its rows see %d..%d and the "
           "KV tile is %lld",
           i, item.kv_begin, (long long)end, all.from, all.to, (long long)tile);
  }
  if (options.split) {
    // Part j of p over t tiles covers the tiles [t j / p, t (j + 1) / p).
    int64_t tiles = (all.to - first + tile - 1) / tile;
    int64_t parts = std::min<int64_t>(options.split, tiles);
    int64_t begin = (item.kv_begin - first) / tile;
    int64_t part = (begin * parts + tiles - 1) / tiles;
    int64_t next = tiles * (part + 1) / parts;
    if (tiles * part / parts != begin ||
        end != std::min<int64_t>(first + next * tile, all.to)) {
      REJECT("I5: item %d covers ordinals %d..%lld, no part of %lld of %lld "
             "tiles",
             i, item.kv_begin, (long long)end, (long long)parts,
             (long long)tiles);
    }
  }
  return ATTNRT_OK;
}

attnrt_status Verifier::checkItem(int32_t i) {
  const attnrt_item &item = attnrt_plan_items(&plan)[i];
  if (item.seg < 0 || item.seg >= problem.segment_count) {
    REJECT("I3: item %d names segment %d", i, item.seg);
  }
  const attnrt_segment &segment = problem.segments[item.seg];
  if (item.kv_begin < 0 || item.kv_count < 1 ||
      item.kv_begin > segment.count - item.kv_count) {
    REJECT("I3: item %d leaves its segment of %d ordinals: %d from %d", i,
           segment.count, item.kv_count, item.kv_begin);
  }
  int64_t rowEnd = int64_t(item.row_begin) + item.row_count;
  if (item.row_count < 1 || item.row_begin < problem.row_begin[item.seg] ||
      rowEnd > problem.row_begin[item.seg + 1]) {
    REJECT("I3: item %d has rows %d..%lld, but segment %d has %d..%d", i,
           item.row_begin, (long long)rowEnd, item.seg,
           problem.row_begin[item.seg], problem.row_begin[item.seg + 1]);
  }
  int32_t subEnd = int32_t(item.sub_begin) + item.sub_count;
  if (item.head >= problem.heads || !item.sub_count || subEnd > problem.group) {
    REJECT("I3: item %d has head %d and query heads %d..%d", i, item.head,
           item.sub_begin, subEnd);
  }
  int64_t packed = int64_t(item.row_count) * item.sub_count;
  if (packed > entry.max_packed_rows || item.variant != segment.view) {
    REJECT("I3: item %d packs %lld rows, variant %d", i, (long long)packed,
           item.variant);
  }
  if (item.carry != -1 || item.mask != -1) {
    REJECT("I9: item %d has carry %d and mask %d", i, item.carry, item.mask);
  }
  if (item.flags & ~uint32_t(ATTNRT_ITEM_FULL) || item.reserved) {
    REJECT("item %d has flags 0x%x and reserved %u", i, item.flags,
           item.reserved);
  }
  if (item.slot != -1 &&
      (item.slot < 0 || item.slot > stage.slot_count - packed)) {
    REJECT("I2: item %d writes %lld slots from %d of %d", i, (long long)packed,
           item.slot, stage.slot_count);
  }

  int32_t kvEnd = item.kv_begin + item.kv_count;
  Hull all;
  for (int64_t r = item.row_begin; r < rowEnd; ++r) {
    const Hull &hull = hulls[r];
    if ((item.flags & ATTNRT_ITEM_FULL) &&
        (hull.from > item.kv_begin || hull.to < kvEnd)) {
      REJECT("I8: item %d is called full, but row %lld sees %d..%d", i,
             (long long)r, hull.from, hull.to);
    }
    if (hull.from < hull.to) {
      bool first = all.from >= all.to;
      all.from = first ? hull.from : std::min(all.from, hull.from);
      all.to = std::max(all.to, hull.to);
    }
    for (int32_t s = 0; s < item.sub_count; ++s) {
      int64_t output = outputOf(r, item.head, item.sub_begin + s);
      parts.push_back({output, item.kv_begin, kvEnd, item.slot < 0});
      if (item.slot < 0) {
        continue;
      }
      int64_t slot = item.slot + (r - item.row_begin) * item.sub_count + s;
      if (owners[slot].output >= 0) {
        REJECT("I2: slot %lld is written twice", (long long)slot);
      }
      owners[slot] = {output, item.kv_begin, false};
    }
  }
  return checkBorders(i, all);
}

attnrt_status Verifier::checkMerge(int32_t m) {
  const attnrt_merge &merge = attnrt_plan_merges(&plan)[m];
  const int32_t most = options.merge_rows ? options.merge_rows : 32;
  if (merge.first < 0 || merge.n < 1 || merge.n > most ||
      merge.first > problem.row_count - merge.n) {
    REJECT("I3: merge %d has %d rows from %d of %lld", m, merge.n, merge.first,
           (long long)problem.row_count);
  }
  if (merge.begin < 0 || merge.count < 0 ||
      int64_t(merge.begin) + merge.count > int64_t(plan.merge_slots.count)) {
    REJECT("I2: merge %d lists %d slots from %d of %u", m, merge.count,
           merge.begin, plan.merge_slots.count);
  }
  int32_t subEnd = int32_t(merge.sub_begin) + merge.sub_count;
  if (merge.head >= problem.heads || !merge.sub_count ||
      subEnd > problem.group || merge.flags) {
    REJECT("I3: merge %d has head %d, query heads %d..%d, flags %d", m,
           merge.head, merge.sub_begin, subEnd, merge.flags);
  }
  if (merge.seg != -1 || merge.dst != -1) {
    REJECT("I9: merge %d has segment %d and destination %d", m, merge.seg,
           merge.dst);
  }
  const int32_t *slots = attnrt_plan_merge_slots(&plan) + merge.begin;
  for (int32_t k = 0; k < merge.n; ++k) {
    for (int32_t s = 0; s < merge.sub_count; ++s) {
      int64_t output =
          outputOf(int64_t(merge.first) + k, merge.head, merge.sub_begin + s);
      if (merged[output]++) {
        REJECT("I2: merge %d writes row %d, head %d again", m, merge.first + k,
               merge.head);
      }
      int32_t last = -1;
      for (int32_t e = 0; e < merge.count; ++e) {
        int64_t slot = int64_t(slots[e]) + int64_t(k) * merge.sub_count + s;
        if (slots[e] < 0 || slot >= stage.slot_count) {
          REJECT("I2: merge %d reads slot %lld of %d", m, (long long)slot,
                 stage.slot_count);
        }
        Owner &owner = owners[slot];
        if (owner.output != output) {
          REJECT("I2: merge %d reads slot %lld, which belongs to another row "
                 "or head than row %d, head %d, query head %d",
                 m, (long long)slot, merge.first + k, merge.head,
                 merge.sub_begin + s);
        }
        if (owner.merged) {
          REJECT("I2: slot %lld is merged twice", (long long)slot);
        }
        if (owner.from <= last) {
          REJECT("I7: merge %d lists parts out of coordinate order", m);
        }
        owner.merged = true;
        last = owner.from;
      }
    }
  }
  return ATTNRT_OK;
}

attnrt_status Verifier::checkOutputs() {
  for (size_t slot = 0; slot < owners.size(); ++slot) {
    if (owners[slot].output < 0 || !owners[slot].merged) {
      REJECT("I2: slot %zu is %s", slot,
             owners[slot].output < 0 ? "never written" : "never merged");
    }
  }
  std::sort(parts.begin(), parts.end(), [](const Part &a, const Part &b) {
    return a.output != b.output ? a.output < b.output : a.from < b.from;
  });
  const int64_t perRow = int64_t(problem.heads) * problem.group;
  size_t p = 0;
  for (int64_t output = 0; output < int64_t(merged.size()); ++output) {
    int64_t row = output / perRow;
    const Hull &hull = hulls[row];
    int64_t direct = 0;
    int32_t at = hull.from;
    bool first = true;
    for (; p < parts.size() && parts[p].output == output; ++p) {
      bool joins = first ? parts[p].from <= at : parts[p].from == at;
      if (hull.from < hull.to && !joins) {
        REJECT("I1: row %lld has a part from ordinal %d, expects one from %d",
               (long long)row, parts[p].from, at);
      }
      at = parts[p].to;
      direct += parts[p].direct;
      first = false;
    }
    if (at < hull.to) {
      REJECT("I1: row %lld expects ordinals up to %d, but got %d",
             (long long)row, hull.to, at);
    }
    if (direct + merged[output] != 1) {
      REJECT("I2: an output of row %lld is written %lld times", (long long)row,
             (long long)(direct + merged[output]));
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
  if (attnrt_status status = checkStage()) {
    return status;
  }
  owners.resize(stage.slot_count);
  merged.resize(size_t(problem.row_count) * problem.heads * problem.group);
  for (int32_t i = 0; i < stage.item_count; ++i) {
    if (attnrt_status status = checkItem(i)) {
      return status;
    }
  }
  for (int32_t m = 0; m < stage.merge_count; ++m) {
    if (attnrt_status status = checkMerge(m)) {
      return status;
    }
  }
  return checkOutputs();
}

attnrt_status attnrt_plan_verify(const attnrt_plan *plan, uint64_t bytes,
                                 const attnrt_problem *problem,
                                 const attnrt_entry *entry,
                                 const attnrt_plan_options *options) {
  if (!plan) {
    return fail(ATTNRT_INVALID_ARGUMENT, "expects a plan, but got null");
  }
  if (attnrt_status status = checkProblem(problem, entry, options)) {
    return status;
  }
  try {
    return Verifier(*plan, *problem, *entry, *options).run(bytes);
  } catch (const std::exception &) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "no memory to verify the plan");
  }
}
