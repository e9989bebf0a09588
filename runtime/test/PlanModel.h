//===- PlanModel.h - A naive kernel and dense results ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A batch with data in f64, kernels that run items and merges one point after
// the other, and the result computed without any plan. Every token that no row
// sees is NaN, every output and state starts as NaN.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TEST_PLANMODEL_H
#define ATTNRT_TEST_PLANMODEL_H

#include "attnrt/cpu.h"
#include "attnrt/plan.h"

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
  attnrt_stage *stage() const { return array<attnrt_stage>(get()->stages); }

private:
  struct Free {
    void operator()(char *block) const;
  };
  uint64_t size;
  std::unique_ptr<char, Free> data;
};

enum class Kind {
  Ragged,  ///< one row per segment that sees all of it
  Causal,  ///< rows that end one after the other
  Window,  ///< causal with a window, so lo > 0
  Latent,  ///< one KV head with a group of up to 128
  Ordered, ///< a fold that is not commutative
  Hulls,   ///< any lo and limit, empty rows among them
  Shifted, ///< coordinates that do not start at 0
};
constexpr int kinds = 7;

/// A problem with its data. Fields may be changed before `fill`.
class World {
public:
  /// One segment with `rows` rows of coordinates count - rows ..; lo and limit
  /// are causal with the given window (0 = none).
  void addSegment(int32_t count, int32_t rows, int32_t window = 0,
                  int32_t coord0 = 0);
  static World random(std::mt19937 &rng, Kind kind);

  /// Draws data for the problem as it is now and computes the dense result.
  void fill(std::mt19937 &rng);
  attnrt_problem problem() const;

  /// Runs the plan and compares: "" if every output was written once and
  /// differs by at most 1e-12 of its size from the dense result.
  std::string run(const attnrt_plan *plan, attnrt_pool *pool = nullptr);

  std::vector<attnrt_segment> segments;
  std::vector<int32_t> rowBegin{0};
  std::vector<int32_t> coord, lo, limit;
  int32_t heads = 1, group = 1;
  attnrt_entry entry{0, 16, 16, 3, 0};
  attnrt_plan_options options{3, 0, 0, 0, 0, 0, 0};

private:
  std::vector<double> q, k, v, dense, denseLse;
  std::vector<int32_t> table;
};

/// Draws an integer of [a, b].
int32_t draw(std::mt19937 &rng, int32_t a, int32_t b);

} // namespace attnrt::test

#endif // ATTNRT_TEST_PLANMODEL_H
