//===- EinsumRewrite.h - Taking einsums apart and together ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_ATTN_TRANSFORMS_EINSUMREWRITE_H
#define ATTN_DIALECT_ATTN_TRANSFORMS_EINSUMREWRITE_H

#include "attn/Analysis/CascadeInfo.h"
#include "attn/Analysis/Presence.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"

namespace attn {

/// All that an einsum says except its region, to be edited and made again.
struct EinsumSpec {
  explicit EinsumSpec(Location loc) : loc(loc) {}
  explicit EinsumSpec(EinsumOp op);

  Location loc;
  SmallVector<Value> inputs;
  SmallVector<AffineMap> maps;
  AffineMap resultMap;
  SmallVector<ReduceAttr> reduce;
  SmallVector<Value> symbols;
  SmallVector<AffineMap> symbolMaps;
  SmallVector<StringAttr> symbolNames;
  SmallVector<IntegerSet> where;
  SmallVector<Value> presence;
  SmallVector<AffineMap> presenceMaps;
  SmallVector<int32_t> presenceArity;
  Value selection;
  int64_t selectedRank = -1;
  AffineMap selectionMap;
  RankedTensorType type;

  /// The number of the input `value` read through `map`, added if it is new.
  unsigned addInput(Value value, AffineMap map);
  /// The number of the symbol, added under a name like `name` that is free.
  unsigned addSymbol(Value value, AffineMap map, StringRef name,
                     CascadeOp cascade);
  /// Adds a conjunct. Failure: a selection that one einsum cannot say (a second
  /// one, or one at a compound coordinate).
  LogicalResult conjoin(const PresenceTerm &condition, CascadeOp cascade);

  /// The einsum without a region.
  EinsumOp create(OpBuilder &builder) const;
};

/// Adds the region's block, with one argument per input.
Block &addBody(EinsumOp op);
void yieldFrom(EinsumOp op, Value value);
/// An operation of arith or math by name, with the type of its first operand.
Value createScalar(OpBuilder &builder, Location loc, StringRef name,
                   ValueRange operands);
Value createFloat(OpBuilder &builder, Location loc, Type type, double value);

/// Writes the product out as a region, so that it can be taken apart.
void materialise(EinsumOp op);
/// The inverse: a region that is the product of the inputs in order goes.
void shorten(EinsumOp op);
/// `materialise` on all top-level einsums.
void materialiseAll(CascadeOp cascade);
/// Makes the order of the body one of definitions before uses, removes what is
/// not used, and shortens.
void tidy(CascadeOp cascade);
void eraseDead(Block &block);

/// Clones the slice of `value` that lies in `block`. `mapping` holds what is
/// already cloned and must hold the arguments of `block`.
Value cloneSlice(Value value, Block *block, OpBuilder &builder,
                 llvm::DenseMap<Value, Value> &mapping);

/// Removes inputs that the region does not read, unless they alone carry a
/// rank; the presence they decided is taken over. `op` is replaced.
EinsumOp dropUnusedInputs(EinsumOp op);
/// Whether `read` asks the einsum that makes `value` for another point of
/// `ranks` than the one where it made it. A step that has the values of one
/// point only cannot answer.
bool readsElsewhere(Value value, AffineMap read, const einsum::RankSet &ranks);
/// Whether input `i` is made by an einsum that only maps, read as it was made.
bool isInlinable(EinsumOp op, unsigned i);
/// Computes the producer of input `i` in place; presence is taken over. `op` is
/// replaced; null (and nothing changed) if its presence cannot be taken over.
EinsumOp inlineProducer(EinsumOp op, unsigned i);

/// A factor (summand) and whether it is divided by (subtracted).
struct Factor {
  Value value;
  bool inverse;
};
/// Takes a product (`additive`: a sum) of the region apart.
void collectFactors(Value value, Block *block, bool additive, bool inverse,
                    SmallVectorImpl<Factor> &factors);

} // namespace attn

#endif // ATTN_DIALECT_ATTN_TRANSFORMS_EINSUMREWRITE_H
