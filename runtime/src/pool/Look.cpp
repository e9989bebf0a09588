//===- Look.cpp - What a pool and its sequences say of themselves ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PagePool.h"

using namespace attnrt;

attnrt_page_pool_stats PagePool::stats() const {
  attnrt_page_pool_stats stats = counters;
  stats.struct_size = sizeof(stats);
  stats.pages_free = slots.numFree();
  stats.pages_cached = slots.numCached();
  stats.pages_held = slots.numHeld();
  stats.pages_limbo = slots.numLimbo();
  stats.pages_total = slots.end() - slots.begin();
  stats.pages_pinned = slots.numPinned();
  stats.sequences = sequences.count(SequenceKind::Live);
  stats.pins = sequences.count(SequenceKind::Pin);
  stats.contents = blocks.size();
  stats.steps_begun = int64_t(slots.stepsBegun());
  stats.steps_done = int64_t(slots.stepsDone());
  stats.peak_held = slots.peakHeld();
  uint64_t bytes = sizeof(*this) + slots.bytes() + blocks.bytes();
  for (const auto &sequence : sequences.all()) {
    bytes += sizeof(Sequence) +
             (sequence->blocks.capacity() + sequence->tail.capacity()) * 4;
    for (const GroupTable &table : sequence->groups) {
      bytes += sizeof(table) + table.pages.capacity() * 4;
    }
  }
  stats.host_bytes = int64_t(bytes);
  return stats;
}

uint64_t PagePool::when(int64_t wanted) const {
  if (wanted <= slots.available()) {
    return 0;
  }
  for (uint64_t step = slots.stepsDone() + 1; step <= slots.stepsBegun();
       ++step) {
    int64_t freed = slots.available();
    for (int32_t page = slots.limboList().first; page >= 0;
         page = slots[page].next) {
      freed += slots[page].lastUse <= step;
    }
    if (wanted <= freed) {
      return step;
    }
  }
  raise(ATTNRT_NOT_FOUND,
        "no step gives %lld pages: %lld are free, %lld cached, %lld in limbo "
        "and %lld held",
        (long long)wanted, (long long)slots.numFree(),
        (long long)slots.numCached(), (long long)slots.numLimbo(),
        (long long)slots.numHeld());
}

attnrt_sequence_info PagePool::describe(uint64_t handle) const {
  const Sequence &sequence = sequences.get(handle, SequenceKind::Live);
  attnrt_sequence_info info{};
  info.struct_size = sizeof(info);
  info.exact = !sequence.lossy;
  info.next_position = sequence.next;
  info.known_tokens = sequence.known;
  info.salt = sequence.salt;
  return info;
}

attnrt_sequence_view PagePool::view(uint64_t handle, int32_t group) const {
  const Sequence &sequence = sequences.get(handle, SequenceKind::Live);
  requireGroup(group);
  const GroupTable &table = sequence.groups[size_t(group)];
  return {table.pages.data(), int64_t(table.pages.size()), table.length};
}

/// Position of an ordinal.
static int64_t positionOf(const Sequence &sequence, const GroupTable &table,
                          int32_t head, int64_t ordinal) {
  if (const Kept *kept = table.kept.get(); kept && ordinal < kept->count) {
    return kept->positions[size_t((kept->heads > 1 ? head : 0) * kept->count +
                                  ordinal)];
  }
  return ordinal + (sequence.next - table.length);
}

static void requireHead(const GroupTable &table, int32_t head) {
  const int32_t heads = table.kept ? table.kept->heads : 1;
  if (head < 0 || (heads > 1 && head >= heads)) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects a head in 0..%d, but got %d",
          heads - 1, head);
  }
}

void PagePool::positions(uint64_t handle, int32_t group, int32_t head,
                         int64_t first, int64_t count, int32_t *out) const {
  const Sequence &sequence = sequences.get(handle, SequenceKind::Live);
  requireGroup(group);
  const GroupTable &table = sequence.groups[size_t(group)];
  requireHead(table, head);
  if (first < 0 || count < 0 || count > table.length - first ||
      (count && !out)) {
    raise(
        ATTNRT_INVALID_ARGUMENT,
        "expects ordinals in 0..%lld and room for them, but got %lld + %lld%s",
        (long long)table.length, (long long)first, (long long)count,
        out ? "" : " and null");
  }
  for (int64_t i = 0; i < count; ++i) {
    out[i] = int32_t(positionOf(sequence, table, head, first + i));
  }
}

int64_t PagePool::missing(uint64_t handle, int32_t group, int32_t head,
                          int64_t begin, int64_t end, attnrt_range *ranges,
                          int64_t capacity) const {
  const Sequence &sequence = sequences.get(handle, SequenceKind::Live);
  requireGroup(group);
  const GroupTable &table = sequence.groups[size_t(group)];
  requireHead(table, head);
  if (begin < 0 || begin > end || capacity < 0 || (capacity && !ranges)) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects 0 <= begin <= end and room for ranges, but got %lld, %lld "
          "and room for %lld%s",
          (long long)begin, (long long)end, (long long)capacity,
          ranges ? "" : " in null");
  }
  end = std::min(end, sequence.next);
  int64_t count = 0, from = begin; // all before `from` is dealt with
  auto there = [&](int64_t first, int64_t last) {
    first = std::min(first, end);
    if (first > from) {
      if (count < capacity) {
        ranges[count] = {from, first};
      }
      ++count;
    }
    from = std::max(from, last);
  };
  for (int64_t ordinal = 0; ordinal < table.length;) {
    // One ordinal of a kept list, or the rest of a page behind it.
    const int64_t next =
        ordinal < table.numKept()
            ? ordinal + 1
            : std::min((ordinal / size + 1) * size, table.length);
    if (table.pages[size_t(ordinal / size)] != null) {
      const int64_t position = positionOf(sequence, table, head, ordinal);
      there(position, position + (next - ordinal));
    }
    ordinal = next;
  }
  there(end, end);
  return count;
}
