//===- CascadeOp.cpp - attn.cascade, attn.coord ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Clauses.h"
#include "RankScope.h"

#include "mlir/IR/OpImplementation.h"

using namespace attn;

//===----------------------------------------------------------------------===//
// CascadeOp
//===----------------------------------------------------------------------===//

int64_t CascadeOp::findRank(StringRef name) {
  for (int64_t rank = 0, end = getNumRanks(); rank < end; ++rank) {
    if (getRankName(rank) == name) {
      return rank;
    }
  }
  return -1;
}

Value CascadeOp::getGivenExtent(int64_t rank) {
  for (auto [i, extentRank] : llvm::enumerate(getExtentRanks())) {
    if (extentRank == rank) {
      return getExtents()[i];
    }
  }
  return nullptr;
}

ParseResult CascadeOp::parse(OpAsmParser &parser, OperationState &state) {
  Builder &builder = parser.getBuilder();
  SmallVector<StringRef> names;
  SmallVector<Operand> extents;
  SmallVector<int64_t> extentRanks;
  auto parseRank = [&]() -> ParseResult {
    if (parseNewName(parser, "rank", names)) {
      return failure();
    }
    if (failed(parser.parseOptionalKeyword("to"))) {
      return success();
    }
    extentRanks.push_back(names.size() - 1);
    return parser.parseOperand(extents.emplace_back());
  };
  if (parser.parseKeyword("ranks") ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseRank) ||
      parser.parseOptionalArrowTypeList(state.types) ||
      parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
      parser.resolveOperands(extents, builder.getIndexType(), state.operands)) {
    return failure();
  }
  state.addAttribute("ranks", builder.getStrArrayAttr(names));
  if (!extentRanks.empty()) {
    state.addAttribute("extentRanks",
                       builder.getDenseI64ArrayAttr(extentRanks));
  }
  RankScope scope(names);
  return parser.parseRegion(*state.addRegion());
}

void CascadeOp::print(OpAsmPrinter &printer) {
  printer << " ranks(";
  for (int64_t rank = 0, end = getNumRanks(); rank < end; ++rank) {
    printer << (rank ? ", " : "") << getRankName(rank);
    if (Value extent = getGivenExtent(rank)) {
      printer << " to " << extent;
    }
  }
  printer << ')';
  printer.printOptionalArrowTypeList(getResultTypes());
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                           {"ranks", "extentRanks"});
  printer << ' ';
  printer.printRegion(getBody());
}

LogicalResult CascadeOp::verify() { return success(); }

//===----------------------------------------------------------------------===//
// CoordOp
//===----------------------------------------------------------------------===//

ParseResult CoordOp::parse(OpAsmParser &parser, OperationState &state) {
  FailureOr<ArrayRef<StringRef>> ranks = requireRanks(parser);
  int64_t rank;
  if (failed(ranks) || IndexParser(parser, *ranks, "rank").parseDim(rank)) {
    return failure();
  }
  Builder &builder = parser.getBuilder();
  state.addAttribute("rank", builder.getI64IntegerAttr(rank));
  state.addTypes(builder.getIndexType());
  return parser.parseOptionalAttrDict(state.attributes);
}

void CoordOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printRank(printer, getRank(), getRankNames(*this));
  printer.printOptionalAttrDict((*this)->getAttrs(), {"rank"});
}

LogicalResult CoordOp::verify() { return success(); }
