//===- Match.cpp - Sequences that begin with what is there ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PagePool.h"

#include <climits>

using namespace attnrt;

int64_t PagePool::lookUp(const attnrt_content &prompt, uint64_t salt) const {
  const int64_t most = byKey()
                           ? std::min(prompt.num_keys, prompt.num_tokens / size)
                           : (prompt.tokens ? prompt.num_tokens / size : 0);
  bool windows = false;
  for (const attnrt_page_group &rule : rules) {
    windows |= rule.window != 0;
  }
  found.clear();
  found.reserve(size_t(most));
  const char *bytes = byKey() ? reinterpret_cast<const char *>(prompt.keys)
                              : reinterpret_cast<const char *>(prompt.tokens);
  const int64_t stride = byKey() ? int64_t(sizeof(attnrt_block_key)) : size * 4;
  int32_t parent = -1;
  for (int64_t i = 0; i < most; ++i, bytes += stride) {
    parent = blocks.find(parent, salt, bytes, blocks.hash(parent, salt, bytes));
    if (parent < 0) {
      break;
    }
    bool complete = true;
    for (int32_t g = 0; g < numGroups(); ++g) {
      complete &= rules[size_t(g)].window || blocks.page(parent, g) >= 0;
    }
    if (!complete) {
      break;
    }
    found.push_back(parent);
  }
  int64_t length = int64_t(found.size());
  // A page that a window needs and that is gone: nothing behind it can be
  // started from, as long as the window reaches back to it.
  for (int32_t g = 0; windows && g < numGroups();) {
    int64_t gone = -1;
    const int64_t sink = (sinkEnd(g, length * size) + size - 1) / size;
    const int64_t begin = windowBegin(g, length * size) / size;
    for (int64_t i = length; i-- > 0 && gone < 0;) {
      const bool isSeen = i < sink || i >= begin;
      gone = isSeen && blocks.page(found[size_t(i)], g) < 0 ? i : -1;
    }
    if (gone >= 0) {
      length = gone;
      g = 0; // other groups look again: their windows moved
    } else {
      ++g;
    }
  }
  found.resize(size_t(length));
  return length;
}

int64_t PagePool::match(const attnrt_content *prompt, uint64_t salt) const {
  return lookUp(readContent(prompt, INT32_MAX), salt) * size;
}

uint64_t PagePool::create(const attnrt_content *given, uint64_t salt,
                          int64_t *reused) {
  const attnrt_content prompt = readContent(given, INT32_MAX);
  const size_t length = size_t(lookUp(prompt, salt));
  Sequence &sequence = sequences.reserve();
  sequence.groups.resize(rules.size());
  sequence.tail.resize(byKey() ? 0 : size_t(size));
  for (GroupTable &table : sequence.groups) {
    table.pages.clear();
    makeRoom(table.pages, length);
  }
  sequence.blocks.clear();
  makeRoom(sequence.blocks, length);

  const uint64_t handle = sequences.revive(SequenceKind::Live);
  sequence.salt = salt;
  sequence.lastStep = 0;
  sequence.lossy = false;
  sequence.next = sequence.known = int64_t(length) * size;
  sequence.blocks.assign(found.begin(), found.end());
  if (length) {
    blocks.ref(sequence.lastBlock());
  }
  for (int32_t g = 0; g < numGroups(); ++g) {
    GroupTable &table = sequence.groups[size_t(g)];
    const size_t sink =
        size_t(sinkEnd(g, sequence.next) + size - 1) / size_t(size);
    const size_t begin = size_t(windowBegin(g, sequence.next) / size);
    for (size_t i = 0; i < length; ++i) {
      const bool isSeen = i < sink || i >= begin;
      const int32_t page = isSeen ? blocks.page(found[i], g) : null;
      table.pages.push_back(page);
      table.numNull += !isSeen;
      if (isSeen) {
        counters.pages_revived += slots.hold(page, false);
      }
    }
    table.length = sequence.next;
    ++table.edits;
  }
  counters.tokens_asked += prompt.num_tokens;
  counters.tokens_reused += sequence.next;
  if (reused) {
    *reused = sequence.next;
  }
  return handle;
}

/// Copies what two sequences share into the reserved one.
static void copyInto(Sequence &to, const Sequence &from, size_t blocks,
                     size_t pages) {
  to.blocks.assign(from.blocks.begin(), from.blocks.begin() + int64_t(blocks));
  to.groups.resize(from.groups.size());
  for (size_t g = 0; g < from.groups.size(); ++g) {
    const std::vector<int32_t> &own = from.groups[g].pages;
    to.groups[g].pages.assign(
        own.begin(), own.begin() + int64_t(std::min(pages, own.size())));
  }
  to.tail = from.tail;
  to.salt = from.salt;
  to.lossy = from.lossy;
  to.lastStep = 0;
}

uint64_t PagePool::fork(uint64_t handle) {
  sequences.get(handle, SequenceKind::Live);
  Sequence &child = sequences.reserve();
  const Sequence &from = sequences.get(handle, SequenceKind::Live);
  copyInto(child, from, from.blocks.size(), SIZE_MAX);

  const uint64_t fresh = sequences.revive(SequenceKind::Live);
  child.next = from.next;
  child.known = from.known;
  if (!child.blocks.empty()) {
    blocks.ref(child.lastBlock());
  }
  for (size_t g = 0; g < rules.size(); ++g) {
    GroupTable &table = child.groups[g];
    table.length = from.groups[g].length;
    table.numNull = from.groups[g].numNull;
    table.kept = from.groups[g].kept;
    ++table.edits;
    for (int32_t page : table.pages) {
      if (page != null) {
        slots.hold(page, false);
      }
    }
  }
  return fresh;
}

uint64_t PagePool::pin(uint64_t handle, int64_t tokens, int64_t *pinned) {
  const Sequence &from = sequences.get(handle, SequenceKind::Live);
  if (tokens < 0 || tokens > from.next) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects tokens in 0..%lld, but got %lld",
          (long long)from.next, (long long)tokens);
  }
  const size_t count = std::min(size_t(tokens / size), from.blocks.size());
  Sequence &pin = sequences.reserve();
  copyInto(pin, from, count, count);
  for (GroupTable &table : pin.groups) {
    table.pages.resize(count, null); // a compaction may have left fewer
  }

  const uint64_t fresh = sequences.revive(SequenceKind::Pin);
  pin.next = pin.known = int64_t(count) * size;
  if (count) {
    blocks.ref(pin.lastBlock());
  }
  for (int32_t g = 0; g < numGroups(); ++g) {
    GroupTable &table = pin.groups[size_t(g)];
    // What the index would give out, which need not be the sequence's own; a
    // compacted group has other pages there.
    for (size_t i = 0; i < count; ++i) {
      const int32_t page = blocks.page(pin.blocks[i], g);
      table.pages[i] = page < 0 ? null : page;
      table.numNull += page < 0;
      if (page >= 0) {
        counters.pages_revived += slots.hold(page, true);
      }
    }
    table.length = pin.next;
  }
  if (pinned) {
    *pinned = pin.next;
  }
  return fresh;
}
