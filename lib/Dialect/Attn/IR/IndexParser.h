//===- IndexParser.h - Parses index expressions by name ------- -*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads affine expressions over named dims and symbols straight into normal
// form. It is our own and not `parseAffineExpr`, because that one wraps
// coefficients, accepts products of names and any divisor, and reports a wrong
// name without the names there are.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_DIALECT_ATTN_IR_INDEXPARSER_H
#define ATTN_LIB_DIALECT_ATTN_IR_INDEXPARSER_H

#include "attn/Support/LLVM.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/IntegerSet.h"
#include "mlir/IR/OpImplementation.h"

namespace attn {
class AffineSum;

/// Words of the syntax that cannot name a rank, an axis or a symbol.
bool isReservedWord(StringRef word);

/// "a rank", "an axis"; "ranks", "axes".
std::string withArticle(StringRef word);
std::string inPlural(StringRef word);

/// Reads one name that is no reserved word and appends it to `names`. `what`
/// ("rank", "axis", "symbol") is for messages.
ParseResult parseNewName(OpAsmParser &parser, StringRef what,
                         SmallVectorImpl<StringRef> &names);

class IndexParser {
public:
  /// `dims` must outlive the parser. `what` names the dims in messages.
  IndexParser(OpAsmParser &parser, ArrayRef<StringRef> dims, StringRef what)
      : parser(parser), dims(dims), what(what) {}

  /// Makes a symbol known; its number is the number of symbols before it.
  void addSymbol(StringRef name) { symbols.push_back(name); }
  ArrayRef<StringRef> getDims() const { return dims; }
  /// "rank" or "axis".
  StringRef getDimWord() const { return what; }
  ArrayRef<StringRef> getSymbols() const { return symbols; }

  ParseResult parseExpr(AffineExpr &expr);
  /// expr (< | <= | >= | > | ==) expr, as expr >= 0 or expr == 0.
  ParseResult parseConstraint(AffineExpr &expr, bool &isEquality);
  /// constraint (and constraint)*, up to and without the closing parenthesis.
  ParseResult parseSet(IntegerSet &set);
  /// A bracketed list of expressions over dims and symbols; without brackets
  /// no result, unless they are required.
  ParseResult parseMap(AffineMap &map, bool required = false);
  /// A bare dim.
  ParseResult parseDim(int64_t &position);

private:
  ParseResult parseProduct(AffineExpr &expr);
  ParseResult parseAtom(AffineExpr &expr);
  ParseResult emitUnknownName(SMLoc loc, StringRef name);
  /// expr = the normal form of `sum`, unless it overflowed.
  ParseResult finish(SMLoc loc, AffineSum &sum, AffineExpr &expr);

  OpAsmParser &parser;
  ArrayRef<StringRef> dims;
  StringRef what;
  SmallVector<StringRef> symbols;
};

} // namespace attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_INDEXPARSER_H
