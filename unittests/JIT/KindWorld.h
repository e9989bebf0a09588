//===- KindWorld.h - Problems of every kind, for compiled kernels -*- C++ -*-=//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A world is a problem of attnrt/plan.h, the arguments of a compiled entry, and
// what comes out in f64. It is posed for lengths in [low, high]; `redraw` makes
// real lengths between them and writes storage anew, in which everything that
// no row may see is NaN. The kinds are those of runtime/test/PlanModel.h, where
// a model of a kernel runs them.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_UNITTESTS_JIT_KINDWORLD_H
#define ATTN_UNITTESTS_JIT_KINDWORLD_H

#include "PlanKernels.h"
#include "PlanPrograms.h"

#include <random>

namespace attn::test {

enum class Kind {
  Ragged,   ///< one row per request that sees all of it
  Causal,   ///< rows that end one after the other
  Window,   ///< causal with a window
  Latent,   ///< one KV head with a group of 128
  Ordered,  ///< a fold with decay
  Hulls,    ///< any points of any hull, rows that see nothing among them
  Shifted,  ///< requests whose first keys nobody reads
  Forest,   ///< prefixes that rows of many requests read
  Overlap,  ///< contexts at the same coordinates with scales of their own
  Heads,    ///< KV heads with segments of their own
  Lists,    ///< lists per KV head with counts on the device
  Formats,  ///< older keys in bf16 and other pages
  External, ///< states from elsewhere, and states that stay
  Tree,     ///< drafts that see their ancestors
  Columns,  ///< sums of weights by key
  Mixed     ///< all of what one program can have
};
constexpr int numKinds = 16;
const char *nameOf(Kind kind);

/// Formats of the kind: 2 for Formats, whose older keys are read by a launch of
/// their own that keeps its states.
int partsOf(Kind kind);
/// `mask` for the kinds that come with all of them.
Shape shapeOf(Kind kind, Mask mask, int part = 0);

class KindWorld {
public:
  /// `tile` of the kernels.
  KindWorld(Kind kind, Mask mask, int64_t tile, std::mt19937_64 &random);

  /// Real lengths, and all storage.
  void redraw(std::mt19937_64 &random);

  attnrt_problem problem(int part) const;
  /// Of all parts, whose kernels are joined: segments name theirs as view.
  attnrt_problem jointProblem() const;
  /// Tensors of the compiled entry's arguments. With `bounds` the lengths are
  /// -1 and +1: the smallest and the largest ones, 0: the real ones.
  std::vector<attnrt_tensor> arguments(int part, int bounds = 0) const;
  /// Of the result, filled with what nothing comes out as.
  std::vector<float> blankResult() const;
  std::vector<int64_t> resultSizes() const;

  /// Components of the states from elsewhere of part 0.
  const std::vector<std::vector<float>> &given() const { return givenStates; }
  /// What stays of a part is what comes from elsewhere in the next: the first
  /// elements of each component.
  int64_t fixedSlots(int part) const;

  /// "" if outputs and kept states are right, else the first that is not.
  /// `states` are those of the last part, `tolerance` relative to 1 + |value|.
  std::string compare(const std::vector<float> &out,
                      const std::vector<std::vector<float>> &states,
                      double tolerance = 1e-4) const;

  const Kind kind;
  const int parts;

private:
  int64_t draw(std::mt19937_64 &random, int64_t low, int64_t high) const {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }
  void drawLengths(std::mt19937_64 &random);
  void drawRows(std::mt19937_64 &random);
  void drawColumns(std::mt19937_64 &random);
  void drawSegments(std::mt19937_64 &random);
  void findRanges();
  void drawShared(std::mt19937_64 &random, bool perHead);
  void drawStates(std::mt19937_64 &random);
  void drawContent(std::mt19937_64 &random);
  void addSegment(int64_t param, int64_t begin, int64_t end, int64_t head,
                  const std::vector<int32_t> &rows, int part = 0);
  std::vector<int32_t> rowsOf(int64_t number) const;
  void storeCache(int part, std::mt19937_64 &random);
  void findLse();

