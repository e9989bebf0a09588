//===- Deferred.cpp - What goes on beside the warps ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Deferred.h"
#include "Mbarrier.h"

#include <algorithm>

using namespace ptxsim;

void DeferredList::add(std::unique_ptr<Deferred> operation) {
  if (completion == Completion::Eager) {
    operation->perform();
    return;
  }
  list.push_back(std::move(operation));
}

template <class F> void DeferredList::performIf(F isDue) {
  // What is performed wakes warps, and adds nothing to the list.
  auto rest =
      std::stable_partition(list.begin(), list.end(),
                            [&](const auto &each) { return !isDue(*each); });
  std::vector<std::unique_ptr<Deferred>> due(
      std::make_move_iterator(rest), std::make_move_iterator(list.end()));
  list.erase(rest, list.end());
  if (completion == Completion::Random) {
    std::shuffle(due.begin(), due.end(), random);
  }
  for (auto &each : due) {
    each->perform();
  }
}

void DeferredList::performSome() {
  if (completion == Completion::Random && !list.empty()) {
    performIf([&](const Deferred &) { return random() % 4 == 0; });
  }
}

void DeferredList::performDue() {
  auto isWaitedFor = [](const Deferred &each) {
    return !each.barrier.waiting.empty();
  };
  bool isAny = std::any_of(list.begin(), list.end(), [&](const auto &each) {
    return isWaitedFor(*each);
  });
  performIf([&](const Deferred &each) { return !isAny || isWaitedFor(each); });
}

void DeferredList::performFor(const Mbarrier &barrier) {
  performIf([&](const Deferred &each) { return &each.barrier == &barrier; });
}

bool DeferredList::reaches(const Mbarrier &barrier) const {
  return std::any_of(list.begin(), list.end(), [&](const auto &each) {
    return &each->barrier == &barrier;
  });
}
