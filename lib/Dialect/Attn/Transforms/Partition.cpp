//===- Partition.cpp - Partitions a rank into tiles -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "EinsumRewrite.h"
#include "RankOption.h"

#include "attn/Dialect/Attn/IR/NormalForm.h"
#include "attn/Dialect/Attn/Transforms/Passes.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace attn;

namespace attn {
#define GEN_PASS_DEF_ATTNPARTITIONPASS
#include "attn/Dialect/Attn/Transforms/Passes.h.inc"
} // namespace attn

namespace {

/// m = m1 * tile + m0 on one cascade. Rank m becomes m (m1) and m + 1 (m0).
class Partition {
public:
  Partition(CascadeOp cascade, int64_t rank, int64_t tile)
      : cascade(cascade), rank(rank), tile(tile),
        numRanks(cascade.getNumRanks()), ctx(cascade.getContext()),
        builder(cascade) {}
  LogicalResult run();

private:
  LogicalResult check();
  LogicalResult checkSelection(EinsumOp op);
  LogicalResult findExtent();
  void nameRanks();
  AffineExpr convert(AffineExpr x) { return normalize(x.replaceDims(to)); }
  /// `computed`: the tensor is one of ours, whose axis m becomes two.
  AffineMap convert(AffineMap map, bool computed);
  RankedTensorType convert(RankedTensorType type, AffineMap map);
  void convert(EinsumOp op);
  void convert(SelectOp op);
  void convert(FoldOp op);
  void convertCoords(EinsumOp op);
  /// The conjunct `m1 * tile + m0 < extent`.
  PresenceTerm getTail();
  Value getTiledSelection(Value selection);

  InFlightDiagnostic refuse(Operation *op) {
    return op->emitRemark()
           << "rank '" << cascade.getRankName(rank) << "' is not partitioned: ";
  }

  CascadeOp cascade;
  int64_t rank, tile, numRanks;
  MLIRContext *ctx;
  OpBuilder builder;
  SmallVector<AffineExpr> to;
  std::string name;
  int64_t extent = ShapedType::kDynamic;
  Value dynamicExtent;
  llvm::DenseMap<Value, Value> selections;
};

} // namespace

LogicalResult Partition::checkSelection(EinsumOp op) {
  if (!op.getSelection()) {
    return success();
  }
  if (op.getSelectionMap()->isFunctionOfDim(rank)) {
    return refuse(op) << "a selection is indexed by it";
  }
  if (int64_t(*op.getSelectedRank()) != rank) {
    return success();
  }
  auto select = op.getSelection().getDefiningOp<SelectOp>();
  auto type = cast<CoordsType>(op.getSelection().getType());
  if (!select || type.getBlock() % tile) {
    return refuse(op) << "it is selected in blocks of " << type.getBlock()
                      << ", which tile " << tile << " does not divide";
  }
  return success();
}

LogicalResult Partition::check() {
  if (tile < 1) {
    return refuse(cascade) << "expects a tile of at least 1, but got " << tile;
  }
  for (Value v : cascade.getBody().front().getTerminator()->getOperands()) {
    auto op = v.getDefiningOp<EinsumOp>();
    if (op && op.getResultMap().isFunctionOfDim(rank)) {
      return refuse(op) << "a result carries it";
    }
  }
  for (FoldOp fold : cascade.getBody().getOps<FoldOp>()) {
    for (unsigned i = 0; i < fold.getNumStates(); ++i) {
      if (fold.getStateMap(i).isFunctionOfDim(rank)) {
        return refuse(fold) << "the state of a fold carries it";
      }
    }
  }
  if (getFoldedRanks(cascade).test(rank)) {
    return refuse(cascade) << "a fold iterates it";
  }
  LogicalResult result = success();
  cascade.walk([&](Operation *inner) {
    if (auto select = dyn_cast<SelectOp>(inner)) {
      if (select.getOver() && int64_t(*select.getOver()) == rank) {
        result = refuse(select) << "coordinates are selected from it";
      }
      return;
    }
    auto op = dyn_cast<EinsumOp>(inner);
    if (!op || failed(result)) {
      return;
    }
    for (unsigned i = 0; i < op.getSymbols().size(); ++i) {
      if (op.getSymbolMap(i).isFunctionOfDim(rank)) {
        result = op.emitRemark()
                 << "symbol '"
                 << cast<StringAttr>(op.getSymbolNames()[i]).getValue()
                 << "' is indexed by rank '" << cascade.getRankName(rank)
                 << "', which a fold iterates; write it as presence by data";
        return;
      }
    }
    auto isCompound = [&](Value value, AffineMap map) {
      return isComputed(cascade, value) &&
             llvm::any_of(map.getResults(), [&](AffineExpr x) {
               return x.isFunctionOfDim(rank) && !isa<AffineDimExpr>(x);
             });
    };
    einsum::RankSet ranks(numRanks);
    ranks.set(rank);
    bool compound = false, elsewhere = false;
    auto look = [&](Value value, AffineMap map) {
      compound |= isCompound(value, map);
      elsewhere |= readsElsewhere(value, map, ranks);
    };
    for (auto [i, input] : llvm::enumerate(op.getInputs())) {
      look(input, op.getInputMap(i));
    }
    for (auto [i, operand] : llvm::enumerate(op.getPresence())) {
      look(operand, op.getPresenceMap(i));
    }
    if (elsewhere && !compound) {
      result = refuse(op) << "a computed tensor is read at other points of it "
                             "than it is made at";
      return;
    }
    if (compound) {
      result = refuse(op) << "a computed tensor is read at a compound "
                             "coordinate of it";
      return;
    }
    result = checkSelection(op);
  });
  return result;
}

