//===- Passes.h - Conversions between dialects ------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_CONVERSION_PASSES_H
#define ATTN_CONVERSION_PASSES_H

#include "attn/Dialect/Tile/IR/Tile.h"
#include "attn/Support/LLVM.h"
#include "attn/TargetModel/VectorUnit.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace attn {

#define GEN_PASS_DECL
#include "attn/Conversion/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "attn/Conversion/Passes.h.inc"

/// convert-tile-to-vector for `unit`.
ConvertTileToVectorPassOptions optionsFor(const VectorUnit &unit);

} // namespace attn

#endif // ATTN_CONVERSION_PASSES_H
