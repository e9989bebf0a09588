//===- KernelLowering.h - One tile kernel to loops over registers -*- C++
//-*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Private to convert-tile-to-vector.
//
// A tile value is either *materialised*, then it has a Buffer in scratch, or it
// is *lazy*: a consumer generates it inside its own loop nest, at one point
// (an index per axis, one axis possibly as a run of lanes). `at` does that, by
// pulling the operands. Materialised are: results and operands of dots, results
// of reductions, carried state, loads that are no runs, and values that are
// expensive and read in several places. Nothing else ever exists as a whole.
//
// Levels. A nest is a stack of loops; `at` emits a value in the outermost loop
// whose indices it needs, so that what depends on the row alone is computed
// once per row and LLVM need not prove that scratch buffers are disjoint.
//
// Row axis. `rowSource` says which tile.rows (or tile.load_state) gave a value
// its rows; loops over axis 0 of such a value end at the number of live rows,
// rounded up to `rowBlock`. Buffers are padded so that this is always inside.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_CONVERSION_TILETOVECTOR_KERNELLOWERING_H
#define ATTN_LIB_CONVERSION_TILETOVECTOR_KERNELLOWERING_H

#include "attn/Conversion/TileToVector.h"
#include "attn/Dialect/Tile/IR/Tile.h"
#include "attn/TargetModel/DotCost.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include <map>

namespace attn::tile {

/// A value in scratch: row-major, axes padded beyond `shape` (`memref` has the
/// padded sizes). i1 is stored as one byte.
struct Buffer {
  Value memref;
  SmallVector<int64_t> shape;
  Type element;
};

/// Where a value is wanted: one index per axis. With `lane` >= 0 the run
/// idx[lane] .. idx[lane] + width - 1 is wanted as a vector of `width`.
struct Point {
  SmallVector<Value> idx;
  int64_t lane = -1;
  int64_t width = 1;
};

/// An argument in memory: base address, sizes and strides in elements.
struct Tensor {
  Value base; // !llvm.ptr
  SmallVector<Value> sizes, strides;
  MemRefType type;
};

/// A load or store: memory, indices and the live range, of either op.
struct Access {
  Operation *op;
  Value memory;
  ValueRange indices;
  ArrayRef<int64_t> axes;
  Value liveBegin, liveEnd;
  int64_t liveAxis;
};

/// How the rows of a buffered B operand of a dot lie: panels of `panel`
/// columns, [panels][k][panel]. Pairs: [panels][k / 2][2 panel], the two
/// elements of a pair side by side.
struct Pack {
  Value memref;
  int64_t panel;
};

/// How a dot is computed (attn/TargetModel/DotCost.h).
struct DotPlan {
  /// What is multiplied: the type of the result, or bf16 in pairs.
  Type element;
  bool pairs = false;
  /// With many rows: packed or tiles.
  DotForm many = DotForm::packed;
  /// The operands without extensions that the product does itself.
  Value a, b;
  /// For how many live rows B is not packed.
  FewRows few;
};

/// Shuffles of two vectors p, q of w lanes: the lanes of p with the bit `h` of
/// their number clear, and q's in the places between; and the other lanes.
std::pair<SmallVector<int64_t>, SmallVector<int64_t>> getExchange(int64_t w,
                                                                  int64_t h);
/// What users' memory holds: LLVM has no types for 8-bit floats, and a bit has
/// a byte of its own.
Type storedType(Type element);

/// W vectors of W elements each, rows of a square, to its columns.
void transposeVectors(ImplicitLocOpBuilder &b, SmallVectorImpl<Value> &x);

class KernelLowering {
public:
  KernelLowering(KernelOp kernel, const VectorUnit &target);
  /// Replaces the kernel by a func.func of the same name. The errors are on the
  /// ops that could not be lowered.
  LogicalResult run();

private:
  //===--- Analysis (Analysis.cpp) ---------------------------------------===//
  void findRowSources();
  void numberOps();
  /// Live rows of `v`, exact or rounded up to the row block; null where axis 0
  /// is no row axis or its count is not known here.
  Value rowCount(Value v, bool rounded);
  bool isLazyIf(scf::IfOp op);
  bool isExpensive(Value v);
  bool wantsBuffer(Value v);
  bool isLazyLoad(LoadOp op);
  /// Calls `fn` for every lazy value that generating `v` would pull, `v` first.
  void forEachPulled(Value v, function_ref<void(Value)> fn);
  /// Whether `yielded` may be computed into the buffer of `state`.
  bool mayOverwrite(Value state, Value yielded);
  bool isBuffered(Value v) { return buffers.count(v); }
  /// The dot that accumulates into `sum`'s buffer, and the other addend. The
  /// dot is then emitted with the sum.
  std::pair<DotOp, Value> accumulation(Value sum);

  //===--- Arguments and records (Abi.cpp) -------------------------------===//
  void createFunction();
  Value field(Value record, int64_t offset, Type type, bool zeroExtend = false);
  Value fieldIndex(Value record, int64_t offset, unsigned bits);
  Value recordAt(Value base, Value index, int64_t size);
  Tensor &tensor(Value argument);
  Value memrefOf(Value argument);
  Value itemField(Field f);
  Value liveRows(Operation *op, Value first, int64_t size);
  void lowerRows(RowsOp op);
  void lowerLoadState(LoadStateOp op);

