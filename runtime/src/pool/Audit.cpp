//===- Audit.cpp - Every invariant of a page pool, from scratch -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Counts again what the pool keeps in step with every call. docs/pool.md lists
// the rules by their numbers.
//
//===----------------------------------------------------------------------===//
#include "PagePool.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

using namespace attnrt;

namespace {

/// What is counted by page and by block.
struct Counts {
  std::vector<int32_t> refs, pins, listed, blockRefs;
};

[[noreturn]] __attribute__((format(printf, 2, 3))) void
broken(const char *rule, const char *format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  raise(ATTNRT_INTERNAL, "the page pool breaks %s: %s", rule, text);
}

/// Walks a list of the slots; every page of it has the state.
void auditList(const Slots &slots, const PageList &list, PageState state,
               Counts &counts) {
  int64_t count = 0;
  int32_t before = -1;
  for (int32_t page = list.first; page >= 0; page = slots[page].next) {
    if (slots[page].state != state || slots[page].previous != before ||
        ++count > list.count) {
      broken("P1", "page %d is in the list of another state", page);
    }
    ++counts.listed[size_t(page)];
    before = page;
  }
  if (count != list.count || before != list.last) {
    broken("P1", "a list has %lld pages, but says %lld", (long long)count,
           (long long)list.count);
  }
}

void auditPages(const Slots &slots, const Blocks &blocks, Counts &counts) {
  auditList(slots, slots.cachedList(), PageState::Cached, counts);
  auditList(slots, slots.limboList(), PageState::Limbo, counts);
  int64_t numFree = 0, numPinned = 0;
  for (int32_t number = slots.begin(); number < slots.end(); ++number) {
    const Page &page = slots[number];
    const int32_t refs = counts.refs[size_t(number)];
    const bool isListed =
        page.state == PageState::Cached || page.state == PageState::Limbo;
    numFree += page.state == PageState::Free;
    numPinned += refs && refs == counts.pins[size_t(number)];
    if (page.refs != refs || page.pins != counts.pins[size_t(number)]) {
      broken("P2", "page %d has %d holders and %d pins, but counts %d and %d",
             number, refs, counts.pins[size_t(number)], page.refs, page.pins);
    }
    if ((page.state == PageState::Held) != (refs > 0) ||
        (page.state == PageState::Free) != slots.isFree(number) ||
        counts.listed[size_t(number)] != int32_t(isListed)) {
      broken("P1", "page %d with %d holders is in state %d", number, refs,
             int(page.state));
    }
    if (page.state == PageState::Limbo && !slots.inFlight(page.lastUse)) {
      broken("P3", "page %d waits for step %llu, which is done", number,
             (unsigned long long)page.lastUse);
    }
    if ((page.state == PageState::Free || page.state == PageState::Cached) &&
        slots.inFlight(page.lastUse)) {
      broken("P3", "page %d may be handed out, but step %llu is in flight",
             number, (unsigned long long)page.lastUse);
    }
    if ((page.state == PageState::Cached && page.block < 0) ||
        (page.state == PageState::Free && page.block >= 0)) {
      broken("P4", "page %d in state %d has block %d", number, int(page.state),
             page.block);
    }
    if (page.block >= 0) {
      if (page.block >= blocks.end() || blocks[page.block].refs <= 0 ||
          blocks.page(page.block, page.group) != number) {
        broken("P4", "block %d does not know its page %d", page.block, number);
      }
    }
  }
  if (numFree != slots.numFree() || numPinned != slots.numPinned()) {
    broken("P1",
           "%lld pages are free and %lld pinned, but it counts %lld and "
           "%lld",
           (long long)numFree, (long long)numPinned, (long long)slots.numFree(),
           (long long)slots.numPinned());
  }
}

void auditBlocks(const Slots &slots, const Blocks &blocks, int32_t groups,
                 Counts &counts) {
  int64_t used = 0;
  for (int32_t number = 0; number < blocks.end(); ++number) {
    const Block &block = blocks[number];
    if (!block.refs) {
      continue;
    }
    ++used;
    if (block.parent >= 0) {
      ++counts.blockRefs[size_t(block.parent)];
      if (!blocks[block.parent].refs ||
          blocks[block.parent].salt != block.salt) {
        broken("B1", "block %d has a parent %d that is gone or of another salt",
               number, block.parent);
      }
    }
    for (int32_t g = 0; g < groups; ++g) {
      const int32_t page = blocks.page(number, g);
      if (page >= 0) {
        ++counts.blockRefs[size_t(number)];
        if (page < slots.begin() || page >= slots.end() ||
            slots[page].block != number || slots[page].group != g) {
          broken("P4", "page %d does not know its block %d", page, number);
        }
      }
    }
    const uint32_t hash =
        blocks.hash(block.parent, block.salt, blocks.content(number));
    if (hash != block.hash ||
        blocks.find(block.parent, block.salt, blocks.content(number), hash) !=
            number) {
      broken("B2", "block %d is not the one that is found by its content",
             number);
    }
  }
  if (used != blocks.size()) {
    broken("B1", "there are %lld blocks, but it counts %lld", (long long)used,
           (long long)blocks.size());
  }
  for (int32_t number = 0; number < blocks.end(); ++number) {
    if (blocks[number].refs != counts.blockRefs[size_t(number)]) {
      broken("B1", "block %d has %d references, but counts %d", number,
             counts.blockRefs[size_t(number)], blocks[number].refs);
    }
  }
}

} // namespace

