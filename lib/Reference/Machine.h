//===- Machine.h - State of the interpreter ---------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One run of one function. Interpreter.cpp holds the function level,
// Address.cpp views and places, Extents.cpp the extents of axes and ranks,
// Cascade.cpp cascades, select and yields, Slices.cpp the choice of slices,
// Einsum.cpp einsums, Fold.cpp folds and their merges.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_REFERENCE_MACHINE_H
#define ATTN_LIB_REFERENCE_MACHINE_H

#include "LoopNest.h"
#include "ScalarProgram.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Reference/Interpreter.h"

#include "llvm/ADT/DenseMap.h"
#include <deque>

namespace attn::reference {

/// Ranks of the axes of a value computed inside of `cascade`, in order; none
/// for a value from outside.
std::optional<SmallVector<int64_t>> ranksOf(Value value, CascadeOp cascade);

/// Ranks that may be run one coordinate at a time, to keep intermediates small:
/// no op reduces, folds or selects over them, and computed values are read at
/// the coordinate that they were computed at. Enough of them are taken for the
/// largest intermediate to have at most `limit` elements.
llvm::SmallBitVector chooseSlices(CascadeOp cascade, const Space &ranks,
                                  int64_t limit);

class Machine {
public:
  /// With `checkOnly`, nothing is computed: values of cascades are unknown.
  Machine(func::FuncOp function, const InterpreterOptions &options,
          bool checkOnly, std::string &error)
      : function(function), options(options), checkOnly(checkOnly),
        error(error), context(function.getContext()) {}

  LogicalResult run(ArrayRef<HostArray> args);
  SmallVector<HostArray> takeResults() { return std::move(results); }
  /// Of the cascades that were checked.
  RankExtents takeExtents() { return std::move(extents); }

private:
  /// One map and at most one reduction.
  struct Stage {
    std::unique_ptr<LoopNest> nest;
    std::optional<ScalarProgram> program; // none: the product of the inputs
    SmallVector<unsigned> inputs;
    unsigned output = 0;
    std::optional<Monoid> monoid; // none: no reduction
    Tensor *result = nullptr;
  };
  /// An einsum, built once and run for each step and slice: a stage for its map
  /// with the first reduce action, and one more for each further action.
  struct CompiledEinsum {
    std::vector<Stage> stages;
  };

  LogicalResult fail(Operation *op, const Twine &message);
  std::string describe(Operation *op);

  //===--- Interpreter.cpp: values and plain ops --------------------------===//
  Tensor &newTensor(ArrayRef<int64_t> shape, std::string label);
  /// Memory for a computed f64 array.
  LogicalResult allocate(Operation *op, HostArray &array,
                         ArrayRef<int64_t> shape);
  std::optional<Word> scalarOf(Value value);
  void setScalar(Value value, Word word);
  std::optional<int64_t> indexOf(Value value);
  /// The tensor behind a value; a scalar becomes one of rank 0.
  Tensor *tensorOf(Value value);
  LogicalResult bindArgument(BlockArgument argument, const HostArray &array,
                             unsigned number);
  LogicalResult runOp(Operation &op);
  LogicalResult runPlain(Operation &op, bool &done);
  LogicalResult runScalar(Operation &op);
  LogicalResult runReturn(func::ReturnOp op);
  /// All elements of a value as a new f64 array, absent points as 0.
  FailureOr<HostArray> materialize(Operation *op, const Tensor &tensor);

  //===--- Address.cpp ----------------------------------------------------===//
  /// Symbols, domain, address and axes of a view or place. Failure: a symbol is
  /// not known (no error is set).
  template <typename Op>
  LogicalResult addressParts(Op op, Tensor &tensor, Space &space);
  LogicalResult runView(ViewOp op);
  LogicalResult runPlace(PlaceOp op);
  /// Every point of the domain has its table entries and an address in the
  /// storage; with `unique`, one of its own.
  LogicalResult checkAddresses(Operation *op, const Tensor &view,
                               const Space &space, bool unique);

