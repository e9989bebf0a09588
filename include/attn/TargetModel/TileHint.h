//===- TileHint.h - What tile would fit a GPU -------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGETMODEL_TILEHINT_H
#define ATTN_TARGETMODEL_TILEHINT_H

#include "attn/TargetModel/GpuTileCost.h"

namespace attn {

/// What to change of a tile that does not fit by the estimates of getNeeds, as
/// few numbers as possible: "'tile' of 64 with 'stages' of 2". Empty: nothing
/// fits.
std::string suggestTile(const GpuTargetModel &model, const TileProblem &problem,
                        const GpuTile &given);

} // namespace attn

#endif // ATTN_TARGETMODEL_TILEHINT_H