void PagePool::auditSequence(const Sequence &sequence, int32_t *refs,
                             int32_t *pins) const {
  const bool isPin = sequence.kind == SequenceKind::Pin;
  if (sequence.known < 0 || sequence.known > sequence.next ||
      sequence.known / size != int64_t(sequence.blocks.size())) {
    broken("S2", "a sequence knows %lld of %lld tokens in %zu full pages",
           (long long)sequence.known, (long long)sequence.next,
           sequence.blocks.size());
  }
  int32_t parent = -1;
  for (int32_t block : sequence.blocks) {
    if (block < 0 || block >= blocks.end() || !blocks[block].refs ||
        blocks[block].parent != parent || blocks[block].salt != sequence.salt) {
      broken("S2", "block %d of a sequence does not follow block %d", block,
             parent);
    }
    parent = block;
  }
  for (int32_t g = 0; g < numGroups(); ++g) {
    const GroupTable &table = sequence.groups[size_t(g)];
    if (int64_t(table.pages.size()) != (table.length + size - 1) / size ||
        table.length > sequence.next || table.length < table.numKept() ||
        (!sequence.lossy && table.length != sequence.next) ||
        std::count(table.pages.begin(), table.pages.end(), null) !=
            table.numNull) {
      broken("S1",
             "group %d of a sequence has %lld ordinals in %zu pages at "
             "position %lld",
             g, (long long)table.length, table.pages.size(),
             (long long)sequence.next);
    }
    for (size_t i = 0; i < table.pages.size(); ++i) {
      const int32_t number = table.pages[i];
      if (number == null) {
        continue;
      }
      if (number < slots.begin() || number >= slots.end()) {
        broken("S1", "a table names page %d", number);
      }
      ++refs[number];
      pins[number] += isPin;
      const Page &page = slots[number];
      const int64_t end =
          std::min<int64_t>(size, table.length - int64_t(i) * size);
      if (page.group != g || (!isPin && page.filled < end)) {
        broken("S1",
               "page %d is of group %d and filled to %d, but is read as "
               "of %d to %lld",
               number, page.group, page.filled, g, (long long)end);
      }
      if (page.block < 0) {
        continue;
      }
      // What the index gives out is what the sequence holds there.
      const bool isFull = i < sequence.blocks.size();
      const int64_t rest = sequence.known - int64_t(i) * size;
      const bool isSame =
          isFull ? page.block == sequence.blocks[i]
                 : i == sequence.blocks.size() && end <= rest &&
                       blocks[page.block].parent == parent &&
                       (byKey() || std::memcmp(blocks.content(page.block),
                                               sequence.tail.data(),
                                               size_t(end) * 4) == 0);
      if (!isSame) {
        broken("S3",
               "page %d is in the index with a content that a sequence "
               "has overwritten",
               number);
      }
    }
    if (const Kept *kept = table.kept.get()) {
      for (int64_t i = 0; i < int64_t(kept->positions.size()); ++i) {
        const int32_t position = kept->positions[size_t(i)];
        if (position < 0 || position >= sequence.next ||
            (i % kept->count && position <= kept->positions[size_t(i - 1)])) {
          broken("S4", "position %d of a compacted group is out of order",
                 position);
        }
      }
    }
  }
}

void PagePool::audit() const {
  Counts counts;
  const size_t pages = size_t(slots.end());
  counts.refs.resize(pages);
  counts.pins.resize(pages);
  counts.listed.resize(pages);
  counts.blockRefs.resize(size_t(blocks.end()));
  int64_t live = 0, pinned = 0;
  for (const auto &sequence : sequences.all()) {
    if (sequence->kind == SequenceKind::Dead) {
      continue;
    }
    ++(sequence->kind == SequenceKind::Live ? live : pinned);
    auditSequence(*sequence, counts.refs.data(), counts.pins.data());
    if (sequence->lastBlock() >= 0) {
      ++counts.blockRefs[size_t(sequence->lastBlock())];
    }
  }
  if (live != sequences.count(SequenceKind::Live) ||
      pinned != sequences.count(SequenceKind::Pin)) {
    broken("S1", "%lld sequences and %lld pins live, but it counts others",
           (long long)live, (long long)pinned);
  }
  auditPages(slots, blocks, counts);
  auditBlocks(slots, blocks, numGroups(), counts);
}