LogicalResult Partition::findExtent() {
  Location loc = cascade.getLoc();
  dynamicExtent = cascade.getGivenExtent(rank);
  if (dynamicExtent) {
    std::optional<int64_t> known = getConstantIntValue(dynamicExtent);
    extent = known.value_or(ShapedType::kDynamic);
    return success();
  }
  std::optional<std::pair<Value, int64_t>> axis;
  AffineExpr bare = builder.getAffineDimExpr(rank);
  cascade.walk([&](EinsumOp op) {
    for (auto [i, input] : llvm::enumerate(op.getInputs())) {
      auto type = dyn_cast<RankedTensorType>(input.getType());
      if (!type || isComputed(cascade, input)) {
        continue;
      }
      for (auto [j, x] : llvm::enumerate(op.getInputMap(i).getResults())) {
        if (x != bare) {
          continue;
        }
        if (!type.isDynamicDim(j)) {
          extent = type.getDimSize(j);
        } else if (!axis) {
          axis = {input, int64_t(j)};
        }
      }
    }
  });
  if (extent == ShapedType::kDynamic) {
    if (!axis) {
      return refuse(cascade) << "no operand uses it bare, so its extent is "
                                "not known";
    }
    dynamicExtent =
        tensor::DimOp::create(builder, loc, axis->first, axis->second);
  }
  return success();
}

void Partition::nameRanks() {
  SmallVector<Attribute> names;
  for (int64_t i = 0; i < numRanks; ++i) {
    AffineExpr next = builder.getAffineDimExpr(i < rank ? i : i + 1);
    if (i != rank) {
      names.push_back(cascade.getRanks()[i]);
      to.push_back(next);
      continue;
    }
    for (StringRef suffix : {"1", "0"}) {
      std::string part = name + suffix.str();
      while (cascade.findRank(part) >= 0) {
        part += "_";
      }
      names.push_back(builder.getStringAttr(part));
    }
    to.push_back(builder.getAffineDimExpr(rank) * tile + next);
  }
  cascade.setRanksAttr(builder.getArrayAttr(names));
}

AffineMap Partition::convert(AffineMap map, bool computed) {
  SmallVector<AffineExpr> results;
  for (AffineExpr x : map.getResults()) {
    if (computed && x == builder.getAffineDimExpr(rank)) {
      results.push_back(x);
      results.push_back(builder.getAffineDimExpr(rank + 1));
    } else {
      results.push_back(convert(x));
    }
  }
  return AffineMap::get(numRanks + 1, 0, results, ctx);
}

RankedTensorType Partition::convert(RankedTensorType type, AffineMap map) {
  SmallVector<int64_t> shape;
  for (auto [j, x] : llvm::enumerate(map.getResults())) {
    if (x != builder.getAffineDimExpr(rank)) {
      shape.push_back(type.getDimSize(j));
      continue;
    }
    bool isStatic = extent != ShapedType::kDynamic;
    shape.push_back(isStatic ? llvm::divideCeil(extent, tile) : extent);
    shape.push_back(tile);
  }
  return RankedTensorType::get(shape, type.getElementType());
}

