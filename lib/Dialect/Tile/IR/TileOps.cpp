//===- TileOps.cpp - Parsing and verification of the tile ops -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Dialect/Tile/IR/Tables.h"
#include "attn/Dialect/Tile/IR/Tile.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/OpImplementation.h"

using namespace attn;
using namespace attn::tile;

#define GET_OP_CLASSES
#include "attn/Dialect/Tile/IR/TileOps.cpp.inc"

//===----------------------------------------------------------------------===//
// KernelOp: tile.kernel items @name(%a: t, ..) program(5) rows(96) cols(64)
// {..}
//===----------------------------------------------------------------------===//

static ParseResult parseCount(OpAsmParser &p, StringRef word, StringRef attr,
                              OperationState &state) {
  if (failed(p.parseOptionalKeyword(word))) {
    return success();
  }
  int64_t value;
  if (p.parseLParen() || p.parseInteger(value) || p.parseRParen()) {
    return failure();
  }
  state.addAttribute(attr, p.getBuilder().getI64IntegerAttr(value));
  return success();
}

ParseResult KernelOp::parse(OpAsmParser &p, OperationState &state) {
  StringRef word;
  SMLoc loc = p.getCurrentLocation();
  if (p.parseKeyword(&word)) {
    return failure();
  }
  std::optional<KernelKind> kind = symbolizeKernelKind(word);
  if (!kind) {
    return p.emitError(loc)
           << "expects a kernel kind (items, merge, stage, host), but got '"
           << word << "'";
  }
  MLIRContext *ctx = p.getContext();
  state.addAttribute("kind", KernelKindAttr::get(ctx, *kind));
  StringAttr name;
  SmallVector<OpAsmParser::Argument> args;
  if (p.parseSymbolName(name, "sym_name", state.attributes) ||
      p.parseArgumentList(args, AsmParser::Delimiter::Paren,
                          /*allowType=*/true) ||
      parseCount(p, "program", "numProgramArgs", state) ||
      parseCount(p, "rows", "rows", state) ||
      parseCount(p, "cols", "cols", state) ||
      p.parseOptionalAttrDictWithKeyword(state.attributes)) {
    return failure();
  }
  if (!state.attributes.get("numProgramArgs")) {
    state.addAttribute("numProgramArgs",
                       p.getBuilder().getI64IntegerAttr(args.size()));
  }
  SmallVector<Type> types;
  for (OpAsmParser::Argument &arg : args) {
    types.push_back(arg.type);
  }
  state.addAttribute("function_type",
                     TypeAttr::get(FunctionType::get(ctx, types, {})));
  return p.parseRegion(*state.addRegion(), args);
}

void KernelOp::print(OpAsmPrinter &p) {
  p << ' ' << stringifyKernelKind(getKind()) << ' ';
  p.printSymbolName(getSymName());
  p << '(';
  llvm::interleaveComma(getBody().getArguments(), p,
                        [&](BlockArgument a) { p.printRegionArgument(a); });
  p << ") program(" << getNumProgramArgs() << ")";
  if (getRows()) {
    p << " rows(" << getRows() << ")";
  }
  if (getCols()) {
    p << " cols(" << getCols() << ")";
  }
  p.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(),
      {"sym_name", "function_type", "kind", "numProgramArgs", "rows", "cols"});
  p << ' ';
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

//===----------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------===//

void RowsOp::build(OpBuilder &b, OperationState &state, Value first,
                   int64_t rows, bool again) {
  Type t = VectorType::get({rows}, b.getI32Type());
  build(b, state, {t, t, b.getIndexType(), t}, first,
        again ? b.getUnitAttr() : UnitAttr());
}

LogicalResult ExpandOp::verify() {
  auto from = cast<VectorType>(getSource().getType());
  auto to = cast<VectorType>(getResult().getType());
  if (from.getElementType() != to.getElementType()) {
    return emitOpError("expects one element type, but got ")
           << from.getElementType() << " and " << to.getElementType();
  }
  if ((int64_t)getDims().size() != from.getRank()) {
    return emitOpError("expects one result axis per source axis (")
           << from.getRank() << "), but got " << getDims().size();
  }
  llvm::SmallBitVector seen(to.getRank());
  for (auto [j, d] : llvm::enumerate(getDims())) {
    if (d < 0 || d >= to.getRank() || seen.test(d)) {
      return emitOpError("expects distinct axes below ")
             << to.getRank() << ", but got axis " << d;
    }
    seen.set(d);
    if (from.getDimSize(j) != to.getDimSize(d)) {
      return emitOpError("expects axis ")
             << d << " of size " << from.getDimSize(j) << ", but got "
             << to.getDimSize(d);
    }
  }
  return success();
}

bool attn::canTablesLeave(tile::ViewOp view, AffineExpr expr, int64_t size) {
  // What is left of a division stays below the divisor.
  if (expr.getKind() == AffineExprKind::Mod) {
    auto divisor =
        dyn_cast<AffineConstantExpr>(cast<AffineBinaryOpExpr>(expr).getRHS());
    if (divisor && !ShapedType::isDynamic(size) && divisor.getValue() <= size) {
      return false;
    }
  }
  return llvm::any_of(llvm::enumerate(view.getSymbols()), [&](auto symbol) {
    return isa<MemRefType>(symbol.value().getType()) &&
           expr.isFunctionOfSymbol(symbol.index());
  });
}

