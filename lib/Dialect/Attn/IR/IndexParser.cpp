//===- IndexParser.cpp - Parses index expressions by name -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "IndexParser.h"

#include "AffineSum.h"
#include "attn/Dialect/Attn/IR/NormalForm.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace attn;

bool attn::isReservedWord(StringRef word) {
  static constexpr StringLiteral words[] = {"and",      "or",      "mod",
                                            "floordiv", "ceildiv", "where",
                                            "reduce",   "at",      "symbols"};
  return llvm::is_contained(words, word);
}

std::string attn::withArticle(StringRef word) {
  return (word == "axis" ? "an " : "a ") + word.str();
}

std::string attn::inPlural(StringRef word) {
  return word == "axis" ? "axes" : word.str() + "s";
}

ParseResult attn::parseNewName(OpAsmParser &parser, StringRef what,
                               SmallVectorImpl<StringRef> &names) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef name;
  if (parser.parseKeyword(&name)) {
    return failure();
  }
  if (isReservedWord(name)) {
    return parser.emitError(loc)
           << "'" << name << "' is a reserved word and cannot name "
           << withArticle(what);
  }
  names.push_back(name);
  return success();
}

ParseResult IndexParser::emitUnknownName(SMLoc loc, StringRef name) {
  InFlightDiagnostic diag = parser.emitError(loc);
  diag << "unknown " << what << (symbols.empty() ? "" : " or symbol") << " '"
       << name << "'; the " << (what == "rank" ? "cascade" : "operation")
       << " has " << inPlural(what) << ' ' << llvm::join(dims, ", ");
  if (!symbols.empty()) {
    diag << " and symbols " << llvm::join(symbols, ", ");
  }
  return diag;
}

ParseResult IndexParser::parseDim(int64_t &position) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef name;
  if (parser.parseKeyword(&name)) {
    return failure();
  }
  const StringRef *found = llvm::find(dims, name);
  if (found == dims.end()) {
    return emitUnknownName(loc, name);
  }
  position = found - dims.begin();
  return success();
}

ParseResult IndexParser::finish(SMLoc loc, AffineSum &sum, AffineExpr &expr) {
  if (!sum.overflowed()) {
    expr = normalize(sum.build());
    return success();
  }
  return parser.emitError(loc) << sum.describeOverflow(dims, symbols);
}

ParseResult IndexParser::parseAtom(AffineExpr &expr) {
  MLIRContext *context = parser.getContext();
  SMLoc loc = parser.getCurrentLocation();
  if (succeeded(parser.parseOptionalLParen())) {
    return failure(parseExpr(expr) || parser.parseRParen());
  }
  if (succeeded(parser.parseOptionalMinus())) {
    AffineExpr operand;
    if (parseAtom(operand)) {
      return failure();
    }
    AffineSum sum(context);
    sum.add(operand, -1);
    return finish(loc, sum, expr);
  }
  int64_t value;
  OptionalParseResult literal = parser.parseOptionalInteger(value);
  if (literal.has_value()) {
    expr = getAffineConstantExpr(value, context);
    return *literal;
  }
  StringRef name;
  if (failed(parser.parseOptionalKeyword(&name))) {
    return parser.emitError(loc) << "expects an affine expression";
  }
  if (const StringRef *dim = llvm::find(dims, name); dim != dims.end()) {
    expr = getAffineDimExpr(dim - dims.begin(), context);
    return success();
  }
  auto *symbol = llvm::find(symbols, name);
  if (symbol == symbols.end()) {
    return emitUnknownName(loc, name);
  }
  expr = getAffineSymbolExpr(symbol - symbols.begin(), context);
  return success();
}

