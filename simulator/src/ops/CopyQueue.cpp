//===- CopyQueue.cpp - Asynchronous copies of a warp --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CopyQueue.h"
#include "check/Reporter.h"
#include "exec/Warp.h"

#include <algorithm>

using namespace ptxsim;

CopyQueue::CopyQueue(Warp &w) {
  if (w.cta.group.launch.options.checks.async) {
    taken.resize((w.cta.shared.size() + 127) / 128);
  }
}

//===--- Moving bytes -----------------------------------------------------===//

void CopyQueue::perform(Warp &w, FlyingCopy &copy, Mask lanes) {
  forEachLane(lanes & copy.pending, [&](unsigned l) {
    std::byte *to = w.cta.shared.data() + copy.to[l];
    uint32_t n = copy.fromBytes[l];
    // The usual size needs no call.
    if (n == 16) {
      std::memcpy(to, copy.from[l], 16);
      return;
    }
    if (n) {
      std::memcpy(to, copy.from[l], n);
    }
    std::memset(to + n, 0, copy.bytes - n);
  });
  copy.pending &= ~lanes;
}

void CopyQueue::performSome(Warp &w) {
  ptxsim::Group &all = w.cta.group;
  if (all.launch.options.completion != Completion::Random) {
    return;
  }
  // Lanes whose groups so far are all complete.
  Mask free = kAllLanes;
  auto draw = [&](std::vector<FlyingCopy> &copies) {
    Mask pending = 0;
    for (FlyingCopy &copy : copies) {
      uint64_t bits = all.random();
      perform(w, copy, Mask(bits) & Mask(bits >> 32) & free);
      pending |= copy.pending;
    }
    free &= ~pending;
  };
  for (Group &group : groups) {
    draw(group.operations);
  }
  draw(open);
}

/// Nobody need keep off what these lanes have filled.
static void markFilled(Warp &w, const FlyingCopy &copy, Mask lanes) {
  Shadow &shadow = w.cta.shadow;
  forEachLane(shadow.empty() ? 0 : lanes, [&](unsigned l) {
    shadow.assign(copy.to[l], copy.bytes, Shadow::kWritten);
  });
}

//===--- Groups -----------------------------------------------------------===//

/// The words of shared memory that the lane's copy fills. Sizes are powers of
/// two and addresses are aligned, so they lie in one element of `taken`.
static uint32_t wordsOf(const FlyingCopy &copy, unsigned lane) {
  return ((uint32_t(1) << copy.bytes / 4) - 1) << copy.to[lane] / 4 % 32;
}

void CopyQueue::checkOverlap(Warp &w, const FlyingCopy &copy) {
  if (taken.empty()) {
    return;
  }
  Mask twice = selectLanes(copy.lanes, [&](unsigned l) {
    uint32_t before = taken[copy.to[l] / 128], words = wordsOf(copy, l);
    taken[copy.to[l] / 128] |= words;
    return (before & words) != 0;
  });
  if (twice) {
    unsigned l = unsigned(std::countr_zero(twice));
    report(w, *copy.inst, "async", twice,
           "copies to shared+" + std::to_string(copy.to[l]) +
               ", as another copy of the same group does");
  }
}

void CopyQueue::commit(Mask lanes) {
  Group group;
  group.lanes = lanes;
  for (FlyingCopy &copy : open) {
    Mask moved = copy.lanes & lanes;
    if (!moved) {
      continue;
    }
    forEachLane(taken.empty() ? 0 : moved, [&](unsigned l) {
      taken[copy.to[l] / 128] &= ~wordsOf(copy, l);
    });
    FlyingCopy &committed = group.operations.emplace_back(copy);
    committed.lanes = moved;
    committed.pending &= moved;
    copy.lanes &= ~moved;
    copy.pending &= ~moved;
  }
  std::erase_if(open, [](const FlyingCopy &copy) { return copy.lanes == 0; });
  groups.push_back(std::move(group));
}

void CopyQueue::wait(Warp &w, Mask lanes, uint32_t allowed) {
  uint32_t time = 0;
  // The oldest first: a later one may write the same bytes.
  forEachDue(lanes, allowed, [&](Group &group, Mask due) {
    group.lanes &= ~due;
    for (FlyingCopy &copy : group.operations) {
      perform(w, copy, due);
      Mask done = copy.lanes & due;
      time = done ? std::max(time, copy.time) : time;
      markFilled(w, copy, done);
      copy.lanes &= ~due;
    }
  });
  acquireFrom(w, AgentKind::Copies, time);
}

//===--- Copies that an mbarrier tells of ---------------------------------===//

void CopyQueue::track(Mask lanes) {
  forEach([&](FlyingCopy &copy) { copy.tracked |= copy.lanes & lanes; });
}

void CopyQueue::performTracked(Warp &w, Mask lanes) {
  forEach([&](FlyingCopy &copy) {
    Mask done = copy.tracked & lanes;
    perform(w, copy, done);
    markFilled(w, copy, done);
  });
}