  //===--- Extents.cpp ----------------------------------------------------===//
  LogicalResult findAxisExtents(ViewOp op, const Tensor &view, Space &space);
  FailureOr<std::optional<int64_t>>
  boundInDomain(ViewOp op, const Tensor &view, const Space &space, int64_t axis,
                const llvm::SmallBitVector &open);
  FailureOr<std::optional<int64_t>>
  bareExtent(ViewOp op, const Tensor &view, const Space &space, int64_t axis);
  LogicalResult findRankExtents(CascadeOp op);
  LogicalResult checkBareReads(CascadeOp op);

  //===--- Cascade.cpp ----------------------------------------------------===//
  LogicalResult runCascade(CascadeOp op);
  LogicalResult checkCascade(CascadeOp op);
  LogicalResult yieldSlice(CascadeOp op);
  LogicalResult runBlock(Block &block);
  LogicalResult runSelect(SelectOp op);
  LogicalResult runListed(SelectOp op, Coords &coords);
  LogicalResult runScored(SelectOp op, Coords &coords);
  /// Position of the nest's current point, at `x` of its innermost rank, in the
  /// lists of `coords`.
  static int64_t listIndex(const Coords &coords, const LoopNest &nest,
                           int64_t x);
  /// A computed tensor over `ranks`; sliced ranks take one coordinate.
  FailureOr<Tensor *> newComputed(Operation *op, ArrayRef<int64_t> ranks);
  LogicalResult allocateOver(Operation *op, ArrayRef<int64_t> ranks,
                             HostArray &array);
  SmallVector<int64_t> shapeOver(ArrayRef<int64_t> ranks);
  SmallVector<AffineExpr> dimsOf(ArrayRef<int64_t> ranks);
  SmallVector<int64_t> unbound(const llvm::SmallBitVector &ranks);
  /// Writes the present points of `from`, whose axes are `ranks`, into `to`,
  /// which has them as axes too.
  LogicalResult copyPresent(Operation *op, const Tensor &from,
                            ArrayRef<int64_t> ranks, const HostArray &to);

  //===--- Einsum.cpp -----------------------------------------------------===//
  LogicalResult runEinsum(EinsumOp op);
  FailureOr<CompiledEinsum *> compileEinsum(EinsumOp op);
  LogicalResult addConditions(EinsumOp op, LoopNest &nest);
  LogicalResult buildMap(EinsumOp op, Stage &stage);
  LogicalResult finishStage(EinsumOp op, Stage &stage,
                            const llvm::SmallBitVector &iteration,
                            const llvm::SmallBitVector &reduced,
                            ArrayRef<int64_t> resultRanks, Tensor *result);
  LogicalResult runStage(EinsumOp op, Stage &stage, bool count);

  //===--- Fold.cpp -------------------------------------------------------===//
  using State = SmallVector<HostArray>;
  LogicalResult runFold(FoldOp op);
  LogicalResult startState(FoldOp op, State &state);
  LogicalResult runSteps(FoldOp op, ArrayRef<int64_t> coordinates,
                         State &state);
  /// Runs a block on states and takes over what it yields.
  LogicalResult advance(FoldOp op, Block &block, ArrayRef<State *> given,
                        State &state);
  LogicalResult mergeParts(FoldOp op, SmallVectorImpl<State> &parts);
  std::vector<SmallVector<int64_t>> partition(FoldOp op, int64_t extent);
  uint64_t random(uint64_t bound);

  func::FuncOp function;
  const InterpreterOptions &options;
  bool checkOnly;
  std::string &error;
  MLIRContext *context;
  SmallVector<HostArray> results;
  RankExtents extents;

  std::deque<Tensor> arena;
  std::deque<Coords> coordsArena;
  llvm::DenseMap<Value, Tensor *> tensors;
  llvm::DenseMap<Value, Word> scalars;
  llvm::DenseMap<Value, Coords *> selections;

  /// The cascade that runs: its ranks, and what was built for it.
  Space ranks;
  llvm::SmallBitVector sliced;
  /// Einsums are built, for their presence, but not run: a fold of extent 0.
  bool buildOnly = false;
  llvm::DenseMap<Operation *, std::unique_ptr<CompiledEinsum>> compiled;
  uint64_t randomState = 0;
};

} // namespace attn::reference

#endif // ATTN_LIB_REFERENCE_MACHINE_H
