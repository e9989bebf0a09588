//===- EinsumVerifier.cpp - Constraints of attn.einsum --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Checks.h"

#include "attn/Dialect/Attn/IR/RankSpace.h"
#include "mlir/IR/TypeUtilities.h"

using namespace attn;

namespace {
/// The checks of one einsum; each relies on those before it.
class EinsumVerifier {
public:
  EinsumVerifier(EinsumOp op, CascadeOp cascade)
      : op(op), cascade(cascade), ranks(getNames(cascade.getRanks())),
        symbols(getNames(op.getSymbolNames())) {}

  LogicalResult verify();

private:
  LogicalResult verifyClauses();
  LogicalResult verifyMaps();
  LogicalResult verifyOperands();
  LogicalResult verifyReduce();
  LogicalResult verifyRanks();
  LogicalResult verifyDomainRanks();
  LogicalResult verifyFoldedSymbols();
  LogicalResult verifyPresence();
  LogicalResult verifySelection();
  LogicalResult verifyRegion();
  LogicalResult verifyProduct();

  IndexSpace getSpace() const { return {ranks, symbols, "rank", "cascade"}; }
  /// Ranks that some input, presence operand or selection brings.
  llvm::SmallBitVector getOperandRanks();

  EinsumOp op;
  CascadeOp cascade;
  SmallVector<StringRef> ranks, symbols;
};
} // namespace

static void addRanks(AffineMap map, llvm::SmallBitVector &ranks) {
  for (unsigned rank = 0, end = map.getNumDims(); rank < end; ++rank) {
    if (map.isFunctionOfDim(rank)) {
      ranks.set(rank);
    }
  }
}

// C2: every clause has as many parts as operands.
LogicalResult EinsumVerifier::verifyClauses() {
  if (op.getMaps().size() != op.getInputs().size() + 1) {
    return op.emitOpError()
           << "expects one map per input and one for the result, but got "
           << op.getMaps().size() << " maps and " << op.getInputs().size()
           << " inputs";
  }
  int64_t terms = 0;
  for (int32_t arity : op.getPresenceArity()) {
    if (arity != 1 && arity != 2) {
      return op.emitOpError()
             << "expects data terms of 1 or 2 operands, but got " << arity;
    }
    terms += arity;
  }
  int64_t operands = op.getPresence().size();
  if (terms != operands ||
      static_cast<int64_t>(op.getPresenceMaps().size()) != operands) {
    return op.emitOpError()
           << "expects one map and one place in a data term per presence "
              "operand, but got "
           << op.getPresenceMaps().size() << " maps and " << terms
           << " places for " << operands << " operands";
  }
  bool selects = static_cast<bool>(op.getSelection());
  if (op.getSelectedRank().has_value() != selects ||
      op.getSelectionMap().has_value() != selects) {
    return op.emitOpError("expects a selection, its rank and its map together");
  }
  return success();
}

// C3, C4, C5: arity, affine, normal form.
LogicalResult EinsumVerifier::verifyMaps() {
  IndexSpace space{ranks, {}, "rank", "cascade"};
  for (auto [i, attr] : llvm::enumerate(op.getMaps())) {
    if (failed(checkMap(op, "map #" + Twine(i),
                        cast<AffineMapAttr>(attr).getValue(), space))) {
      return failure();
    }
  }
  for (auto [i, attr] : llvm::enumerate(op.getPresenceMaps())) {
    if (failed(checkMap(op, "map of presence operand #" + Twine(i),
                        cast<AffineMapAttr>(attr).getValue(), space))) {
      return failure();
    }
  }
  if (op.getSelectionMap() && failed(checkMap(op, "map of the selection",
                                              *op.getSelectionMap(), space))) {
    return failure();
  }
  return checkUnion(op, op.getWhereAttr(), getSpace());
}

// C6, C7: types and coordinates of inputs and result.
LogicalResult EinsumVerifier::verifyOperands() {
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    Type type = input.getType();
    if (!isa<RankedTensorType>(type) && !type.isIntOrIndexOrFloat()) {
      return op.emitOpError()
             << "expects ranked tensors or scalars as inputs, but got " << type;
    }
    if (failed(checkCoordinates(op, "map #" + Twine(i), op.getInputMap(i),
                                type))) {
      return failure();
    }
  }
  AffineMap result = op.getResultMap();
  return failure(
      failed(checkProjectedPermutation(op, "the result map", result)) ||
      failed(checkCoordinates(op, "the result map", result,
                              op.getResult().getType())));
}

