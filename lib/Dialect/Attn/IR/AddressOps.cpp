//===- AddressOps.cpp - attn.view, attn.place -----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Clauses.h"

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
  if (parseSymbols(parser, index, state, symbols)) {
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

LogicalResult ViewOp::verify() { return success(); }
LogicalResult PlaceOp::verify() { return success(); }
