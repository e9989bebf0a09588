//===- Mbarrier.cpp - Barrier objects in shared memory ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Mbarrier.h"
#include "Warp.h"

#include <algorithm>

using namespace ptxsim;

void Mbarrier::update() {
  if (pending || bytes || hasEnded) {
    return;
  }
  ++phase;
  pending = expected;
  hasEnded = !expected;
  Group &group = cta->group;
  ++group.progress;
  if (RaceDetector *races = group.races.get()) {
    completed.join(arriving);
    arriving.clear();
    // Copies are known up to the first one that is not done.
    uint32_t known = lastCopy;
    for (uint32_t time : copies) {
      known = std::min(known, time - 1);
    }
    if (known) {
      Agent agent = races->agent(AgentKind::Barrier, cta->rank, offset);
      VectorClock &seen = completed.seen;
      seen.resize(std::max<size_t>(seen.size(), agent + 1), 0);
      seen[agent] = std::max(seen[agent], known);
    }
  }
  for (Warp *warp : waiting) {
    warp->wake();
  }
  waiting.clear();
}

std::string Mbarrier::describe() const {
  std::string text = "mbarrier shared+" + std::to_string(offset);
  if (cta->group.ctas.size() > 1) {
    text += " of cta rank " + std::to_string(cta->rank);
  }
  text += " (phase " + std::to_string(phase) + ": " + std::to_string(pending) +
          " of " + std::to_string(expected) + " arrivals missing";
  if (bytes) {
    text += ", " + std::to_string(bytes) + " bytes to come";
  }
  return text + ")";
}
