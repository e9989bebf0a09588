//===- CascadeOp.cpp - attn.cascade, attn.coord ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Checks.h"
#include "RankScope.h"
#include "attn/Dialect/Attn/IR/RankSpace.h"

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
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, parseRank)) {
    return failure();
  }
  if (succeeded(parser.parseOptionalKeyword("tiles"))) {
    int64_t rows, cols;
    if (parser.parseLParen() || parser.parseKeyword("rows") ||
        parser.parseEqual() || parser.parseInteger(rows) ||
        parser.parseComma() || parser.parseKeyword("cols") ||
        parser.parseEqual() || parser.parseInteger(cols) ||
        parser.parseRParen()) {
      return failure();
    }
    state.addAttribute("tiles", builder.getDenseI64ArrayAttr({rows, cols}));
  }
  if (parser.parseOptionalArrowTypeList(state.types) ||
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
  if (std::optional<ArrayRef<int64_t>> tiles = getTiles()) {
    printer << " tiles(rows = " << (*tiles)[0] << ", cols = " << (*tiles)[1]
            << ')';
  }
  printer.printOptionalArrowTypeList(getResultTypes());
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                           {"ranks", "extentRanks", "tiles"});
  printer << ' ';
  printer.printRegion(getBody());
}

LogicalResult CascadeOp::verify() {
  // C1, C2
  if (failed(checkNamesReadable(*this, getRanks(), "rank")) ||
      failed(checkNamesDistinct(*this, getRanks(), "rank", {}))) {
    return failure();
  }
  // C3
  ArrayRef<int64_t> given = getExtentRanks();
  if (given.size() != getExtents().size()) {
    return emitOpError() << "expects one rank per given extent, but got "
                         << given.size() << " ranks and " << getExtents().size()
                         << " extents";
  }
  for (auto [i, rank] : llvm::enumerate(given)) {
    if (rank < 0 || rank >= getNumRanks()) {
      return emitOpError() << "gives an extent to rank #" << rank << " but has "
                           << getNumRanks() << " ranks";
    }
    if (i && rank <= given[i - 1]) {
      return emitOpError()
             << "expects extents in the order of their ranks, each once, but "
                "got one of rank '"
             << getRankName(rank) << "' after one of rank '"
             << getRankName(given[i - 1]) << "'";
    }
  }
  // C4
  if (getBody().getNumArguments() != 0) {
    return emitOpError() << "expects a region without arguments, but got "
                         << getBody().getNumArguments();
  }
  if (failed(checkYield(*this, getBody().front(), "the cascade",
                        getResultTypes()))) {
    return failure();
  }
  // C8
  if (auto tiles = getTiles()) {
    if (tiles->size() != 2) {
      return emitOpError() << "expects tiles to be rows and columns, but got "
                           << tiles->size() << " numbers";
    }
    if ((*tiles)[0] < 1 || (*tiles)[1] < 1) {
      return emitOpError()
             << "expects tiles of at least one row and column, but "
                "got rows = "
             << (*tiles)[0] << ", cols = " << (*tiles)[1];
    }
  }
  // C5
  if ((*this)->getParentOfType<CascadeOp>()) {
    return emitOpError("cannot stand inside another attn.cascade");
  }
  return success();
}

// C6: static extents of a rank agree.
static LogicalResult verifyExtentsAgree(CascadeOp cascade) {
  SmallVector<RankExtent> first(cascade.getNumRanks());
  for (RankExtent &use : getExtentUses(cascade)) {
    RankExtent &known = first[use.rank];
    if (ShapedType::isDynamic(use.size)) {
      continue;
    }
    if (!known) {
      known = use;
      continue;
    }
    if (known.size == use.size) {
      continue;
    }
    InFlightDiagnostic diag = use.user->emitOpError()
                              << "rank '" << cascade.getRankName(use.rank)
                              << "' has extent " << use.size
                              << " here but extent " << known.size;
    if (known.user == use.user) {
      return diag << " in another operand";
    }
    diag << " in an earlier op";
    diag.attachNote(known.user->getLoc()) << "extent " << known.size;
    return diag;
  }
  return success();
}

// C7: every rank that is iterated has an extent.
static LogicalResult verifyExtentsKnown(CascadeOp cascade) {
  SmallVector<RankExtent> extents = getRankExtents(cascade);
  WalkResult result = cascade.getBody().walk([&](EinsumOp einsum) {
    llvm::SmallBitVector iterated = einsum.getIterationRanks();
    for (unsigned rank : iterated.set_bits()) {
      if (!extents[rank]) {
        einsum.emitOpError()
            << "rank '" << cascade.getRankName(rank)
            << "' has no extent: no operand uses it bare and neither the "
               "cascade nor a fold gives one";
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

LogicalResult CascadeOp::verifyRegions() {
  return failure(failed(verifyExtentsAgree(*this)) ||
                 failed(verifyExtentsKnown(*this)));
}

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

LogicalResult CoordOp::verify() {
  // C1
  auto cascade = (*this)->getParentOfType<CascadeOp>();
  if (!cascade) {
    return emitOpError("must be inside an attn.cascade");
  }
  // C2
  int64_t rank = getRank();
  if (rank < 0 || rank >= cascade.getNumRanks()) {
    return emitOpError() << "names rank #" << rank << " but the cascade has "
                         << cascade.getNumRanks() << " ranks";
  }
  // C3
  llvm::SmallBitVector known = getBoundRanks(*this);
  auto einsum = (*this)->getParentOfType<EinsumOp>();
  if (einsum && rank < einsum.getResultMap().getNumDims()) {
    known |= einsum.getIterationRanks();
  }
  if (!known.test(rank)) {
    return emitOpError() << "expects a rank that the enclosing attn.einsum "
                            "iterates or a fold binds, but got '"
                         << cascade.getRankName(rank) << "'";
  }
  return success();
}
