//===- FoldBuilder.h - Step and merge of a fold, derived from laws *- C++
//-*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A chain of reductions z_1 .. z_n over the fold rank (attn/Einsum/Law.h)
// becomes one attn.fold whose state is (z_1, .., z_n).
//
//   step    the einsums of the chain on one coordinate of the fold rank, in
//           order. What reads z_j reads the *new* z_j, so z_j is joined with
//           the tile before it is used: z_i' = H_i(z_i, c, c') + sum of the
//           tile under c'. That is one correction per tile; merging a finished
//           state of the tile instead would take two.
//   merge   z_i = H_i(a_i, c_a, c) + H_i(b_i, c_b, c), in order.
//
// A correction is an einsum of its own on the ranks of its references and is
// shared by all components that move by it. The corrected state is selected:
//   c == c'           ? t          nothing moved (-inf minus -inf is NaN)
//   c is of no point  ? unit       and the unit moves to the unit
//                     : t * f      (t + f)
// where c stands for the z_j on which f depends, not for what is computed of
// them: only z_j says whether there was a point.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_ATTN_TRANSFORMS_FOLDBUILDER_H
#define ATTN_DIALECT_ATTN_TRANSFORMS_FOLDBUILDER_H

#include "EinsumRewrite.h"

#include "attn/Analysis/CascadeInfo.h"

namespace attn {

/// Builds one fold. The analysis must have no problem and the einsums of the
/// chain must have regions.
class FoldBuilder {
public:
  FoldBuilder(CascadeOp cascade, int64_t rank, const CascadeInfo &info)
      : cascade(cascade), info(info), rank(rank) {}
  /// The fold, in front of the terminator of the cascade; its results replace
  /// those of the reductions.
  FoldOp build(Value extent);

private:
  /// One version of the references: the value of each z_j and of what is
  /// computed of them.
  using Env = llvm::DenseMap<Value, Value>;
  /// A state component or the sum of a tile; with `from`, it is to be moved
  /// from that version to the new one.
  struct Part {
    Value value;
    Env *from;
  };
  struct Correction {
    einsum::Expr f;
    Type type;
    Env *from, *to;
    Value value;
    AffineMap map;
  };

  void createUnits();
  void buildStep(Block &block);
  void buildMerge(Block &block);
  EinsumOp cloneIntoStep(EinsumOp op, OpBuilder &b, Env &tile, Env &now);
  Value getVersion(Value value, Env &env, OpBuilder &b);
  Value join(OpBuilder &b, const Reduction &z, ArrayRef<Part> parts, Env &to);
  Value emitMoved(OpBuilder &b, Location loc, const Reduction &z, Value t,
                  Value f, ArrayRef<Value> old, ArrayRef<Value> now);
  const Correction &getCorrection(OpBuilder &b, const Reduction &z, Env &from,
                                  Env &to);
  Value emit(einsum::Expr x, Type type, OpBuilder &b, Location loc,
             llvm::function_ref<Value(const Term &, bool)> read);
  Value emitLeaf(einsum::LeafId leaf, OpBuilder &b, Location loc,
                 llvm::function_ref<Value(const Term &)> read);
  void collectPrimitives(Value value, SmallVectorImpl<unsigned> &out);
  SmallVector<unsigned> getPrimitives(const Reduction &z);
  unsigned getNumber(const Reduction &z) { return number.lookup(getKey(z)); }
  Value getKey(const Reduction &z) { return EinsumOp(z.op).getResult(); }
  Type getType(const Reduction &z) {
    return getElementTypeOrSelf(getKey(z).getType());
  }

  CascadeOp cascade;
  const CascadeInfo &info;
  int64_t rank;
  llvm::DenseMap<Value, unsigned> number;
  SmallVector<Value> units;
  std::vector<std::unique_ptr<Correction>> corrections;
};

} // namespace attn

#endif // ATTN_DIALECT_ATTN_TRANSFORMS_FOLDBUILDER_H
