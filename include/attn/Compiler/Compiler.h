//===- Compiler.h - From a function of attn ops to kernels -----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_COMPILER_H
#define ATTN_COMPILER_COMPILER_H

#include "attn/Support/LLVM.h"
#include "attn/TargetModel/VectorUnit.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace attn {

/// Every choice a caller may make.
struct CompileOptions {
  /// The model that tile sizes are chosen for (attn/TargetModel).
  std::string target = "host";
  /// Points of the fold rank per tile; 0: as tiles(..) of the cascade says,
  /// else as the cost function of the target's model likes.
  int64_t tile = 0;
  /// Most packed rows of a work item; 0: likewise.
  int64_t rows = 0;
  /// Packed rows are a multiple of this; 0: whatever there is.
  int64_t rowStep = 0;
  /// Code that counts empty, partial and full tiles, for RunStats.
  bool countTiles = false;
  /// False: the cascade runs as written, one stage per einsum.
  bool derive = true;
  /// What a CPU's code is made for.
  VectorUnit unit;
  /// Code that may go on with the state that the worker's item before has kept
  /// (ATTNRT_ITEM_KEEP and _RESUME): in its memory, or in registers.
  bool resumes = false;
};

/// All dialects, interfaces and inliner extensions that the compiler needs.
void registerCompilerDialects(DialectRegistry &registry);

/// For each cascade of the module a line that names it, its passes
/// (printPasses) and what it reads and writes (printIo). Fails with an error
/// where there is no cascade, or one that cannot be modelled.
LogicalResult describe(ModuleOp module, raw_ostream &os);

/// What a map of tiles is asked for: tiles of tileRows x tileCols points of the
/// box [0, rows) x [0, cols) along two ranks, all sizes >= 1.
struct TileMapRequest {
  std::string rowRank, colRank;
  int64_t rows = 0, cols = 0, tileRows = 1, tileCols = 1;
  /// Coordinates of other ranks (0 where there is none) and values of symbols,
  /// by the names of the text, below 2^31 in magnitude.
  std::vector<std::pair<std::string, int64_t>> values;
};

/// Classes (TileClass) of the points that the first cascade with such ranks
/// reduces along colRank, a byte for each tile, row by row. They come from the
/// sets of the mask (TileGrid.h): nothing is looked at point by point, and what
/// data, a selection or a symbol that varies along the rows decides is partial.
/// Fails with an error where no reduction, or no value of a symbol, is found.
LogicalResult tileMap(ModuleOp module, const TileMapRequest &request,
                      SmallVectorImpl<char> &classes);

/// Rewrites the cascades of `func` into one pass where a law allows it: split
/// sums, defer, partition, online. A cascade without a law stays as it is, with
/// a remark. A fold that would not fit a tile kernel is not kept.
LogicalResult derive(func::FuncOp func, const CompileOptions &options);

/// Lowers `entry` of `module` to a tile.program and its kernels; everything
/// else is removed from the module. Diagnostics say what cannot be compiled.
LogicalResult compileToTile(ModuleOp module, StringRef entry,
                            const CompileOptions &options);

/// Lowers the kernels of a module to functions with the C ABI. The tile.program
/// op is read before and erased here.
LogicalResult compileToVector(ModuleOp module, const CompileOptions &options);

} // namespace attn

#endif // ATTN_COMPILER_COMPILER_H
