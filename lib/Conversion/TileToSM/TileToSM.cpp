//===- TileToSM.cpp - convert-tile-to-sm ----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Conversion/TileToSM.h"

#include "attn/Conversion/Passes.h"
#include "attn/TargetModel/GpuTileCost.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"

namespace attn {
#define GEN_PASS_DEF_CONVERTTILETOSMPASS
#include "attn/Conversion/Passes.h.inc"
} // namespace attn

using namespace attn;

namespace {

struct ConvertTileToSMPass
    : attn::impl::ConvertTileToSMPassBase<ConvertTileToSMPass> {
  using attn::impl::ConvertTileToSMPassBase<
      ConvertTileToSMPass>::ConvertTileToSMPassBase;

  void runOnOperation() override {
    TileToSMOptions chosen;
    chosen.chip = chip;
    chosen.warps = warps;
    chosen.stages = stages;
    if (warps < 0 || warps > kGpuMostWarps || stages < 0) {
      getOperation().emitError()
          << "expects 1 to " << kGpuMostWarps
          << " warps and at least one stage, or 0 to choose, "
             "but got "
          << warps << " and " << stages;
      return signalPassFailure();
    }
    if (!getGpuTargetModel(chosen.chip)) {
      getOperation().emitError()
          << "expects a chip of " << listGpuTargetModels() << ", but got '"
          << chosen.chip << "'";
      return signalPassFailure();
    }
    SmallVector<tile::KernelOp> kernels;
    for (auto kernel : getOperation().getOps<tile::KernelOp>()) {
      if (kernel.getKind() == tile::KernelKind::items ||
          kernel.getKind() == tile::KernelKind::merge ||
          kernel.getKind() == tile::KernelKind::stage) {
        kernels.push_back(kernel);
      }
    }
    for (tile::KernelOp kernel : kernels) {
      if (failed(convertKernelToSM(kernel, chosen))) {
        return signalPassFailure();
      }
    }
  }
};

} // namespace