// C8: reduce actions name ranks of the cascade, each at most once.
LogicalResult EinsumVerifier::verifyReduce() {
  llvm::SmallBitVector seen(ranks.size());
  for (ReduceAttr action : op.getReduceActions()) {
    if (action.getRanks().empty()) {
      return op.emitOpError("expects at least one rank in a reduce action");
    }
    for (int64_t rank : action.getRanks()) {
      if (rank < 0 || rank >= static_cast<int64_t>(ranks.size())) {
        return op.emitOpError()
               << "reduces over rank #" << rank << " but the cascade has "
               << ranks.size() << " ranks";
      }
      if (seen.test(rank)) {
        return op.emitOpError()
               << "rank '" << ranks[rank] << "' is reduced twice";
      }
      seen.set(rank);
    }
  }
  return success();
}

llvm::SmallBitVector EinsumVerifier::getOperandRanks() {
  llvm::SmallBitVector present(ranks.size());
  for (unsigned i = 0, end = op.getInputs().size(); i < end; ++i) {
    addRanks(op.getInputMap(i), present);
  }
  for (unsigned i = 0, end = op.getPresence().size(); i < end; ++i) {
    addRanks(op.getPresenceMap(i), present);
  }
  return present;
}

// C9, C10, C11, C12: every rank of an input is kept, reduced or bound.
LogicalResult EinsumVerifier::verifyRanks() {
  llvm::SmallBitVector reduced = op.getReducedRanks();
  llvm::SmallBitVector kept(ranks.size()), inputs(ranks.size());
  llvm::SmallBitVector bound = getBoundRanks(op), operands = getOperandRanks();
  addRanks(op.getResultMap(), kept);
  for (unsigned i = 0, end = op.getInputs().size(); i < end; ++i) {
    addRanks(op.getInputMap(i), inputs);
  }
  for (unsigned rank = 0; rank < ranks.size(); ++rank) {
    if (reduced.test(rank) && kept.test(rank)) {
      return op.emitOpError() << "rank '" << ranks[rank]
                              << "' is reduced but also appears in the result";
    }
    if (bound.test(rank) && (reduced.test(rank) || kept.test(rank))) {
      return op.emitOpError()
             << "rank '" << ranks[rank]
             << "' is bound by the enclosing attn.fold and cannot be iterated "
                "here";
    }
    if (reduced.test(rank) && !operands.test(rank)) {
      return op.emitOpError()
             << "rank '" << ranks[rank] << "' is reduced but no operand has it";
    }
    if (inputs.test(rank) && !reduced.test(rank) && !kept.test(rank) &&
        !bound.test(rank)) {
      return op.emitOpError() << "rank '" << ranks[rank]
                              << "' is dropped without a reduce action";
    }
  }
  return success();
}

// C13: the domain speaks of the points of the iteration space.
LogicalResult EinsumVerifier::verifyDomainRanks() {
  llvm::SmallBitVector used = getUsedRanks(op);
  llvm::SmallBitVector known = op.getIterationRanks();
  known |= getBoundRanks(op);
  used.reset(known);
  if (used.any()) {
    return op.emitOpError()
           << "rank '" << ranks[used.find_first()]
           << "' is used by a clause, but it is not iterated here";
  }
  return success();
}

// C15: symbols are constant in a work item.
LogicalResult EinsumVerifier::verifyFoldedSymbols() {
  llvm::SmallBitVector bound = getBoundRanks(op);
  for (auto [i, name] : llvm::enumerate(symbols)) {
    llvm::SmallBitVector used(ranks.size());
    addRanks(op.getSymbolMap(i), used);
    used &= bound;
    if (used.any()) {
      return op.emitOpError()
             << "symbol '" << name << "' is indexed by rank '"
             << ranks[used.find_first()]
             << "', which a fold iterates; write it as presence by data";
    }
  }
  return success();
}

// C16: i1, or two integers of one type.
LogicalResult EinsumVerifier::verifyPresence() {
  unsigned next = 0;
  for (int32_t arity : op.getPresenceArity()) {
    SmallVector<Type> types;
    for (int32_t i = 0; i < arity; ++i, ++next) {
      Type type = op.getPresence()[next].getType();
      if (failed(checkCoordinates(op, "map of presence operand #" + Twine(next),
                                  op.getPresenceMap(next), type))) {
        return failure();
      }
      if (isa<ShapedType>(type) && !isa<RankedTensorType>(type)) {
        return op.emitOpError()
               << "expects a ranked tensor or a scalar as presence operand, "
                  "but got "
               << type;
      }
      types.push_back(getElementTypeOrSelf(type));
    }
    if (arity == 1 && !types[0].isInteger(1)) {
      return op.emitOpError()
             << "expects an i1 presence operand, but got " << types[0];
    }
    if (arity == 2 && (types[0] != types[1] || !types[0].isIntOrIndex())) {
      return op.emitOpError()
             << "expects two presence operands of one integer type, but got "
             << types[0] << " and " << types[1];
    }
  }
  return success();
}

