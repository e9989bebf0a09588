//===- PlanModel.cpp - A naive kernel and dense results -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "PlanModel.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <cstring>

using namespace attnrt::test;

static constexpr int dim = 3;
static constexpr double inf = INFINITY;

/// Order of the kernel's arguments.
enum Tensor {
  Q,
  K,
  V,
  Table,
  Out,
  Lse,
  Written,
  StateM,
  StateL,
  StateAcc,
  Count
};
enum Scalar { Heads, Group, IsOrdered };

namespace {
/// Softmax: (m, l, acc) as usual. Ordered fold: l is the decay of the part,
/// acc its sum; "x then y" gives acc = y.l * x.acc + y.acc.
struct State {
  double m = -inf, l = 0, acc[dim] = {0, 0, 0};
};
} // namespace

static void combine(State &x, const State &y, bool ordered) {
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

static State point(const double *q, const double *k, const double *v,
                   int32_t param, bool ordered) {
  State state;
  double score = 0;
  for (int d = 0; d < dim; ++d) {
    score += q[d] * k[d];
  }
  score *= 1 + 0.1 * param;
  state.m = ordered ? 0 : score;
  state.l = ordered ? 0.9 : 1;
  for (int d = 0; d < dim; ++d) {
    state.acc[d] = ordered ? score * v[d] : v[d];
  }
  return state;
}

template <typename T> static T *data(const attnrt_args *args, Tensor tensor) {
  return static_cast<T *>(args->tensors[tensor].data);
}

static void finish(const attnrt_args *args, int64_t output, const State &x) {
  bool ordered = args->scalars[IsOrdered];
  for (int d = 0; d < dim; ++d) {
    double value = ordered ? x.acc[d] : x.l > 0 ? x.acc[d] / x.l : 0;
    data<double>(args, Out)[output * dim + d] = value;
  }
  data<double>(args, Lse)[output] = x.m == -inf ? -inf : x.m + std::log(x.l);
  data<int32_t>(args, Written)[output] += 1;
}

static int64_t outputOf(const attnrt_args *args, int32_t row, int32_t head,
                        int32_t sub) {
  return (int64_t(row) * int64_t(args->scalars[Heads]) + head) *
             int64_t(args->scalars[Group]) +
         sub;
}

static void itemKernel(const attnrt_args *args, const attnrt_item *item,
                       void *) {
  const attnrt_segment &segment = args->segments[item->seg];
  const bool ordered = args->scalars[IsOrdered];
  const int64_t heads = int64_t(args->scalars[Heads]);
  for (int32_t r = 0; r < item->row_count; ++r) {
    const attnrt_row &row = args->rows[item->row_begin + r];
    for (int32_t s = 0; s < item->sub_count; ++s) {
      int64_t output = outputOf(args, row.q, item->head, item->sub_begin + s);
      State x;
      for (int32_t t = item->kv_begin; t < item->kv_begin + item->kv_count;
           ++t) {
        int32_t at = segment.coord0 + t;
        bool masked = t >= segment.count || at < row.lo || at >= row.limit;
        if (masked && !(item->flags & ATTNRT_ITEM_FULL)) {
          continue; // a full item is believed, so that a wrong hint shows
        }
        int64_t token = data<int32_t>(args, Table)[segment.list + t];
        int64_t kv = (token * heads + item->head) * dim;
        combine(x,
                point(data<double>(args, Q) + output * dim,
                      data<double>(args, K) + kv, data<double>(args, V) + kv,
                      row.sym, ordered),
                ordered);
      }
      if (item->slot < 0) {
        finish(args, output, x);
        continue;
      }
      int64_t slot = item->slot + int64_t(r) * item->sub_count + s;
      data<double>(args, StateM)[slot] = x.m;
      data<double>(args, StateL)[slot] = x.l;
      std::copy_n(x.acc, dim, data<double>(args, StateAcc) + slot * dim);
    }
  }
}

static void mergeKernel(const attnrt_args *args, const attnrt_merge *merge,
                        void *) {
  for (int32_t r = 0; r < merge->n; ++r) {
    for (int32_t s = 0; s < merge->sub_count; ++s) {
      State x;
      for (int32_t e = 0; e < merge->count; ++e) {
        int64_t slot = args->merge_slots[merge->begin + e] +
                       int64_t(r) * merge->sub_count + s;
        State y;
        y.m = data<double>(args, StateM)[slot];
        y.l = data<double>(args, StateL)[slot];
        std::copy_n(data<double>(args, StateAcc) + slot * dim, dim, y.acc);
        combine(x, y, args->scalars[IsOrdered]);
      }
      int32_t row = args->rows[merge->first + r].q;
      finish(args, outputOf(args, row, merge->head, merge->sub_begin + s), x);
    }
  }
}

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

int32_t attnrt::test::draw(std::mt19937 &rng, int32_t a, int32_t b) {
  return a >= b ? a : std::uniform_int_distribution<int32_t>(a, b)(rng);
}

void World::addSegment(int32_t count, int32_t rows, int32_t window,
                       int32_t coord0) {
  attnrt_segment segment{};
  segment.select = segment.len_ref = segment.head = -1;
  segment.count = count;
  segment.coord0 = coord0;
  segment.param = int32_t(segments.size());
  segments.push_back(segment);
  for (int32_t r = 0; r < rows; ++r) {
    int32_t position = coord0 + count - rows + r;
    coord.push_back(position);
    limit.push_back(position + 1);
    lo.push_back(window ? position + 1 - window : INT32_MIN);
  }
  rowBegin.push_back(int32_t(coord.size()));
}

World World::random(std::mt19937 &rng, Kind kind) {
  World world;
  world.heads = draw(rng, 1, 3);
  world.group = draw(rng, 1, 5);
  if (kind == Kind::Latent) {
    world.heads = 1;
    world.group = draw(rng, 0, 1) ? 128 : draw(rng, 6, 40);
  }
  world.entry.ordered = kind == Kind::Ordered;
  world.entry.kv_tile = 1 << draw(rng, 0, 5);
  world.entry.max_packed_rows =
      draw(rng, 1, 3) == 1 ? draw(rng, 1, 7) : draw(rng, 8, 48);
  const int32_t splits[] = {0, 0, 0, 1, 2, 3, 7};
  world.options.split = splits[draw(rng, 0, 6)];
  world.options.workers = draw(rng, 1, 9);
  world.options.merge_rows = draw(rng, 0, 1) ? 0 : draw(rng, 1, 5);
  if (draw(rng, 0, 3) == 0) {
    world.options.tile_cost = draw(rng, 0, 40);
    world.options.row_cost = draw(rng, 0, 4);
    world.options.item_cost = draw(rng, 0, 90);
  }
  if (draw(rng, 0, 15) == 0) {
    world.entry.states = world.options.split = 0;
  }

  for (int32_t s = draw(rng, 0, 5); s > 0; --s) {
    int32_t count = draw(rng, 0, 3) ? draw(rng, 0, 130) : draw(rng, 0, 3);
    int32_t rows = kind == Kind::Ragged ? 1 : draw(rng, 0, 9);
    int32_t window = kind == Kind::Window ? draw(rng, 1, 60) : 0;
    int32_t coord0 = kind == Kind::Shifted ? draw(rng, -200, 200) : 0;
    if (kind == Kind::Latent) {
      rows = draw(rng, 0, 2);
    }
    world.addSegment(count, rows, window, coord0);
  }
  if (kind == Kind::Hulls) {
    for (size_t r = 0; r < world.lo.size(); ++r) {
      world.lo[r] = draw(rng, -20, 130);
      world.limit[r] = draw(rng, 0, 2) ? world.lo[r] + draw(rng, 0, 90)
                                       : draw(rng, -20, 150);
    }
  }
  world.fill(rng);
  return world;
}

attnrt_problem World::problem() const {
  attnrt_problem p{};
  p.segments = segments.data();
  p.segment_count = int64_t(segments.size());
  p.row_begin = rowBegin.data();
  p.coord = coord.data();
  p.lo = lo.data();
  p.limit = limit.data();
  p.row_count = int64_t(coord.size());
  p.heads = heads;
  p.group = group;
  return p;
}

void World::fill(std::mt19937 &rng) {
  std::normal_distribution<double> normal;
  int64_t tokens = 0;
  for (attnrt_segment &segment : segments) {
    segment.list = tokens;
    tokens += segment.count;
  }
  table.resize(tokens);
  for (int64_t t = 0; t < tokens; ++t) {
    table[t] = int32_t(t);
  }
  std::shuffle(table.begin(), table.end(), rng);

  const int64_t outputs = int64_t(coord.size()) * heads * group;
  k.assign(tokens * heads * dim, NAN);
  v.assign(tokens * heads * dim, NAN);
  q.resize(outputs * dim);
  for (double &x : q) {
    x = normal(rng);
  }
  dense.assign(outputs * dim, 0);
  denseLse.assign(outputs, -inf);
  for (size_t s = 0; s < segments.size(); ++s) {
    const attnrt_segment &segment = segments[s];
    auto sees = [&](int32_t row, int32_t t) {
      int32_t at = segment.coord0 + t;
      return at >= lo[row] && at < limit[row];
    };
    for (int32_t t = 0; t < segment.count; ++t) {
      bool seen = false;
      for (int32_t r = rowBegin[s]; r < rowBegin[s + 1] && !seen; ++r) {
        seen = sees(r, t);
      }
      int64_t base = int64_t(table[segment.list + t]) * heads * dim;
      for (int64_t x = base; seen && x < base + heads * dim; ++x) {
        k[x] = normal(rng);
        v[x] = normal(rng);
      }
    }
    for (int32_t r = rowBegin[s]; r < rowBegin[s + 1]; ++r) {
      for (int32_t hs = 0; hs < heads * group; ++hs) {
        int64_t output = int64_t(r) * heads * group + hs;
        State x;
        for (int32_t t = 0; t < segment.count; ++t) {
          if (sees(r, t)) {
            int64_t token = table[segment.list + t];
            int64_t kv = (token * heads + hs / group) * dim;
            combine(x,
                    point(&q[output * dim], &k[kv], &v[kv], segment.param,
                          entry.ordered),
                    entry.ordered);
          }
        }
        for (int d = 0; d < dim && x.m != -inf; ++d) {
          dense[output * dim + d] = entry.ordered ? x.acc[d] : x.acc[d] / x.l;
        }
        denseLse[output] = x.m == -inf ? -inf : x.m + std::log(x.l);
      }
    }
  }
}

static bool close(double got, double want) {
  return got == want || std::fabs(got - want) <= 1e-12 * (1 + std::fabs(want));
}

std::string World::run(const attnrt_plan *plan, attnrt_pool *pool) {
  const size_t outputs = denseLse.size();
  std::vector<double> out(outputs * dim, NAN), lse(outputs, NAN);
  std::vector<int32_t> written(outputs, 0);
  std::vector<double> m(plan->slots, NAN), l(plan->slots, NAN);
  std::vector<double> acc(size_t(plan->slots) * dim, NAN);
  attnrt_tensor tensors[Count] = {};
  void *pointers[Count] = {q.data(),   k.data(),   v.data(),       table.data(),
                           out.data(), lse.data(), written.data(), m.data(),
                           l.data(),   acc.data()};
  for (int t = 0; t < Count; ++t) {
    tensors[t].data = pointers[t];
  }
  const uint64_t scalars[] = {uint64_t(heads), uint64_t(group),
                              uint64_t(entry.ordered)};
  attnrt_args args{};
  args.tensors = tensors;
  args.scalars = scalars;
  if (attnrt_cpu_run(plan, 0, itemKernel, mergeKernel, &args, pool, 64)) {
    return attnrt_last_message();
  }
  for (size_t o = 0; o < outputs; ++o) {
    std::string name = "output " + std::to_string(o);
    if (written[o] != 1) {
      return name + " written " + std::to_string(written[o]) + " times";
    }
    for (int d = 0; d < dim; ++d) {
      if (!close(out[o * dim + d], dense[o * dim + d])) {
        return name + " expects " + std::to_string(dense[o * dim + d]) +
               ", but got " + std::to_string(out[o * dim + d]);
      }
    }
    if (!close(lse[o], denseLse[o])) {
      return name + " expects lse " + std::to_string(denseLse[o]) +
             ", but got " + std::to_string(lse[o]);
    }
  }
  return "";
}
