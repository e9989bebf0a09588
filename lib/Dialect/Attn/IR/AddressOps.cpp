//===- AddressOps.cpp - attn.view, attn.place -----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Checks.h"

#include "mlir/Analysis/FlatLinearValueConstraints.h"
#include "mlir/IR/OpImplementation.h"

using namespace attn;

SmallVector<IntegerSet> ViewOp::getWhereSets() {
  return getSets(getWhereAttr());
}

SmallVector<IntegerSet> PlaceOp::getWhereSets() {
  return getSets(getWhereAttr());
}

//===----------------------------------------------------------------------===//
// Syntax
//===----------------------------------------------------------------------===//

// axes [symbols] [where] KEYWORD %storage[address] : functional type
static ParseResult parseAddress(OpAsmParser &parser, OperationState &state,
                                ArrayRef<Operand> source,
                                AsmParser::Delimiter delimiter,
                                StringRef keyword) {
  Builder &builder = parser.getBuilder();
  SmallVector<StringRef> dims;
  if (parser.parseCommaSeparatedList(
          delimiter, [&] { return parseNewName(parser, "axis", dims); })) {
    return failure();
  }
  IndexParser index(parser, dims, "axis");
  SmallVector<Operand> symbols;
  if (parseSymbols(parser, index, state, symbols, /*mayNest=*/true)) {
    return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("where")) &&
      (parser.parseLParen() || parseUnion(parser, index, state))) {
    return failure();
  }
  SMLoc loc = parser.getCurrentLocation();
  SmallVector<Operand> operands(source);
  AffineMap address;
  FunctionType type;
  if (parser.parseKeyword(keyword) ||
      parser.parseOperand(operands.emplace_back()) ||
      index.parseMap(address, /*required=*/true) ||
      parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
      parser.parseColonType(type)) {
    return failure();
  }
  operands.append(symbols);
  if (parser.resolveOperands(operands, type.getInputs(), loc, state.operands)) {
    return failure();
  }
  state.addTypes(type.getResults());
  state.addAttribute("dims", builder.getStrArrayAttr(dims));
  state.addAttribute("address", AffineMapAttr::get(address));
  return success();
}

template <typename OpT>
static void printAddress(OpT op, OpAsmPrinter &printer, StringRef keyword) {
  SmallVector<StringRef> dims = getNames(op.getDims());
  SmallVector<StringRef> symbols = getNames(op.getSymbolNames());
  printSymbols(printer, op.getSymbols(), op.getSymbolNames(),
               op.getSymbolMaps(), dims);
  if (ArrayAttr where = op.getWhereAttr()) {
    printer << " where ";
    printUnion(printer, where, dims, symbols);
  }
  printer << ' ' << keyword << ' ' << op.getStorage();
  printMap(printer, op.getAddress(), dims, symbols, /*always=*/true);
  printer.printOptionalAttrDictWithKeyword(
      op->getAttrs(),
      {"dims", "symbolNames", "symbolMaps", "where", "address"});
  printer << " : ";
  printer.printFunctionalType(op);
}

ParseResult ViewOp::parse(OpAsmParser &parser, OperationState &state) {
  return parseAddress(parser, state, {}, AsmParser::Delimiter::Paren, "of");
}

void ViewOp::print(OpAsmPrinter &printer) {
  printer << " (";
  llvm::interleaveComma(getNames(getDims()), printer);
  printer << ')';
  printAddress(*this, printer, "of");
}

ParseResult PlaceOp::parse(OpAsmParser &parser, OperationState &state) {
  Operand source;
  return failure(parser.parseOperand(source) ||
                 parseAddress(parser, state, source,
                              AsmParser::Delimiter::Square, "into"));
}

