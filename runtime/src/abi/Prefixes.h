//===- Prefixes.h - What requests share, as runs of keys --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_PREFIXES_H
#define ATTNRT_SRC_ABI_PREFIXES_H

#include "attnrt/attnrt.h"

#include <vector>

namespace attnrt {

/// Which nodes of a forest become runs.
enum class Nodes {
  /// Those that make a difference to what is read: a node above one request
  /// belongs to it, a node above the same requests as its parent continues the
  /// parent's run.
  Joined,
  /// Each with a request below it, so that the borders in the keys of a request
  /// do not depend on which other requests there are.
  AsGiven
};

/// The forest of an attnrt_prefixes as runs.
struct SharedRuns {
  /// Keys [begin, end) of the requests order[first .. last), not empty.
  struct Run {
    int32_t begin, end, first, last;
  };
  std::vector<Run> runs; ///< parents first
  /// All requests, those below a run one after the other.
  std::vector<int32_t> order;
  /// By request: the first key behind its last run.
  std::vector<int32_t> own;
};

/// Checks the description and takes it apart. `keys` is the extent of the keys.
SharedRuns findSharedRuns(const attnrt_prefixes &prefixes, int64_t requests,
                          int64_t keys, Nodes nodes = Nodes::Joined);

} // namespace attnrt

#endif // ATTNRT_SRC_ABI_PREFIXES_H