  //===--- Emission basics (Emit.cpp) ------------------------------------===//
  Value constant(TypedAttr attr);
  Value index(int64_t v) { return constant(b.getIndexAttr(v)); }
  Value zeroOf(Type type);
  Value addIndex(Value base, int64_t offset);
  Value toI64(Value index);
  Buffer makeBuffer(ArrayRef<int64_t> shape, Type element);
  Value scratch(ArrayRef<int64_t> shape, Type element);
  Value broadcast(Value scalar, int64_t width);
  Value loadBuffer(const Buffer &buffer, const Point &p);
  void storeBuffer(Value v, const Buffer &buffer, const Point &p);
  /// scf.for with the levels kept; `body` returns what the loop carries on.
  SmallVector<Value>
  loop(Value lo, Value hi, int64_t step, ValueRange init,
       function_ref<SmallVector<Value>(Value, ValueRange)> body);
  void loop(Value lo, Value hi, int64_t step, function_ref<void(Value)> body);
  SmallVector<Value> branch(Value cond, TypeRange types,
                            function_ref<SmallVector<Value>()> then,
                            function_ref<SmallVector<Value>()> otherwise);
  /// Runs `body` as a nest of its own: no levels, no memory of values.
  void nest(function_ref<void()> body);
  void fail(Operation *op, const Twine &message);

  //===--- Values at a point (Evaluate.cpp) ------------------------------===//
  Value at(Value v, Point p);
  Value compute(Value v, const Point &p);
  Value tableAt(LoadOp op, const Point &row);
  Buffer denseBuffer(DenseElementsAttr dense);
  Value scalar(Value v);
  Value lanesFromScalars(Value v, const Point &p);
  unsigned levelOf(const Point &p);
  int64_t lanesFor(int64_t size);

  //===--- Nests (Nests.cpp) ---------------------------------------------===//
  /// One copy of `body` per combination of the conditions of masks that `roots`
  /// pull; inside, these masks are decided.
  void versioned(ValueRange roots, function_ref<void()> body);
  void materialise(Value v);
  void allowShortFunctions(Value v);
  /// Writes `v` to `into` (converted to its element type); loops over rows go
  /// as far as those of `like`.
  void fill(Value v, const Buffer &into, Value like,
            ArrayRef<vector::MultiDimReductionOp> joined = {});
  void fillNest(Value v, const Buffer &into, Value like,
                ArrayRef<vector::MultiDimReductionOp> joined,
                ArrayRef<Buffer> partial);
  void reduce(vector::MultiDimReductionOp op);
  /// Whether sums of rows are kept as one register per row, [rows][w], until
  /// all rows have one.
  bool keepsPartialRows(VectorType type, int64_t w);
  Buffer partialRows(VectorType type, int64_t w);
  /// Adds up such registers, w rows at a time, and combines them with the
  /// accumulator of `op` to its result.
  void finishRows(vector::MultiDimReductionOp op, const Buffer &partial,
                  Value rows);
  Value convert(Value v, Type element);
  Buffer rowMajor(Value v, Type element);

  //===--- Addresses (Addresses.cpp) -------------------------------------===//
  class AddressFinder;
  int64_t contiguousAxis(const Access &access);
  /// Calls `found` with the address of the element at `idx` (one index per axis
  /// of the value) where the point exists, else `absent`.
  SmallVector<Value> withAddress(const Access &access, ArrayRef<Value> idx,
                                 bool checkLive, TypeRange types,
                                 function_ref<SmallVector<Value>(Value)> found,
                                 function_ref<SmallVector<Value>()> absent);
  Value expand(AffineExpr e, ValueRange dims, ValueRange symbols);

  //===--- Loads and stores (Memory.cpp) ---------------------------------===//
  static Access accessOf(LoadOp op);
  Value loadElement(Value pointer, Type element, int64_t width);
  Value fromStored(Value v, Type element);
  void storeElement(Value v, Value pointer);
  Value elementPointer(Value pointer, Value index, Type element);
  void lowerLoad(LoadOp op);
  void fillTable(LoadOp op, const Buffer &table);
  void lowerStore(StoreOp op);
  Value loadAt(LoadOp op, const Point &p);
  Value zeros(int64_t bytes);
  void store(Value v, const Access &access);

  //===--- Elements that lie anywhere (Gather.cpp) -----------------------===//
  Value gatherAt(GatherOp op, const Point &p);

