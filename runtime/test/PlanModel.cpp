//===- PlanModel.cpp - Naive kernels --------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PlanModel.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace attnrt::test;

static constexpr int dim = State::dim;
static constexpr double inf = INFINITY;
/// Order of the kernels' arguments.
enum Tensor {
  Q,
  K0,
  V0,
  K1,
  V1,
  Table,
  Selection,
  Out,
  Lse,
  Written,
  States,
  RowLse,
  ColumnBase,
  Columns,
  ColumnsWritten,
  ColumnStates,
  Count
};
enum Scalar { Heads, Group, IsOrdered, WindowSize, ScalarCount };

void attnrt::test::combine(State &x, const State &y, bool ordered) {
  if (y.m == -inf) {
    return;
  }
  if (x.m == -inf) {
    x = y;
    return;
  }
  if (ordered) {
    for (int d = 0; d < dim; ++d) {
      x.acc[d] = y.l * x.acc[d] + y.acc[d];
    }
    x.l *= y.l;
    return;
  }
  double m = std::max(x.m, y.m);
  double cx = std::exp(x.m - m), cy = std::exp(y.m - m);
  x.l = x.l * cx + y.l * cy;
  for (int d = 0; d < dim; ++d) {
    x.acc[d] = x.acc[d] * cx + y.acc[d] * cy;
  }
  x.m = m;
}

double attnrt::test::scoreOf(const double *q, const double *k,
                             const attnrt_segment &segment, int32_t sym) {
  double score = 0;
  for (int d = 0; d < dim; ++d) {
    score += q[d] * k[d];
  }
  return score * (1 + 0.1 * segment.param + 0.01 * sym) *
         (segment.view ? 0.5 : 1);
}

State attnrt::test::point(double score, const double *v, bool ordered) {
  State state;
  state.m = ordered ? 0 : score;
  state.l = ordered ? 0.9 : 1;
  for (int d = 0; d < dim; ++d) {
    state.acc[d] = ordered ? score * v[d] : v[d];
  }
  return state;
}

void attnrt::test::epilogue(const State &x, bool ordered, double *out,
                            double *lse) {
  for (int d = 0; d < dim; ++d) {
    out[d] = ordered ? x.acc[d] : x.l > 0 ? x.acc[d] / x.l : 0;
  }
  *lse = x.m == -inf ? -inf : x.m + std::log(x.l);
}

template <typename T> static T *data(const attnrt_args *args, Tensor tensor) {
  return static_cast<T *>(args->tensors[tensor].data);
}

static void finish(const attnrt_args *args, int64_t output, const State &x) {
  epilogue(x, args->scalars[IsOrdered], data<double>(args, Out) + output * dim,
           data<double>(args, Lse) + output);
  data<int32_t>(args, Written)[output] += 1;
}

static int64_t outputOf(const attnrt_args *args, int32_t row, int32_t head,
                        int32_t sub) {
  return (int64_t(row) * int64_t(args->scalars[Heads]) + head) *
             int64_t(args->scalars[Group]) +
         sub;
}

/// Calls visit(score, value) for each ordinal of the item that row r of its run
/// and query head s of its run see; with `only`, for that ordinal.
template <typename Visit>
static void eachPoint(const attnrt_args *args, const attnrt_item *item,
                      int32_t r, int32_t s, Visit visit, int32_t only = -1) {
  const attnrt_segment &segment = args->segments[item->seg];
  const attnrt_row &row = args->rows[item->row_begin + r];
  const int64_t heads = int64_t(args->scalars[Heads]);
  const int64_t window = int64_t(args->scalars[WindowSize]);
  int64_t count = segment.count, limit = row.limit;
  if (segment.len_ref >= 0) {
    int64_t real = int64_t(args->lengths[segment.len_ref]) - segment.len_bias;
    count = std::clamp<int64_t>(real, 0, count);
  }
  if (row.len_ref >= 0) {
    limit = std::min<int64_t>(limit,
                              int64_t(args->lengths[row.len_ref]) - row.back);
  }
  const int64_t output = outputOf(args, row.q, item->head, item->sub_begin + s);
  const bool full = item->flags & ATTNRT_ITEM_FULL;
  for (int32_t t = item->kv_begin; t < item->kv_begin + item->kv_count; ++t) {
    if (only >= 0 && t != only) {
      continue;
    }
    // A full item is believed, so that a wrong hint shows.
    if (!full && t >= count) {
      continue;
    }
    const int32_t x = segment.select < 0
                          ? t
                          : data<int32_t>(args, Selection)[segment.select + t];
    const int64_t at = int64_t(segment.coord0) + x;
    bool masked = at < row.lo || at >= limit ||
                  (window && at < limit - window) ||
                  (item->mask >= 0 &&
                   !(args->masks[item->mask + t - item->kv_begin] >> r & 1));
    if (!full && masked) {
      continue;
    }
    const int32_t page = pageSize[segment.view];
    int64_t kv = data<int32_t>(args, Table)[segment.list + x / page];
    kv = ((kv * page + x % page) * heads + item->head) * dim;
    const double *k = data<double>(args, segment.view ? K1 : K0) + kv;
    const double *v = data<double>(args, segment.view ? V1 : V0) + kv;
    visit(scoreOf(data<double>(args, Q) + output * dim, k, segment, row.sym),
          v);
  }
}

