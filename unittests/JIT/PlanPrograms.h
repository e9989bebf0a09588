//===- PlanPrograms.h - Cascades that plans are made for --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_UNITTESTS_JIT_PLANPROGRAMS_H
#define ATTN_UNITTESTS_JIT_PLANPROGRAMS_H

#include <cstdint>
#include <string>

namespace attn::test {

enum class Mask { none, causal, window };

/// What is folded: keys under a softmax, keys in their order with a decay, or
/// queries, whose weights are summed for each key.
enum class Fold { softmax, decay, columns };

/// What a function computes over a paged cache.
struct Shape {
  int64_t heads = 2, group = 2, width = 16, page = 4;
  Mask mask = Mask::causal;
  int64_t window = 24;
  Fold fold = Fold::softmax;
  bool lists = false;  ///< pages and lengths of each KV head of a request
  bool points = false; ///< `sees`: presence of every point, or listed key
  bool heat = false;   ///< `heat`: a factor of every key's scores
  bool bf16 = false;   ///< keys and values
};

/// Text of a function `attend`. Arguments, in this order:
///   q [b, p, g, r, e]
///   pages of k and v [page, slot, g, e]
///   table [b, page], len [b]; with `lists` [b, g, page] and [b, g]
///   queries [b], scale
///   sees [b, p, g, m]          with `points`; with `lists` too [b, g, m]
///   heat [b, m]                with `heat`
///   decay [b, m]               Fold::decay
///   lse [b, p, g, r]           Fold::columns
/// The result is [b, p, g, r, f]; of Fold::columns [b, g, m]. Queries of a
/// request are its newest keys, those past its queries come out as 0.
std::string makeProgram(const Shape &shape);

/// The rest of a function after its scores %qk [b, g, r, p, m] of type !scores,
/// in a cascade over b, g, r, p, m, e, f: a softmax over m and its sums of
/// %v [b, m, g, f], which are returned. Types: !rows, !keys, !queries.
extern const char *const kAttentionOfScores;

} // namespace attn::test

#endif // ATTN_UNITTESTS_JIT_PLANPROGRAMS_H
