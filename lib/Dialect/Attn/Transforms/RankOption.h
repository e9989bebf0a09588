//===- RankOption.h - The rank a pass works on ------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_ATTN_TRANSFORMS_RANKOPTION_H
#define ATTN_DIALECT_ATTN_TRANSFORMS_RANKOPTION_H

#include "attn/Analysis/CascadeInfo.h"

namespace attn {

/// Calls `rewrite` on each cascade below `root` with the number of the rank
/// called `name`, or of the rank chosen if `name` is empty. A cascade without
/// such a rank is left alone.
inline void forEachRank(Operation *root, StringRef name,
                        llvm::function_ref<void(CascadeOp, int64_t)> rewrite) {
  SmallVector<CascadeOp> cascades;
  root->walk([&](CascadeOp cascade) { cascades.push_back(cascade); });
  for (CascadeOp cascade : cascades) {
    int64_t rank = name.empty() ? chooseRank(cascade).value_or(-1)
                                : cascade.findRank(name);
    if (rank >= 0) {
      rewrite(cascade, rank);
    }
  }
}

} // namespace attn

#endif // ATTN_DIALECT_ATTN_TRANSFORMS_RANKOPTION_H
