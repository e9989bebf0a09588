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

#include "Parts.h"

#include "attn/Conversion/TileToSM.h"
#include "attn/TargetModel/GpuTileCost.h"

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
  /// How many columns there are (index); null: all of the fragment.
  Value columns;
  /// What addresses are multiples of.
  int64_t alignment = 16;
  /// Bytes from a column to the next (i64); null: they are neighbours.
  Value columnBytes;
};

/// What a tile.load or tile.store names.
struct BlockAccess {
  Value memory; // memref or tile.view
  SmallVector<Value> indices;
  ArrayRef<int64_t> axes;
  Value liveBegin, liveEnd;
  int64_t liveAxis;
  /// Of the value that is loaded or stored.
  VectorType type;

  static BlockAccess get(tile::LoadOp op);
  static BlockAccess get(tile::StoreOp op);
  /// The axis of the storage along which the columns of a block lie, if there
  /// is one.
  std::optional<int64_t> getColumnAxis() const;
  /// Whether the columns of a block are known to be neighbours in memory.
  bool hasNeighbours() const;
  /// The largest power of two up to 16 that every row's address is known to be
  /// a multiple of.
  int64_t getAlignment() const;
};

/// The terms of a scalar sum to which an index along the columns adds 0, 1, ..
std::optional<SmallVector<Value>> getColumnBase(Value index);

class KernelConversion {
public:
  KernelConversion(tile::KernelOp kernel, const TileToSMOptions &options);
  LogicalResult run();

private:
  /// What the chip's cost function makes of rows and columns that are given.
  void chooseTile();
  LogicalResult chooseLayout();

  using FragmentKey = std::pair<Value, Attribute>;
  struct Scope {
    Block *source = nullptr;
    /// Where code of this scope goes while an inner one is open.
    OpBuilder::InsertPoint at;
    DenseMap<Value, Value> scalars;
    DenseMap<Value, Value> buffers; // of loads
    DenseMap<FragmentKey, Value> fragments;
  };
  /// A ring with the load that it brings.
  struct Ring {
    tile::LoadOp load;
    Value ring, cursor, token;
    std::optional<RowAddresses> rows; // of the tile that is converted

    sm::BufType getBuffer() const {
      return cast<sm::RingType>(ring.getType()).getBuffers()[0];
    }
  };

  //===--- Scopes and errors (KernelConversion.cpp) ---===//
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

  //===--- Values (Values.cpp) ---===//
  Value index(int64_t value);
  Value scalar(Value value);
  Value makeScalar(Value value);
  /// Scalar code with its regions; `map` has what is defined around it.
  Operation *cloneScalarCode(Operation *op, IRMapping &map);
  Value fragment(Value value, Attribute layout);
  Value makeFragment(Value value, Attribute layout);
  Value reduce(Operation *op, Attribute layout);
  Value branch(scf::IfOp op, unsigned result, Attribute layout);
  /// A value of the layout that it is computed in, in another one: by way of
  /// shared memory.
  Value convert(Value fragment, Attribute layout, Type vector);
  /// With `fill` where a block has been made larger along `axis`.
  Value fillPadding(Value fragment, VectorType vector, int64_t axis,
                    TypedAttr fill);
  /// Shapes are rounded up to what a layout's digits need; nothing reads or
  /// writes memory for what that adds.
  RankedTensorType getType(Type vector, Attribute layout);
  int64_t getStep() const;
  Attribute getRowLayout();
  Attribute getColumnLayout();

  //===--- Sums that threads hold parts of (Parts.cpp) ---===//
  /// The layout for a value of which threads may hold parts that `kind`
  /// combines. Null: there is none but the whole.
  Attribute getPartsLayout(Type vector, sm::Kind kind);
  Attribute getWhole(Type vector);
  /// By what a component of a fold's state can be carried in parts.
  std::optional<sm::Kind> findParts(tile::FoldOp op, unsigned component);
  /// What is known in parts of a value that is wanted whole. Null: nothing.
  Value findKnownParts(Value value, Attribute wanted);
  /// Parts of what `openParts` says can be parts.
  Value makeParts(Value value, sm::PartialAttr partial);
  /// What each thread has of a reduction along axis 0 or 1 of a block.
  Value reduceInThreads(vector::MultiDimReductionOp op, sm::Kind kind);
  Value complete(Value parts, Attribute layout, Type vector);

