//===- Checks.cpp - Checks shared by the verifiers of attn ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Checks.h"

#include "attn/Dialect/Attn/IR/NormalForm.h"
#include "llvm/ADT/StringExtras.h"

using namespace attn;

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

static bool isIdentifier(StringRef name) {
  auto isInner = [](char c) {
    return llvm::isAlnum(c) || c == '_' || c == '$' || c == '.';
  };
  return !name.empty() && (llvm::isAlpha(name[0]) || name[0] == '_') &&
         llvm::all_of(name, isInner);
}

LogicalResult attn::checkNamesReadable(Operation *op, ArrayAttr names,
                                       StringRef word) {
  for (StringRef name : getNames(names)) {
    if (isReservedWord(name)) {
      return op->emitOpError()
             << "'" << name << "' is a reserved word and cannot name "
             << withArticle(word);
    }
    if (!isIdentifier(name)) {
      return op->emitOpError()
             << "expects an identifier as the name of " << withArticle(word)
             << ", but got '" << name << "'";
    }
  }
  return success();
}

LogicalResult attn::checkNamesDistinct(Operation *op, ArrayAttr names,
                                       StringRef word,
                                       ArrayRef<StringRef> taken) {
  SmallVector<StringRef> seen(taken);
  for (StringRef name : getNames(names)) {
    if (llvm::is_contained(seen, name)) {
      return op->emitOpError() << word << " '" << name << "' is declared twice";
    }
    seen.push_back(name);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Index expressions
//===----------------------------------------------------------------------===//

LogicalResult attn::checkArity(Operation *op, const Twine &what, AffineMap map,
                               const IndexSpace &space, unsigned numSymbols) {
  if (map.getNumDims() != space.dims.size()) {
    return op->emitOpError()
           << what << " has " << map.getNumDims() << " dims but the "
           << space.owner << " has " << space.dims.size() << ' '
           << inPlural(space.word);
  }
  if (map.getNumSymbols() != numSymbols) {
    return op->emitOpError()
           << what << " has " << map.getNumSymbols() << " symbols but "
           << numSymbols << " symbol operand(s) are bound";
  }
  return success();
}

LogicalResult attn::checkArity(Operation *op, ArrayAttr where,
                               const IndexSpace &space) {
  if (!where) {
    return success();
  }
  if (where.empty()) {
    return op->emitOpError("expects at least one set in its domain");
  }
  for (IntegerSet set : getSets(where)) {
    if (set.getNumDims() != space.dims.size()) {
      return op->emitOpError()
             << "domain set has " << set.getNumDims() << " dims but the "
             << space.owner << " has " << space.dims.size() << ' '
             << inPlural(space.word);
    }
    if (set.getNumSymbols() != space.symbols.size()) {
      return op->emitOpError()
             << "domain set has " << set.getNumSymbols() << " symbols but "
             << space.symbols.size() << " symbol operand(s) are bound";
    }
  }
  return success();
}

/// Coordinates have 32 bits; passes multiply what stands in an index by sizes
/// of tiles, and the result must fit 64.
static constexpr int64_t kMostBits = 48;

LogicalResult attn::checkAffineExprs(Operation *op, ArrayRef<AffineExpr> exprs,
                                     const IndexSpace &space) {
  for (AffineExpr expr : exprs) {
    std::string error = checkAffine(expr, space.dims, space.symbols);
    if (!error.empty()) {
      return op->emitOpError() << error;
    }
    std::optional<int64_t> large;
    expr.walk([&](AffineExpr part) {
      auto constant = dyn_cast<AffineConstantExpr>(part);
      if (constant && !llvm::isInt<kMostBits>(constant.getValue())) {
        large = constant.getValue();
      }
    });
    if (large) {
      return op->emitOpError() << "expects numbers of at most " << kMostBits
                               << " bits in an index, but got " << *large;
    }
  }
  return success();
}

LogicalResult attn::checkNormalForm(Operation *op, ArrayRef<AffineExpr> exprs,
                                    const IndexSpace &space) {
  auto print = [&](AffineExpr expr) {
    std::string text;
    llvm::raw_string_ostream os(text);
    printNamed(expr, space.dims, space.symbols, os);
    return text;
  };
  for (AffineExpr expr : exprs) {
    AffineExpr normal = normalize(expr);
    if (normal != expr) {
      return op->emitOpError() << "expects the normal form '" << print(normal)
                               << "', but got '" << print(expr) << "'";
    }
  }
  return success();
}

LogicalResult attn::checkMap(Operation *op, const Twine &what, AffineMap map,
                             const IndexSpace &space, unsigned numSymbols) {
  return failure(failed(checkArity(op, what, map, space, numSymbols)) ||
                 failed(checkAffineExprs(op, map.getResults(), space)) ||
                 failed(checkNormalForm(op, map.getResults(), space)));
}

LogicalResult attn::checkUnion(Operation *op, ArrayAttr where,
                               const IndexSpace &space) {
  if (failed(checkArity(op, where, space))) {
    return failure();
  }
  for (IntegerSet set : getSets(where)) {
    if (failed(checkAffineExprs(op, set.getConstraints(), space)) ||
        failed(checkNormalForm(op, set.getConstraints(), space))) {
      return failure();
    }
  }
  return success();
}

LogicalResult attn::checkCoordinates(Operation *op, const Twine &what,
                                     AffineMap map, Type type) {
  auto shaped = dyn_cast<ShapedType>(type);
  int64_t rank = shaped ? shaped.getRank() : 0;
  if (map.getNumResults() == rank) {
    return success();
  }
  InFlightDiagnostic diag = op->emitOpError()
                            << what << " yields " << map.getNumResults()
                            << " coordinates but ";
  return shaped ? diag << "the tensor has rank " << rank
                : diag << "the operand is a scalar of type " << type;
}

LogicalResult attn::checkProjectedPermutation(Operation *op, const Twine &what,
                                              AffineMap map) {
  if (!map.isProjectedPermutation()) {
    return op->emitOpError()
           << what
           << " must name each rank at most once (a projected permutation)";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Symbols, regions, effects
//===----------------------------------------------------------------------===//

LogicalResult attn::checkSymbols(Operation *op, ValueRange symbols,
                                 ArrayAttr names, ArrayAttr maps,
                                 const IndexSpace &space, bool mayNest) {
  if (names.size() != symbols.size() || maps.size() != symbols.size()) {
    return op->emitOpError()
           << "expects one name and one map per symbol operand, but got "
           << names.size() << " names, " << maps.size() << " maps and "
           << symbols.size() << " operands";
  }
  if (failed(checkNamesReadable(op, names, "symbol")) ||
      failed(checkNamesDistinct(op, names, "symbol", space.dims))) {
    return failure();
  }
  for (auto [i, symbol] : llvm::enumerate(symbols)) {
    StringRef name = cast<StringAttr>(names[i]).getValue();
    AffineMap map = cast<AffineMapAttr>(maps[i]).getValue();
    Type type = symbol.getType();
    auto shaped = dyn_cast<ShapedType>(type);
    bool indexed = isa<RankedTensorType, MemRefType>(type) &&
                   shaped.getElementType().isIntOrIndex();
    if (!type.isIntOrIndex() && !indexed) {
      return op->emitOpError()
             << "expects an index or integer as symbol '" << name
             << "', or a tensor or memref of them, but got " << type;
    }
    // By the symbols in front of it, or by none.
    unsigned numKnown = mayNest && map.getNumSymbols() ? unsigned(i) : 0;
    if (failed(checkMap(op, "map of symbol '" + name + "'", map, space,
                        numKnown)) ||
        failed(
            checkCoordinates(op, "map of symbol '" + name + "'", map, type))) {
      return failure();
    }
  }
  return success();
}

LogicalResult attn::checkYield(Operation *op, Block &block, const Twine &what,
                               TypeRange types) {
  auto yield =
      block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.getTerminator());
  if (!yield) {
    return op->emitOpError() << "expects " << what << " to end in attn.yield";
  }
  TypeRange yielded = yield.getValues().getTypes();
  if (yielded == types) {
    return success();
  }
  InFlightDiagnostic diag = op->emitOpError()
                            << what << " must yield (" << types
                            << "), but got (" << yielded << ")";
  diag.attachNote(yield.getLoc()) << "yielded here";
  return diag;
}

void attn::addReadEffects(
    MutableArrayRef<OpOperand> operands,
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  for (OpOperand &operand : operands) {
    if (isa<BaseMemRefType>(operand.get().getType())) {
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
    }
  }
}
