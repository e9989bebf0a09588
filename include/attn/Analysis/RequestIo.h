//===- RequestIo.h - Bytes of a batch of requests --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Evaluates the IoModel of the cascades of a function with the lengths that its
// arguments hold.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_ANALYSIS_REQUESTIO_H
#define ATTN_ANALYSIS_REQUESTIO_H

#include "attn/Analysis/IoModel.h"
#include "attn/Support/HostArray.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"

namespace attn {

/// The sum of the reports of all cascades of `function` that fold a rank. The
/// ranks that index a mask's symbols (`b` in `len = %len[b]`) run over the
/// requests: each is evaluated with its own symbols and those ranks bound to 1,
/// and the reports are added. `args` stand in the order of the function's
/// arguments, `extents` holds the extents of each cascade's ranks.
///
/// On failure `error` says in one line why the bytes are not known: a mask
/// that depends on data or selections, symbols that change along rows or
/// columns or are no arguments, extents that are not given, no folded rank.
/// Thread-safe; reads
/// the arrays only.
FailureOr<IoReport> evaluateRequests(
    func::FuncOp function, ArrayRef<HostArray> args,
    const llvm::DenseMap<Operation *, SmallVector<int64_t>> &extents,
    const IoSettings &settings, std::string &error);

} // namespace attn

#endif // ATTN_ANALYSIS_REQUESTIO_H