// C17: the rank and the list of a selection.
LogicalResult EinsumVerifier::verifySelection() {
  if (!op.getSelection()) {
    return success();
  }
  int64_t rank = *op.getSelectedRank();
  if (rank < 0 || rank >= static_cast<int64_t>(ranks.size())) {
    return op.emitOpError()
           << "selected rank #" << rank
           << " is not a rank of the cascade, which has " << ranks.size();
  }
  if (!getOperandRanks().test(rank)) {
    return op.emitOpError() << "selected rank '" << ranks[rank]
                            << "' is not a rank of any operand";
  }
  auto select = op.getSelection().getDefiningOp<SelectOp>();
  if (!select || select->getParentOfType<CascadeOp>() != cascade) {
    return op.emitOpError(
        "expects a selection made by attn.select in the same cascade");
  }
  unsigned named = op.getSelectionMap()->getNumResults();
  unsigned indexed = select.getResultMap().getNumResults();
  if (named != indexed) {
    return op.emitOpError() << "map of the selection yields " << named
                            << " coordinates but its lists are indexed by "
                            << indexed << " ranks";
  }
  return success();
}

// C18, C19: one pure block from the inputs' elements to the result's.
LogicalResult EinsumVerifier::verifyRegion() {
  if (!llvm::hasSingleElement(op.getBody())) {
    return op.emitOpError("expects a region of one block");
  }
  Block &block = op.getBody().front();
  if (block.getNumArguments() != op.getInputs().size()) {
    return op.emitOpError()
           << "region takes " << block.getNumArguments()
           << " arguments but there are " << op.getInputs().size() << " inputs";
  }
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    Type element = getElementTypeOrSelf(input.getType());
    Type type = block.getArgument(i).getType();
    if (type != element) {
      return op.emitOpError()
             << "region argument #" << i << " has type " << type
             << " but the operand's element type is " << element;
    }
  }
  Type result = getElementTypeOrSelf(op.getResult().getType());
  if (failed(checkYield(op, block, "region", result))) {
    return failure();
  }
  for (Operation &inner : block) {
    if (!isMemoryEffectFree(&inner)) {
      return op.emitOpError() << "expects a region without memory effects, but "
                                 "got '"
                              << inner.getName() << "'";
    }
  }
  return success();
}

// C20: the default map, a product of extended floats.
LogicalResult EinsumVerifier::verifyProduct() {
  Type result = getElementTypeOrSelf(op.getResult().getType());
  if (op.getInputs().empty()) {
    return op.emitOpError("without a region expects at least one input");
  }
  for (Value input : op.getInputs()) {
    Type type = getElementTypeOrSelf(input.getType());
    bool isFloat = isa<FloatType>(type) && isa<FloatType>(result);
    if (op.getInputs().size() > 1 && !isFloat) {
      return op.emitOpError()
             << "without a region expects float inputs, or a single one, but "
                "got "
             << (isa<FloatType>(type) ? result : type);
    }
    bool extends = isFloat && type.getIntOrFloatBitWidth() <
                                  result.getIntOrFloatBitWidth();
    if (type != result && !extends) {
      return op.emitOpError() << "without a region expects inputs that extend "
                                 "to "
                              << result << ", but got " << type;
    }
  }
  return success();
}

LogicalResult EinsumVerifier::verify() {
  // C14 stands among the maps: domain sets count the symbols.
  if (failed(verifyClauses()) ||
      failed(checkSymbols(op, op.getSymbols(), op.getSymbolNames(),
                          op.getSymbolMaps(),
                          IndexSpace{ranks, {}, "rank", "cascade"})) ||
      failed(verifyMaps()) || failed(verifyOperands()) ||
      failed(verifyReduce()) || failed(verifyRanks()) ||
      failed(verifySelection()) || failed(verifyDomainRanks()) ||
      failed(verifyFoldedSymbols()) || failed(verifyPresence())) {
    return failure();
  }
  return op.hasRegion() ? verifyRegion() : verifyProduct();
}

LogicalResult EinsumOp::verify() {
  // C1
  CascadeOp cascade = getCascade();
  if (!cascade) {
    return emitOpError("must be inside an attn.cascade");
  }
  return EinsumVerifier(*this, cascade).verify();
}

llvm::SmallBitVector attn::getUsedRanks(EinsumOp op) {
  llvm::SmallBitVector used = op.getIterationRanks();
  for (ArrayAttr maps : {op.getSymbolMaps(), op.getPresenceMaps()}) {
    for (AffineMap map : maps.getAsValueRange<AffineMapAttr>()) {
      addRanks(map, used);
    }
  }
  if (op.getSelectionMap()) {
    addRanks(*op.getSelectionMap(), used);
    used.set(*op.getSelectedRank());
  }
  for (IntegerSet set : op.getWhereSets()) {
    for (AffineExpr expr : set.getConstraints()) {
      for (unsigned rank = 0, end = set.getNumDims(); rank < end; ++rank) {
        if (expr.isFunctionOfDim(rank)) {
          used.set(rank);
        }
      }
    }
  }
  return used;
}
