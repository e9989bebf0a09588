//===- KernelConversion.h - One tile kernel becomes an sm kernel *- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tile value has no layout, and may be wanted in several: the coordinates of
// a tile's tokens say where its rows lie in memory, in the layout of a copy,
// and what is masked, in that of a column. So values are made when somebody
// asks, once per layout that is asked for, where their definition stands. What
// asks first is what has an effect: folds, stores, the end of an item. Blocks
// have the accumulator's layout everywhere; rows and columns get theirs from
// the op that uses them.
//
// A scope is a block of the tile kernel that is being converted, with the place
// where its code goes. A value of an outer scope is made there, in front of the
// loop or branch that is open, so nothing is computed again and again that was
// not before.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_TILETOSM_KERNELCONVERSION_H
#define ATTN_LIB_CONVERSION_TILETOSM_KERNELCONVERSION_H

#include "attn/Conversion/TileToSM.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace attn {

/// An integer that is the same for all rows of a block (a scalar of type i64),
/// or one for each row (a fragment of i64).
struct RowInteger {
  Value scalar, rows;
};

/// Where the rows of a block are, and which of them there are.
struct RowAddresses {
  Value addresses, live;
};

/// What a tile.load or tile.store names.
struct BlockAccess {
  Value memory; // memref or tile.view
  SmallVector<Value> indices;
  ArrayRef<int64_t> axes;
  Value liveBegin, liveEnd;
  int64_t liveAxis;
};

class KernelConversion {
public:
  KernelConversion(tile::KernelOp kernel, const TileToSMOptions &options);
  LogicalResult run();

private:
  using FragmentKey = std::pair<Value, Attribute>;
  struct Scope {
    Block *source = nullptr;
    /// Where code of this scope goes while an inner one is open.
    OpBuilder::InsertPoint at;
    DenseMap<Value, Value> scalars;
    DenseMap<FragmentKey, Value> fragments;
  };
  /// A ring with the load that it brings.
  struct Ring {
    tile::LoadOp load;
    Value ring, cursor, token;
  };

  //===--- Scopes and errors (KernelConversion.cpp)
  //-------------------------===//
  /// One message for each kernel: the first.
  void fail(Operation *op, const Twine &message);
  /// Runs `body` with the builder at the start of `target` and its code for
  /// `source`; `op` is the op around `target`.
  void inScope(Operation *op, Block *source, Block *target,
               function_ref<void()> body);
  Scope &scopeOf(Value value);
  /// Runs `make` where the definition of `value` belongs.
  Value atDefinition(Value value, function_ref<Value()> make);
  void convertBlock(Block &block);

  //===--- Values (Values.cpp)
  //----------------------------------------------===//
  Value index(int64_t value);
  Value scalar(Value value);
  Value makeScalar(Value value);
  /// Scalar code with its regions; `map` has what is defined around it.
  Operation *cloneScalarCode(Operation *op, IRMapping &map);
  Value fragment(Value value, Attribute layout);
  Value makeFragment(Value value, Attribute layout);
  Value reduce(Operation *op, Attribute layout);
  Value dot(tile::DotOp op, Attribute layout);
  Value branch(scf::IfOp op, unsigned result, Attribute layout);
  RankedTensorType getType(Type vector, Attribute layout);
  Attribute getRowLayout();
  Attribute getColumnLayout();

  //===--- Memory (Memory.cpp)
  //----------------------------------------------===//
  /// A block as buffer; loads of the fold come through their ring.
  Value buffer(tile::LoadOp load);
  Value loadScalar(tile::LoadOp load);
  Value loadFragment(tile::LoadOp load, Attribute layout);
  /// Copies a block to `room`; gives the token.
  Value startCopy(tile::LoadOp load, Value room);
  void store(tile::StoreOp op);
  void storeStates(tile::FinishOp op);
  Value loadState(tile::LoadStateOp op, unsigned component);
  /// Where a component of the state of each row lies: row i at slot `first` +
  /// i, live below `count`.
  RowAddresses locateStates(Value state, Value first, Value count,
                            RankedTensorType rows);
  void finish(tile::FinishOp op);
  void storeTo(Operation *op, Value value, const BlockAccess &access);
  /// The layout in which rows of such a block are copied. Null: none.
  Attribute getMover(int64_t rows, int64_t rowBytes);
  /// The same for a block; says what is wrong if there is none.
  Attribute getMover(tile::LoadOp load);

  //===--- Addresses (Addresses.cpp)
  //----------------------------------------===//
  std::optional<RowAddresses> locate(Operation *op, const BlockAccess &access,
                                     RankedTensorType rows, bool isBlock);

  //===--- The fold (Fold.cpp)
  //----------------------------------------------===//
  void fold(tile::FoldOp op);
  void loop(scf::ForOp op);

  friend class RowLocator;

  tile::KernelOp source;
  const TileToSMOptions &options;
  ImplicitLocOpBuilder b;
  sm::KernelOp target;
  Value item;
  Attribute layout; // of blocks
  int64_t numWarps = 1;
  SmallVector<Scope> scopes;
  SmallVector<Ring> rings; // of the fold that is open
  bool failed = false;
};

} // namespace attn

#endif // ATTN_LIB_CONVERSION_TILETOSM_KERNELCONVERSION_H
