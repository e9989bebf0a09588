//===- BundleViews.h - The views of a function, for a bundle ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_BUNDLEVIEWS_H
#define ATTN_LIB_JIT_BUNDLEVIEWS_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "bundle_generated.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"

namespace attn {

/// A view or a place whose storage and tables are arguments of the function.
struct BundleViews {
  SmallVector<Operation *> ops;
  llvm::SmallDenseSet<unsigned> written; // arguments
};

BundleViews findViews(func::FuncOp func);

flatbuffers::Offset<
    flatbuffers::Vector<flatbuffers::Offset<attnrt::bundle::View>>>
writeViews(const BundleViews &views, flatbuffers::FlatBufferBuilder &b);

/// Lists of coordinates whose list and counts are arguments.
flatbuffers::Offset<
    flatbuffers::Vector<flatbuffers::Offset<attnrt::bundle::Selection>>>
writeSelections(func::FuncOp func, flatbuffers::FlatBufferBuilder &b);

} // namespace attn

#endif // ATTN_LIB_JIT_BUNDLEVIEWS_H
