//===- FoldOp.cpp - attn.fold ---------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Clauses.h"

#include "mlir/IR/OpImplementation.h"

using namespace attn;

ParseResult FoldOp::parse(OpAsmParser &parser, OperationState &state) {
  FailureOr<ArrayRef<StringRef>> ranks = requireRanks(parser);
  if (failed(ranks)) {
    return failure();
  }
  Builder &builder = parser.getBuilder();
  IndexParser index(parser, *ranks, "rank");
  int64_t rank;
  Operand extent;
  if (parser.parseKeyword("over") || index.parseDim(rank) ||
      parser.parseKeyword("to") || parser.parseOperand(extent) ||
      parser.resolveOperand(extent, builder.getIndexType(), state.operands)) {
    return failure();
  }
  state.addAttribute("rank", builder.getI64IntegerAttr(rank));
  if (succeeded(parser.parseOptionalKeyword("ordered"))) {
    state.addAttribute("ordered", builder.getUnitAttr());
  }

  SMLoc loc = parser.getCurrentLocation();
  SmallVector<OpAsmParser::Argument> stepArgs;
  SmallVector<Operand> init;
  SmallVector<AffineMap> maps;
  auto parseComponent = [&] {
    return failure(parser.parseArgument(stepArgs.emplace_back()) ||
                   index.parseMap(maps.emplace_back(), /*required=*/true) ||
                   parser.parseEqual() ||
                   parser.parseOperand(init.emplace_back()));
  };
  // The types stand before the regions, which take them as arguments.
  if (parser.parseKeyword("state") ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren,
                                     parseComponent) ||
      parser.parseColonTypeList(state.types)) {
    return failure();
  }
  state.addAttribute("stateMaps", builder.getAffineMapArrayAttr(maps));
  if (state.types.size() != stepArgs.size()) {
    return parser.emitError(loc)
           << "the state has " << stepArgs.size() << " components but "
           << state.types.size() << " types are given";
  }
  for (auto [arg, start, type] : llvm::zip_equal(stepArgs, init, state.types)) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor) {
      return parser.emitError(loc)
             << "expects ranked tensors as state, but got " << type;
    }
    arg.type = type;
    if (parser.resolveOperand(start, tensor.getElementType(), state.operands)) {
      return failure();
    }
  }

  SmallVector<OpAsmParser::Argument> left, right;
  if (parser.parseKeyword("step") ||
      parser.parseRegion(*state.addRegion(), stepArgs) ||
      parser.parseKeyword("merge")) {
    return failure();
  }
  SMLoc mergeLoc = parser.getCurrentLocation();
  if (parser.parseArgumentList(left, AsmParser::Delimiter::Paren) ||
      parser.parseKeyword("with") ||
      parser.parseArgumentList(right, AsmParser::Delimiter::Paren)) {
    return failure();
  }
  if (left.size() != stepArgs.size() || right.size() != stepArgs.size()) {
    return parser.emitError(mergeLoc)
           << "expects two states of " << stepArgs.size()
           << " components, but got " << left.size() << " and " << right.size();
  }
  left.append(right);
  for (auto [i, arg] : llvm::enumerate(left)) {
    arg.type = state.types[i % stepArgs.size()];
  }
  return failure(parser.parseRegion(*state.addRegion(), left) ||
                 parser.parseOptionalAttrDictWithKeyword(state.attributes));
}

void FoldOp::print(OpAsmPrinter &printer) {
  SmallVector<StringRef> ranks = getRankNames(*this);
  printer << " over ";
  printRank(printer, getRank(), ranks);
  printer << " to " << getExtent() << (getOrdered() ? " ordered" : "")
          << " state(";
  for (unsigned i = 0, end = getNumStates(); i < end; ++i) {
    printer << (i ? ", " : "") << getStep().getArgument(i);
    printMap(printer, getStateMap(i), ranks, {}, /*always=*/true);
    printer << " = " << getInit()[i];
  }
  printer << ") : " << getResultTypes() << " step ";
  printer.printRegion(getStep(), /*printEntryBlockArgs=*/false);
  auto args = getMerge().getArguments();
  printer << " merge(";
  llvm::interleaveComma(args.take_front(getNumStates()), printer);
  printer << ") with(";
  llvm::interleaveComma(args.drop_front(getNumStates()), printer);
  printer << ") ";
  printer.printRegion(getMerge(), /*printEntryBlockArgs=*/false);
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                           {"rank", "stateMaps", "ordered"});
}

LogicalResult FoldOp::verify() { return success(); }