  int64_t requests() const { return int64_t(queries.size()); }
  /// Heads that have lists of their own, else 1. Each is a request of its own
  /// for the plan: number request * lists() + head, with one head.
  int64_t lists() const { return shape.lists ? shape.heads : 1; }
  size_t listOf(int64_t request, int64_t head) const {
    return size_t(request * lists() + (shape.lists ? head : 0));
  }
  int64_t planHeads() const { return shape.lists ? 1 : shape.heads; }
  int64_t requestOf(int64_t number) const { return number / lists(); }
  int64_t headOf(int64_t number, int64_t head) const {
    return shape.lists ? number % lists() : head;
  }
  /// Does (request, query) see a key, by the entry's masks at real lengths?
  bool sees(int64_t request, int64_t query, int64_t head, int64_t key) const;
  size_t presentAt(int64_t request, int64_t query, int64_t head,
                   int64_t key) const {
    int64_t row = shape.lists ? request : request * mostQueries + query;
    return size_t((row * shape.heads + head) * mostKeys + key);
  }
  /// Element 0 of a row of `width` of key or value.
  size_t contentAt(int64_t request, int64_t key, int64_t head) const {
    return size_t(((request * mostKeys + key) * shape.heads + head) *
                  shape.width);
  }
  double score(int64_t request, int64_t query, int64_t head, int64_t sub,
               int64_t param, int64_t key) const;
  static constexpr float kBlank = -54321;
  int64_t slotOf(int64_t number, int64_t head, int64_t sub) const {
    return (number * planHeads() + head) * planGroup() + sub;
  }
  int64_t planGroup() const {
    return shape.fold == Fold::columns ? 1 : shape.group;
  }

  /// A softmax relative to exp(0), or a product of decays and a sum.
  struct Total {
    double all = 0;
    std::vector<double> sum;
  };
  Total totalOf(size_t row, int64_t head, int64_t sub) const;
  std::string compareRow(size_t row, int64_t head, int64_t sub,
                         const std::vector<float> &out,
                         const std::vector<std::vector<float>> &states,
                         double tolerance) const;
  double columnOf(size_t row, int64_t head) const;

  Shape shape; ///< of part 0
  int64_t tile;
  int64_t mostQueries = 1, mostKeys = 0;
  std::vector<int32_t> low, high, real; ///< by request and list
  std::vector<int32_t> queries;
  uint64_t scale = 0; ///< a cell

  // The problem. Segments name their part as their view.
  std::vector<attnrt_segment> segments;
  std::vector<int32_t> rowBegin, rowEnd, rowList, sureCount;
  /// Where the rows of every segment follow one another: their numbers. Only
  /// then may items of several segments have the same rows, and resume.
  std::vector<int32_t> rangeBegin, rangeEnd;
  std::vector<int32_t> sym, coord, lo, limit, sureLo, sureLimit;
  std::vector<int64_t> maskBegin;
  std::vector<uint64_t> masks;
  std::vector<int32_t> extBegin, ext, keep;
  int32_t extCount = 0, keepCount = 0;
  /// Of the parts of Formats: all rows stay, all come.
  std::vector<int32_t> everyRow, everyBegin;
  struct Subset {
    std::vector<attnrt_segment> segments;
    std::vector<int32_t> rowBegin, rowEnd, sureCount;
  };
  std::vector<Subset> subsets; ///< by part, where there are several
  std::vector<std::vector<float>> givenStates;

  // Contents, and where they are stored.
  std::vector<float> q, key, value, heat, decay, lse;
  std::vector<uint8_t> present; ///< b, p, g, m; of lists b, g, m
  struct Storage {
    std::vector<float> k, v;
    std::vector<uint16_t> k16, v16;
    std::vector<int32_t> table;
    int64_t pages = 0, width = 0;
  };
  std::vector<Storage> storage; ///< by part
};

} // namespace attn::test

#endif // ATTN_UNITTESTS_JIT_KINDWORLD_H
