//===- AttnToTile.cpp - Functions to programs ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Walks a function in order. Views cost nothing: kernels read through them. A
// cascade becomes launches: the ops that no fold can take (stages), the fold
// with everything behind it that stays inside a row (its epilogue), and stages
// for the rest. What a launch computes for others lies in a workspace, what the
// function returns in a result, what is placed goes straight to its address.
//
//===----------------------------------------------------------------------===//
#include "attn/Conversion/AttnToTile.h"

#include "FoldLowering.h"
#include "HeldValues.h"
#include "StageLowering.h"
#include "attn/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace attn {
#define GEN_PASS_DEF_CONVERTATTNTOTILEPASS
#include "attn/Conversion/Passes.h.inc"
} // namespace attn

using namespace attn;

/// Axes of the tile may not be larger than this: scratch holds whole axes.
static constexpr int64_t kMaxAxis = 4096;

namespace {

class FunctionLowering {
public:
  FunctionLowering(func::FuncOp func, OpBuilder &b,
                   const AttnToTileOptions &options)
      : func(func), program(func, b), options(options) {}
  LogicalResult run();

private:
  LogicalResult lowerCascade(CascadeOp cascade);
  LogicalResult declareResults();
  LogicalResult
  lowerFold(CascadeOp cascade, FoldOp fold, CascadePresence &presence,
            const DenseSet<Operation *> &epilogue,
            const DenseMap<Value, SmallVector<Output, 0>> &outputs);
  bool staysInRow(CascadeOp cascade, const RankBinding &binding, EinsumOp e);

  func::FuncOp func;
  Program program;
  AttnToTileOptions options;
  int64_t numLaunches = 0;
};

} // namespace

/// Ranks of the axes of a value of a cascade.
static AffineMap mapOf(Value v) {
  if (auto e = v.getDefiningOp<EinsumOp>()) {
    return e.getResultMap();
  }
  if (auto f = v.getDefiningOp<FoldOp>()) {
    return f.getStateMap(cast<OpResult>(v).getResultNumber());
  }
  return {};
}

bool FunctionLowering::staysInRow(CascadeOp cascade, const RankBinding &binding,
                                  EinsumOp e) {
  for (int r : e.getIterationRanks().set_bits()) {
    bool bound = r == binding.row || llvm::is_contained(binding.subs, r) ||
                 llvm::is_contained(binding.segments, r) ||
                 llvm::is_contained(binding.heads, r);
    if (bound && e.getReducedRanks().test(r)) {
      return false;
    }
    if (r == binding.fold) {
      return false; // a further pass over the fold
    }
    if (!bound) {
      int64_t size = program.getStaticExtent(cascade, r);
      if (size == ShapedType::kDynamic || size > kMaxAxis) {
        return false;
      }
    }
  }
  return true;
}

/// Packed rows of an item: as many as there can be, in steps of `step`, up to
/// `most`.
static int64_t chooseRows(Program &program, CascadeOp cascade,
                          const RankBinding &binding, int64_t most,
                          int64_t step) {
  if (binding.row < 0 && binding.subs.empty()) {
    return step ? step : 1;
  }
  if (most == 0) {
    std::optional<ArrayRef<int64_t>> tiles = cascade.getTiles();
    most = tiles ? (*tiles)[0] : 64;
  }
  step = step ? step : 8;
  int64_t subs = 1;
  for (int64_t r : binding.subs) {
    subs *= program.getStaticExtent(cascade, r);
  }
  int64_t row =
      binding.row < 0 ? 1 : program.getStaticExtent(cascade, binding.row);
  if (row == ShapedType::kDynamic) {
    return most;
  }
  return std::min<int64_t>(most, llvm::alignTo(row * subs, step));
}

LogicalResult FunctionLowering::lowerFold(
    CascadeOp cascade, FoldOp fold, CascadePresence &presence,
    const DenseSet<Operation *> &epilogue,
    const DenseMap<Value, SmallVector<Output, 0>> &outputs) {
  FailureOr<RankBinding> binding = bindRanks(program, cascade, fold);
  if (failed(binding)) {
    return fold.emitOpError("cannot become a tile kernel (see the remark)");
  }
  SmallVector<EinsumOp> order;
  SmallVector<Output, 0> stores;
  auto collect = [&](Value v) {
    if (auto it = outputs.find(v); it != outputs.end()) {
      llvm::append_range(stores, it->second);
    }
  };
  for (Value v : fold.getResults()) {
    collect(v);
  }
  for (EinsumOp e : cascade.getBody().getOps<EinsumOp>()) {
    if (epilogue.contains(e)) {
      order.push_back(e);
      collect(e.getResult());
    }
  }
  int64_t packed =
      chooseRows(program, cascade, *binding, options.rows, options.rowStep);
  FoldLowering lowering(
      program, cascade, fold, *binding, presence, order, stores, packed,
      options.rowStep ? options.rowStep : std::min<int64_t>(packed, 8),
      options.countTiles, options.resumes);
  std::string suffix =
      numLaunches == 0 ? "" : "." + std::to_string(numLaunches);
  ++numLaunches;
  return lowering.emit(suffix);
}

