//===- VerifyItems.cpp - Items and merges on their own --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../Status.h"
#include "Verifier.h"

#include <algorithm>

using namespace attnrt;

attnrt_status Verifier::checkItemFields(int32_t i) const {
  const attnrt_item &item = itemAt(i);
  if (item.seg < 0 || item.seg >= problem.segment_count) {
    REJECT("I3: item %d names segment %d", i, item.seg);
  }
  const attnrt_segment &segment = problem.segments[item.seg];
  if (item.kv_begin < 0 || item.kv_count < 1 ||
      item.kv_begin > segment.count - item.kv_count) {
    REJECT("I3: item %d leaves its segment of %d ordinals: %d from %d", i,
           segment.count, item.kv_count, item.kv_begin);
  }
  if (item.row_count < 1 || item.row_begin < 0 ||
      int64_t(item.row_begin) + item.row_count > int64_t(plan.rows.count)) {
    REJECT("I3: item %d has %d rows from %d, of %u", i, item.row_count,
           item.row_begin, plan.rows.count);
  }
  const int32_t subEnd = int32_t(item.sub_begin) + item.sub_count;
  if (item.head >= problem.heads || !item.sub_count || subEnd > problem.group ||
      (segment.head != -1 && segment.head != item.head)) {
    REJECT("I3: item %d has head %d and query heads %d..%d, its segment "
           "serves head %d",
           i, item.head, item.sub_begin, subEnd, segment.head);
  }
  const int64_t packed = int64_t(item.row_count) * item.sub_count;
  if (packed > entry->max_packed_rows || item.variant != segment.view) {
    REJECT("I3: item %d packs %lld rows, variant %d", i, (long long)packed,
           item.variant);
  }
  if (item.carry != -1) {
    REJECT("I9: item %d has carry %d", i, item.carry);
  }
  uint32_t known = ATTNRT_ITEM_FULL | ATTNRT_ITEM_RUN;
  if (entry->resumes && entry->axis == 0) {
    known |= ATTNRT_ITEM_KEEP | ATTNRT_ITEM_RESUME;
  }
  if (item.flags & ~known || item.reserved) {
    REJECT("item %d has flags 0x%x and reserved %u", i, item.flags,
           item.reserved);
  }
  const int64_t states = entry->axis == 0 ? packed : item.kv_count;
  if (item.slot != -1 &&
      (item.slot < firstPartial || item.slot > slotEnd - states)) {
    REJECT("I2: item %d writes %lld slots from %d, of %lld..%lld", i,
           (long long)states, item.slot, (long long)firstPartial,
           (long long)slotEnd);
  }
  return ATTNRT_OK;
}

/// `all` becomes what the item's rows see together.
attnrt_status Verifier::checkItemRows(int32_t i, Range &all) const {
  const attnrt_item &item = itemAt(i);
  const int32_t kvEnd = item.kv_begin + item.kv_count;
  const int32_t first = rowOf(item.row_begin);
  const Range own = seen(item.seg, first);
  for (int32_t k = 0; k < item.row_count; ++k) {
    const int32_t row = rowOf(item.row_begin + k);
    if (placeOf(item.seg, row) < 0) {
      REJECT("I3: row %d of item %d is output row %d, which does not read "
             "segment %d",
             k, i, row, item.seg);
    }
    const Range range = seen(item.seg, row);
    if (range.any()) {
      bool empty = !all.any();
      all.from = empty ? range.from : std::min(all.from, range.from);
      all.to = std::max(all.to, range.to);
    }
    if (item.flags & ATTNRT_ITEM_FULL) {
      const Range sure = surelySeen(item.seg, row);
      if (sure.from > item.kv_begin || sure.to < kvEnd) {
        REJECT("I8: item %d is called full, but row %d surely sees %d..%d", i,
               row, sure.from, sure.to);
      }
    }
    if (item.flags & ATTNRT_ITEM_RUN &&
        (syms[row] != syms[first] ||
         int64_t(problem.coord[row]) != int64_t(problem.coord[first]) + k)) {
      REJECT(
          "I8: item %d is called a run, but row %d is at %d of %d and row %d "
          "at %d of %d",
          i, first, problem.coord[first], syms[first], row, problem.coord[row],
          syms[row]);
    }
    bool alike = range.from == own.from && range.to == own.to;
    if (options.split && !alike && syms[row] != syms[first]) {
      REJECT("I5: rows %d and %d of item %d see different ordinals and belong "
             "to %d and %d",
             first, row, i, syms[first], syms[row]);
    }
  }
  return ATTNRT_OK;
}

