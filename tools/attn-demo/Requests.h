//===- Requests.h - A ragged batch over a page pool ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Data that shows what a kernel reads: pages are shuffled; pages that no
// request has, slots behind a request's last token and rows behind its last
// query hold NaN; table entries behind its last page are no pages.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TOOLS_ATTN_DEMO_REQUESTS_H
#define ATTN_TOOLS_ATTN_DEMO_REQUESTS_H

#include "Options.h"
#include "attn/Support/HostArray.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SmallVector.h"

namespace attn {

/// Sizes that examples/paged_gqa.mlir fixes.
struct CacheShape {
  int64_t pageSize = 16, kvHeads = 8, group = 4, channels = 128;
};

/// The sizes of `entry` if it has the arguments of examples/paged_gqa.mlir:
/// q, k pool, v pool, table, len, off, scale.
FailureOr<CacheShape> readCacheShape(mlir::func::FuncOp entry,
                                     std::string &error);

/// Lengths from the trace, or drawn, cut; behind them 0 and 1.
FailureOr<SmallVector<int64_t>> makeLengths(const DemoOptions &options,
                                            std::string &error);

/// The arguments of one run.
struct Batch {
  HostArray q, k, v, table, len, off, scale;
  SmallVector<HostArray> args() const {
    return {q, k, v, table, len, off, scale};
  }
  SmallVector<int64_t> lengths, numQueries;
  /// Pages with tokens, pages of the pool.
  int64_t usedPages = 0, numPages = 0;
};

/// The newest `queries` tokens of each request (fewer if it has fewer) are its
/// queries. The newest query of the longest request attends to one token above
/// all: `needle`. Batches of one seed have the same pool.
FailureOr<Batch> makeBatch(const CacheShape &shape, ArrayRef<int64_t> lengths,
                           int64_t queries, uint64_t seed, std::string &error);

/// The arguments without the needle: the tokens behind it move up by one slot.
/// A query behind it then sees what a kernel sees that skips this one token.
FailureOr<Batch> withoutNeedle(const CacheShape &shape, const Batch &batch,
                               std::string &error);

} // namespace attn

#endif // ATTN_TOOLS_ATTN_DEMO_REQUESTS_H
