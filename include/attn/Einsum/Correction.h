//===- Correction.h - How a value moves with its reference ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A reduction along a rank often reads the finished value c of another one
// along the same rank: softmax sums exp(s - c) with c the maximum. While a loop
// runs, c is only the maximum so far, and when it moves from c to c' every sum
// taken under c has to be corrected. The correction is an expression in c and
// c' alone: here exp(c - c'), a factor.
//
// This file holds such expressions. A leaf is a number that the client chose
// for a value that no point of the rank enters ("c-only", or a constant), read
// in the old or the new version of the reference. Expressions are interned:
// equal handles are equal expressions, which is how two sums are seen to move
// alike.
//
// Corrections are kept as differences and quotients of old and new and never as
// h(c') times 1/h(c): e^-c' * e^c overflows where exp(c - c') is an ordinary
// number (the stable form of online softmax; Milakov and Gimelshein,
// arXiv:1805.02867).
//
// The empty handle is the identity: factor one, or summand zero.
//
// Example: with leaf 0 = c,
//   d = sub(leaf(0, Old), leaf(0, New));  f = exp(d)
// prints as `exp(c - c')` and is known to be positive.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_EINSUM_CORRECTION_H
#define ATTN_EINSUM_CORRECTION_H

#include "attn/Support/LLVM.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"

#include <string>
#include <vector>

namespace attn::einsum {

using LeafId = unsigned;

/// What is known of a value on every set that has a point.
enum class Sign { Any, NonNegative, Positive };

enum class Version { Old, New };

/// A handle to an expression of one `ExprPool`; empty: the identity.
struct Expr {
  int id = -1;
  explicit operator bool() const { return id >= 0; }
  bool operator==(Expr other) const { return id == other.id; }
  bool operator!=(Expr other) const { return id != other.id; }
};

enum class ExprKind { Leaf, Neg, Add, Sub, Mul, Div, Recip, Exp, Exp2 };

/// Owns expressions; handles stay valid as long as the pool. Not thread-safe.
class ExprPool {
public:
  struct Node {
    ExprKind kind;
    LeafId leaf = 0;
    Version version = Version::Old;
    Expr lhs, rhs;
    Sign sign = Sign::Any;
  };

  /// `sign`: of the leaf, on every set that has a point.
  Expr getLeaf(LeafId leaf, Version version, Sign sign = Sign::Any);

  // Of summands; the empty handle is 0.
  Expr getNeg(Expr x);
  Expr getAdd(Expr lhs, Expr rhs);
  Expr getSub(Expr lhs, Expr rhs);
  /// exp (exp2) of a summand is a factor; exp of nothing is nothing.
  Expr getExp(Expr x);
  Expr getExp2(Expr x);

  // Of factors; the empty handle is 1.
  Expr getMul(Expr lhs, Expr rhs);
  Expr getDiv(Expr lhs, Expr rhs);

  /// The summand `x` times (over) the constant leaf `k`.
  Expr getScaled(Expr x, Expr k, bool divide);

  const Node &getNode(Expr x) const { return nodes[x.id]; }
  /// The identity of factors is positive.
  Sign getSign(Expr x) const { return x ? nodes[x.id].sign : Sign::Positive; }

  /// Leaves of `x`, each once, in the order of first use.
  SmallVector<LeafId> getLeaves(Expr x) const;
  double evaluate(Expr x, llvm::function_ref<double(LeafId, Version)> at) const;
  /// New versions get a prime: `exp(c - c')`.
  std::string print(Expr x, llvm::function_ref<std::string(LeafId)> name) const;

private:
  Expr intern(Node node);
  std::vector<Node> nodes;
};

/// What is known of a product and of a quotient.
Sign getProductSign(Sign a, Sign b);
Sign getQuotientSign(Sign a, Sign b);

} // namespace attn::einsum

#endif // ATTN_EINSUM_CORRECTION_H
