//===- Values.h - Tensors and presence in the interpreter ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A value with axes is plain (an array), a view (an address into another
// value) or computed inside of a cascade (an array whose axes are ranks).
// Presence is kept as expressions: what a value says about its points is
// carried to a reader by substitution, and evaluated there.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_REFERENCE_VALUES_H
#define ATTN_LIB_REFERENCE_VALUES_H

#include "attn/Support/HostArray.h"
#include "mlir/IR/AffineExpr.h"
#include "llvm/ADT/SmallBitVector.h"

namespace attn::reference {

struct Tensor;

/// A symbol: an integer element looked up at `at`, expressions over
/// (dims)[earlier lookups of the same list].
struct Lookup {
  const Tensor *tensor;
  SmallVector<AffineExpr, 4> at;
  std::string name;
};

/// `expr >= 0`, or `expr == 0`, over (dims)[lookups].
struct Constraint {
  AffineExpr expr;
  bool isEquality;
  bool operator==(const Constraint &other) const {
    return expr == other.expr && isEquality == other.isEquality;
  }
};

/// Coordinates chosen by a select: one ascending list per point of its ranks.
struct Coords {
  SmallVector<int64_t, 4> ranks, shape, strides;
  int64_t block = 1;
  std::vector<SmallVector<int64_t, 4>> lists;
};

/// `coordinate floordiv block` is in the list at `at`.
struct Chosen {
  const Coords *coords;
  AffineExpr coordinate;
  SmallVector<AffineExpr, 4> at;
};

/// Holds if all constraints of one of `anyOf` do; or, if `chosen` is set, if
/// the coordinate is chosen.
struct Condition {
  SmallVector<SmallVector<Constraint, 2>, 1> anyOf;
  std::optional<Chosen> chosen;
  bool operator==(const Condition &other) const;
};

/// A point is present if all conditions hold.
struct Presence {
  SmallVector<Lookup, 4> lookups;
  SmallVector<Condition, 4> allOf;

  /// Whether `expr` changes with dim `rank`, through its symbols as well.
  bool names(AffineExpr expr, int64_t rank) const;
};

/// What a reduction over `ranks` hands on: constraints that name none of them.
/// A union of which one disjunct loses all its constraints goes as a whole.
Presence handOn(const Presence &presence, const llvm::SmallBitVector &ranks);

struct Tensor {
  SmallVector<int64_t, 6> shape;
  /// The elements, unless this is a view.
  HostArray array;
  /// False for computed values while arguments are only checked.
  bool known = true;
  /// Where it comes from, for messages: "argument #3".
  std::string label;

  /// Over the ranks of the cascade for a computed value, else over the axes.
  Presence presence;
  /// Computed: the rank of each axis.
  bool computed = false;
  SmallVector<int64_t, 6> ranks;

  /// A view: the element at (axes) stands at `address`, expressions over
  /// (axes)[presence.lookups], of `storage`.
  const Tensor *storage = nullptr;
  SmallVector<AffineExpr, 6> address;

  /// Whether all elements behind this can be read.
  bool isKnown() const { return storage ? storage->isKnown() : known; }
};

} // namespace attn::reference

#endif // ATTN_LIB_REFERENCE_VALUES_H
