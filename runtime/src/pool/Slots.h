//===- Slots.h - Pages, their holders and their states ----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One record per page. A page is free, held (refs > 0), cached (held by nobody,
// but its content is in the prefix index) or in limbo (held by nobody, but a
// step in flight may read it). Cached pages are in a list by the time at which
// they were given up: the first one is evicted first. Nothing here allocates
// after construction.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_POOL_SLOTS_H
#define ATTNRT_SRC_POOL_SLOTS_H

#include "FreeMap.h"

#include <algorithm>

namespace attnrt {

enum class PageState : uint8_t { Free, Held, Cached, Limbo };

struct Page {
  uint64_t lastUse = 0; ///< last step of any holder that gave it up
  int32_t refs = 0;     ///< entries of tables that hold it, those of pins too
  int32_t pins = 0;     ///< of these, pins
  int32_t block = -1;   ///< whose content it holds for the index; -1: none
  int32_t filled = 0;   ///< slots that were written since it was taken
  int32_t previous = -1, next = -1; ///< of the cached or limbo list
  int16_t group = 0;                ///< of the holders, or of the index entry
  PageState state = PageState::Free;
};

/// A list through the records.
struct PageList {
  int32_t first = -1, last = -1;
  int64_t count = 0;
};

class Slots {
public:
  /// Pages [first, end) may be handed out.
  Slots(int32_t first, int32_t end)
      : pages(size_t(end)), free(first, end), first(first) {}

  const Page &operator[](int32_t page) const { return pages[size_t(page)]; }
  Page &operator[](int32_t page) { return pages[size_t(page)]; }

  int32_t begin() const { return first; }
  int32_t end() const { return int32_t(pages.size()); }
  int64_t numFree() const { return free.size(); }
  int64_t numCached() const { return cached.count; }
  int64_t numLimbo() const { return limbo.count; }
  int64_t numHeld() const {
    return end() - begin() - numFree() - numCached() - numLimbo();
  }
  int64_t numPinned() const { return pinnedOnly; }
  int64_t peakHeld() const { return peak; }
  /// Pages that can be had now.
  int64_t available() const { return numFree() + numCached(); }
  bool isFree(int32_t page) const { return free.contains(page); }
  const PageList &cachedList() const { return cached; }
  const PageList &limboList() const { return limbo; }

  uint64_t stepsBegun() const { return begun; }
  uint64_t stepsDone() const { return done; }
  bool inFlight(uint64_t step) const { return step > done; }
  uint64_t beginStep() { return ++begun; }
  /// Limbo pages that no step reads any more become cached or free.
  void endStep(uint64_t step);

  /// The page to evict, or -1 if there is a free one.
  int32_t victim() const { return free.size() ? -1 : cached.first; }
  /// A free page for the group, held once; the caller has evicted one if there
  /// was none.
  int32_t take(int32_t after, int32_t group);
  /// One more holder; whatever state the page is in but free. Says whether it
  /// was in limbo.
  bool hold(int32_t page, bool pin);
  /// One holder less, whose last step was `step`.
  void drop(int32_t page, uint64_t step, bool pin);
  /// After the index has let go of the page: a cached one becomes free.
  void forgotten(int32_t page);

  uint64_t bytes() const {
    return pages.capacity() * sizeof(Page) + free.bytes();
  }

private:
  void link(PageList &list, int32_t page);
  void unlink(PageList &list, int32_t page);
  void park(int32_t page);
  void countPinned(const Page &page, int64_t by) {
    pinnedOnly += page.refs && page.refs == page.pins ? by : 0;
  }

  std::vector<Page> pages;
  FreeMap free;
  PageList cached, limbo;
  int64_t pinnedOnly = 0, peak = 0;
  uint64_t begun = 0, done = 0;
  int32_t first;
};

} // namespace attnrt

#endif // ATTNRT_SRC_POOL_SLOTS_H
