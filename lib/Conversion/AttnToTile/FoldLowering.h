//===- FoldLowering.h - Kernels of one fold ------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_ATTNTOTILE_FOLDLOWERING_H
#define ATTN_LIB_CONVERSION_ATTNTOTILE_FOLDLOWERING_H

#include "FoldMask.h"
#include "RankBinding.h"
#include "TileEmitter.h"

namespace attn {

/// A value of a cascade that a launch writes.
struct Output {
  Value value;
  AffineMap map;              // ranks of the value's axes
  int64_t buffer = -1;        // memory, or
  Operation *place = nullptr; // through this attn.place
};

/// Stores `v` to an output; absent points become 0.
LogicalResult storeOutput(TileEmitter &em, const Output &output, TileValue v,
                          ArrayRef<PresenceTerm> presence, Value liveCount);

/// Coordinates of `ranks` from their row-major linearisation, into `em.coords`.
LogicalResult delinearize(TileEmitter &em, TileValue linear,
                          ArrayRef<int64_t> ranks);

/// Writes @name (items), @name.merge, @name.combine and @name.range for a fold,
/// with the epilogue and the outputs in both kernels.
class FoldLowering {
public:
  FoldLowering(Program &program, CascadeOp cascade, FoldOp fold,
               RankBinding binding, CascadePresence &presence,
               ArrayRef<EinsumOp> epilogue, ArrayRef<Output> outputs,
               int64_t rows, int64_t mergeRows, bool countTiles, bool resumes)
      : program(program), cascade(cascade), fold(fold),
        binding(std::move(binding)), presence(presence), epilogue(epilogue),
        outputs(outputs), rows(rows), mergeRows(mergeRows),
        countTiles(countTiles), resumes(resumes) {}

  LogicalResult emit(const Twine &suffix);

private:
  SmallVector<int64_t, 3> stateAxes(unsigned i);
  void setAxes(TileEmitter &em);
  LogicalResult setItem(TileEmitter &em);
  FailureOr<Value> setRows(TileEmitter &em, Value first, bool ofManySegments,
                           bool again = false);
  LogicalResult setSides(TileEmitter &em, SmallVector<TileValue> &firstRow);
  LogicalResult loadSymbols(TileEmitter &em);
  LogicalResult emitItems(OpBuilder &b, Kernel &kernel, FoldMask &mask);
  LogicalResult emitMerge(OpBuilder &b, Kernel &kernel, StringRef name);
  LogicalResult emitRange(OpBuilder &b, Kernel &kernel, FoldMask &mask);
  LogicalResult emitClasses(OpBuilder &b, Kernel &kernel, FoldMask &mask);
  LogicalResult emitStep(TileEmitter &em, Block &block);
  LogicalResult emitEpilogue(TileEmitter &em, Value count);
  FailureOr<SmallVector<Value>> units(TileEmitter &em);

  Program &program;
  CascadeOp cascade;
  FoldOp fold;
  RankBinding binding;
  CascadePresence &presence;
  ArrayRef<EinsumOp> epilogue;
  ArrayRef<Output> outputs;
  int64_t rows;
  int64_t mergeRows;
  bool countTiles, resumes;
  SmallVector<int64_t> states; // buffer numbers
};

} // namespace attn

#endif // ATTN_LIB_CONVERSION_ATTNTOTILE_FOLDLOWERING_H
