//===- Values.cpp - Tensors and presence in the interpreter ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Values.h"

using namespace attn;
using namespace attn::reference;

bool Condition::operator==(const Condition &other) const {
  if (chosen.has_value() != other.chosen.has_value() || anyOf != other.anyOf) {
    return false;
  }
  return !chosen || (chosen->coords == other.chosen->coords &&
                     chosen->coordinate == other.chosen->coordinate &&
                     chosen->at == other.chosen->at);
}

bool Presence::names(AffineExpr expr, int64_t rank) const {
  bool found = false;
  expr.walk([&](AffineExpr part) {
    if (auto dim = dyn_cast<AffineDimExpr>(part)) {
      found |= int64_t(dim.getPosition()) == rank;
    } else if (auto symbol = dyn_cast<AffineSymbolExpr>(part)) {
      found |= llvm::any_of(lookups[symbol.getPosition()].at,
                            [&](AffineExpr e) { return names(e, rank); });
    }
  });
  return found;
}

Presence reference::handOn(const Presence &presence,
                           const llvm::SmallBitVector &ranks) {
  auto namesReduced = [&](AffineExpr expr) {
    return llvm::any_of(ranks.set_bits(), [&](unsigned rank) {
      return presence.names(expr, rank);
    });
  };
  Presence result;
  result.lookups = presence.lookups;
  for (const Condition &condition : presence.allOf) {
    if (const auto &chosen = condition.chosen) {
      if (!namesReduced(chosen->coordinate) &&
          llvm::none_of(chosen->at, namesReduced)) {
        result.allOf.push_back(condition);
      }
      continue;
    }
    Condition kept = condition;
    for (auto &disjunct : kept.anyOf) {
      llvm::erase_if(disjunct, [&](const Constraint &constraint) {
        return namesReduced(constraint.expr);
      });
    }
    // A disjunct without constraints always holds, and the union with it.
    if (llvm::none_of(kept.anyOf, [](const auto &d) { return d.empty(); })) {
      result.allOf.push_back(kept);
    }
  }
  return result;
}
