//===- EinsumOp.cpp - attn.einsum -----------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Checks.h"

#include "attn/Dialect/Attn/IR/NormalForm.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/TypeUtilities.h"

using namespace attn;

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

void EinsumOp::build(
    OpBuilder &builder, OperationState &state, Type result, ValueRange inputs,
    ArrayRef<AffineMap> maps, ArrayRef<ReduceAttr> reduce,
    function_ref<void(OpBuilder &, Location, ValueRange)> body) {
  SmallVector<AffineMap> normal;
  for (AffineMap map : maps) {
    normal.push_back(normalize(map));
  }
  SmallVector<Attribute> actions(reduce.begin(), reduce.end());
  state.addOperands(inputs);
  state.addTypes(result);
  auto &properties = state.getOrAddProperties<Properties>();
  properties.operandSegmentSizes = {static_cast<int32_t>(inputs.size()), 0, 0,
                                    0};
  properties.maps = builder.getAffineMapArrayAttr(normal);
  properties.reduce = builder.getArrayAttr(actions);
  Region *region = state.addRegion();
  if (!body) {
    return;
  }
  SmallVector<Type> types;
  SmallVector<Location> locs;
  for (Value input : inputs) {
    types.push_back(getElementTypeOrSelf(input.getType()));
    locs.push_back(input.getLoc());
  }
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(region, {}, types, locs);
  body(builder, state.location, block->getArguments());
}

//===----------------------------------------------------------------------===//
// Accessors
//===----------------------------------------------------------------------===//

SmallVector<IntegerSet> EinsumOp::getWhereSets() {
  return getSets(getWhereAttr());
}

void EinsumOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addReadEffects(getSymbolsMutable(), effects);
}

SmallVector<ReduceAttr> EinsumOp::getReduceActions() {
  return llvm::to_vector(getReduce().getAsRange<ReduceAttr>());
}

CascadeOp EinsumOp::getCascade() {
  return (*this)->getParentOfType<CascadeOp>();
}

llvm::SmallBitVector EinsumOp::getReducedRanks() {
  llvm::SmallBitVector ranks(getResultMap().getNumDims());
  for (ReduceAttr action : getReduceActions()) {
    for (int64_t rank : action.getRanks()) {
      ranks.set(rank);
    }
  }
  return ranks;
}

llvm::SmallBitVector EinsumOp::getIterationRanks() {
  llvm::SmallBitVector ranks = getReducedRanks();
  for (AffineMap map : getMaps().getAsValueRange<AffineMapAttr>()) {
    map.walkExprs([&](AffineExpr expr) {
      if (auto rank = dyn_cast<AffineDimExpr>(expr)) {
        ranks.set(rank.getPosition());
      }
    });
  }
  return ranks;
}

//===----------------------------------------------------------------------===//
// Syntax
//===----------------------------------------------------------------------===//

static constexpr StringLiteral elidedAttrs[] = {
    "operandSegmentSizes", "maps",        "reduce",       "symbolNames",
    "symbolMaps",          "where",       "presenceMaps", "presenceArity",
    "selectedRank",        "selectionMap"};

// reduce add(e), max(m1, m0)
static ParseResult parseReduce(OpAsmParser &parser, IndexParser &index,
                               OperationState &state) {
  if (failed(parser.parseOptionalKeyword("reduce"))) {
    return success();
  }
  SmallVector<Attribute> actions;
  do {
    SMLoc loc = parser.getCurrentLocation();
    StringRef word;
    if (parser.parseKeyword(&word)) {
      return failure();
    }
    std::optional<Monoid> monoid = symbolizeMonoid(word);
    if (!monoid) {
      return parser.emitError(loc)
             << "expects a monoid (add, mul, max or min), but got '" << word
             << "'";
    }
    SmallVector<int64_t> ranks;
    if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, [&] {
          return index.parseDim(ranks.emplace_back());
        })) {
      return failure();
    }
    actions.push_back(ReduceAttr::get(parser.getContext(), *monoid, ranks));
  } while (succeeded(parser.parseOptionalComma()));
  state.addAttribute("reduce", parser.getBuilder().getArrayAttr(actions));
  return success();
}

// One data term: %flag[map] or %a[map] == %b[map].
static ParseResult parseDataTerm(OpAsmParser &parser, IndexParser &ranks,
                                 SmallVectorImpl<Operand> &operands,
                                 SmallVectorImpl<AffineMap> &maps,
                                 SmallVectorImpl<int32_t> &arity) {
  auto parseOperand = [&] {
    return failure(parser.parseOperand(operands.emplace_back()) ||
                   ranks.parseMap(maps.emplace_back()));
  };
  if (failed(parseOperand())) {
    return failure();
  }
  if (failed(parser.parseOptionalEqual())) {
    arity.push_back(1);
    return success();
  }
  arity.push_back(2);
  return failure(parser.parseEqual() || failed(parseOperand()));
}

// where (set) or (set) and %flag[..] and %a[..] == %b[..]
static ParseResult parseWhere(OpAsmParser &parser, IndexParser &index,
                              OperationState &state,
                              SmallVectorImpl<Operand> &presence) {
  if (failed(parser.parseOptionalKeyword("where"))) {
    return success();
  }
  // Presence operands are indexed by ranks only.
  IndexParser ranks(parser, index.getDims(), "rank");
  SmallVector<AffineMap> maps;
  SmallVector<int32_t> arity;
  bool first = true;
  if (succeeded(parser.parseOptionalLParen())) {
    first = false;
    if (parseUnion(parser, index, state)) {
      return failure();
    }
  }
  while (first || succeeded(parser.parseOptionalKeyword("and"))) {
    first = false;
    if (parseDataTerm(parser, ranks, presence, maps, arity)) {
      return failure();
    }
  }
  if (arity.empty()) {
    return success();
  }
  Builder &builder = parser.getBuilder();
  state.addAttribute("presenceMaps", builder.getAffineMapArrayAttr(maps));
  state.addAttribute("presenceArity", builder.getDenseI32ArrayAttr(arity));
  return success();
}

