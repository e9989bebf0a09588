//===- Cascade.h - Passes of a cascade over a rank --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A cascade is a list of steps; each reads tensors and makes tensors over named
// ranks. This file counts how often a rank has to be traversed, from the ranks
// in the maps alone (the counting argument of FuseMax, arXiv:2406.10491, as an
// algorithm). What the steps compute does not matter.
//
// A step *iterates* a group of ranks if one of them occurs in any of its maps.
// A tensor that depends on a reduction over the group and does not carry it is
// *final* only when a traversal has ended. A step that iterates the group and
// reads such a tensor therefore needs the next traversal: a barrier.
//
//   level(input) = 0
//   level(step)  = max of: 1 if it iterates the group;
//                  level(operand), plus one if that read is a barrier
//   passes       = the largest level
//
// Worked example, softmax over m:  S[m] 1;  G = max_m S 1;  N[m] = exp(S - G)
// reads final G: 2;  D = sum_m N 2;  A[m] = N / D reads final D: 3;  O = sum_m
// A V 3. Three passes, barriers at G and D. With the division behind the sum A
// is gone and O = (sum_m N V) / D iterates nothing: two passes.
//
// Why it is a lower bound for the cascade as written: at a barrier the operand
// may depend on the last coordinate visited (change that one payload), so no
// value behind it is known before every coordinate was visited; with less room
// than the fiber the fiber has to be visited again. Rewrites change the
// cascade, which is their point.
//
// How often an input is streamed: at every level at which a step that iterates
// the group reaches it through reads that carry the group (it is loaded, or
// what was made of it is computed again).
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_EINSUM_CASCADE_H
#define ATTN_EINSUM_CASCADE_H

#include "attn/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallBitVector.h"
#include "llvm/ADT/SmallVector.h"

#include <vector>

namespace attn::einsum {

using TensorId = unsigned;
/// One bit per rank of the cascade.
using RankSet = llvm::SmallBitVector;

/// A tensor and the ranks in the map it is read through.
struct Read {
  TensorId tensor;
  RankSet ranks;
};

struct Step {
  /// Ranks in any map of the step, reduced ones included.
  RankSet iterates;
  llvm::SmallVector<Read, 4> reads;
  llvm::SmallVector<TensorId, 1> results;
};

/// Steps in an order in which no tensor is read before it is made. A tensor
/// that no step makes is an input.
struct Cascade {
  unsigned numTensors = 0;
  std::vector<Step> steps;

  TensorId addTensor() { return numTensors++; }
};

struct PassCount {
  unsigned passes = 0;
  /// Level of each tensor.
  std::vector<unsigned> level;
  /// Final tensors whose reads begin a new pass, in order.
  llvm::SmallVector<TensorId> barriers;
  /// For each tensor, how often it is streamed; 0 for all but inputs.
  std::vector<unsigned> streams;
};

/// Passes over `group`, ranks that are traversed together.
PassCount countPasses(const Cascade &cascade, const RankSet &group);

} // namespace attn::einsum

#endif // ATTN_EINSUM_CASCADE_H