void PlaceOp::print(OpAsmPrinter &printer) {
  printer << ' ' << getSource() << '[';
  llvm::interleaveComma(getNames(getDims()), printer);
  printer << ']';
  printAddress(*this, printer, "into");
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

/// The box of the logical tensor as constraints: 0 <= axis (< size).
static FlatLinearConstraints getBox(RankedTensorType logical,
                                    unsigned numSymbols) {
  FlatLinearConstraints box(logical.getRank(), numSymbols);
  for (int64_t axis = 0; axis < logical.getRank(); ++axis) {
    box.addBound(presburger::BoundType::LB, axis, 0);
    if (!logical.isDynamicDim(axis)) {
      box.addBound(presburger::BoundType::UB, axis,
                   logical.getDimSize(axis) - 1);
    }
  }
  return box;
}

// C9: an address that is bounded whatever the symbols are stays within the
// static sizes of the storage. `domain` is one disjunct, or null for the box.
template <typename OpT>
static LogicalResult verifyAddressRange(OpT op, RankedTensorType logical,
                                        IntegerSet domain) {
  auto storage = cast<ShapedType>(op.getStorage().getType());
  AffineMap address = op.getAddress();
  for (auto [axis, expr] : llvm::enumerate(address.getResults())) {
    if (storage.isDynamicDim(axis)) {
      continue;
    }
    FlatLinearConstraints points = getBox(logical, op.getSymbols().size());
    if (domain) {
      FlatLinearValueConstraints constraints(domain);
      points.mergeLocalVars(constraints);
      points.append(constraints);
    }
    if (points.isEmpty()) {
      return success();
    }
    // One more dim that equals the address; its constant bounds are wanted.
    unsigned position = points.appendDimVar();
    AffineMap map =
        AffineMap::get(logical.getRank() + 1, address.getNumSymbols(), expr);
    if (failed(points.addBound(presburger::BoundType::EQ, position, map))) {
      continue;
    }
    auto low = points.getConstantBound(presburger::BoundType::LB, position);
    auto high = points.getConstantBound(presburger::BoundType::UB, position);
    bool below = low && *low < 0;
    bool above = high && *high >= storage.getDimSize(axis);
    if (below || above) {
      InFlightDiagnostic diag = op.emitOpError();
      diag << "storage dimension " << axis << " is " << storage.getDimSize(axis)
           << " but the address reaches ";
      std::string reached;
      llvm::raw_string_ostream(reached) << (above ? *high : *low);
      return diag << reached;
    }
  }
  return success();
}

/// A symbol that another one looks up stands in the address alone: what is
/// there is decided by the domain before it is looked up.
static LogicalResult checkNestedSymbols(Operation *op, ArrayAttr maps,
                                        ArrayRef<IntegerSet> domain,
                                        ArrayRef<StringRef> names) {
  for (auto [i, attr] : llvm::enumerate(maps)) {
    if (cast<AffineMapAttr>(attr).getValue().getNumSymbols() == 0) {
      continue;
    }
    for (IntegerSet set : domain) {
      if (llvm::any_of(set.getConstraints(), [&](AffineExpr expr) {
            return expr.isFunctionOfSymbol(i);
          })) {
        return op->emitOpError()
               << "expects symbol '" << names[i]
               << "', which another symbol looks up, in the address only";
      }
    }
  }
  return success();
}

template <typename OpT>
static LogicalResult verifyAddress(OpT op, RankedTensorType logical) {
  // C1
  if (failed(checkNamesReadable(op, op.getDims(), "axis")) ||
      failed(checkNamesDistinct(op, op.getDims(), "axis", {}))) {
    return failure();
  }
  // C2
  if (static_cast<int64_t>(op.getDims().size()) != logical.getRank()) {
    return op.emitOpError()
           << "names " << op.getDims().size()
           << " axes but the logical tensor has rank " << logical.getRank();
  }
  // C3
  SmallVector<StringRef> dims = getNames(op.getDims());
  SmallVector<StringRef> symbols = getNames(op.getSymbolNames());
  IndexSpace space{dims, symbols, "axis", "operation"};
  if (failed(checkSymbols(op, op.getSymbols(), op.getSymbolNames(),
                          op.getSymbolMaps(), space, /*mayNest=*/true)) ||
      failed(checkNestedSymbols(op, op.getSymbolMaps(), op.getWhereSets(),
                                symbols))) {
    return failure();
  }
  // C4, C5, C6
  if (failed(checkUnion(op, op.getWhereAttr(), space)) ||
      failed(checkMap(op, "address", op.getAddress(), space, symbols.size()))) {
    return failure();
  }
  // C7
  auto storage = cast<ShapedType>(op.getStorage().getType());
  if (op.getAddress().getNumResults() != storage.getRank()) {
    return op.emitOpError()
           << "address yields " << op.getAddress().getNumResults()
           << " coordinates but the storage has rank " << storage.getRank();
  }
  // C8
  if (logical.getElementType() != storage.getElementType()) {
    return op.emitOpError()
           << "expects the storage's element type " << storage.getElementType()
           << ", but got " << logical.getElementType();
  }
  // C9
  if (!op.getWhere()) {
    return verifyAddressRange(op, logical, IntegerSet());
  }
  for (IntegerSet domain : op.getWhereSets()) {
    if (failed(verifyAddressRange(op, logical, domain))) {
      return failure();
    }
  }
  return success();
}

LogicalResult ViewOp::verify() {
  return verifyAddress(*this, cast<RankedTensorType>(getResult().getType()));
}

LogicalResult PlaceOp::verify() {
  if (failed(verifyAddress(*this,
                           cast<RankedTensorType>(getSource().getType())))) {
    return failure();
  }
  // C10
  Type storage = getStorage().getType();
  if (isa<MemRefType>(storage)) {
    return getResult() ? emitOpError("expects no result: it writes a memref")
                       : success();
  }
  if (!getResult() || getResult().getType() != storage) {
    InFlightDiagnostic diag = emitOpError() << "expects one result of type "
                                            << storage << ", but got ";
    return getResult() ? diag << getResult().getType() : diag << "none";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Effects
//===----------------------------------------------------------------------===//

// A view is a value: the contents of its storage where the view stands. So it
// reads, and no transformation may carry it across a write.
void ViewOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addReadEffects(getOperation()->getOpOperands(), effects);
}

void PlaceOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addReadEffects(getSymbolsMutable(), effects);
  if (isa<MemRefType>(getStorage().getType())) {
    effects.emplace_back(MemoryEffects::Write::get(), &getStorageMutable());
  }
}
