//===- ScalarAccess.h - Elements that are read and written alone *- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_TILETOSM_SCALARACCESS_H
#define ATTN_LIB_CONVERSION_TILETOSM_SCALARACCESS_H

#include "attn/Dialect/Tile/IR/Tile.h"

namespace attn {

/// Replaces each tile.load and tile.store of one element by ops of arith, scf
/// and memref. Elements outside of a view's domain are 0, and not written.
void expandScalarAccesses(tile::KernelOp kernel);

} // namespace attn

#endif // ATTN_LIB_CONVERSION_TILETOSM_SCALARACCESS_H