static void itemKernel(const attnrt_args *args, const attnrt_item *item,
                       void *scratch) {
  const bool ordered = args->scalars[IsOrdered];
  State *kept = static_cast<State *>(scratch);
  for (int32_t r = 0; r < item->row_count; ++r) {
    const attnrt_row &row = args->rows[item->row_begin + r];
    for (int32_t s = 0; s < item->sub_count; ++s) {
      const int64_t packed = int64_t(r) * item->sub_count + s;
      State x;
      if (item->flags & ATTNRT_ITEM_RESUME) {
        x = kept[packed];
      }
      eachPoint(args, item, r, s, [&](double score, const double *v) {
        combine(x, point(score, v, ordered), ordered);
      });
      if (item->flags & ATTNRT_ITEM_KEEP) {
        kept[packed] = x;
      } else if (item->slot < 0) {
        finish(args, outputOf(args, row.q, item->head, item->sub_begin + s), x);
      } else {
        data<State>(args, States)[item->slot + packed] = x;
      }
    }
  }
}

static void mergeKernel(const attnrt_args *args, const attnrt_merge *merge,
                        void *) {
  for (int32_t r = 0; r < merge->n; ++r) {
    for (int32_t s = 0; s < merge->sub_count; ++s) {
      const int64_t packed = int64_t(r) * merge->sub_count + s;
      State x;
      for (int32_t e = 0; e < merge->count; ++e) {
        int64_t slot = args->merge_slots[merge->begin + e] + packed;
        combine(x, data<State>(args, States)[slot], args->scalars[IsOrdered]);
      }
      if (merge->dst >= 0) {
        data<State>(args, States)[merge->dst + packed] = x;
        continue;
      }
      int32_t row = args->rows[merge->first + r].q;
      finish(args, outputOf(args, row, merge->head, merge->sub_begin + s), x);
    }
  }
}

static int64_t columnOf(const attnrt_args *args, int32_t seg, int32_t head,
                        int32_t ordinal) {
  return data<int64_t>(args, ColumnBase)[seg] +
         int64_t(head) * args->segments[seg].count + ordinal;
}

static void columnItemKernel(const attnrt_args *args, const attnrt_item *item,
                             void *) {
  for (int32_t t = 0; t < item->kv_count; ++t) {
    double sum = 0;
    for (int32_t r = 0; r < item->row_count; ++r) {
      const attnrt_row &row = args->rows[item->row_begin + r];
      for (int32_t s = 0; s < item->sub_count; ++s) {
        double lse = data<double>(
            args,
            RowLse)[outputOf(args, row.q, item->head, item->sub_begin + s)];
        eachPoint(
            args, item, r, s,
            [&](double score, const double *) { sum += std::exp(score - lse); },
            item->kv_begin + t);
      }
    }
    if (item->slot >= 0) {
      data<double>(args, ColumnStates)[item->slot + t] = sum;
      continue;
    }
    int64_t column = columnOf(args, item->seg, item->head, item->kv_begin + t);
    data<double>(args, Columns)[column] = sum;
    data<int32_t>(args, ColumnsWritten)[column] += 1;
  }
}

static void columnMergeKernel(const attnrt_args *args,
                              const attnrt_merge *merge, void *) {
  for (int32_t t = 0; t < merge->n; ++t) {
    double sum = 0;
    for (int32_t e = 0; e < merge->count; ++e) {
      sum += data<double>(
          args, ColumnStates)[args->merge_slots[merge->begin + e] + t];
    }
    int64_t column = columnOf(args, merge->seg, merge->head, merge->first + t);
    data<double>(args, Columns)[column] = sum;
    data<int32_t>(args, ColumnsWritten)[column] += 1;
  }
}

//===----------------------------------------------------------------------===//
// Running a plan
//===----------------------------------------------------------------------===//

static bool close(double got, double want) {
  return got == want || std::fabs(got - want) <= 1e-12 * (1 + std::fabs(want));
}

std::string World::compareRows(const Outcome &outcome,
                               const std::vector<State> &kept,
                               const std::vector<int32_t> &written) const {
  const int32_t perRow = heads * group;
  for (size_t o = 0; o < denseLse.size(); ++o) {
    const std::string name = "output " + std::to_string(o);
    const int32_t number = keep.empty() ? -1 : keep[o / perRow];
    double out[dim] = {}, lse = 0;
    if (number >= 0) {
      const State &state =
          kept[(size_t(extCount) + number) * perRow + o % perRow];
      epilogue(state, entry.ordered, out, &lse);
    } else {
      std::copy_n(&outcome.out[o * dim], dim, out);
      lse = outcome.lse[o];
    }
    if (written[o] != (number < 0)) {
      return name + " written " + std::to_string(written[o]) + " times";
    }
    for (int d = 0; d < dim; ++d) {
      if (!close(out[d], dense[o * dim + d])) {
        return name + " expects " + std::to_string(dense[o * dim + d]) +
               ", but got " + std::to_string(out[d]);
      }
    }
    if (!close(lse, denseLse[o])) {
      return name + " expects lse " + std::to_string(denseLse[o]) +
             ", but got " + std::to_string(lse);
    }
  }
  return "";
}

