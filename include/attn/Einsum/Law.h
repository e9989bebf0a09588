//===- Law.h - When a chain of reductions is one pass -----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The idea. Along one rank, let z_1 .. z_n be the reductions of a cascade in
// order, z_i = join over m of F_i(x_m, c_i), where c_i is what F_i reads of
// z_1 .. z_{i-1}. Computed as written, each read of a finished z_j costs a
// pass. One pass is enough if F_i *moves* with its reference: there is an H_i
// with
//   (a) F_i(x, c')        = H_i(F_i(x, c), c, c')
//   (b) H_i(s + t, c, c') = H_i(s, c, c') + H_i(t, c, c')   (+ joins z_i)
//   (c) H_i(0_i, c, c')   = 0_i for every c, the unit of c included
//   (d) H_i(., c, c) is the identity and H_i composes along c, c', c''.
// The loop keeps the z_i of the points seen so far. At a tile it joins z_1
// first, then z_i' = H_i(z_i, c, c') + (sum over the tile under c').
//
// Theorem. With merge(s, t)_i = H_i(s_i, c_s, c) + H_i(t_i, c_t, c), where c is
// the merged reference, merge(state(A), state(B)) = state(A and B together) for
// disjoint A and B, and state of nothing = units. So on reachable states merge
// is associative and commutative with a unit, and any tiling, split or tree of
// merges gives the same state.
// Proof by induction on i: by (a) and (b) the sum of F_i(x, c') over A is
// H_i(sum of F_i(x, c), c, c'); join both sides' sums; the empty set by (c).
//
// Example. softmax: z_1 = max s, z_2 = sum exp(s - z_1). exp(s - c') =
// exp(s - c) * exp(c - c'), so H_2(t, c, c') = t * exp(c - c'): a factor, which
// distributes over sums.
//
// How it is proved. Each scalar of the einsums between two reductions gets an
// element of this lattice, by one forward walk:
//   Const   no point of the rank and no reduction over it enters
//   Fixed   the point enters, no reduction does
//   COnly   reductions enter, the point does not: w(c)
//   Mult f  v(x, c') = v(x, c) * f(c, c')
//   Add f   v(x, c') = v(x, c) + f(c, c')
//   None    neither; `op` is the operation at which it was lost
// A factor is a law under add (and under max and min if it is not negative), a
// summand is one under max and min. Nothing here knows softmax: the base, the
// shape of the scores, and what c is, do not matter.
//
// Why Const is not Fixed. (s - c) * k moves by (c - c') * k, a summand in c and
// c' alone only if no point of the rank enters k.
//
// Why a reference must be non-zero to divide. v / w(c) moves by w(c) / w(c'),
// which is undefined when the w of a *part* is 0 although that of the whole is
// not (sums of signed numbers). Only a w that is known to be positive on every
// set with a point becomes a correction; the others have to be moved behind the
// reduction (rewrite D) or have no law.
//
// What is not covered: values that move by a matrix instead of a number (the
// variance, the entropy as sum of p log p). They end as None.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_EINSUM_LAW_H
#define ATTN_EINSUM_LAW_H

#include "attn/Einsum/Correction.h"
#include "attn/Einsum/Monoid.h"
#include "llvm/ADT/ArrayRef.h"

#include <optional>
#include <string>

namespace attn::einsum {

/// What the analysis distinguishes; anything else is Other.
enum class ScalarOp {
  Add,
  Sub,
  Mul,
  Div,
  Neg,
  Abs,
  Max,
  Min,
  Exp,
  Exp2,
  Extend, // to a wider float: exact
  Round,  // to a narrower float or an integer: approximate
  Select, // operands: predicate, if true, if false
  Other
};

enum class LawKind { Const, Fixed, COnly, Mult, Add, None };

struct Law {
  LawKind kind = LawKind::Const;
  /// Mult, Add: the correction.
  Expr f;
  /// Const, COnly: the value itself, as the client numbers it.
  LeafId leaf = 0;
  /// Of the value, on every set that has a point.
  Sign sign = Sign::Any;
  /// Const: its value, if it is a literal.
  std::optional<double> literal;
  /// A rounding sits on the path: (a) holds up to rounding only.
  bool approx = false;
  /// The operation that made the value; for None the one that broke the law.
  std::string op;
  /// None: the c-only divisor that may be 0 on a part, if that is the reason.
  std::optional<LeafId> divisor;

  static Law getConst(LeafId leaf, Sign sign = Sign::Any);
  static Law getLiteral(LeafId leaf, double value);
  static Law getFixed(Sign sign = Sign::Any);
  static Law getCOnly(LeafId leaf, Sign sign = Sign::Any);
  static Law getNone(std::string op);

  bool isClosed() const {
    return kind == LawKind::Const || kind == LawKind::COnly;
  }
};

/// The law of `op` applied to operands. `self` numbers the result; it is used
/// only if all operands are closed (Const or COnly). `name` is for diagnostics.
Law transfer(ScalarOp op, StringRef name, ArrayRef<Law> operands, LeafId self,
             ExprPool &pool);

/// The law of `value` joined over ranks. Fixed, Mult or Add: it has one; the
/// correction distributes over `monoid`. Const values count as Fixed. The same
/// rule serves the reduction over the rank itself, where a law is the licence
/// for one pass, and reductions over other ranks on the way to it; there the
/// client also checks that no leaf of the correction carries a reduced rank.
Law reduce(Monoid monoid, const Law &value, ExprPool &pool);

/// `fixed`, `* exp(c - c')`, `+ (c - c')`, `no law: math.tanh`.
std::string print(const Law &law, const ExprPool &pool,
                  llvm::function_ref<std::string(LeafId)> name);

} // namespace attn::einsum

#endif // ATTN_EINSUM_LAW_H
