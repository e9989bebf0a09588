//===- Simplify.cpp - sm-simplify -----------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Simplify.h"

#include "attn/Dialect/SM/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace attn {
#define GEN_PASS_DEF_SMSIMPLIFYPASS
#include "attn/Dialect/SM/Transforms/Passes.h.inc"
} // namespace attn

using namespace attn;
using namespace attn::sm;

namespace {
struct SMSimplify : attn::impl::SMSimplifyPassBase<SMSimplify> {
  void runOnOperation() override {
    // Masks that are the same are known by their flags, as long as these are
    // not sunk.
    RewritePatternSet first(&getContext()), second(&getContext());
    populateArithmeticPatterns(first);
    populateUseMaskedPatterns(first);
    populateSinkFlagsPatterns(second);
    if (failed(applyPatternsGreedily(getOperation(), std::move(first))) ||
        failed(applyPatternsGreedily(getOperation(), std::move(second)))) {
      getOperation()->emitError("has blocks whose arithmetic does not come to "
                                "an end");
      signalPassFailure();
    }
  }
};
} // namespace
