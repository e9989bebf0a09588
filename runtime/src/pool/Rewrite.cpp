//===- Rewrite.cpp - Truncating, trimming and releasing -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PagePool.h"

using namespace attnrt;

void PagePool::checkTruncation(const Sequence &sequence,
                               int64_t position) const {
  if (position < 0 || position > sequence.next) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects a position in 0..%lld, but got %lld",
          (long long)sequence.next, (long long)position);
  }
  const int64_t dropped = sequence.next - position;
  if (dropped == 0) {
    return; // whatever it lacks, it lacks already
  }
  for (int32_t g = 0; g < numGroups(); ++g) {
    const GroupTable &table = sequence.groups[size_t(g)];
    const int64_t length = table.length - dropped;
    if (length < table.numKept()) {
      raise(
          ATTNRT_INVALID_ARGUMENT,
          "expects a position from %lld on, behind what a compaction of group "
          "%d left, but got %lld",
          (long long)(position + table.numKept() - length), g,
          (long long)position);
    }
    auto require = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin / size; i * size < end; ++i) {
        if (table.pages[size_t(i)] == null) {
          raise(ATTNRT_INVALID_ARGUMENT,
                "expects a position whose group %d still has what it sees, but "
                "got %lld, and page %lld of the sequence was trimmed",
                g, (long long)position, (long long)i);
        }
      }
    };
    if (!sequence.lossy) {
      require(0, sinkEnd(g, length));
      require(windowBegin(g, length), length);
    }
    require(length / size * size, length); // what is appended goes there
  }
}

void PagePool::discard(uint64_t handle, int64_t position) {
  const Sequence &sequence = sequences.get(handle, SequenceKind::Live);
  checkTruncation(sequence, position);
  for (const GroupTable &table : sequence.groups) {
    const int64_t length = table.length - (sequence.next - position);
    for (size_t i = size_t(length / size); i < table.pages.size(); ++i) {
      const int32_t page = table.pages[i];
      if (position < sequence.next && page != null && slots[page].block >= 0) {
        forget(page);
      }
    }
  }
  truncate(handle, position);
}

void PagePool::truncate(uint64_t handle, int64_t position) {
  Sequence &sequence = sequences.get(handle, SequenceKind::Live);
  checkTruncation(sequence, position);
  const int64_t dropped = sequence.next - position;
  if (dropped == 0) {
    return;
  }
  if (position < sequence.known) {
    const size_t full = size_t(position / size);
    const int64_t rest = position % size;
    if (rest && full < sequence.blocks.size() && !byKey()) {
      std::memcpy(sequence.tail.data(), blocks.content(sequence.blocks[full]),
                  size_t(rest) * 4);
    }
    setBlocks(sequence, full);
    sequence.known = position;
  }
  for (GroupTable &table : sequence.groups) {
    table.length -= dropped;
    const size_t left = size_t((table.length + size - 1) / size);
    while (table.pages.size() > left) {
      if (table.pages.back() != null) {
        takeBack(table.pages.back(), sequence);
      } else {
        --table.numNull;
      }
      table.pages.pop_back();
    }
    ++table.edits;
  }
  sequence.next = position;
}

void PagePool::trim(uint64_t handle, int32_t group, int64_t sink,
                    int64_t window) {
  Sequence &sequence = sequences.get(handle, SequenceKind::Live);
  if (group != -1) {
    requireGroup(group);
  }
  if (sink < 0 || window < 0) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects sink >= 0 and window >= 0, but got %lld and %lld",
          (long long)sink, (long long)window);
  }
  for (int32_t g = 0; g < numGroups(); ++g) {
    if (group != -1 && group != g) {
      continue;
    }
    GroupTable &table = sequence.groups[size_t(g)];
    const int64_t length = table.length;
    if (sink >= length) {
      continue;
    }
    const int64_t begin = (sink + size - 1) / size;
    const int64_t end = window >= length ? 0 : (length - window) / size;
    const int64_t seenBefore = sinkEnd(g, length);
    const int64_t seenFrom = windowBegin(g, length);
    bool dropped = false;
    // The deepest first, as in a release.
    for (int64_t i = end; i-- > begin;) {
      int32_t &page = table.pages[size_t(i)];
      if (page == null) {
        continue;
      }
      takeBack(page, sequence);
      page = null;
      ++table.numNull;
      dropped = true;
      sequence.lossy |= i * size < seenBefore || (i + 1) * size > seenFrom;
    }
    table.edits += dropped;
  }
}

void PagePool::release(uint64_t handle, SequenceKind kind) {
  Sequence &sequence = sequences.get(handle, kind);
  size_t longest = 0;
  for (const GroupTable &table : sequence.groups) {
    longest = std::max(longest, table.pages.size());
  }
  // What lies deepest is worth least: it is evicted first.
  for (size_t i = longest; i-- > 0;) {
    for (const GroupTable &table : sequence.groups) {
      if (i < table.pages.size() && table.pages[i] != null) {
        takeBack(table.pages[i], sequence);
      }
    }
  }
  setBlocks(sequence, 0);
  for (GroupTable &table : sequence.groups) {
    table.pages.clear();
    table.length = table.numNull = 0;
    table.kept.reset();
  }
  sequence.next = sequence.known = 0;
  sequences.kill(handle);
}
