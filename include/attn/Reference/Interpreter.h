//===- Interpreter.h - The reference interpreter of attn --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The oracle: what a program of attn ops means, in f64. It follows the
// semantics of docs/attn-spec.md literally, einsum by einsum, and shares no
// code with a lowering.
//
// A function may hold the eight attn ops, scalar arith and math, constants,
// tensor.dim, tensor.extract, tensor.splat, tensor.empty, tensor.cast,
// memref.dim, memref.load, memref.cast and func.return. All floating-point
// arithmetic is f64 and conversions between float types keep the value, so a
// result has no rounding of the declared types; integers wrap at their width.
//
// Presence. A point of an einsum is present if its own `where` and `at` hold
// and everything it reads there is present: inputs, operands of data terms and
// symbols, views through their maps. Only then is an address formed or an
// element read.
//
// Run-time errors (never a crash): extents of a rank that disagree, symbols and
// elements read outside of their array, addresses outside of the storage, two
// points placed on one address, operations that are not interpreted.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_REFERENCE_INTERPRETER_H
#define ATTN_REFERENCE_INTERPRETER_H

#include "attn/Support/HostArray.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"

namespace attn {

/// What a run did, for tests and reports.
struct InterpreterStats {
  /// Present points that an einsum mapped (before the reduction), and steps
  /// that a fold ran, summed over all its executions.
  llvm::MapVector<Operation *, int64_t> points;
};

struct InterpreterOptions {
  /// A fold runs in this many parts, each from the start values, joined by its
  /// merge region. 1: no merge.
  int64_t splits = 1;
  /// With a seed, each coordinate of a fold goes to a random part (of an
  /// ordered fold: random cuts) and the parts are joined in a random tree.
  std::optional<uint64_t> randomSeed;
  /// Filled if given.
  InterpreterStats *stats = nullptr;
};

/// Runs `function`, a verified function without calls. `args` stand in the
/// order of the function's arguments; a scalar is an array of rank 0. A
/// `place` on a memref argument writes into the bytes of that array. The
/// results are new f64 arrays of the results' shapes, absent points as 0.
FailureOr<SmallVector<HostArray>> interpret(func::FuncOp function,
                                            ArrayRef<HostArray> args,
                                            const InterpreterOptions &options,
                                            std::string &error);

/// Checks without computing, for any device: number, shapes and element types
/// of the arguments; extents that must agree; for each point in the domain of
/// each view and place that its table entries exist and its address lies in the
/// storage; lists of selections. Reads only entries inside of domains. What
/// depends on computed data is not checked.
LogicalResult checkArguments(func::FuncOp function, ArrayRef<HostArray> args,
                             std::string &error);

/// Extents of the ranks of a cascade.
using RankExtents = llvm::DenseMap<Operation *, SmallVector<int64_t>>;

/// The extents of the ranks of the cascades for these arguments, which are
/// checked as above. A cascade whose extents depend on computed data has none.
FailureOr<RankExtents> findRankExtents(func::FuncOp function,
                                       ArrayRef<HostArray> args,
                                       std::string &error);

/// Checks one argument against its type: shape and element type.
LogicalResult checkArgument(Type type, const HostArray &array,
                            std::string &error);

} // namespace attn

#endif // ATTN_REFERENCE_INTERPRETER_H
