//===- SelectOp.cpp - attn.select -----------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Clauses.h"

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

LogicalResult SelectOp::verify() { return success(); }
