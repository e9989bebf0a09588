//===- Slots.cpp - Pages, their holders and their states ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Slots.h"

using namespace attnrt;

void Slots::link(PageList &list, int32_t number) {
  Page &page = pages[size_t(number)];
  page.previous = list.last;
  page.next = -1;
  (list.last < 0 ? list.first : pages[size_t(list.last)].next) = number;
  list.last = number;
  ++list.count;
}

void Slots::unlink(PageList &list, int32_t number) {
  Page &page = pages[size_t(number)];
  (page.previous < 0 ? list.first : pages[size_t(page.previous)].next) =
      page.next;
  (page.next < 0 ? list.last : pages[size_t(page.next)].previous) =
      page.previous;
  page.previous = page.next = -1;
  --list.count;
}

void Slots::park(int32_t number) {
  Page &page = pages[size_t(number)];
  if (page.block >= 0) {
    page.state = PageState::Cached;
    link(cached, number);
  } else {
    page.state = PageState::Free;
    free.insert(number);
  }
}

int32_t Slots::take(int32_t after, int32_t group) {
  const int32_t number = free.take(after);
  Page &page = pages[size_t(number)];
  page.refs = 1;
  page.filled = 0;
  page.group = int16_t(group);
  page.state = PageState::Held;
  peak = std::max(peak, numHeld());
  return number;
}

bool Slots::hold(int32_t number, bool pin) {
  Page &page = pages[size_t(number)];
  const bool revived = page.state == PageState::Limbo;
  if (page.state != PageState::Held) {
    unlink(revived ? limbo : cached, number);
    page.state = PageState::Held;
    peak = std::max(peak, numHeld());
  }
  countPinned(page, -1);
  ++page.refs;
  page.pins += pin;
  countPinned(page, 1);
  return revived;
}

void Slots::drop(int32_t number, uint64_t step, bool pin) {
  Page &page = pages[size_t(number)];
  countPinned(page, -1);
  --page.refs;
  page.pins -= pin;
  countPinned(page, 1);
  page.lastUse = std::max(page.lastUse, step);
  if (page.refs) {
    return;
  }
  if (inFlight(page.lastUse)) {
    page.state = PageState::Limbo;
    link(limbo, number);
  } else {
    park(number);
  }
}

void Slots::forgotten(int32_t number) {
  Page &page = pages[size_t(number)];
  page.block = -1;
  if (page.state == PageState::Cached) {
    unlink(cached, number);
    park(number);
  }
}

void Slots::endStep(uint64_t step) {
  done = std::max(done, step);
  for (int32_t number = limbo.first; number >= 0;) {
    const Page &page = pages[size_t(number)];
    const int32_t next = page.next;
    if (!inFlight(page.lastUse)) {
      unlink(limbo, number);
      park(number);
    }
    number = next;
  }
}
