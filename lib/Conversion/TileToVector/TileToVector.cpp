//===- TileToVector.cpp - convert-tile-to-vector --------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "KernelLowering.h"

#include "attn/Conversion/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace attn {
#define GEN_PASS_DEF_CONVERTTILETOVECTORPASS
#include "attn/Conversion/Passes.h.inc"
} // namespace attn

using namespace attn;

namespace {
struct ConvertTileToVector
    : attn::impl::ConvertTileToVectorPassBase<ConvertTileToVector> {
  using ConvertTileToVectorPassBase::ConvertTileToVectorPassBase;

  void runOnOperation() override {
    HostVectorTarget target{lanes, registers};
    if (!llvm::isPowerOf2_64(lanes) || registers < 8) {
      getOperation().emitError() << "expects lanes that are a power of two and "
                                    "at least 8 registers, but got "
                                 << lanes << " and " << registers;
      return signalPassFailure();
    }
    SmallVector<tile::KernelOp> kernels(
        getOperation().getOps<tile::KernelOp>());
    for (tile::KernelOp kernel : kernels) {
      if (failed(tile::KernelLowering(kernel, target).run())) {
        return signalPassFailure();
      }
    }
    RewritePatternSet set(&getContext());
    populateMathToPolynomialPatterns(set);
    FrozenRewritePatternSet patterns(std::move(set));
    // An expansion may use another function: three rounds reach them all.
    for (int round = 0; round < 3; ++round) {
      walkAndApplyPatterns(getOperation(), patterns);
    }
  }
};
} // namespace
