//===- Append.cpp - Room for more tokens of a sequence --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PagePool.h"

#include <climits>

using namespace attnrt;

attnrt_content PagePool::readContent(const attnrt_content *given,
                                     int64_t most) const {
  attnrt_content content = readParams(given, "attnrt_content");
  if (content.reserved || content.num_tokens < 0 || content.num_tokens > most) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects num_tokens in 0..%lld and reserved 0, but got %lld and %u",
          (long long)most, (long long)content.num_tokens, content.reserved);
  }
  if (content.num_keys < 0 || (content.num_keys && !content.keys) ||
      (content.num_keys && !byKey())) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects keys only in a pool by keys, and an array of num_keys of "
          "them, but got %lld%s",
          (long long)content.num_keys, content.keys ? "" : " and null");
  }
  return content;
}

/// Slots from `offset` on are about to be written. Others must not see it: not
/// another holder, nor a step in flight where the slots were written before.
bool PagePool::needsCopy(const Sequence &sequence, int32_t number,
                         int32_t offset) const {
  const Page &page = slots[number];
  return page.refs > 1 ||
         (offset < page.filled &&
          slots.inFlight(std::max(page.lastUse, sequence.lastStep)));
}

/// The last page is partly filled: makes it one that may be written.
void PagePool::openTail(Sequence &sequence, int32_t group,
                        attnrt_page_copy *copies, int32_t &numCopies) {
  GroupTable &table = sequence.groups[size_t(group)];
  const int32_t offset = int32_t(table.length % size);
  int32_t &entry = table.pages.back();
  if (needsCopy(sequence, entry, offset)) {
    const int32_t before =
        table.pages.size() > 1 ? table.pages[table.pages.size() - 2] : -1;
    const int32_t source = entry;
    entry = takePage(before, group);
    copies[numCopies++] = {group, source, entry, offset};
    side.copy({int64_t(source) * size, int64_t(entry) * size, offset, -1});
    takeBack(source, sequence);
    ++table.edits;
    ++counters.pages_copied;
  } else if (slots[entry].block >= 0) {
    // A truncated page that is still in the index: the next hit would read what
    // is about to be written.
    forget(entry);
  }
  slots[entry].filled = offset;
}

/// Blocks of the `count` pages that the tokens fill, and their pages for the
/// index. The sequence was open.
void PagePool::publish(Sequence &sequence, const attnrt_content &content,
                       int64_t count) {
  const int64_t inTail = sequence.next % size;
  const int32_t *tokens = content.tokens;
  const int32_t lastBefore = sequence.lastBlock();
  for (int64_t i = 0; i < count; ++i) {
    const char *bytes;
    if (byKey()) {
      bytes = reinterpret_cast<const char *>(content.keys + i);
    } else if (i == 0 && inTail) {
      std::copy(tokens, tokens + (size - inTail),
                sequence.tail.begin() + inTail);
      bytes = reinterpret_cast<const char *>(sequence.tail.data());
    } else {
      bytes = reinterpret_cast<const char *>(tokens + (i * size - inTail));
    }
    const int32_t parent = sequence.lastBlock();
    const uint32_t hash = blocks.hash(parent, sequence.salt, bytes);
    int32_t block = blocks.find(parent, sequence.salt, bytes, hash);
    if (block < 0) {
      block = blocks.add(parent, sequence.salt, bytes, hash);
    }
    const size_t index = sequence.blocks.size();
    sequence.blocks.push_back(block);
    for (int32_t g = 0; g < numGroups(); ++g) {
      const int32_t page = sequence.groups[size_t(g)].pages[index];
      if (page != null && blocks.page(block, g) < 0) {
        slots[page].block = block;
        blocks.setPage(block, g, page);
      }
    }
  }
  if (count) {
    blocks.ref(sequence.lastBlock());
    if (lastBefore >= 0) {
      blocks.deref(lastBefore);
    }
  }
}

int32_t PagePool::append(uint64_t handle, const attnrt_content *given,
                         int64_t *slotsOut, attnrt_page_copy *copies) {
  Sequence &sequence = sequences.get(handle, SequenceKind::Live);
  const attnrt_content content = readContent(given, INT32_MAX - sequence.next);
  const int64_t count = content.num_tokens;
  int64_t filled = (sequence.next + count) / size - sequence.next / size;
  if (content.num_keys > filled) {
    raise(
        ATTNRT_INVALID_ARGUMENT,
        "expects at most %lld keys, one for each page that is filled, but got "
        "%lld",
        (long long)filled, (long long)content.num_keys);
  }
  if (count == 0) {
    return 0;
  }
  if (!copies) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects room for %d page copies, but got null", numGroups());
  }

  int64_t needed = 0;
  for (const GroupTable &table : sequence.groups) {
    const int32_t offset = int32_t(table.length % size);
    needed +=
        (table.length + count + size - 1) / size - int64_t(table.pages.size());
    needed += offset && needsCopy(sequence, table.pages.back(), offset);
  }
  if (needed > slots.available()) {
    refuse(needed);
  }
  const bool isKnown = sequence.isOpen() && (byKey() || content.tokens);
  const int64_t blocksToCome = !isKnown  ? 0
                               : byKey() ? content.num_keys
                                         : filled;
  blocks.reserve(blocksToCome);
  makeRoom(sequence.blocks, size_t(blocksToCome));
  for (GroupTable &table : sequence.groups) {
    makeRoom(table.pages, size_t((table.length + count + size - 1) / size) -
                              table.pages.size());
  }

  int32_t numCopies = 0;
  for (int32_t g = 0; g < numGroups(); ++g) {
    GroupTable &table = sequence.groups[size_t(g)];
    if (table.length % size) {
      openTail(sequence, g, copies, numCopies);
    }
    int64_t left = count, position = sequence.next;
    while (left) {
      const int64_t offset = table.length % size;
      if (offset == 0) {
        const int32_t after = table.pages.empty() ? -1 : table.pages.back();
        table.pages.push_back(takePage(after, g));
      }
      const int32_t page = table.pages.back();
      const int64_t first = int64_t(page) * size + offset;
      const int64_t now = std::min<int64_t>(left, size - offset);
      if (slotsOut) {
        for (int64_t i = 0; i < now; ++i) {
          *slotsOut++ = first + i;
        }
      }
      side.append(first, now, position);
      slots[page].filled = int32_t(offset + now);
      table.length += now;
      position += now;
      left -= now;
    }
  }
  counters.tokens_written += count;
  if (isKnown) {
    publish(sequence, content, blocksToCome);
    sequence.known = blocksToCome == filled
                         ? sequence.next + count
                         : int64_t(sequence.blocks.size()) * size;
    if (!byKey()) {
      // What lies behind the last full page.
      const int64_t rest = sequence.known % size;
      const int64_t fresh = std::min(rest, count);
      std::copy(content.tokens + (count - fresh), content.tokens + count,
                sequence.tail.begin() + (rest - fresh));
    }
  }
  sequence.next += count;
  return numCopies;
}