PresenceTerm Partition::getTail() {
  PresenceTerm tail;
  AffineExpr limit;
  if (extent != ShapedType::kDynamic) {
    limit = builder.getAffineConstantExpr(extent);
  } else {
    limit = builder.getAffineSymbolExpr(0);
    tail.symbols.push_back(dynamicExtent);
    tail.symbolMaps.push_back(AffineMap::get(numRanks + 1, 0, ctx));
    tail.symbolNames.push_back(builder.getStringAttr("n_" + name));
  }
  tail.sets.push_back(normalize(IntegerSet::get(
      numRanks + 1, tail.symbols.size(), {limit - 1 - to[rank]}, {false})));
  return tail;
}

Value Partition::getTiledSelection(Value selection) {
  // (m1 * tile + m0) floordiv block is m1 floordiv (block / tile).
  Value &tiled = selections[selection];
  if (!tiled) {
    auto type = cast<CoordsType>(selection.getType());
    Operation *select = selection.getDefiningOp();
    OpBuilder b(select);
    tiled = b.clone(*select)->getResult(0);
    tiled.setType(CoordsType::get(ctx, type.getBlock() / tile, type.getMax()));
  }
  return tiled;
}

void Partition::convertCoords(EinsumOp op) {
  SmallVector<CoordOp> coords(op.getBody().getOps<CoordOp>());
  for (CoordOp coord : coords) {
    int64_t r = coord.getRank();
    if (r > rank) {
      coord.setRank(r + 1);
    }
    if (r != rank) {
      continue;
    }
    OpBuilder b(coord->getContext());
    b.setInsertionPointAfter(coord);
    Location loc = coord.getLoc();
    Value low = CoordOp::create(b, loc, builder.getIndexType(), rank + 1);
    Value size = arith::ConstantIndexOp::create(b, loc, tile);
    Value high = arith::MulIOp::create(b, loc, coord.getResult(), size);
    Value sum = arith::AddIOp::create(b, loc, high, low);
    coord.getResult().replaceAllUsesExcept(sum, high.getDefiningOp());
  }
}

void Partition::convert(EinsumOp op) {
  EinsumSpec spec(op);
  // Points are born where no computed operand brings the rank; elsewhere
  // absence travels with the operands.
  bool isSource = op.getIterationRanks().test(rank);
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    bool computed = isComputed(cascade, input);
    if (computed && spec.maps[i].isFunctionOfDim(rank)) {
      isSource = false;
    }
    spec.maps[i] = convert(spec.maps[i], computed);
  }
  for (auto [i, operand] : llvm::enumerate(op.getPresence())) {
    spec.presenceMaps[i] =
        convert(spec.presenceMaps[i], isComputed(cascade, operand));
  }
  for (AffineMap &map : spec.symbolMaps) {
    map = convert(map, /*computed=*/false);
  }
  for (ReduceAttr &action : spec.reduce) {
    SmallVector<int64_t> ranks;
    for (int64_t r : action.getRanks()) {
      ranks.push_back(r > rank ? r + 1 : r);
      if (r == rank) {
        ranks.push_back(rank + 1);
      }
    }
    action = ReduceAttr::get(ctx, action.getMonoid(), ranks);
  }
  for (IntegerSet &set : spec.where) {
    SmallVector<AffineExpr> constraints;
    for (AffineExpr x : set.getConstraints()) {
      constraints.push_back(convert(x));
    }
    set = normalize(IntegerSet::get(numRanks + 1, set.getNumSymbols(),
                                    constraints, set.getEqFlags()));
  }
  if (spec.selection) {
    if (spec.selectedRank == rank) {
      spec.selection = getTiledSelection(spec.selection);
    }
    spec.selectedRank += spec.selectedRank > rank;
    spec.selectionMap = convert(spec.selectionMap, /*computed=*/false);
  }
  spec.type = convert(spec.type, spec.resultMap);
  spec.resultMap = convert(spec.resultMap, /*computed=*/true);
  bool hasTail = extent == ShapedType::kDynamic || extent % tile;
  if (isSource && hasTail) {
    // A tail is a union of one set and joins whatever is there.
    LogicalResult joined = spec.conjoin(getTail(), cascade);
    (void)joined;
  }
  convertCoords(op);
  OpBuilder b(op);
  EinsumOp now = spec.create(b);
  now.getBody().takeBody(op.getBody());
  op.getResult().replaceAllUsesWith(now.getResult());
  op.erase();
}

