//===- TileToSM.h - Tile kernels to kernels of an SM ------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_CONVERSION_TILETOSM_H
#define ATTN_CONVERSION_TILETOSM_H

#include "attn/Dialect/SM/IR/SM.h"
#include "attn/Dialect/Tile/IR/Tile.h"

namespace attn {

struct TileToSMOptions {
  /// The chip whose model (attn/TargetModel) chooses what is not given here.
  std::string chip = "sm_80";
  /// Most warps of a kernel; 0: chosen.
  int64_t warps = 0;
  /// Places of the rings that the columns' operands come through; 0: chosen.
  int64_t stages = 0;
};

/// Makes an sm.kernel of the same name of a tile.kernel of kind items or merge
/// and erases it. Needs calls inlined. Emits an error and leaves the kernel
/// alone if it has something that has no form in sm.
LogicalResult convertKernelToSM(tile::KernelOp kernel,
                                const TileToSMOptions &options);

} // namespace attn

#endif // ATTN_CONVERSION_TILETOSM_H