  //===--- Dots (Dot.cpp) ------------------------------------------------===//
  const DotPlan &planOf(DotOp op);
  /// Emits what is right for few live rows, for many, or both and a branch.
  void byRows(DotOp op, function_ref<void()> few, function_ref<void()> many);
  void lowerDot(DotOp op, const Buffer &c, bool accumulate);
  /// Packs or converts `v` where it is made for dots in loops inside.
  void prepareDots(Value v);
  /// Register block of a dot: rows, and vectors of `width` elements.
  struct Block2D {
    int64_t rows, vectors, width;
  };
  Block2D blockOf(DotOp op, DotForm form);
  void lanesAlongColumns(DotOp op, DotForm form, const Buffer &c,
                         bool accumulate);
  Value liveRowsOf(DotOp op);
  Value multiplyAdd(const DotPlan &plan, Value x, Value y, Value sum);

  //===--- Operands of dots (DotPack.cpp) --------------------------------===//
  void packB(DotOp op);
  void packPanels(DotOp op);
  void packRows(DotOp op);
  Value pairLane(Value pair, int64_t lanes);

  //===--- Dots with lanes along the rows (DotRows.cpp) ------------------===//
  void lanesAlongRows(DotOp op, const Buffer &c, bool accumulate);

  //===--- Dots on a matrix unit (DotTiles.cpp) --------------------------===//
  void inMatrixTiles(DotOp op, const Buffer &c, bool accumulate);
  /// Rows of a tile; fewer where the kernel has fewer.
  int64_t matrixRowsOf(DotOp op);
  /// Whether packing B takes longer than multiplying it. The next tile's
  /// columns are fetched meanwhile, in whichever takes longer.
  Value packsLonger(DotOp op);

  //===--- Addresses of the next tile (Lookahead.cpp) --------------------===//
  /// Loads of a step whose addresses depend on the number of the tile alone.
  struct Ahead {
    SmallVector<LoadOp> loads;
    SmallVector<Operation *> slice; // what their addresses need, in order
    struct Table {
      Buffer buffer;         // of even tiles
      int64_t offset, bytes; // its place in scratch; the other one follows
    };
    SmallVector<Table> tables;
    Value cell; // the last tile whose addresses are known
  };
  Ahead prepareLookAhead(FoldOp op, bool isAlwaysVisited);
  /// Finds, in front of the step of `tile`, what is not known yet of it and the
  /// next one before `end`.
  void lookAhead(FoldOp op, const Ahead &ahead, Value tile, Value end);
  bool isFetchedByDots(LoadOp load);
  /// Fetches of the block `v` of the next tile what falls to trip number `trip`
  /// of `trips`, in the order of memory.
  void prefetchShare(Value v, Value trip, int64_t trips);
  void prefetch(Value p, int64_t bytes, bool ahead);

  //===--- Regions (Regions.cpp) -----------------------------------------===//
  void lowerBlock(Block &block);
  void lowerOp(Operation *op);
  void lowerFold(FoldOp op);
  void lowerFor(scf::ForOp op);
  void lowerIf(scf::IfOp op);
  void lowerFinish(FinishOp op);
  /// `isKept`, where there is one: what was bound before holds, not `init`.
  void bindState(ValueRange init, ValueRange args, ValueRange yielded,
                 Value isKept = {});
  Value hasFlag(uint32_t flag);
  void loadCells(ValueRange args);
  void copyState(ValueRange args, ValueRange yielded);
  void takeResults(ValueRange results, ValueRange args);

  struct Level {
    Operation *child = nullptr;
    std::map<std::vector<const void *>, Value> memo;
  };
  struct AtLevel;

  KernelOp kernel;
  VectorUnit target;
  func::FuncOp func;
  ImplicitLocOpBuilder b;
  IRMapping scalars; // of scalar values; memrefs on demand
  DenseMap<Value, Buffer> buffers;
  DenseMap<Value, Buffer> cells;   // of carried scalars
  DenseMap<Value, Buffer> planned; // will be materialised there
  DenseMap<Value, Tensor> tensors;
  DenseMap<Operation *, DotPlan> plans;
  DenseMap<Operation *, Pack> packs;
  DenseMap<Operation *, Buffer> rowPacks; // A with lanes along the rows
  DenseMap<Operation *, Buffer> copies;   // B converted, row by row
  DenseMap<std::pair<Value, Type>, Buffer> converted; // operands of dots
  DenseMap<Operation *, Buffer> tables;               // addresses of a load
  DenseMap<Operation *, Buffer> nextTables; // the same of the next tile
  DenseMap<Operation *, bool> decided;      // scf.if -> the arm taken
  DenseMap<Value, Operation *> rowSource;
  DenseMap<Operation *, std::pair<Value, Value>> counts; // exact, rounded
  DenseMap<Operation *, unsigned> number;
  DenseMap<Attribute, Value> constants;
  DenseMap<Value, unsigned> indexLevel;
  DenseMap<unsigned, Value> itemFields;
  llvm::SmallPtrSet<Operation *, 4> done; // reductions joined to another nest
  std::vector<Level> levels;
  Operation *current = nullptr; // the op being lowered
  Operation *prologueEnd = nullptr;
  Value args, item, scratchBase, stackSize;
  int64_t scratchBytes = 0;
  int64_t rowBlock = 4;
  bool failed = false;
};

} // namespace attn::tile

#endif // ATTN_LIB_CONVERSION_TILETOVECTOR_KERNELLOWERING_H
