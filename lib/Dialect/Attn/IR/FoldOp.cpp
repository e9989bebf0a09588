//===- FoldOp.cpp - attn.fold ---------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Checks.h"

#include "attn/Dialect/Attn/IR/RankSpace.h"
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

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

// C2, C3: one start value, map, result and argument per component.
static LogicalResult verifyShape(FoldOp op) {
  unsigned n = op.getNumStates();
  if (n == 0) {
    return op.emitOpError("expects a state of at least one component");
  }
  if (op.getStateMaps().size() != n || op.getNumResults() != n) {
    return op.emitOpError()
           << "expects one map and one result per start value, but got "
           << op.getStateMaps().size() << " maps and " << op.getNumResults()
           << " results for " << n << " start values";
  }
  if (op.getStep().getNumArguments() != n) {
    return op.emitOpError()
           << "step takes " << op.getStep().getNumArguments()
           << " arguments but the state has " << n << " components";
  }
  if (op.getMerge().getNumArguments() != 2 * n) {
    return op.emitOpError()
           << "merge takes " << op.getMerge().getNumArguments()
           << " arguments but two states have " << 2 * n << " components";
  }
  return success();
}

// C4: a component has one type throughout.
static LogicalResult verifyTypes(FoldOp op) {
  unsigned n = op.getNumStates();
  for (unsigned i = 0; i < n; ++i) {
    auto type = cast<RankedTensorType>(op.getResult(i).getType());
    if (op.getInit()[i].getType() != type.getElementType()) {
      return op.emitOpError()
             << "state component #" << i << " expects a start value of type "
             << type.getElementType() << ", but got "
             << op.getInit()[i].getType();
    }
    for (Value arg : {op.getStep().getArgument(i), op.getMerge().getArgument(i),
                      op.getMerge().getArgument(n + i)}) {
      if (arg.getType() != type) {
        return op.emitOpError()
               << "state component #" << i << " does not keep its type: it is "
               << type << ", but an argument is " << arg.getType();
      }
    }
  }
  return success();
}

LogicalResult FoldOp::verify() {
  // C1
  auto cascade = (*this)->getParentOfType<CascadeOp>();
  if (!cascade) {
    return emitOpError("must be inside an attn.cascade");
  }
  // C2, C3, C4
  if (failed(verifyShape(*this)) || failed(verifyTypes(*this))) {
    return failure();
  }
  // C5
  if (failed(checkYield(*this, getStep().front(), "step", getResultTypes())) ||
      failed(
          checkYield(*this, getMerge().front(), "merge", getResultTypes()))) {
    return failure();
  }
  // C6
  SmallVector<StringRef> ranks = getRankNames(*this);
  IndexSpace space{ranks, {}, "rank", "cascade"};
  for (unsigned i = 0, end = getNumStates(); i < end; ++i) {
    std::string what = "map of state component #" + std::to_string(i);
    if (failed(checkMap(*this, what, getStateMap(i), space)) ||
        failed(checkCoordinates(*this, what, getStateMap(i),
                                getResult(i).getType())) ||
        failed(checkProjectedPermutation(*this, what, getStateMap(i)))) {
      return failure();
    }
  }
  // C7
  int64_t rank = getRank();
  if (rank < 0 || rank >= cascade.getNumRanks()) {
    return emitOpError() << "folds over rank #" << rank
                         << " but the cascade has " << cascade.getNumRanks()
                         << " ranks";
  }
  if (getBoundRanks(*this).test(rank)) {
    return emitOpError() << "rank '" << ranks[rank]
                         << "' is already bound by an enclosing attn.fold";
  }
  for (unsigned i = 0, end = getNumStates(); i < end; ++i) {
    if (getStateMap(i).isFunctionOfDim(rank)) {
      return emitOpError()
             << "rank '" << ranks[rank]
             << "' is folded but also an axis of state component #" << i;
    }
  }
  return success();
}

// C8: a merge joins two states; it stands at no coordinate of the folded rank.
LogicalResult FoldOp::verifyRegions() {
  int64_t rank = getRank();
  StringRef name = (*this)->getParentOfType<CascadeOp>().getRankName(rank);
  auto usesRank = [&](Operation *op) {
    if (auto coord = dyn_cast<CoordOp>(op)) {
      return static_cast<int64_t>(coord.getRank()) == rank;
    }
    auto einsum = dyn_cast<EinsumOp>(op);
    return einsum && getUsedRanks(einsum).test(rank);
  };
  WalkResult result = getMerge().walk([&](Operation *op) {
    if (usesRank(op)) {
      op->emitOpError() << "rank '" << name
                        << "' is folded and cannot be used in the merge";
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}