ParseResult IndexParser::parseProduct(AffineExpr &expr) {
  SMLoc loc = parser.getCurrentLocation();
  if (parseAtom(expr)) {
    return failure();
  }
  while (true) {
    AffineExprKind kind;
    StringRef word;
    if (succeeded(parser.parseOptionalStar())) {
      kind = AffineExprKind::Mul;
    } else if (succeeded(parser.parseOptionalKeyword(
                   &word, {"floordiv", "ceildiv", "mod"}))) {
      kind = word == "floordiv"  ? AffineExprKind::FloorDiv
             : word == "ceildiv" ? AffineExprKind::CeilDiv
                                 : AffineExprKind::Mod;
    } else {
      return success();
    }
    AffineExpr rhs;
    if (parseAtom(rhs)) {
      return failure();
    }
    AffineExpr lhs = expr;
    if (isa<AffineConstantExpr>(lhs) && kind == AffineExprKind::Mul) {
      std::swap(lhs, rhs);
    }
    AffineSum sum(parser.getContext());
    auto constant = dyn_cast<AffineConstantExpr>(rhs);
    if (kind == AffineExprKind::Mul && constant) {
      // Not through getAffineBinaryOpExpr, which multiplies without a check.
      sum.add(lhs, constant.getValue());
    } else {
      AffineExpr built = getAffineBinaryOpExpr(kind, lhs, rhs);
      std::string error = checkAffine(built, dims, symbols);
      if (!error.empty()) {
        return parser.emitError(loc) << error;
      }
      sum.add(built);
    }
    if (finish(loc, sum, expr)) {
      return failure();
    }
  }
}

ParseResult IndexParser::parseExpr(AffineExpr &expr) {
  SMLoc loc = parser.getCurrentLocation();
  AffineSum sum(parser.getContext());
  int64_t sign = 1;
  while (true) {
    AffineExpr term;
    if (parseProduct(term)) {
      return failure();
    }
    sum.add(term, sign);
    if (succeeded(parser.parseOptionalPlus())) {
      sign = 1;
    } else if (succeeded(parser.parseOptionalMinus())) {
      sign = -1;
    } else {
      break;
    }
  }
  return finish(loc, sum, expr);
}

ParseResult IndexParser::parseConstraint(AffineExpr &expr, bool &isEquality) {
  SMLoc loc = parser.getCurrentLocation();
  AffineExpr lhs, rhs;
  if (parseExpr(lhs)) {
    return failure();
  }
  // lhs REL rhs as sign * (lhs - rhs) - strict >= 0.
  int64_t sign = 1, strict = 0;
  isEquality = false;
  if (succeeded(parser.parseOptionalEqual())) {
    isEquality = true;
    if (parser.parseEqual()) {
      return failure();
    }
  } else if (succeeded(parser.parseOptionalLess())) {
    sign = -1;
    strict = failed(parser.parseOptionalEqual());
  } else if (succeeded(parser.parseOptionalGreater())) {
    strict = failed(parser.parseOptionalEqual());
  } else {
    return parser.emitError(parser.getCurrentLocation())
           << "expects a comparison <, <=, >=, > or ==";
  }
  if (parseExpr(rhs)) {
    return failure();
  }
  AffineSum sum(parser.getContext());
  sum.add(lhs, sign);
  sum.add(rhs, -sign);
  sum.addConstant(-strict);
  return finish(loc, sum, expr);
}

ParseResult IndexParser::parseSet(IntegerSet &set) {
  SmallVector<AffineExpr> constraints;
  SmallVector<bool> equalities;
  do {
    bool isEquality;
    if (parseConstraint(constraints.emplace_back(), isEquality)) {
      return failure();
    }
    equalities.push_back(isEquality);
  } while (succeeded(parser.parseOptionalKeyword("and")));
  set = IntegerSet::get(dims.size(), symbols.size(), constraints, equalities);
  return success();
}

ParseResult IndexParser::parseMap(AffineMap &map, bool required) {
  SmallVector<AffineExpr> results;
  auto delimiter = required ? AsmParser::Delimiter::Square
                            : AsmParser::Delimiter::OptionalSquare;
  if (parser.parseCommaSeparatedList(
          delimiter, [&] { return parseExpr(results.emplace_back()); })) {
    return failure();
  }
  map =
      AffineMap::get(dims.size(), symbols.size(), results, parser.getContext());
  return success();
}
