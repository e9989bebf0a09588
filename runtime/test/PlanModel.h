//===- PlanModel.h - Problems with data, and their execution --*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A world is a batch with keys, values, queries and real lengths. Its kernel is
// a naive one in f64: softmax attention with a log-sum-exp, or for ordered
// worlds a decayed sum in which the order of points matters; a second one sums
// the weights of every key over rows and query heads. Keys and values that no
// row sees at the real lengths are NaN, and so are slots that nobody wrote.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TEST_PLANMODEL_H
#define ATTNRT_TEST_PLANMODEL_H

#include "attnrt/cpu.h"
#include "attnrt/plan.h"

#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace attnrt::test {

/// Owner of a planner.
struct PlannerDeleter {
  void operator()(attnrt_planner *p) const { attnrt_planner_destroy(p); }
};
using PlannerPtr = std::unique_ptr<attnrt_planner, PlannerDeleter>;
PlannerPtr makePlanner();

/// A copy of a plan's block that may be changed.
struct PlanCopy {
  explicit PlanCopy(const attnrt_plan *plan);
  attnrt_plan *get() const;
  uint64_t bytes() const { return size; }
  template <typename T> T *array(const attnrt_plan_array &a) const {
    return reinterpret_cast<T *>(data.get() + a.offset);
  }
  attnrt_item *items() const { return array<attnrt_item>(get()->items); }
  attnrt_merge *merges() const { return array<attnrt_merge>(get()->merges); }
  int32_t *mergeSlots() const { return array<int32_t>(get()->merge_slots); }
  int32_t *work() const { return array<int32_t>(get()->work); }
  uint64_t *masks() const { return array<uint64_t>(get()->masks); }
  attnrt_stage *stage() const { return array<attnrt_stage>(get()->stages); }

private:
  struct Free {
    void operator()(char *block) const;
  };
  uint64_t size;
  std::unique_ptr<char, Free> data;
};

enum class Kind {
  Ragged,   ///< one row per segment that sees all of it
  Causal,   ///< rows that end one after the other
  Window,   ///< causal with a window, so lo > 0
  Latent,   ///< one KV head with a group of up to 128
  Ordered,  ///< a fold that is not commutative
  Hulls,    ///< any lo and limit, empty rows among them
  Shifted,  ///< coordinates that do not start at 0
  Forest,   ///< prefixes that requests share
  Overlap,  ///< a row reads contexts at the same coordinates
  Heads,    ///< each KV head has lists of its own
  Lists,    ///< selection lists with counts on the device
  Formats,  ///< two formats in one row
  External, ///< states from elsewhere, and states that stay
  Tree,     ///< mask words for speculative trees
  Columns   ///< a second stage whose outputs are ordinals
};
constexpr int flatKinds = 7, kinds = 15;

/// Partial state. Softmax: (m, l, acc) as usual. Ordered fold: l is the decay
/// of the part, acc its sum; "x then y" gives acc = y.l * x.acc + y.acc.
struct State {
  static constexpr int dim = 3;
  double m = -INFINITY, l = 0, acc[dim] = {0, 0, 0};
};

/// x becomes "x then y".
void combine(State &x, const State &y, bool ordered);
/// The state of one point.
State point(double score, const double *v, bool ordered);
double scoreOf(const double *q, const double *k, const attnrt_segment &segment,
               int32_t sym);
/// Value and log-sum-exp of a state.
void epilogue(const State &x, bool ordered, double *out, double *lse);

/// Points of a page, by view.
constexpr int32_t pageSize[] = {1, 4};

/// What a run wrote.
struct Outcome {
  std::vector<double> out, lse; ///< by output of axis 0
  std::vector<double> columns;  ///< by output of axis 1
};

/// A problem with its data. Fields may be changed before `fill`.
class World {
public:
  World();

  /// One segment with `rows` rows of coordinates count - rows ..; lo and limit
  /// are causal with the given window (0 = none).
  void addSegment(int32_t count, int32_t rows, int32_t window = 0,
                  int32_t coord0 = 0);
  static World random(std::mt19937 &rng, Kind kind);

  /// Draws real lengths and data for the problem as it is now, and computes the
  /// dense result. May be called again: the same plan has to fit.
  void fill(std::mt19937 &rng);
  attnrt_problem problem() const;

  /// A shared prefix tree of one format: a node of level i has counts[i] keys
  /// and children[i] children; leaves are requests of one row. Not yet filled.
  static World forest(const std::vector<int32_t> &children,
                      const std::vector<int32_t> &counts);
  /// The same work and data without the rows of other requests (`sym`).
  World only(int32_t request) const;
  /// The same work and data with one segment of its own for every row; for
  /// worlds like those of forest().
  World unshared() const;

  /// First entry; the column stage follows it where there is one.
  const attnrt_entry *stages();

  /// Runs the plan and compares: "" if every output was written once and
  /// differs by at most 1e-12 of its size from the dense result.
  std::string run(const attnrt_plan *plan, attnrt_pool *pool = nullptr,
                  Outcome *outcome = nullptr);

  // The problem, in the order of attnrt_problem; empty: null.
  int32_t heads = 1, group = 1;
  std::vector<attnrt_segment> segments;
  std::vector<int32_t> rowBegin{0}, rowEnd, rowList;
  std::vector<int32_t> coord, lo, limit, sureLo, sureLimit;
  std::vector<int32_t> rowLenRef, rowBack, sym, sureCount;
  std::vector<int64_t> maskBegin;
  std::vector<uint64_t> masks;
  std::vector<int32_t> extBegin, ext, keep;
  int32_t extCount = 0, keepCount = 0;

  attnrt_entry entry{}, columnEntry{};
  attnrt_plan_options options{};
  bool columns = false;

  /// Keys times KV heads that the plan's items read.
  static int64_t reads(const attnrt_plan *plan);

  // What only the device knows.
  std::vector<int32_t> lengthLow, lengthHigh, lengths;
  std::vector<int32_t> selection;
  int32_t window = 0; ///< of the kernel: the last points that a row sees

private:
  friend class WorldMaker;
  int32_t readers(int32_t s) const;
  int32_t readerAt(int32_t s, int32_t place) const;
  int32_t realCount(int32_t s) const;
  /// Does the row, at a place of the segment's list, see the ordinal?
  bool sees(int32_t s, int32_t place, int32_t ordinal) const;
  /// First element of the point's key and value.
  int64_t address(const attnrt_segment &segment, int32_t point,
                  int32_t head) const;
  void fillStorage(std::mt19937 &rng);
  void fillDense();
  std::string compareRows(const Outcome &outcome,
                          const std::vector<State> &kept,
                          const std::vector<int32_t> &written) const;
  std::string compareColumns(const Outcome &outcome,
                             const std::vector<int32_t> &written) const;

  std::vector<double> q, k[2], v[2], dense, denseLse, denseColumns;
  std::vector<int32_t> table;
  std::vector<int64_t> columnBase;
  std::vector<State> extStates;
};

/// Draws an integer of [a, b].
int32_t draw(std::mt19937 &rng, int32_t a, int32_t b);

/// Plans, verifies and runs; "" if all is well.
std::string check(World &world, attnrt_planner *planner,
                  const attnrt_plan **out = nullptr,
                  attnrt_pool *pool = nullptr, Outcome *outcome = nullptr);

/// ATTN_TEST_SEED, or 1; whether ATTN_TEST_LONG asks for everything.
unsigned testSeed();
bool testLong();

} // namespace attnrt::test

#endif // ATTNRT_TEST_PLANMODEL_H