  //===--- Products (Products.cpp) ---===//
  Value dot(tile::DotOp op, Attribute layout);
  /// An operand with `axis` summed over, in the given layout and its own type.
  Value operand(Value value, Attribute layout, int64_t summed, Type narrow);
  Value wideDot(tile::DotOp op, Value left, Value right, Value acc);

  //===--- Memory (Memory.cpp) ---===//
  /// Loads of a fold's step that products read as right operand, without those
  /// that are part of another one.
  SmallVector<tile::LoadOp> findColumnBlocks(tile::FoldOp op);
  /// A block as buffer; loads of the fold come through their ring.
  Value buffer(tile::LoadOp load);
  /// Whether a product has it as right operand, or computes that from it.
  bool isRightOperand(tile::LoadOp load);
  /// The ring that brings a block, or one that it is a part of.
  Ring *findRing(tile::LoadOp load);
  /// What a block takes in shared memory.
  sm::BufType getBuffer(tile::LoadOp load);
  /// Room for as many rows, and columns as layouts round them up.
  sm::BufType getBuffer(int64_t rows, int64_t columns, Type element);
  /// Room that lives as long as the kernel.
  Value makeRoom(sm::BufType type);
  Value loadFragment(tile::LoadOp load, Attribute layout);
  /// Element by element, at addresses of their own.
  Value gather(tile::GatherOp op, Attribute layout);
  /// Where the rows of a block lie, in the layout of its copy to `slot`.
  std::optional<RowAddresses> locateRows(tile::LoadOp load, sm::SlotType slot);
  Value copyRows(tile::LoadOp load, const RowAddresses &where, Value room);
  /// Copies a block to `room`; gives the token.
  Value startCopy(tile::LoadOp load, Value room);
  void store(tile::StoreOp op);
  void storeStates(tile::FinishOp op);
  Value loadState(tile::LoadStateOp op, unsigned component);
  /// Where a component of the state of each row lies: row i at slot `first` +
  /// i, live below `count`.
  RowAddresses locateStates(Value state, Value first, Value count,
                            VectorType type, RankedTensorType rows);
  void finish(tile::FinishOp op);
  void storeTo(Operation *op, Value value, const BlockAccess &access);
  /// The layout in which the rows of a block are copied. Null: its elements are
  /// read one by one.
  Attribute getMover(tile::LoadOp load);

  /// A block of type `type` whose columns may lie apart, element by element.
  Value loadElements(RankedTensorType type, const RowAddresses &where);

  //===--- Addresses (Addresses.cpp) ---===//
  std::optional<RowAddresses> locate(Operation *op, const BlockAccess &access,
                                     RankedTensorType rows, bool isBlock);

  //===--- The fold (Fold.cpp) ---===//
  void fold(tile::FoldOp op);
  /// Whether the item has a flag (ATTNRT_ITEM_*), as i1.
  Value hasFlag(int64_t flag);
  /// What a fold starts from: the state of the item before where the item goes
  /// on with it.
  void resume(MutableArrayRef<Value> init);
  /// Starts the copies of a place, unless the tile is known not to be visited.
  void fill(Ring &ring, Value isVisited);
  void loop(scf::ForOp op);

  //===--- Stages (Stage.cpp) ---===//
  void stage();

  friend class RowLocator;

  tile::KernelOp source;
  const TileToSMOptions &options;
  ImplicitLocOpBuilder b;
  sm::KernelOp target;
  Value item;
  /// States that items hand on to the next one, as the loop over items carries
  /// them, and what comes out of this item.
  SmallVector<Value> carriedStates, keptStates;
  Attribute layout; // of blocks
  /// That an SM shall have room for; 0: as may be.
  int64_t numCtas = 1;
  int64_t numWarps = 1, rowWarps = 1, columnWarps = 1;
  SmallVector<Scope> scopes;
  GpuTile tile;
  bool keepsRows = true;
  int64_t copiedRows = 0; // of the block whose copy is being made
  /// By buffer and bytes of a piece.
  DenseMap<std::pair<Type, int64_t>, Attribute> movers;
  llvm::DenseSet<Operation *> rightOperands;
  bool knowsRightOperands = false;
  SmallVector<Ring> rings;            // of the fold that is open
  PartsAnalysis *openParts = nullptr; // of the component that is converted
  bool failed = false;
};

} // namespace attn

#endif // ATTN_LIB_CONVERSION_TILETOSM_KERNELCONVERSION_H