void Partition::convert(SelectOp op) {
  SmallVector<AffineMap> maps;
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    maps.push_back(convert(op.getInputMap(i), isComputed(cascade, input)));
  }
  maps.push_back(convert(op.getResultMap(), /*computed=*/false));
  op.setMapsAttr(builder.getAffineMapArrayAttr(maps));
  if (op.getOver() && int64_t(*op.getOver()) > rank) {
    op.setOver(*op.getOver() + 1);
  }
}

void Partition::convert(FoldOp op) {
  SmallVector<AffineMap> maps;
  for (unsigned i = 0; i < op.getNumStates(); ++i) {
    maps.push_back(convert(op.getStateMap(i), /*computed=*/true));
  }
  op.setStateMapsAttr(builder.getAffineMapArrayAttr(maps));
  if (int64_t(op.getRank()) > rank) {
    op.setRank(op.getRank() + 1);
  }
}

LogicalResult Partition::run() {
  if (failed(check())) {
    return failure();
  }
  if (failed(findExtent())) {
    return failure();
  }
  name = cascade.getRankName(rank).str();
  Location loc = cascade.getLoc();
  Value numTiles = extent == ShapedType::kDynamic
                       ? arith::CeilDivUIOp::create(
                             builder, loc, dynamicExtent,
                             arith::ConstantIndexOp::create(builder, loc, tile))
                             .getResult()
                       : arith::ConstantIndexOp::create(
                             builder, loc, llvm::divideCeil(extent, tile))
                             .getResult();
  nameRanks();
  bool hasTileAxis = false;
  SmallVector<Operation *> ops;
  cascade.walk([&](Operation *op) {
    if (auto e = dyn_cast<EinsumOp>(op)) {
      hasTileAxis |= e.getResultMap().isFunctionOfDim(rank);
    }
    if (isa<EinsumOp, SelectOp, FoldOp>(op)) {
      ops.push_back(op);
    }
  });
  for (Operation *op : ops) {
    if (auto e = dyn_cast<EinsumOp>(op)) {
      convert(e);
    } else if (auto select = dyn_cast<SelectOp>(op)) {
      convert(select);
    } else {
      convert(cast<FoldOp>(op));
    }
  }
  SmallVector<int64_t> extentRanks{rank};
  SmallVector<Value> extents{numTiles};
  // The type of a computed tensor says the extent of m0; if there is none, the
  // cascade has to.
  if (!hasTileAxis) {
    extentRanks.push_back(rank + 1);
    extents.push_back(arith::ConstantIndexOp::create(builder, loc, tile));
  }
  for (auto [r, value] :
       llvm::zip(cascade.getExtentRanks(), cascade.getExtents())) {
    if (r != rank) {
      extentRanks.push_back(r > rank ? r + 1 : r);
      extents.push_back(value);
    }
  }
  cascade.getExtentsMutable().assign(extents);
  cascade.setExtentRanksAttr(builder.getDenseI64ArrayAttr(extentRanks));
  tidy(cascade);
  return success();
}

LogicalResult attn::partitionRank(CascadeOp cascade, int64_t rank,
                                  int64_t tile) {
  return Partition(cascade, rank, tile).run();
}

namespace {
struct PartitionPass : attn::impl::AttnPartitionPassBase<PartitionPass> {
  using AttnPartitionPassBase::AttnPartitionPassBase;
  void runOnOperation() override {
    forEachRank(getOperation(), rank, [&](CascadeOp cascade, int64_t r) {
      CascadeInfo info(cascade, getRankGroup(cascade, r));
      if (const Reduction *reduction = info.getProblem()) {
        EinsumOp(reduction->op)->emitRemark()
            << "rank '" << cascade.getRankName(r)
            << "' is not partitioned: no one-pass form";
        return;
      }
      // A rank that is reduced together with others has its tile already: it
      // was partitioned before, or the text is about blocks.
      if (!rank.empty() || info.getGroup().count() == 1) {
        std::optional<ArrayRef<int64_t>> tiles = cascade.getTiles();
        int64_t chosen = tiles ? (*tiles)[1] : 64;
        (void)partitionRank(cascade, r, tile ? int64_t(tile) : chosen);
      }
    });
  }
};
} // namespace