/// Kernels read through views while they write through places: what a cascade
/// reads, nobody may write in the same launches.
static LogicalResult checkPlace(CascadeOp cascade, PlaceOp place) {
  Value storage = place.getStorage();
  if (!isa<MemRefType>(storage.getType())) {
    return success();
  }
  WalkResult result = cascade.walk([&](Operation *op) {
    for (Value input : op->getOperands()) {
      auto view = input.getDefiningOp<ViewOp>();
      if (input == storage ||
          (view && (view.getStorage() == storage ||
                    llvm::is_contained(view.getSymbols(), storage)))) {
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted()) {
    return place.emitOpError(
        "expects to write into memory that its cascade does not read: rows "
        "could be read behind the write");
  }
  return success();
}

LogicalResult FunctionLowering::lowerCascade(CascadeOp cascade) {
  CascadePresence presence(cascade);
  Block &body = cascade.getBody().front();
  auto yield = cast<attn::YieldOp>(body.getTerminator());

  // What goes where: results of the function, places, workspaces.
  DenseMap<Value, SmallVector<Output, 0>> outputs;
  for (auto [value, result] :
       llvm::zip(yield.getValues(), cascade.getResults())) {
    AffineMap map = mapOf(value);
    if (!map) {
      return cascade.emitOpError("yields a value that it does not compute");
    }
    bool needed = false;
    for (Operation *user : result.getUsers()) {
      auto place = dyn_cast<PlaceOp>(user);
      if (place && place.getSource() == result) {
        if (failed(checkPlace(cascade, place))) {
          return failure();
        }
        // The place's axes are those of the yielded value.
        outputs[value].push_back({value, map, -1, place});
      } else {
        needed = true;
      }
    }
    if (!needed) {
      continue;
    }
    std::optional<int64_t> buffer = program.lookup(result);
    if (!buffer) {
      FailureOr<int64_t> storage = program.addStorage(
          tile::BufferKind::workspace, 0, result, cascade, map);
      if (failed(storage)) {
        return failure();
      }
      buffer = *storage;
    }
    outputs[value].push_back({value, map, *buffer, nullptr});
  }

  // Which einsums are epilogues of which fold, which are stages.
  DenseMap<Value, FoldOp> inFold; // values that live inside a fold's kernels
  DenseMap<Operation *, DenseSet<Operation *>> epilogues;
  DenseMap<Operation *, RankBinding> bindings;
  DenseSet<Value> afterFold; // stage results that wait for a fold
  SmallVector<Operation *> order;
  auto needStorage = [&](Value v) -> LogicalResult {
    if (program.lookup(v)) {
      return success();
    }
    AffineMap map = mapOf(v);
    FailureOr<int64_t> buffer =
        program.addStorage(tile::BufferKind::workspace, 0, v, cascade, map);
    if (failed(buffer)) {
      return failure();
    }
    outputs[v].push_back({v, map, *buffer, nullptr});
    warnIfLarge(cascade, v, map);
    return success();
  };
  for (Operation &op : body.without_terminator()) {
    if (auto fold = dyn_cast<FoldOp>(op)) {
      FailureOr<RankBinding> binding = bindRanks(program, cascade, fold);
      if (failed(binding)) {
        return fold.emitOpError("cannot become a tile kernel (see the remark)");
      }
      bindings[fold] = *binding;
      for (Value v : fold.getResults()) {
        inFold[v] = fold;
      }
      WalkResult w = fold.walk([&](EinsumOp e) {
        for (Value v : e.getInputs()) {
          if (v.getParentBlock() == &body && v.getDefiningOp<EinsumOp>() &&
              failed(needStorage(v))) {
            return WalkResult::interrupt();
          }
        }
        return WalkResult::advance();
      });
      if (w.wasInterrupted()) {
        return failure();
      }
      order.push_back(fold);
      continue;
    }
    if (auto e = dyn_cast<EinsumOp>(op)) {
      FoldOp owner;
      bool late = false, mixed = false;
      SmallVector<Value> reads(e.getInputs());
      llvm::append_range(reads, e.getPresence());
      for (Value v : reads) {
        if (FoldOp f = inFold.lookup(v)) {
          mixed |= owner && owner != f;
          owner = f;
        }
        late |= afterFold.contains(v);
      }
      if (owner && !mixed && !late && !e.getSelection() &&
          staysInRow(cascade, bindings[owner], e)) {
        epilogues[owner].insert(e);
        inFold[e.getResult()] = owner;
        for (Value v : reads) {
          if (v.getParentBlock() == &body && !inFold.contains(v) &&
              failed(needStorage(v))) {
            return failure();
          }
        }
        continue;
      }
      for (Value v : reads) {
        if (v.getParentBlock() == &body && failed(needStorage(v))) {
          return failure();
        }
      }
      if (owner || late) {
        afterFold.insert(e.getResult());
      }
      order.push_back(e);
      continue;
    }
    if (auto s = dyn_cast<SelectOp>(op)) {
      for (Value v : s.getInputs()) {
        if (v.getParentBlock() == &body && failed(needStorage(v))) {
          return failure();
        }
      }
      order.push_back(s);
      continue;
    }
    return op.emitOpError("cannot stand in a cascade that is compiled");
  }

  for (Operation *op : order) {
    std::string suffix =
        numLaunches == 0 ? "" : "." + std::to_string(numLaunches);
    if (auto fold = dyn_cast<FoldOp>(op)) {
      if (failed(
              lowerFold(cascade, fold, presence, epilogues[fold], outputs))) {
        return failure();
      }
      continue;
    }
    ++numLaunches;
    if (auto e = dyn_cast<EinsumOp>(op)) {
      if (failed(emitEinsumStage(program, cascade, e, presence,
                                 outputs.lookup(e.getResult()), suffix))) {
        return failure();
      }
      continue;
    }
    // The table of a selection: the lists' ranks x the coordinates.
    auto s = cast<SelectOp>(op);
    int64_t selected = -1;
    cascade.walk([&](EinsumOp e) {
      if (e.getSelection() == s.getResult()) {
        selected = *e.getSelectedRank();
      }
    });
    if (s.getOver()) {
      selected = *s.getOver();
    }
    if (selected < 0) {
      continue; // nobody asks
    }
    SmallVector<int64_t> shape, sizes;
    for (AffineExpr x : s.getResultMap().getResults()) {
      int64_t r = cast<AffineDimExpr>(x).getPosition();
      FailureOr<int64_t> extent = program.getRankExtent(cascade, r);
      if (failed(extent)) {
        return failure();
      }
      shape.push_back(*extent);
      sizes.push_back(ShapedType::kDynamic);
    }
    FailureOr<int64_t> n = program.getRankExtent(cascade, selected);
    if (failed(n)) {
      return failure();
    }
    shape.push_back(*n);
    sizes.push_back(ShapedType::kDynamic);
    Type i1 = IntegerType::get(func.getContext(), 1);
    int64_t buffer = program.addBuffer(
        tile::BufferKind::workspace, 0,
        getMemoryType(RankedTensorType::get(sizes, i1)), shape);
    program.bind(s.getResult(), buffer);
    if (failed(emitSelectStage(program, cascade, s, presence, buffer,
                               program.getExtentBuffer(*n), suffix))) {
      return failure();
    }
  }
  return success();
}

/// Results of the function: what a cascade yields, or what a place wrote.
LogicalResult FunctionLowering::declareResults() {
  auto ret = cast<func::ReturnOp>(func.getBody().front().getTerminator());
  for (auto [i, value] : llvm::enumerate(ret.getOperands())) {
    if (auto cascade = value.getDefiningOp<CascadeOp>()) {
      if (program.lookup(value)) {
        return func.emitError("returns one value twice");
      }
      auto yield =
          cast<attn::YieldOp>(cascade.getBody().front().getTerminator());
      Value inner = yield.getValues()[cast<OpResult>(value).getResultNumber()];
      AffineMap map = mapOf(inner);
      if (!map) {
        return cascade.emitOpError("yields a value that it does not compute");
      }
      if (failed(program.addStorage(tile::BufferKind::result, i, value, cascade,
                                    map))) {
        return failure();
      }
      continue;
    }
    auto place = value.getDefiningOp<PlaceOp>();
    if (!place) {
      return func.emitError("result #")
             << i << " is neither computed by a cascade nor placed";
    }
    // The chain of places ends at the tensor they write into.
    Value root = place.getStorage();
    while (auto inner = root.getDefiningOp<PlaceOp>()) {
      root = inner.getStorage();
    }
    auto splat = root.getDefiningOp<tensor::SplatOp>();
    Attribute zero;
    bool isZero =
        splat && matchPattern(splat.getInput(), m_Constant(&zero)) &&
        (isa<FloatAttr>(zero) ? cast<FloatAttr>(zero).getValue().isPosZero()
                              : cast<IntegerAttr>(zero).getValue().isZero());
    if (!isZero) {
      return place.emitOpError("expects to write into a tensor.splat of 0 when "
                               "its result is returned");
    }
    SmallVector<int64_t> shape;
    auto type = cast<RankedTensorType>(splat.getType());
    unsigned dynamic = 0;
    for (int64_t size : type.getShape()) {
      shape.push_back(
          ShapedType::isDynamic(size)
              ? program.scalarExtent(splat.getDynamicSizes()[dynamic++])
              : program.constantExtent(size));
    }
    int64_t buffer = program.addBuffer(
        tile::BufferKind::result, i, getMemoryType(type), shape, /*zero=*/true);
    program.bind(root, buffer);
    for (Value v = value; v != root;
         v = v.getDefiningOp<PlaceOp>().getStorage()) {
      program.bind(v, buffer);
    }
  }
  return success();
}

/// Whether an array has elements that loads and stores have; i1 takes a byte.
static bool hasWholeBytes(Type type) {
  auto shaped = dyn_cast<ShapedType>(type);
  if (!shaped || !shaped.getElementType().isIntOrFloat()) {
    return true;
  }
  unsigned bits = shaped.getElementType().getIntOrFloatBitWidth();
  return bits == 1 || bits == 8 || bits == 16 || bits == 32 || bits == 64;
}

/// Packed elements (i4) are known to the reference interpreter only.
static LogicalResult checkElements(func::FuncOp func) {
  auto refuse = [](InFlightDiagnostic error, Type type) -> LogicalResult {
    return error << "expects elements of 8, 16, 32 or 64 bits, or i1, where it "
                    "is compiled, but got "
                 << cast<ShapedType>(type).getElementType()
                 << ": elements of i8 can hold several, which a region takes "
                    "apart";
  };
  for (Type type : func.getArgumentTypes()) {
    if (!hasWholeBytes(type)) {
      return refuse(func.emitError(), type);
    }
  }
  LogicalResult result = success();
  func.walk([&](Operation *op) {
    for (Type type : op->getResultTypes()) {
      if (!hasWholeBytes(type)) {
        result = refuse(op->emitOpError(), type);
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  return result;
}

LogicalResult FunctionLowering::run() {
  if (!llvm::hasSingleElement(func.getBody())) {
    return func.emitError("expects one block, but got ")
           << func.getBody().getBlocks().size();
  }
  if (failed(checkElements(func))) {
    return failure();
  }
  if (failed(declareResults())) {
    return failure();
  }
  for (Operation &op : func.getBody().front().without_terminator()) {
    if (auto cascade = dyn_cast<CascadeOp>(op)) {
      if (failed(lowerCascade(cascade))) {
        return failure();
      }
      continue;
    }
    if (auto place = dyn_cast<PlaceOp>(op)) {
      if (!place.getSource().getDefiningOp<CascadeOp>()) {
        return place.emitOpError(
            "expects the result of a cascade as its source");
      }
      continue;
    }
    bool scalar = llvm::all_of(op.getResultTypes(),
                               [](Type t) { return t.isIntOrIndexOrFloat(); });
    if (!scalar && !isa<attn::ViewOp, tensor::SplatOp, arith::ConstantOp>(op)) {
      return op.emitOpError("cannot be compiled outside of a cascade");
    }
  }
  return program.finish();
}

LogicalResult attn::convertAttnToTile(func::FuncOp func,
                                      const AttnToTileOptions &options) {
  OpBuilder b(func);
  if (failed(FunctionLowering(func, b, options).run())) {
    return failure();
  }
  func.erase();
  return success();
}

bool attn::canConvertFolds(func::FuncOp func) {
  OpBuilder b(func);
  Program program(func, b);
  bool ok = true;
  func.walk([&](FoldOp fold) {
    auto cascade = fold->getParentOfType<CascadeOp>();
    ok &= succeeded(bindRanks(program, cascade, fold));
  });
  return ok;
}

namespace {
struct ConvertAttnToTilePass
    : attn::impl::ConvertAttnToTilePassBase<ConvertAttnToTilePass> {
  using ConvertAttnToTilePassBase::ConvertAttnToTilePassBase;
  void runOnOperation() final {
    SmallVector<func::FuncOp> funcs;
    getOperation().walk([&](func::FuncOp f) {
      if (!f.isExternal() && !f.getOps<CascadeOp>().empty()) {
        funcs.push_back(f);
      }
    });
    for (func::FuncOp f : funcs) {
      if (failed(convertAttnToTile(f, {rows, rowStep, countTiles, resumes}))) {
        return signalPassFailure();
      }
    }
  }
};
} // namespace
