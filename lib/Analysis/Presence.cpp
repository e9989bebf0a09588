//===- Presence.cpp - Which points of a value are present -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/Presence.h"
#include "attn/Dialect/Attn/IR/NormalForm.h"

#include "llvm/ADT/STLExtras.h"

using namespace attn;
using llvm::SmallBitVector;

namespace {

//===----------------------------------------------------------------------===//
// Terms
//===----------------------------------------------------------------------===//

/// Whether `rank`, or a symbol that it indexes, enters `expr`.
bool enters(AffineExpr expr, unsigned rank, ArrayRef<AffineMap> symbolMaps) {
  if (expr.isFunctionOfDim(rank)) {
    return true;
  }
  for (auto [i, map] : llvm::enumerate(symbolMaps)) {
    if (expr.isFunctionOfSymbol(i) && map.isFunctionOfDim(rank)) {
      return true;
    }
  }
  return false;
}

void addOnce(Presence &presence, PresenceTerm term) {
  if (!llvm::is_contained(presence, term)) {
    presence.push_back(std::move(term));
  }
}

/// Removes symbols that no constraint uses, so that equal terms of two ops
/// compare equal.
void dropUnusedSymbols(PresenceTerm &term) {
  if (term.sets.empty()) {
    return;
  }
  MLIRContext *context = term.sets.front().getContext();
  SmallVector<AffineExpr> replacements(term.symbols.size(),
                                       getAffineConstantExpr(0, context));
  SmallVector<Value> symbols;
  SmallVector<AffineMap> maps;
  SmallVector<StringAttr> names;
  for (unsigned i = 0; i < term.symbols.size(); ++i) {
    bool used = llvm::any_of(term.sets, [&](IntegerSet set) {
      return llvm::any_of(set.getConstraints(), [&](AffineExpr expr) {
        return expr.isFunctionOfSymbol(i);
      });
    });
    if (used) {
      replacements[i] = getAffineSymbolExpr(symbols.size(), context);
      symbols.push_back(term.symbols[i]);
      maps.push_back(term.symbolMaps[i]);
      names.push_back(term.symbolNames[i]);
    }
  }
  for (IntegerSet &set : term.sets) {
    auto constraints =
        llvm::map_to_vector(set.getConstraints(), [&](AffineExpr expr) {
          return expr.replaceSymbols(replacements);
        });
    set = normalize(IntegerSet::get(set.getNumDims(), symbols.size(),
                                    constraints, set.getEqFlags()));
  }
  term.symbols = std::move(symbols);
  term.symbolMaps = std::move(maps);
  term.symbolNames = std::move(names);
}

/// The union of an op's `where`; without a set if it has none.
template <typename Op> PresenceTerm getUnion(Op op) {
  PresenceTerm term;
  term.sets = op.getWhereSets();
  if (term.sets.empty()) {
    return term;
  }
  for (auto [i, symbol] : llvm::enumerate(op.getSymbols())) {
    term.symbols.push_back(symbol);
    term.symbolMaps.push_back(op.getSymbolMap(i));
    term.symbolNames.push_back(cast<StringAttr>(op.getSymbolNames()[i]));
  }
  dropUnusedSymbols(term);
  return term;
}

/// `term` with each dim replaced, over `numDims` new ones.
PresenceTerm substitute(PresenceTerm term, ArrayRef<AffineExpr> dims,
                        unsigned numDims) {
  auto rewrite = [&](AffineMap &map) {
    if (map) {
      map = normalize(
          map.replaceDimsAndSymbols(dims, {}, numDims, /*numResultSyms=*/0));
    }
  };
  llvm::for_each(term.symbolMaps, rewrite);
  rewrite(term.dataMap);
  rewrite(term.data2Map);
  rewrite(term.selectionMap);
  for (IntegerSet &set : term.sets) {
    auto constraints =
        llvm::map_to_vector(set.getConstraints(), [&](AffineExpr expr) {
          return expr.replaceDims(dims);
        });
    set = normalize(IntegerSet::get(numDims, set.getNumSymbols(), constraints,
                                    set.getEqFlags()));
  }
  if (term.selection) {
    term.selectedCoordinate =
        normalize(term.selectedCoordinate.replaceDims(dims));
    auto rank = dyn_cast<AffineDimExpr>(term.selectedCoordinate);
    term.selectedRank = rank ? int64_t(rank.getPosition()) : -1;
  }
  return term;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Presences are kept once computed: the ops of a cascade are a DAG in which a
/// value is read many times.
class PresenceBuilder {
public:
  const Presence &getResult(Value value);
  Presence getPoints(EinsumOp op);

private:
  void addRead(Value value, AffineMap map, Presence &presence);
  void addView(ViewOp view, AffineMap map, Presence &presence);

  DenseMap<Value, Presence> known;
};

/// The ranks of a computed value's axes; null for what is present everywhere.
AffineMap getAxes(Value value) {
  if (auto op = value.getDefiningOp<EinsumOp>()) {
    return op.getResultMap();
  }
  if (auto fold = value.getDefiningOp<FoldOp>()) {
    return fold.getStateMap(cast<OpResult>(value).getResultNumber());
  }
  return AffineMap();
}

void PresenceBuilder::addView(ViewOp view, AffineMap map, Presence &presence) {
  ArrayRef<AffineExpr> dims = map.getResults();
  PresenceTerm domain = getUnion(view);
  if (!domain.sets.empty()) {
    addOnce(presence, substitute(domain, dims, map.getNumDims()));
  }
  // What the domain and the address look up must be there as well.
  AffineMap address = view.getAddress();
  for (auto [i, symbol] : llvm::enumerate(view.getSymbols())) {
    // A place that a table gives is no point of a rank: such a table is taken
    // as it is.
    if (view.getSymbolMap(i).getNumSymbols() == 0) {
      addRead(symbol, normalize(view.getSymbolMap(i).compose(map)), presence);
    }
  }
  // A storage that is a view itself. With symbols in the address its domain is
  // no term over ranks, and its points count as present.
  if (isa_and_present<ViewOp>(view.getStorage().getDefiningOp()) &&
      llvm::none_of(llvm::seq(0u, address.getNumSymbols()), [&](unsigned s) {
        return address.isFunctionOfSymbol(s);
      })) {
    auto plain = AffineMap::get(address.getNumDims(), 0, address.getResults(),
                                address.getContext());
    addRead(view.getStorage(), normalize(plain.compose(map)), presence);
  }
}

/// Adds what makes `value` present at the coordinates `map`.
void PresenceBuilder::addRead(Value value, AffineMap map, Presence &presence) {
  if (auto view = value.getDefiningOp<ViewOp>()) {
    addView(view, map, presence);
    return;
  }
  AffineMap axes = getAxes(value);
  if (!axes) {
    return;
  }
  unsigned numRanks = map.getNumDims();
  SmallVector<AffineExpr> dims;
  for (unsigned rank = 0; rank < numRanks; ++rank) {
    dims.push_back(getAffineDimExpr(rank, map.getContext()));
  }
  for (auto [axis, coordinate] :
       llvm::zip_equal(axes.getResults(), map.getResults())) {
    dims[cast<AffineDimExpr>(axis).getPosition()] = coordinate;
  }
  for (const PresenceTerm &term : getResult(value)) {
    addOnce(presence, substitute(term, dims, numRanks));
  }
}

Presence PresenceBuilder::getPoints(EinsumOp op) {
  Presence presence;
  if (PresenceTerm term = getUnion(op); !term.sets.empty()) {
    addOnce(presence, std::move(term));
  }
  unsigned next = 0;
  for (int32_t arity : op.getPresenceArity()) {
    PresenceTerm term;
    term.data = op.getPresence()[next];
    term.dataMap = op.getPresenceMap(next);
    if (arity == 2) {
      term.data2 = op.getPresence()[next + 1];
      term.data2Map = op.getPresenceMap(next + 1);
    }
    next += arity;
    addOnce(presence, std::move(term));
  }
  if (op.getSelection()) {
    PresenceTerm term;
    term.selection = op.getSelection();
    term.selectedRank = *op.getSelectedRank();
    term.selectedCoordinate =
        getAffineDimExpr(term.selectedRank, op.getContext());
    term.selectionMap = *op.getSelectionMap();
    addOnce(presence, std::move(term));
  }
  for (auto [i, input] : llvm::enumerate(op.getInputs())) {
    addRead(input, op.getInputMap(i), presence);
  }
  for (auto [i, operand] : llvm::enumerate(op.getPresence())) {
    addRead(operand, op.getPresenceMap(i), presence);
  }
  for (auto [i, symbol] : llvm::enumerate(op.getSymbols())) {
    addRead(symbol, op.getSymbolMap(i), presence);
  }
  return presence;
}

const Presence &PresenceBuilder::getResult(Value value) {
  if (auto found = known.find(value); found != known.end()) {
    return found->second;
  }
  Presence presence;
  if (auto op = value.getDefiningOp<EinsumOp>()) {
    presence = dropRanks(getPoints(op), op.getReducedRanks());
  } else if (auto fold = value.getDefiningOp<FoldOp>()) {
    unsigned number = cast<OpResult>(value).getResultNumber();
    AffineMap axes = fold.getStateMap(number);
    Presence yielded;
    addRead(fold.getStep().front().getTerminator()->getOperand(number), axes,
            yielded);
    SmallBitVector reduced(axes.getNumDims());
    reduced.set(fold.getRank());
    presence = dropRanks(yielded, reduced);
  }
  return known[value] = std::move(presence);
}

} // namespace

//===----------------------------------------------------------------------===//
// Interface
//===----------------------------------------------------------------------===//

bool PresenceTerm::operator==(const PresenceTerm &other) const {
  return sets == other.sets && symbols == other.symbols &&
         symbolMaps == other.symbolMaps && data == other.data &&
         dataMap == other.dataMap && data2 == other.data2 &&
         data2Map == other.data2Map && selection == other.selection &&
         selectedCoordinate == other.selectedCoordinate &&
         selectionMap == other.selectionMap;
}

bool PresenceTerm::names(unsigned rank) const {
  auto mapNames = [&](AffineMap map) {
    return map && map.isFunctionOfDim(rank);
  };
  return llvm::any_of(sets,
                      [&](IntegerSet set) {
                        return llvm::any_of(
                            set.getConstraints(), [&](AffineExpr expr) {
                              return enters(expr, rank, symbolMaps);
                            });
                      }) ||
         mapNames(dataMap) || mapNames(data2Map) || mapNames(selectionMap) ||
         (selection && selectedCoordinate.isFunctionOfDim(rank));
}

DenseMap<Value, Presence> attn::computePresence(CascadeOp cascade) {
  PresenceBuilder builder;
  DenseMap<Value, Presence> presences;
  cascade->walk([&](Operation *op) {
    if (isa<EinsumOp, FoldOp>(op)) {
      for (Value result : op->getResults()) {
        presences[result] = builder.getResult(result);
      }
    }
    if (auto fold = dyn_cast<FoldOp>(op)) {
      for (Region &region : fold->getRegions()) {
        for (Value argument : region.getArguments()) {
          presences[argument] = {};
        }
      }
    }
  });
  return presences;
}

Presence attn::pointPresence(EinsumOp op) {
  return PresenceBuilder().getPoints(op);
}

Presence attn::resultPresence(EinsumOp op) {
  return dropRanks(pointPresence(op), op.getReducedRanks());
}

Presence attn::dropRanks(ArrayRef<PresenceTerm> presence,
                         const SmallBitVector &reduced) {
  Presence kept;
  for (const PresenceTerm &term : presence) {
    auto isReduced = [&](AffineExpr expr) {
      return llvm::any_of(reduced.set_bits(), [&](unsigned rank) {
        return enters(expr, rank, term.symbolMaps);
      });
    };
    if (term.sets.empty()) {
      if (llvm::none_of(reduced.set_bits(),
                        [&](unsigned rank) { return term.names(rank); })) {
        addOnce(kept, term);
      }
      continue;
    }
    PresenceTerm rest = term;
    rest.sets.clear();
    for (IntegerSet set : term.sets) {
      SmallVector<AffineExpr> constraints;
      SmallVector<bool> isEq;
      for (auto [expr, eq] :
           llvm::zip(set.getConstraints(), set.getEqFlags())) {
        if (!isReduced(expr)) {
          constraints.push_back(expr);
          isEq.push_back(eq);
        }
      }
      if (constraints.empty()) {
        // This disjunct holds everywhere now, and the union with it.
        rest.sets.clear();
        break;
      }
      rest.sets.push_back(IntegerSet::get(set.getNumDims(), set.getNumSymbols(),
                                          constraints, isEq));
    }
    if (!rest.sets.empty()) {
      dropUnusedSymbols(rest);
      addOnce(kept, std::move(rest));
    }
  }
  return kept;
}

bool attn::implies(const PresenceTerm &a, const PresenceTerm &b) {
  if (a == b) {
    return true;
  }
  if (a.sets.empty() || b.sets.empty()) {
    return false;
  }
  // Constraints of b in the symbols of a; a symbol that a lacks matches none.
  SmallVector<AffineExpr> symbols;
  for (auto [symbol, map] : llvm::zip_equal(b.symbols, b.symbolMaps)) {
    unsigned number = 0;
    while (number < a.symbols.size() &&
           (a.symbols[number] != symbol || a.symbolMaps[number] != map)) {
      ++number;
    }
    symbols.push_back(getAffineSymbolExpr(number, b.sets.front().getContext()));
  }
  auto contains = [&](IntegerSet set, IntegerSet part) {
    return llvm::all_of(
        llvm::zip(part.getConstraints(), part.getEqFlags()), [&](auto wanted) {
          AffineExpr expr =
              normalize(std::get<0>(wanted).replaceSymbols(symbols));
          return llvm::is_contained(
              llvm::zip(set.getConstraints(), set.getEqFlags()),
              std::make_tuple(expr, std::get<1>(wanted)));
        });
  };
  return llvm::all_of(a.sets, [&](IntegerSet set) {
    return llvm::any_of(b.sets,
                        [&](IntegerSet part) { return contains(set, part); });
  });
}

PresenceSets attn::collectSets(ArrayRef<PresenceTerm> presence,
                               unsigned numRanks) {
  PresenceSets result;
  SmallVector<SmallVector<AffineExpr>> replacements;
  for (const PresenceTerm &term : presence) {
    if (term.sets.empty()) {
      result.hasOtherTerms = true;
      continue;
    }
    SmallVector<AffineExpr> numbers;
    for (auto [symbol, map, name] :
         llvm::zip_equal(term.symbols, term.symbolMaps, term.symbolNames)) {
      unsigned number = 0;
      while (number < result.symbols.size() &&
             (result.symbols[number] != symbol ||
              result.symbolMaps[number] != map)) {
        ++number;
      }
      if (number == result.symbols.size()) {
        result.symbols.push_back(symbol);
        result.symbolMaps.push_back(map);
        result.symbolNames.push_back(name);
      }
      numbers.push_back(
          getAffineSymbolExpr(number, term.sets.front().getContext()));
    }
    result.conjunction.emplace_back(term.sets);
    replacements.push_back(std::move(numbers));
  }
  // Only now the number of symbols is known.
  for (auto [sets, numbers] :
       llvm::zip_equal(result.conjunction, replacements)) {
    for (IntegerSet &set : sets) {
      auto constraints =
          llvm::map_to_vector(set.getConstraints(), [&](AffineExpr expr) {
            return expr.replaceSymbols(numbers);
          });
      set = normalize(IntegerSet::get(numRanks, result.symbols.size(),
                                      constraints, set.getEqFlags()));
    }
  }
  return result;
}

void attn::dropVaryingSymbols(PresenceSets &sets,
                              const llvm::SmallBitVector &ranks) {
  PresenceSets kept;
  kept.hasOtherTerms = sets.hasOtherTerms;
  SmallVector<AffineExpr> numbers(sets.symbols.size());
  for (unsigned s = 0; s < sets.symbols.size(); ++s) {
    AffineMap map = sets.symbolMaps[s];
    if (llvm::none_of(ranks.set_bits(), [&](unsigned rank) {
          return map.isFunctionOfDim(rank);
        })) {
      numbers[s] = getAffineSymbolExpr(kept.symbols.size(), map.getContext());
      kept.symbols.push_back(sets.symbols[s]);
      kept.symbolMaps.push_back(map);
      kept.symbolNames.push_back(sets.symbolNames[s]);
    }
  }
  if (kept.symbols.size() == sets.symbols.size()) {
    return;
  }
  for (ArrayRef<IntegerSet> conjunct : sets.conjunction) {
    SmallVector<IntegerSet> &weaker = kept.conjunction.emplace_back();
    for (IntegerSet set : conjunct) {
      SmallVector<AffineExpr> constraints;
      SmallVector<bool> eqFlags;
      for (auto [i, expr] : llvm::enumerate(set.getConstraints())) {
        bool varies = false;
        for (auto [s, number] : llvm::enumerate(numbers)) {
          varies |= !number && expr.isFunctionOfSymbol(s);
        }
        if (varies) {
          kept.hasOtherTerms = true;
          continue;
        }
        constraints.push_back(expr.replaceSymbols(numbers));
        eqFlags.push_back(set.isEq(i));
      }
      if (constraints.empty()) {
        // 0 >= 0: everything, as far as the sets know.
        constraints.push_back(getAffineConstantExpr(0, set.getContext()));
        eqFlags.push_back(false);
      }
      weaker.push_back(IntegerSet::get(set.getNumDims(), kept.symbols.size(),
                                       constraints, eqFlags));
    }
  }
  sets = std::move(kept);
}
