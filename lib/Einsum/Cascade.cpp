//===- Cascade.cpp - Passes of a cascade over a rank ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Einsum/Cascade.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <set>

using namespace attn;
using namespace attn::einsum;

PassCount attn::einsum::countPasses(const Cascade &cascade,
                                    const RankSet &group) {
  PassCount count;
  count.level.assign(cascade.numTensors, 0);
  count.streams.assign(cascade.numTensors, 0);
  std::vector<bool> made(cascade.numTensors, false);
  // Inputs that a tensor is made of at the coordinates of the group.
  std::vector<std::set<TensorId>> sources(cascade.numTensors);
  std::vector<std::set<unsigned>> levels(cascade.numTensors);

  for (const Step &step : cascade.steps) {
    bool iterates = step.iterates.anyCommon(group);
    unsigned level = iterates ? 1 : 0;
    auto isBarrier = [&](const Read &read) {
      return iterates && !read.ranks.anyCommon(group) &&
             count.level[read.tensor] > 0;
    };
    for (const Read &read : step.reads) {
      unsigned before = count.level[read.tensor] + (isBarrier(read) ? 1 : 0);
      level = std::max(level, before);
    }
    std::set<TensorId> reached;
    for (const Read &read : step.reads) {
      TensorId x = read.tensor;
      if (isBarrier(read) && count.level[x] + 1 == level &&
          !llvm::is_contained(count.barriers, x)) {
        count.barriers.push_back(x);
      }
      if (!read.ranks.anyCommon(group)) {
        continue;
      }
      if (made[x]) {
        reached.insert(sources[x].begin(), sources[x].end());
      } else {
        reached.insert(x);
      }
    }
    for (TensorId x : reached) {
      levels[x].insert(level);
    }
    for (TensorId x : step.results) {
      made[x] = true;
      count.level[x] = level;
      sources[x] = reached;
    }
    count.passes = std::max(count.passes, level);
  }
  for (TensorId x = 0; x < cascade.numTensors; ++x) {
    count.streams[x] = levels[x].size();
  }
  return count;
}