// at r in %s[map]
static ParseResult parseAt(OpAsmParser &parser, IndexParser &index,
                           OperationState &state,
                           SmallVectorImpl<Operand> &selection) {
  if (failed(parser.parseOptionalKeyword("at"))) {
    return success();
  }
  IndexParser ranks(parser, index.getDims(), "rank");
  int64_t rank;
  AffineMap map;
  if (ranks.parseDim(rank) || parser.parseKeyword("in") ||
      parser.parseOperand(selection.emplace_back()) || ranks.parseMap(map)) {
    return failure();
  }
  state.addAttribute("selectedRank",
                     parser.getBuilder().getI64IntegerAttr(rank));
  state.addAttribute("selectionMap", AffineMapAttr::get(map));
  return success();
}

ParseResult EinsumOp::parse(OpAsmParser &parser, OperationState &state) {
  FailureOr<ArrayRef<StringRef>> ranks = requireRanks(parser);
  if (failed(ranks)) {
    return failure();
  }
  Builder &builder = parser.getBuilder();
  IndexParser index(parser, *ranks, "rank");
  SMLoc loc = parser.getCurrentLocation();
  SmallVector<Operand> inputs, symbols, presence, selection;
  SmallVector<AffineMap> maps;
  if (failed(parser.parseOptionalArrow())) {
    do {
      if (parser.parseOperand(inputs.emplace_back()) ||
          index.parseMap(maps.emplace_back())) {
        return failure();
      }
    } while (succeeded(parser.parseOptionalComma()));
    if (parser.parseArrow()) {
      return failure();
    }
  }
  FunctionType type;
  if (index.parseMap(maps.emplace_back(), /*required=*/true) ||
      parseReduce(parser, index, state) ||
      parseSymbols(parser, index, state, symbols) ||
      parseWhere(parser, index, state, presence) ||
      parseAt(parser, index, state, selection) ||
      parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
      parser.parseColonType(type)) {
    return failure();
  }
  OptionalParseResult body = parser.parseOptionalRegion(*state.addRegion());
  if (body.has_value() && failed(*body)) {
    return failure();
  }
  SmallVector<Operand> operands(inputs);
  operands.append(symbols);
  operands.append(presence);
  operands.append(selection);
  if (parser.resolveOperands(operands, type.getInputs(), loc, state.operands)) {
    return failure();
  }
  state.addTypes(type.getResults());
  state.addAttribute("maps", builder.getAffineMapArrayAttr(maps));
  state.addAttribute(
      "operandSegmentSizes",
      builder.getDenseI32ArrayAttr({static_cast<int32_t>(inputs.size()),
                                    static_cast<int32_t>(symbols.size()),
                                    static_cast<int32_t>(presence.size()),
                                    static_cast<int32_t>(selection.size())}));
  return success();
}

static void printWhere(EinsumOp op, OpAsmPrinter &printer,
                       ArrayRef<StringRef> ranks) {
  if (!op.getWhere() && op.getPresence().empty()) {
    return;
  }
  printer << " where ";
  if (ArrayAttr where = op.getWhereAttr()) {
    printUnion(printer, where, ranks, getNames(op.getSymbolNames()));
  }
  unsigned next = 0;
  auto printOperand = [&] {
    printer << op.getPresence()[next];
    printMap(printer, op.getPresenceMap(next), ranks);
    ++next;
  };
  bool first = !op.getWhere();
  for (int32_t arity : op.getPresenceArity()) {
    printer << (first ? "" : " and ");
    first = false;
    printOperand();
    if (arity == 2) {
      printer << " == ";
      printOperand();
    }
  }
}

void EinsumOp::print(OpAsmPrinter &printer) {
  SmallVector<StringRef> ranks = getRankNames(*this);
  printer << ' ';
  for (auto [i, input] : llvm::enumerate(getInputs())) {
    printer << (i ? ", " : "") << input;
    printMap(printer, getInputMap(i), ranks);
  }
  printer << (getInputs().empty() ? "-> " : " -> ");
  printMap(printer, getResultMap(), ranks, {}, /*always=*/true);
  for (auto [i, action] : llvm::enumerate(getReduceActions())) {
    printer << (i ? ", " : " reduce ") << stringifyMonoid(action.getMonoid())
            << '(';
    llvm::interleaveComma(action.getRanks(), printer, [&](int64_t rank) {
      printRank(printer, rank, ranks);
    });
    printer << ')';
  }
  printSymbols(printer, getSymbols(), getSymbolNames(), getSymbolMaps(), ranks);
  printWhere(*this, printer, ranks);
  if (Value selection = getSelection()) {
    printer << " at ";
    printRank(printer, *getSelectedRank(), ranks);
    printer << " in " << selection;
    printMap(printer, *getSelectionMap(), ranks);
  }
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(),
      SmallVector<StringRef>(std::begin(elidedAttrs), std::end(elidedAttrs)));
  printer << " : ";
  printer.printFunctionalType(*this);
  if (hasRegion()) {
    printer << ' ';
    printer.printRegion(getBody());
  }
}
