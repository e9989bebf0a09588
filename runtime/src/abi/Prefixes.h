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

/// The forest of an attnrt_prefixes without what makes no difference: a node
/// above one request belongs to it, a node above the same requests as its
/// parent continues the parent's run.
struct SharedRuns {
  /// Keys [begin, end) of the requests order[first .. last), at least two.
  struct Run {
    int32_t begin, end, first, last;
  };
  std::vector<Run> runs; ///< parents first
  /// All requests, those below a run one after the other.
  std::vector<int32_t> order;
  /// By request: the first key that it shares with nobody.
  std::vector<int32_t> own;
};

/// Checks the description and takes it apart. `keys` is the extent of the keys.
SharedRuns findSharedRuns(const attnrt_prefixes &prefixes, int64_t requests,
                          int64_t keys);

} // namespace attnrt

#endif // ATTNRT_SRC_ABI_PREFIXES_H
