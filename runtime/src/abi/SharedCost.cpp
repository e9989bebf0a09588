//===- SharedCost.cpp - Which shared runs are worth an item of their own --===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SharedCost.h"

#include <algorithm>

using namespace attnrt;

namespace {

/// Rows that read together: of one request, or of all below a run.
struct Reader {
  int64_t rows = 0;
  int32_t low = INT32_MAX, high = 0;

  void add(const SeeingRows &more) {
    if (more.rows) {
      rows += more.rows;
      low = std::min(low, more.low);
      high = std::max(high, more.high);
    }
  }
};

class Weigher {
public:
  explicit Weigher(const SharingCosts &costs) : costs(costs) {}

  /// Of reading the keys of a run that these rows see.
  int64_t reading(const SharedRuns::Run &run, const Reader &reader) const {
    const int64_t from = std::max(run.begin, reader.low) / costs.keys;
    const int64_t to =
        (int64_t(std::min(run.end, reader.high)) + costs.keys - 1) / costs.keys;
    const int64_t items =
        (reader.rows + costs.rowsPerItem - 1) / costs.rowsPerItem;
    return reader.rows && from < to ? items * (to - from) * costs.tile : 0;
  }
  int64_t states(int64_t rows) const { return rows * costs.subs * costs.state; }
  int64_t items(int64_t rows) const {
    return (rows + costs.rowsPerItem - 1) / costs.rowsPerItem * costs.item;
  }

private:
  const SharingCosts &costs;
};

} // namespace

void attnrt::dropCheapRuns(SharedRuns &shared,
                           const std::vector<SeeingRows> &seeing,
                           const SharingCosts &costs) {
  std::vector<SharedRuns::Run> &runs = shared.runs;
  Weigher weigher(costs);
  // By request: the run that it reads next; -1: none, the rest is its own.
  std::vector<int32_t> next(shared.order.size(), -1);
  std::vector<bool> isKept(runs.size());
  // From the leaves up, so that what a run would be folded into is known.
  for (size_t r = runs.size(); r-- > 0;) {
    SharedRuns::Run &run = runs[r];
    Reader all;
    int64_t apart = 0, parts = 0;
    auto each = [&](auto visit) {
      for (int32_t i = run.first; i < run.last;) {
        const int32_t below = next[size_t(i)];
        const int32_t end = below < 0 ? i + 1 : runs[size_t(below)].last;
        visit(below, i, end);
        i = end;
      }
    };
    each([&](int32_t below, int32_t i, int32_t end) {
      Reader reader;
      for (int32_t k = i; k < end; ++k) {
        reader.add(seeing[size_t(k)]);
        all.add(seeing[size_t(k)]);
      }
      apart += weigher.reading(run, reader);
      // Rows that read nothing shared otherwise would need no state at all.
      parts += (below < 0 ? 2 : 1) * reader.rows;
    });
    const int64_t together = weigher.reading(run, all) +
                             weigher.items(all.rows) + weigher.states(parts);
    isKept[r] = together < apart;
    if (isKept[r]) {
      std::fill(next.begin() + run.first, next.begin() + run.last, int32_t(r));
      continue;
    }
    each([&](int32_t below, int32_t i, int32_t) {
      if (below >= 0) {
        runs[size_t(below)].begin = run.begin;
      } else {
        shared.own[size_t(shared.order[size_t(i)])] = run.begin;
      }
    });
  }
  size_t kept = 0;
  for (size_t r = 0; r < runs.size(); ++r) {
    if (isKept[r]) {
      runs[kept++] = runs[r];
    }
  }
  runs.resize(kept);
}
