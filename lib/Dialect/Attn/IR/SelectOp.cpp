//===- SelectOp.cpp - attn.select -----------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Checks.h"

#include "attn/Dialect/Attn/IR/RankSpace.h"
#include "mlir/IR/OpImplementation.h"

using namespace attn;

ParseResult SelectOp::parse(OpAsmParser &parser, OperationState &state) {
  FailureOr<ArrayRef<StringRef>> ranks = requireRanks(parser);
  if (failed(ranks)) {
    return failure();
  }
  Builder &builder = parser.getBuilder();
  IndexParser index(parser, *ranks, "rank");
  SMLoc ruleLoc = parser.getCurrentLocation();
  StringRef word;
  if (parser.parseKeyword(&word)) {
    return failure();
  }
  std::optional<SelectRule> rule = symbolizeSelectRule(word);
  if (!rule) {
    return parser.emitError(ruleLoc)
           << "expects a rule (listed, topk or threshold), but got '" << word
           << "'";
  }
  SMLoc loc = parser.getCurrentLocation();
  SmallVector<Operand> inputs;
  SmallVector<AffineMap> maps;
  do {
    if (parser.parseOperand(inputs.emplace_back()) ||
        index.parseMap(maps.emplace_back())) {
      return failure();
    }
  } while (succeeded(parser.parseOptionalComma()));
  if (succeeded(parser.parseOptionalKeyword("over"))) {
    int64_t rank;
    if (index.parseDim(rank)) {
      return failure();
    }
    state.addAttribute("over", builder.getI64IntegerAttr(rank));
  }
  FunctionType type;
  if (parser.parseArrow() ||
      index.parseMap(maps.emplace_back(), /*required=*/true) ||
      parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
      parser.parseColonType(type) ||
      parser.resolveOperands(inputs, type.getInputs(), loc, state.operands)) {
    return failure();
  }
  state.addTypes(type.getResults());
  state.addAttribute("rule", SelectRuleAttr::get(parser.getContext(), *rule));
  state.addAttribute("maps", builder.getAffineMapArrayAttr(maps));
  return success();
}

void SelectOp::print(OpAsmPrinter &printer) {
  SmallVector<StringRef> ranks = getRankNames(*this);
  printer << ' ' << stringifySelectRule(getRule()) << ' ';
  for (auto [i, input] : llvm::enumerate(getInputs())) {
    printer << (i ? ", " : "") << input;
    printMap(printer, getInputMap(i), ranks);
  }
  if (std::optional<uint64_t> over = getOver()) {
    printer << " over ";
    printRank(printer, *over, ranks);
  }
  printer << " -> ";
  printMap(printer, getResultMap(), ranks, {}, /*always=*/true);
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(),
                                           {"rule", "maps", "over"});
  printer << " : ";
  printer.printFunctionalType(*this);
}

//===----------------------------------------------------------------------===//
// Constraints
//===----------------------------------------------------------------------===//

// C2: the operands of each rule.
static LogicalResult verifyRule(SelectOp op) {
  SelectRule rule = op.getRule();
  unsigned expected = rule == SelectRule::topk ? 1 : 2;
  if (op.getInputs().size() != expected) {
    return op.emitOpError()
           << "rule '" << stringifySelectRule(rule) << "' expects " << expected
           << " operand(s), but got " << op.getInputs().size();
  }
  if (op.getMaps().size() != expected + 1) {
    return op.emitOpError()
           << "expects one map per operand and one for the result, but got "
           << op.getMaps().size();
  }
  bool needsOver = rule != SelectRule::listed;
  if (op.getOver().has_value() != needsOver) {
    return op.emitOpError()
           << "rule '" << stringifySelectRule(rule) << "' expects "
           << (needsOver ? "a rank to select over" : "no rank to select over");
  }
  return success();
}

// C4: a list has one axis more than its map names, the place in the list.
static LogicalResult verifyOperand(SelectOp op, unsigned i) {
  bool listed = op.getRule() == SelectRule::listed;
  auto type = dyn_cast<RankedTensorType>(op.getInputs()[i].getType());
  if (!type || (listed ? !type.getElementType().isIntOrIndex()
                       : !isa<FloatType>(type.getElementType()))) {
    return op.emitOpError() << "expects " << (listed ? "an integer" : "a float")
                            << " tensor as operand #" << i << ", but got "
                            << op.getInputs()[i].getType();
  }
  int64_t extra = listed && i == 0;
  int64_t named = op.getInputMap(i).getNumResults();
  if (named + extra != type.getRank()) {
    return op.emitOpError()
           << "map #" << i << " yields " << named << " coordinates but the "
           << (extra ? "list" : "tensor") << " has rank " << type.getRank();
  }
  return success();
}

// C6: ranks of the operands are kept or selected over.
static LogicalResult verifyRanks(SelectOp op, ArrayRef<StringRef> ranks) {
  AffineMap result = op.getResultMap();
  int64_t over = -1;
  if (op.getOver()) {
    over = *op.getOver();
    if (over < 0 || over >= static_cast<int64_t>(ranks.size())) {
      return op.emitOpError()
             << "selects over rank #" << over << " but the cascade has "
             << ranks.size() << " ranks";
    }
    if (!op.getInputMap(0).isFunctionOfDim(over)) {
      return op.emitOpError() << "selects over rank '" << ranks[over]
                              << "', which the score does not have";
    }
    if (result.isFunctionOfDim(over)) {
      return op.emitOpError()
             << "rank '" << ranks[over] << "' is selected over but also kept";
    }
  }
  llvm::SmallBitVector bound = getBoundRanks(op);
  for (unsigned i = 0, end = op.getInputs().size(); i < end; ++i) {
    for (unsigned rank = 0; rank < ranks.size(); ++rank) {
      if (op.getInputMap(i).isFunctionOfDim(rank) &&
          !result.isFunctionOfDim(rank) && rank != over && !bound.test(rank)) {
        return op.emitOpError() << "rank '" << ranks[rank] << "' of operand #"
                                << i << " is neither kept nor selected over";
      }
    }
  }
  return success();
}

LogicalResult SelectOp::verify() {
  // C1
  auto cascade = (*this)->getParentOfType<CascadeOp>();
  if (!cascade) {
    return emitOpError("must be inside an attn.cascade");
  }
  // C2
  if (failed(verifyRule(*this))) {
    return failure();
  }
  // C3
  SmallVector<StringRef> ranks = getRankNames(*this);
  IndexSpace space{ranks, {}, "rank", "cascade"};
  for (auto [i, attr] : llvm::enumerate(getMaps())) {
    AffineMap map = cast<AffineMapAttr>(attr).getValue();
    if (failed(checkMap(*this, "map #" + Twine(i), map, space))) {
      return failure();
    }
  }
  // C4
  for (unsigned i = 0, end = getInputs().size(); i < end; ++i) {
    if (failed(verifyOperand(*this, i))) {
      return failure();
    }
  }
  // C5, C6
  return failure(failed(checkProjectedPermutation(*this, "the result map",
                                                  getResultMap())) ||
                 failed(verifyRanks(*this, ranks)));
}
