//===- Clauses.cpp - Clauses shared by the ops of attn --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Clauses.h"

#include "RankScope.h"
#include "attn/Dialect/Attn/IR/NormalForm.h"

using namespace attn;

SmallVector<StringRef> attn::getNames(ArrayAttr names) {
  SmallVector<StringRef> result;
  for (StringAttr name : names.getAsRange<StringAttr>()) {
    result.push_back(name.getValue());
  }
  return result;
}

SmallVector<StringRef> attn::getRankNames(Operation *op) {
  auto cascade = dyn_cast<CascadeOp>(op);
  if (!cascade) {
    cascade = op->getParentOfType<CascadeOp>();
  }
  return cascade ? getNames(cascade.getRanks()) : SmallVector<StringRef>();
}

SmallVector<IntegerSet> attn::getSets(ArrayAttr where) {
  SmallVector<IntegerSet> sets;
  if (where) {
    llvm::append_range(sets, where.getAsValueRange<IntegerSetAttr>());
  }
  return sets;
}

FailureOr<ArrayRef<StringRef>> attn::requireRanks(OpAsmParser &parser) {
  if (const RankScope *scope = RankScope::current()) {
    return scope->getNames();
  }
  return parser.emitError(parser.getNameLoc())
         << "must be written inside an attn.cascade, which declares the rank "
            "names (inside one in generic form, write this op in generic form)";
}

ParseResult attn::parseSymbols(OpAsmParser &parser, IndexParser &index,
                               OperationState &state,
                               SmallVectorImpl<Operand> &operands,
                               bool mayNest) {
  if (failed(parser.parseOptionalKeyword("symbols"))) {
    return success();
  }
  Builder &builder = parser.getBuilder();
  SmallVector<StringRef> names;
  SmallVector<AffineMap> maps;
  auto parseSymbol = [&]() -> ParseResult {
    SMLoc loc = parser.getCurrentLocation();
    if (parseNewName(parser, "symbol", names)) {
      return failure();
    }
    StringRef name = names.back();
    if (llvm::is_contained(index.getDims(), name) ||
        llvm::is_contained(ArrayRef(names).drop_back(), name)) {
      return parser.emitError(loc)
             << "symbol '" << name << "' is already "
             << withArticle(index.getDimWord()) << " or symbol name";
    }
    if (parser.parseEqual() || parser.parseOperand(operands.emplace_back()) ||
        index.parseMap(maps.emplace_back())) {
      return failure();
    }
    AffineMap &map = maps.back();
    bool isNested = llvm::any_of(map.getResults(), [&](AffineExpr expr) {
      return llvm::any_of(llvm::seq(0u, map.getNumSymbols()), [&](unsigned s) {
        return expr.isFunctionOfSymbol(s);
      });
    });
    if (!isNested) {
      map = AffineMap::get(map.getNumDims(), 0, map.getResults(),
                           parser.getContext());
    }
    if (mayNest) {
      index.addSymbol(name);
    }
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren,
                                     parseSymbol)) {
    return failure();
  }
  if (names.empty()) {
    return success();
  }
  if (!mayNest) {
    // Only now: a symbol's own map is over the dims alone.
    for (StringRef name : names) {
      index.addSymbol(name);
    }
  }
  state.addAttribute("symbolNames", builder.getStrArrayAttr(names));
  state.addAttribute("symbolMaps", builder.getAffineMapArrayAttr(maps));
  return success();
}

ParseResult attn::parseUnion(OpAsmParser &parser, IndexParser &index,
                             OperationState &state) {
  SmallVector<Attribute> sets;
  while (true) {
    IntegerSet set;
    if (index.parseSet(set) || parser.parseRParen()) {
      return failure();
    }
    sets.push_back(IntegerSetAttr::get(set));
    if (failed(parser.parseOptionalKeyword("or"))) {
      break;
    }
    if (parser.parseLParen()) {
      return failure();
    }
  }
  state.addAttribute("where", parser.getBuilder().getArrayAttr(sets));
  return success();
}

void attn::printMap(OpAsmPrinter &printer, AffineMap map,
                    ArrayRef<StringRef> dims, ArrayRef<StringRef> symbols,
                    bool always) {
  if (map.getNumResults() == 0 && !always) {
    return;
  }
  printer << '[';
  llvm::interleaveComma(map.getResults(), printer, [&](AffineExpr expr) {
    printNamed(expr, dims, symbols, printer.getStream());
  });
  printer << ']';
}

void attn::printSymbols(OpAsmPrinter &printer, ValueRange operands,
                        ArrayAttr names, ArrayAttr maps,
                        ArrayRef<StringRef> dims) {
  if (operands.empty()) {
    return;
  }
  SmallVector<StringRef> all = getNames(names);
  ArrayRef<StringRef> known(all);
  printer << " symbols(";
  for (auto [i, operand] : llvm::enumerate(operands)) {
    printer << (i ? ", " : "") << cast<StringAttr>(names[i]).getValue() << " = "
            << operand;
    printMap(printer, cast<AffineMapAttr>(maps[i]).getValue(), dims,
             known.take_front(i));
  }
  printer << ')';
}

void attn::printUnion(OpAsmPrinter &printer, ArrayAttr where,
                      ArrayRef<StringRef> dims, ArrayRef<StringRef> symbols) {
  auto printSet = [&](Attribute attr) {
    IntegerSet set = cast<IntegerSetAttr>(attr).getValue();
    printer << '(';
    for (unsigned i = 0; i < set.getNumConstraints(); ++i) {
      printer << (i ? " and " : "");
      printNamed(set.getConstraint(i), dims, symbols, printer.getStream());
      printer << (set.isEq(i) ? " == 0" : " >= 0");
    }
    printer << ')';
  };
  llvm::interleave(where, printer, printSet, " or ");
}

void attn::printRank(OpAsmPrinter &printer, int64_t rank,
                     ArrayRef<StringRef> names) {
  // A number without a name can only occur in IR that does not verify.
  if (rank >= 0 && rank < static_cast<int64_t>(names.size())) {
    printer << names[rank];
  } else {
    printer << 'd' << rank;
  }
}
