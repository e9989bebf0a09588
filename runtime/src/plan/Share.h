//===- Share.h - Worker lists of entries in order -------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_PLAN_SHARE_H
#define ATTNRT_SRC_PLAN_SHARE_H

#include "attnrt/plan_format.h"

#include <algorithm>
#include <cstdint>

namespace attnrt {

/// Shares entries of known cost over workers, in order: entry x belongs to the
/// worker in whose even share its middle lies.
class Sharer {
public:
  /// `work` has workers + 1 elements; `total` is the cost of all entries.
  Sharer(int32_t *work, int32_t workers, int64_t total)
      : work(work), workers(workers), total(double(total)) {}

  void add(int32_t number, int64_t cost) { fill(number, ownerOf(cost)); }
  void finish(int32_t count) { fill(count, workers); }

  /// Worker of the next entry, which costs `cost`.
  int32_t ownerOf(int64_t cost) {
    // Twice the middle, so that halves need no rounding.
    double owner = double(2 * before + cost) / (2 * total) * workers;
    before += cost;
    return std::min(int32_t(owner), workers - 1);
  }

private:
  /// Entries from `number` on belong to `owner` or later ones.
  void fill(int32_t number, int32_t owner) {
    while (next <= owner) {
      work[next++] = number;
    }
  }

  int32_t *work;
  const int32_t workers;
  const double total;
  int64_t before = 0;
  int32_t next = 0;
};

/// Shares the merges first .. first+count over the workers, `work` receiving
/// absolute numbers.
inline void shareMerges(const attnrt_merge *merges, int32_t first,
                        int32_t count, int32_t *work, int32_t workers) {
  auto cost = [](const attnrt_merge &merge) {
    return int64_t(merge.n) * merge.sub_count * (int64_t(merge.count) + 1);
  };
  int64_t total = 0;
  for (int32_t m = first; m < first + count; ++m) {
    total += cost(merges[m]);
  }
  Sharer sharer(work, workers, total);
  for (int32_t m = first; m < first + count; ++m) {
    sharer.add(m, cost(merges[m]));
  }
  sharer.finish(first + count);
}

} // namespace attnrt

#endif // ATTNRT_SRC_PLAN_SHARE_H
