//===- CascadeInfo.h - Laws and passes of an attn.cascade -------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads an attn.cascade into the terms of the Einsum library: which steps
// iterate a group of ranks, how often the group is traversed, and by which law
// each reduction over it moves with its references. Nothing here changes IR.
// The objects hold pointers into the IR and are stale after any rewrite.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_ANALYSIS_CASCADEINFO_H
#define ATTN_ANALYSIS_CASCADEINFO_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Einsum/Cascade.h"
#include "attn/Einsum/Law.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace attn {

/// Ranks (dims) that occur in `map`.
einsum::RankSet getRanks(AffineMap map);
/// Whether `value` is made inside `cascade` (an op of its body, at any depth,
/// or the state of a fold).
bool isComputed(CascadeOp cascade, Value value);
/// `%3`, or the name of its location if that has one.
std::string getValueName(Value value);
einsum::Monoid getMonoid(ReduceAttr action);

/// `rank` and every rank that is reduced together with it.
einsum::RankSet getRankGroup(CascadeOp cascade, int64_t rank);
/// Ranks that a fold binds or that are iterated inside one.
einsum::RankSet getFoldedRanks(CascadeOp cascade);

/// The cascade as steps. A fold over a rank of `group` is one step, since it is
/// one traversal by construction; the steps of any other fold are listed.
struct CascadeShape {
  einsum::Cascade cascade;
  /// The value of each tensor.
  SmallVector<Value> values;
};
CascadeShape getShape(CascadeOp cascade, const einsum::RankSet &group);

/// A value that no point of the group enters, as the leaves of corrections name
/// it: a read of a tensor, a captured value, or an operation on such values.
struct Term {
  /// The operation; null for a read, a captured value and an extension.
  Operation *op = nullptr;
  /// Read or captured value.
  Value value;
  /// Read: the map of the read. Null if `value` is a scalar.
  AffineMap map;
  /// The scalar type.
  Type type;
  SmallVector<einsum::LeafId, 2> operands;
};

/// A reduction over the whole group, in the order of the chain.
struct Reduction {
  EinsumOp op;
  /// Of the action that reduces the group.
  einsum::Monoid monoid;
  /// Fixed, Mult, Add, or None.
  einsum::Law law;
  /// Why there is no one-pass form, such as `no law: math.tanh under add`.
  std::string problem;
};

class CascadeInfo {
public:
  CascadeInfo(CascadeOp cascade, einsum::RankSet group);

  const einsum::RankSet &getGroup() const { return group; }
  bool iterates(EinsumOp op) const;
  /// Whether a rank of the group occurs in `map`.
  bool carries(AffineMap map) const;
  /// Whether a traversal of the group enters `value`. What a selection of the
  /// group's coordinates depends on counts as made before (`isPrior`).
  bool depends(Value value) const { return dependent.contains(value); }

  ArrayRef<Reduction> getReductions() const { return reductions; }
  /// The first reduction without a one-pass form, or null.
  const Reduction *getProblem() const;

  /// The law of a value in the region of a top-level einsum.
  einsum::Law getLaw(Value scalar) const { return scalars.lookup(scalar); }

  const einsum::ExprPool &getPool() const { return pool; }
  const Term &getTerm(einsum::LeafId leaf) const { return terms[leaf]; }
  /// Reads below `leaf`, without repetition.
  void getReads(einsum::LeafId leaf, SmallVectorImpl<Term> &reads) const;
  /// Ranks that enter `leaf`.
  einsum::RankSet getLeafRanks(einsum::LeafId leaf) const;
  std::string getLeafName(einsum::LeafId leaf) const;

private:
  void markPrior();
  void visit(EinsumOp op);
  void visitOpaque(Operation *op);
  einsum::Law getOperandLaw(EinsumOp op, unsigned i);
  einsum::Law evaluate(EinsumOp op, ArrayRef<einsum::Law> operands);
  einsum::Law transfer(Operation &op);
  einsum::Law reduce(EinsumOp op, einsum::Law law, Reduction *reduction);
  einsum::LeafId intern(Term term);

  CascadeOp cascade;
  einsum::RankSet group;
  einsum::ExprPool pool;
  SmallVector<Term> terms;
  SmallVector<Reduction> reductions;
  llvm::DenseSet<Value> dependent;
  llvm::DenseSet<Operation *> prior;
  llvm::DenseMap<Value, einsum::Law> scalars;
  /// Of computed tensors: the law (if they carry the group) and the sign.
  llvm::DenseMap<Value, einsum::Law> tensors;
};

/// Passes over one rank, a fold over it counting as one.
einsum::PassCount countPasses(CascadeOp cascade, int64_t rank);

/// The rank to fold if none is named: the one with most passes; among equals
/// one whose state carries no rank that is reduced elsewhere (else the
/// contraction rank of the scores would do). None if nothing is gained, or if a
/// fold exists.
std::optional<int64_t> chooseRank(CascadeOp cascade);

/// The rank of the cascade's first fold, else the one that would be folded.
std::optional<int64_t> getFoldRank(CascadeOp cascade);

/// Passes over the folded rank, or the one that would be (getFoldRank); of all
/// cascades below `root` the most. None without such a rank.
std::optional<int64_t> countMostPasses(Operation *root);

} // namespace attn

#endif // ATTN_ANALYSIS_CASCADEINFO_H
