//===- PagePool.h - The page pool -------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The state of a pool and its operations, each of which checks all, then
// reserves all memory, then changes things without a way to fail. Failures are
// exceptions (Guard.h); Api.cpp turns them into statuses.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_POOL_PAGEPOOL_H
#define ATTNRT_SRC_POOL_PAGEPOOL_H

#include "Blocks.h"
#include "Sequence.h"
#include "Side.h"
#include "Slots.h"

namespace attnrt {

class PagePool {
public:
  PagePool(std::shared_ptr<Context> context,
           const attnrt_page_pool_params &params);

  // Api.cpp
  void requireOwner() const;
  void adopt();

  // Match.cpp
  int64_t match(const attnrt_content *prompt, uint64_t salt) const;
  uint64_t create(const attnrt_content *prompt, uint64_t salt, int64_t *reused);
  uint64_t fork(uint64_t handle);
  uint64_t pin(uint64_t handle, int64_t tokens, int64_t *pinned);

  // Append.cpp
  int32_t append(uint64_t handle, const attnrt_content *content, int64_t *slots,
                 attnrt_page_copy *copies);

  // Rewrite.cpp
  void truncate(uint64_t handle, int64_t position);
  void discard(uint64_t handle, int64_t position);
  void trim(uint64_t handle, int32_t group, int64_t sink, int64_t window);
  void release(uint64_t handle, SequenceKind kind);

  // Compact.cpp
  int64_t compact(uint64_t handle, const attnrt_compaction *what,
                  attnrt_slot_copy *copies, int64_t capacity);

  // Look.cpp
  attnrt_page_pool_stats stats() const;
  uint64_t when(int64_t wanted) const;
  attnrt_sequence_info describe(uint64_t handle) const;
  attnrt_sequence_view view(uint64_t handle, int32_t group) const;
  void positions(uint64_t handle, int32_t group, int32_t head, int64_t first,
                 int64_t count, int32_t *out) const;
  int64_t missing(uint64_t handle, int32_t group, int32_t head, int64_t begin,
                  int64_t end, attnrt_range *ranges, int64_t capacity) const;

  // Audit.cpp
  void audit() const;

  uint64_t beginStep(const uint64_t *handles, int64_t count);
  void endStep(uint64_t step);

  const SidePools &sidePools() const { return side; }
  const Sequence &sequence(uint64_t handle) const {
    return sequences.get(handle, SequenceKind::Live);
  }
  const Sequence *findSequence(uint64_t handle) const {
    return sequences.find(handle, SequenceKind::Live);
  }
  const attnrt_page_group &rule(int32_t group) const {
    return rules[size_t(group)];
  }
  int32_t pageSize() const { return size; }
  int32_t numGroups() const { return int32_t(rules.size()); }
  int32_t nullPage() const { return null; }
  void requireGroup(int32_t group) const;

private:
  struct Checked {};
  PagePool(Checked, std::shared_ptr<Context> context,
           const attnrt_page_pool_params &params);

  bool byKey() const { return flags & ATTNRT_PAGES_BY_KEY; }
  /// First of the last ordinals that the next token sees, and the end of the
  /// first ones, at a length.
  int64_t windowBegin(int32_t group, int64_t length) const;
  int64_t sinkEnd(int32_t group, int64_t length) const;

  attnrt_content readContent(const attnrt_content *content, int64_t most) const;
  /// Blocks of the longest known prefix that all groups can start from; writes
  /// `found`, returns their number.
  int64_t lookUp(const attnrt_content &prompt, uint64_t salt) const;

  void takeBack(int32_t page, const Sequence &sequence) {
    slots.drop(page, sequence.lastStep, sequence.kind == SequenceKind::Pin);
  }
  /// A page for the group; evicts one if it has to.
  int32_t takePage(int32_t after, int32_t group);
  /// The index no longer knows the page.
  void forget(int32_t page);
  [[noreturn]] void refuse(int64_t pages);
  /// Moves the sequence's reference to the end of its blocks.
  void setBlocks(Sequence &sequence, size_t count);

  /// Raises if the sequence cannot go on from there.
  void checkTruncation(const Sequence &sequence, int64_t position) const;
  bool needsCopy(const Sequence &sequence, int32_t page, int32_t offset) const;
  void openTail(Sequence &sequence, int32_t group, attnrt_page_copy *copies,
                int32_t &numCopies);
  void publish(Sequence &sequence, const attnrt_content &content,
               int64_t count);
  void auditSequence(const Sequence &sequence, int32_t *refs,
                     int32_t *pins) const;

  std::shared_ptr<Context> context;
  std::vector<attnrt_page_group> rules;
  uint32_t flags;
  int32_t size; ///< tokens of a page
  int32_t null; ///< entry without a page
  Slots slots;
  Blocks blocks;
  Sequences sequences;
  SidePools side;
  attnrt_page_pool_stats counters{};
  mutable std::vector<int32_t> found; ///< of lookUp
  const void *owner;
};

} // namespace attnrt

struct attnrt_page_pool {
  std::shared_ptr<attnrt::PagePool> impl;
};

namespace attnrt {

/// Runs `f(pool)` for an entry of the C ABI.
template <class F> attnrt_status enter(const attnrt_page_pool *handle, F f) {
  return guard([&] {
    if (!handle) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects a page pool, but got null");
    }
    handle->impl->requireOwner();
    f(*handle->impl);
  });
}

} // namespace attnrt

#endif // ATTNRT_SRC_POOL_PAGEPOOL_H
