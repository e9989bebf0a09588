//===- Check.h - Compiled rows against the reference -----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TOOLS_ATTN_DEMO_CHECK_H
#define ATTN_TOOLS_ATTN_DEMO_CHECK_H

#include "Requests.h"
#include "attn/Support/RowCompare.h"

namespace attn {

/// What checkBatch looked at: rows are (request, query, head).
struct CheckReport {
  int64_t rows = 0, allRows = 0, badRows = 0;
  double maxRowError = 0;
  /// On the first bad row.
  std::string message;
};

/// Runs the reference on up to `window` queries of each request, on all cores,
/// and compares. Of the longest request these are the newest ones, of the
/// others any, drawn from `seed`; where a request has few queries, rows that
/// must be 0 are among them. `progress(done)` is called once per request, from
/// any thread, one at a time.
FailureOr<CheckReport> checkBatch(mlir::func::FuncOp entry, const Batch &batch,
                                  const HostArray &result, int64_t window,
                                  double rtol, uint64_t seed,
                                  function_ref<void(int64_t)> progress,
                                  std::string &error);

} // namespace attn

#endif // ATTN_TOOLS_ATTN_DEMO_CHECK_H
