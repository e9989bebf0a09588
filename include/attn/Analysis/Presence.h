//===- Presence.h - Which points of a value are present ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Presence is a static property of a value of a cascade: a conjunction of
// terms, each a union of affine sets, a data term or a selection.
//
// * A point of an einsum is present if its own `where` and `at` hold and all it
//   reads there is present: inputs, operands of data terms and symbols. For a
//   value computed in the cascade that is its own presence at the coordinates
//   read, for a view its domain there; anything else is present everywhere.
// * A reduction drops the constraints that name a reduced rank, also through a
//   symbol that it indexes, and hands on the others. A union of which one
//   disjunct loses all its constraints is dropped whole.
// * A fold is a reduction over its rank of what its step yields. Inside the
// step
//   the fold rank is a dim like any other. Arguments of step and merge (states)
//   are present everywhere.
//
// All maps and sets are over the ranks of the cascade. Nothing is simplified
// beyond the normal form; terms that read the same are kept once. The functions
// do not change the IR.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_ANALYSIS_PRESENCE_H
#define ATTN_ANALYSIS_PRESENCE_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallBitVector.h"

namespace attn {

/// One conjunct: a union, a data term or a selection.
struct PresenceTerm {
  /// A union of sets over (ranks)[symbols]; empty for the other kinds. Every
  /// symbol is used. Names are those of the text and decide nothing.
  SmallVector<IntegerSet> sets;
  SmallVector<Value> symbols;
  SmallVector<AffineMap> symbolMaps;
  SmallVector<StringAttr> symbolNames;

  /// An i1 operand, or with `data2` the equality of two integer operands.
  Value data, data2;
  AffineMap dataMap, data2Map;

  /// `at selectedRank in selection[selectionMap]`. Where a selected value is
  /// read at a compound coordinate, the rank is -1 and only the coordinate says
  /// what is looked up.
  Value selection;
  int64_t selectedRank = -1;
  AffineExpr selectedCoordinate;
  AffineMap selectionMap;

  /// Equal up to the names of symbols.
  bool operator==(const PresenceTerm &other) const;
  /// Whether the rank enters, bare or through a symbol.
  bool names(unsigned rank) const;
};

/// A conjunction.
using Presence = SmallVector<PresenceTerm, 0>;

/// The presence of every value that einsums, folds and arguments of their
/// regions define in the cascade, after their reductions.
DenseMap<Value, Presence> computePresence(CascadeOp cascade);

/// The presence of the points that `op` maps, before its reductions.
Presence pointPresence(EinsumOp op);
/// The presence of the points of its result.
Presence resultPresence(EinsumOp op);

/// What a reduction over `reduced` hands on.
Presence dropRanks(ArrayRef<PresenceTerm> presence,
                   const llvm::SmallBitVector &reduced);

/// Whether `a` implies `b` as far as the text shows it: they are equal, or each
/// disjunct of `a` has all constraints of one disjunct of `b`.
bool implies(const PresenceTerm &a, const PresenceTerm &b);

/// The sets of a presence over common symbols, as classifyConjunction takes
/// them.
struct PresenceSets {
  SmallVector<SmallVector<IntegerSet>> conjunction;
  SmallVector<Value> symbols;
  SmallVector<AffineMap> symbolMaps;
  SmallVector<StringAttr> symbolNames;
  /// A data term or a selection is left out: the sets are a superset.
  bool hasOtherTerms = false;
};
PresenceSets collectSets(ArrayRef<PresenceTerm> presence, unsigned numRanks);

/// Leaves out what is not one number for all points that share the ranks other
/// than `ranks`: symbols that one of `ranks` indexes, and the constraints that
/// use them. The sets become supersets, as with data terms.
void dropVaryingSymbols(PresenceSets &sets, const llvm::SmallBitVector &ranks);

} // namespace attn

#endif // ATTN_ANALYSIS_PRESENCE_H
