//===- TileHint.h - What tile of a kernel would fit -------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_SM_TRANSFORMS_TILEHINT_H
#define ATTN_DIALECT_SM_TRANSFORMS_TILEHINT_H

namespace attn::sm {

/// On an sm.kernel whose tile does not fit by the estimate that tiles are
/// chosen with: a string with the tile options that do ("'stages' of 2"), empty
/// where none do. sm-check-limits names them if the kernel does not fit either.
inline constexpr const char *kTileHintAttr = "tile_hint";

} // namespace attn::sm

#endif // ATTN_DIALECT_SM_TRANSFORMS_TILEHINT_H