/// Places where a unit may be cut; `all` is what the item's rows see together.
attnrt_status Verifier::checkBorders(int32_t i, Range all) const {
  const attnrt_item &item = itemAt(i);
  const int64_t tile = entry->kv_tile;
  const int64_t first = all.from / tile * tile;
  const int64_t end = int64_t(item.kv_begin) + item.kv_count;
  if (!all.any() || item.kv_begin < first || end > all.to ||
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

attnrt_status Verifier::checkMask(int32_t i) const {
  const attnrt_item &item = itemAt(i);
  if (!isMasked(item.seg)) {
    if (item.mask != -1) {
      REJECT("I3: item %d has mask %d, its segment none", i, item.mask);
    }
    return ATTNRT_OK;
  }
  if (item.mask < 0 || item.row_count > 64 ||
      int64_t(item.mask) + item.kv_count > int64_t(plan.masks.count)) {
    REJECT("I3: item %d of %d rows has mask words %d from %d of %u", i,
           item.row_count, item.kv_count, item.mask, plan.masks.count);
  }
  const uint64_t *words = attnrt_plan_masks(&plan) + item.mask;
  for (int32_t k = 0; k < item.row_count; ++k) {
    const int32_t row = rowOf(item.row_begin + k);
    const int32_t place = placeOf(item.seg, row);
    for (int32_t t = 0; t < item.kv_count; ++t) {
      bool want = maskBit(item.seg, place, item.kv_begin + t);
      if ((words[t] >> k & 1) != want) {
        REJECT("I3: the mask of item %d says %d of row %d and ordinal %d", i,
               !want, row, item.kv_begin + t);
      }
    }
  }
  return ATTNRT_OK;
}

attnrt_status Verifier::checkItem(int32_t i) const {
  if (attnrt_status status = checkItemFields(i)) {
    return status;
  }
  Range all;
  if (attnrt_status status = checkItemRows(i, all)) {
    return status;
  }
  if (attnrt_status status = checkBorders(i, all)) {
    return status;
  }
  return checkMask(i);
}

attnrt_status Verifier::checkMergeFields(int32_t m) const {
  const attnrt_merge &merge = mergeAt(m);
  if (merge.n < 1 || merge.n > options.merge_rows || merge.first < 0) {
    REJECT("I3: merge %d has %d outputs from %d", m, merge.n, merge.first);
  }
  if (merge.begin < 0 || merge.count < 0 ||
      int64_t(merge.begin) + merge.count > int64_t(plan.merge_slots.count)) {
    REJECT("I2: merge %d lists %d slots from %d of %u", m, merge.count,
           merge.begin, plan.merge_slots.count);
  }
  if (merge.head >= problem.heads || merge.flags) {
    REJECT("I3: merge %d has head %d and flags %d", m, merge.head, merge.flags);
  }
  return ATTNRT_OK;
}

/// Merge m takes the slot for the output; `last` is the place in the order of
/// what it took before.
attnrt_status Verifier::checkSlotRead(int32_t m, int64_t slot, int64_t output,
                                      Key &last) {
  if (slot < firstPartial || slot >= slotEnd) {
    REJECT("I2: merge %d reads slot %lld, of %lld..%lld", m, (long long)slot,
           (long long)firstPartial, (long long)slotEnd);
  }
  Owner &owner = owners[slot - firstPartial];
  if (owner.output != output) {
    REJECT("I2: merge %d reads slot %lld, which belongs to another output", m,
           (long long)slot);
  }
  if (owner.merged) {
    REJECT("I2: slot %lld is merged twice", (long long)slot);
  }
  if (owner.first <= last) {
    REJECT("I7: merge %d lists parts out of order", m);
  }
  owner.merged = true;
  last = owner.last;
  return ATTNRT_OK;
}