LogicalResult tile::ViewOp::verify() {
  AffineMap address = getAddress();
  auto storage = cast<MemRefType>(getStorage().getType());
  if (address.getNumResults() != storage.getRank()) {
    return emitOpError("address yields ")
           << address.getNumResults()
           << " coordinates but the storage has rank " << storage.getRank();
  }
  if (getSymbolMaps().size() != getSymbols().size() ||
      address.getNumSymbols() != getSymbols().size()) {
    return emitOpError("expects one map and one address symbol per symbol (")
           << getSymbols().size() << "), but got " << getSymbolMaps().size()
           << " and " << address.getNumSymbols();
  }
  if (address.getNumDims() != getResult().getType().getRank()) {
    return emitOpError("address takes ")
           << address.getNumDims() << " coordinates but the view has rank "
           << getResult().getType().getRank();
  }
  return success();
}

/// Shared by load and store: indices against memory rank, axes against value.
static LogicalResult verifyAccess(Operation *op, Type memory, Type value,
                                  ValueRange indices, ArrayRef<int64_t> axes) {
  int64_t rank = isa<tile::ViewType>(memory)
                     ? cast<tile::ViewType>(memory).getRank()
                     : cast<MemRefType>(memory).getRank();
  if ((int64_t)indices.size() != rank || axes.size() != indices.size()) {
    return op->emitOpError("expects ")
           << rank << " indices and axes, but got " << indices.size() << " and "
           << axes.size();
  }
  auto vec = dyn_cast<VectorType>(value);
  int64_t valueRank = vec ? vec.getRank() : 0;
  llvm::SmallBitVector named(valueRank);
  for (auto [i, axis] : llvm::enumerate(axes)) {
    auto iv = dyn_cast<VectorType>(indices[i].getType());
    if (!iv != (axis < 0)) {
      return op->emitOpError("index #")
             << i
             << (iv ? " is a vector but has no axis"
                    : " is a scalar but varies along an axis");
    }
    if (axis < 0) {
      continue;
    }
    if (axis >= valueRank || vec.getDimSize(axis) != iv.getDimSize(0)) {
      return op->emitOpError("index #")
             << i << " does not fit axis " << axis << " of " << value;
    }
    named.set(axis);
  }
  if (!named.all()) {
    return op->emitOpError("axis ")
           << named.find_first_unset() << " of the value is named by no index";
  }
  return success();
}

LogicalResult LoadOp::verify() {
  return verifyAccess(*this, getSource().getType(), getResult().getType(),
                      getIndices(), getAxes());
}
LogicalResult StoreOp::verify() {
  return verifyAccess(*this, getDestination().getType(), getValue().getType(),
                      getIndices(), getAxes());
}

LogicalResult GatherOp::verify() {
  int64_t rank = cast<MemRefType>(getSource().getType()).getRank();
  if ((int64_t)getIndices().size() != rank) {
    return emitOpError("expects ")
           << rank << " indices, but got " << getIndices().size();
  }
  auto result = cast<VectorType>(getResult().getType());
  for (auto [i, index] : llvm::enumerate(getIndices())) {
    auto vec = dyn_cast<VectorType>(index.getType());
    if (vec && vec.getShape() != result.getShape()) {
      return emitOpError("expects index #")
             << i << " to be a number or of the shape of " << result
             << ", but got " << vec;
    }
  }
  return success();
}

LogicalResult DotOp::verify() {
  auto a = cast<VectorType>(getA().getType());
  auto b = cast<VectorType>(getB().getType());
  auto r = cast<VectorType>(getResult().getType());
  int64_t m = a.getDimSize(getTransposeA() ? 1 : 0);
  int64_t k = a.getDimSize(getTransposeA() ? 0 : 1);
  int64_t kb = b.getDimSize(getTransposeB() ? 1 : 0);
  int64_t n = b.getDimSize(getTransposeB() ? 0 : 1);
  if (k != kb) {
    return emitOpError("expects equal inner sizes, but got ")
           << k << " and " << kb;
  }
  if (a.getElementType() != b.getElementType()) {
    return emitOpError("expects one operand type, but got ")
           << a << " and " << b;
  }
  if (r.getDimSize(0) != m || r.getDimSize(1) != n ||
      (getAcc() && getAcc().getType() != r)) {
    return emitOpError("expects a result of ")
           << m << "x" << n << ", but got " << r;
  }
  return success();
}

LogicalResult tile::FoldOp::verify() {
  if (getBegins().size() != getEnds().size() || getBegins().empty()) {
    return emitOpError(
               "expects as many begins as ends (at least one), but got ")
           << getBegins().size() << " and " << getEnds().size();
  }
  Block &step = getStep().front(), &cls = getClass_().front();
  if (cls.getNumArguments() != 1 || !cls.getArgument(0).getType().isIndex()) {
    return emitOpError("expects the class region to take the tile number");
  }
  if (step.getNumArguments() != getInit().size() + 2) {
    return emitOpError("step takes ")
           << step.getNumArguments() << " arguments but the state has "
           << getInit().size() << " components besides k and the partial flag";
  }
  auto yield = dyn_cast<tile::YieldOp>(step.getTerminator());
  if (!yield || yield.getValues().getTypes() != getInit().getTypes() ||
      getResultTypes() != getInit().getTypes()) {
    return emitOpError("step must yield exactly the state");
  }
  return success();
}
