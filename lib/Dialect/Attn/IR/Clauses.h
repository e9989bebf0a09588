//===- Clauses.h - Clauses shared by the ops of attn ---------- -*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// symbols(n = %v[map], ..), where (..) or (..) and %data[..], at r in %s[..]:
// read, written and looked up the same way by einsum, view and place.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_DIALECT_ATTN_IR_CLAUSES_H
#define ATTN_LIB_DIALECT_ATTN_IR_CLAUSES_H

#include "IndexParser.h"
#include "attn/Dialect/Attn/IR/Attn.h"

namespace attn {

using Operand = OpAsmParser::UnresolvedOperand;

/// Names of the ranks of the cascade around `op`; empty outside of one.
SmallVector<StringRef> getRankNames(Operation *op);
SmallVector<StringRef> getNames(ArrayAttr names);
/// The sets of a `where` attribute; none if it is null.
SmallVector<IntegerSet> getSets(ArrayAttr where);

/// Ranks visible at this point; an error outside a cascade.
FailureOr<ArrayRef<StringRef>> requireRanks(OpAsmParser &parser);

/// symbols(n = %v[map], ...), if present: makes the names known to `index` and
/// adds the attributes `symbolNames` and `symbolMaps`. With `mayNest` a symbol
/// is looked up by those in front of it too.
ParseResult parseSymbols(OpAsmParser &parser, IndexParser &index,
                         OperationState &state,
                         SmallVectorImpl<Operand> &operands,
                         bool mayNest = false);

/// (set) or (set) ..., of which `where (` has been read: a parenthesis is what
/// tells a union from data terms. Adds attribute `where`.
ParseResult parseUnion(OpAsmParser &parser, IndexParser &index,
                       OperationState &state);

/// The name of a rank.
void printRank(OpAsmPrinter &printer, int64_t rank, ArrayRef<StringRef> names);
/// Brackets with the results of `map`; nothing if there is none, unless
/// `always`.
void printMap(OpAsmPrinter &printer, AffineMap map, ArrayRef<StringRef> dims,
              ArrayRef<StringRef> symbols = {}, bool always = false);
void printSymbols(OpAsmPrinter &printer, ValueRange operands, ArrayAttr names,
                  ArrayAttr maps, ArrayRef<StringRef> dims);
/// (set) or (set) ..., without the word `where`.
void printUnion(OpAsmPrinter &printer, ArrayAttr where,
                ArrayRef<StringRef> dims, ArrayRef<StringRef> symbols);

} // namespace attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_CLAUSES_H
