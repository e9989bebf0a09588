//===- Tables.h - What tables say of a view's addresses ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Page tables, slot mappings and row offsets belong to the engine, and a kernel
// reads them when it runs: nobody can have checked them before. An index that
// one of them gives is compared with the size of what it leads into, in every
// lowering of a view; tile.view says what becomes of a point that is outside.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_TILE_IR_TABLES_H
#define ATTN_DIALECT_TILE_IR_TABLES_H

#include "attn/Dialect/Tile/IR/Tile.h"

namespace attn {

/// Whether an entry of a table may lead `expr`, a result of the view's address
/// or of the map of one of its symbols, outside of an axis of `size` points
/// (ShapedType::kDynamic: known at run time).
bool canTablesLeave(tile::ViewOp view, AffineExpr expr, int64_t size);

} // namespace attn

#endif // ATTN_DIALECT_TILE_IR_TABLES_H