std::string World::compareColumns(const Outcome &outcome,
                                  const std::vector<int32_t> &written) const {
  for (size_t s = 0; s < segments.size(); ++s) {
    for (int32_t h = 0; h < heads; ++h) {
      for (int32_t t = 0; t < segments[s].count; ++t) {
        int64_t c = columnBase[s] + int64_t(h) * segments[s].count + t;
        bool mine = segments[s].head < 0 || segments[s].head == h;
        if (written[c] != mine ||
            (mine && !close(outcome.columns[c], denseColumns[c]))) {
          return "column " + std::to_string(c) + " expects " +
                 std::to_string(denseColumns[c]) + " once, but got " +
                 std::to_string(outcome.columns[c]) + ", written " +
                 std::to_string(written[c]) + " times";
        }
      }
    }
  }
  return "";
}

std::string World::run(const attnrt_plan *plan, attnrt_pool *pool,
                       Outcome *outcome) {
  const size_t outputs = denseLse.size();
  Outcome own;
  Outcome &got = outcome ? *outcome : own;
  got.out.assign(outputs * dim, NAN);
  got.lse.assign(outputs, NAN);
  got.columns.assign(denseColumns.size(), NAN);
  std::vector<int32_t> written(outputs, 0);
  std::vector<int32_t> columnsWritten(denseColumns.size(), 0);
  State nobody;
  nobody.m = nobody.l = nobody.acc[0] = nobody.acc[1] = nobody.acc[2] = NAN;
  std::vector<State> states(plan->slots, nobody);
  std::copy_n(extStates.begin(), std::min(extStates.size(), states.size()),
              states.begin());
  std::vector<double> columnStates(plan->slots, NAN);
  attnrt_tensor tensors[Count] = {};
  void *pointers[Count] = {
      q.data(),           k[0].data(),        v[0].data(),
      k[1].data(),        v[1].data(),        table.data(),
      selection.data(),   got.out.data(),     got.lse.data(),
      written.data(),     states.data(),      denseLse.data(),
      columnBase.data(),  got.columns.data(), columnsWritten.data(),
      columnStates.data()};
  for (int t = 0; t < Count; ++t) {
    tensors[t].data = pointers[t];
  }
  const uint64_t scalars[ScalarCount] = {uint64_t(heads), uint64_t(group),
                                         uint64_t(entry.ordered),
                                         uint64_t(window)};
  attnrt_args args{};
  args.tensors = tensors;
  args.scalars = scalars;
  args.lengths = lengths.data();
  const uint64_t scratch = sizeof(State) * uint64_t(entry.max_packed_rows);
  if (attnrt_cpu_run(plan, 0, itemKernel, mergeKernel, &args, pool, scratch)) {
    return attnrt_last_message();
  }
  std::string error = compareRows(got, states, written);
  if (!columns || !error.empty()) {
    return error;
  }
  if (attnrt_cpu_run(plan, 1, columnItemKernel, columnMergeKernel, &args, pool,
                     64)) {
    return attnrt_last_message();
  }
  return compareColumns(got, columnsWritten);
}

//===----------------------------------------------------------------------===//
// Plans
//===----------------------------------------------------------------------===//

PlannerPtr attnrt::test::makePlanner() {
  attnrt_planner *planner = nullptr;
  attnrt_planner_create(&planner);
  return PlannerPtr(planner);
}

void PlanCopy::Free::operator()(char *block) const { std::free(block); }

PlanCopy::PlanCopy(const attnrt_plan *plan)
    : size(plan->bytes),
      data(static_cast<char *>(std::aligned_alloc(64, plan->bytes))) {
  std::memcpy(data.get(), plan, size);
}

attnrt_plan *PlanCopy::get() const {
  return reinterpret_cast<attnrt_plan *>(data.get());
}

std::string attnrt::test::check(World &world, attnrt_planner *planner,
                                const attnrt_plan **out, attnrt_pool *pool,
                                Outcome *outcome) {
  attnrt_problem problem = world.problem();
  const attnrt_plan *plan = nullptr;
  if (attnrt_planner_plan(planner, &problem, world.stages(), &world.options,
                          &plan)) {
    return std::string("plan: ") + attnrt_last_message();
  }
  if (attnrt_plan_verify(plan, plan->bytes, &problem, world.stages(),
                         &world.options)) {
    return std::string("verify: ") + attnrt_last_message();
  }
  if (out) {
    *out = plan;
  }
  return world.run(plan, pool, outcome);
}

unsigned attnrt::test::testSeed() {
  const char *given = std::getenv("ATTN_TEST_SEED");
  return given ? unsigned(std::strtoul(given, nullptr, 10)) : 1;
}

bool attnrt::test::testLong() { return std::getenv("ATTN_TEST_LONG"); }
