//===- SharedKeys.cpp - Batches whose requests share keys -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SharedKeys.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace attn;
using namespace attn::test;

Batch::Batch(const Shape &shape, std::vector<Node> nodesGiven,
             std::vector<int32_t> leafGiven, std::vector<int32_t> lengthsGiven,
             std::vector<int32_t> queriesGiven, uint64_t seed)
    : shape(shape), nodes(std::move(nodesGiven)), leaf(std::move(leafGiven)),
      lengths(std::move(lengthsGiven)), queries(std::move(queriesGiven)),
      scale(1 / std::sqrt(float(shape.width))) {
  for (const Node &node : nodes) {
    records.push_back({node.parent, node.end});
  }
  mostQueries = *std::max_element(queries.begin(), queries.end());
  int32_t longest = *std::max_element(lengths.begin(), lengths.end());
  tableWidth = longest / shape.page + 2;
  std::mt19937_64 random(seed);
  placePages(random);
  fillPages(random);
  std::normal_distribution<float> normal;
  q.resize(size_t(requests() * mostQueries * shape.heads * shape.group *
                  shape.width));
  for (float &x : q) {
    x = normal(random);
  }
}

int32_t Batch::nodeOf(int64_t request, int64_t key) const {
  int32_t found = -1;
  for (int32_t n = leaf[size_t(request)]; n >= 0 && key < nodes[size_t(n)].end;
       n = nodes[size_t(n)].parent) {
    found = n;
  }
  return found;
}

/// A page is a node's if that has all of it; pages that a border cuts are each
/// request's own. Page 0 and two others are nobody's.
void Batch::placePages(std::mt19937_64 &random) {
  table.assign(size_t(requests() * tableWidth), 0);
  std::vector<std::vector<int32_t>> ofNode(nodes.size());
  pages = 1;
  for (int64_t r = 0; r < requests(); ++r) {
    for (int64_t page = 0; page * shape.page < lengths[size_t(r)]; ++page) {
      int32_t &entry = table[size_t(r * tableWidth + page)];
      int32_t node = nodeOf(r, page * shape.page);
      if (node < 0 || (page + 1) * shape.page > nodes[size_t(node)].end) {
        entry = int32_t(pages++);
        continue;
      }
      std::vector<int32_t> &own = ofNode[size_t(node)];
      own.resize(std::max(own.size(), size_t(page) + 1));
      entry = own[size_t(page)] ? own[size_t(page)] : int32_t(pages++);
      own[size_t(page)] = entry;
    }
  }
  pages += 2;
  std::vector<int32_t> numbers(static_cast<size_t>(pages));
  std::iota(numbers.begin(), numbers.end(), 0);
  std::shuffle(numbers.begin() + 1, numbers.end(), random);
  for (int32_t &entry : table) {
    entry = numbers[size_t(entry)];
  }
}

/// A node's keys are drawn once, wherever they are stored.
void Batch::fillPages(std::mt19937_64 &random) {
  const size_t row = size_t(shape.heads * shape.width);
  k.assign(size_t(pages * shape.page) * row, NAN);
  v = k;
  std::normal_distribution<float> normal;
  auto draw = [&] {
    std::vector<float> both(2 * row);
    for (float &x : both) {
      x = normal(random);
    }
    return both;
  };
  std::vector<std::vector<std::vector<float>>> ofNode(nodes.size());
  for (size_t n = 0; n < nodes.size(); ++n) {
    ofNode[n].resize(size_t(nodes[n].end));
  }
  std::vector<bool> isFull(static_cast<size_t>(pages));
  for (int64_t r = 0; r < requests(); ++r) {
    for (int64_t begin = 0; begin < lengths[size_t(r)]; begin += shape.page) {
      size_t page = size_t(table[size_t(r * tableWidth + begin / shape.page)]);
      if (isFull[page]) {
        continue;
      }
      isFull[page] = true;
      int64_t end = std::min<int64_t>(begin + shape.page, lengths[size_t(r)]);
      for (int64_t key = begin; key < end; ++key) {
        int32_t node = nodeOf(r, key);
        std::vector<float> own;
        std::vector<float> &both =
            node < 0 ? own : ofNode[size_t(node)][size_t(key)];
        if (both.empty()) {
          both = draw();
        }
        std::copy_n(both.data(), row, find(k, r, key, 0));
        std::copy_n(both.data() + row, row, find(v, r, key, 0));
      }
    }
  }
}

float *Batch::find(std::vector<float> &cache, int64_t request, int64_t key,
                   int64_t head) {
  int64_t page = table[size_t(request * tableWidth + key / shape.page)];
  return cache.data() +
         ((page * shape.page + key % shape.page) * shape.heads + head) *
             shape.width;
}

attnrt_prefixes Batch::prefixes() const {
  auto p = rt::params<attnrt_prefixes>();
  p.num_nodes = int32_t(records.size());
  p.nodes = records.data();
  p.leaf = leaf.data();
  p.num_leaves = int32_t(leaf.size());
  return p;
}

std::vector<double> Batch::dense() const {
  Batch &self = const_cast<Batch &>(*this); // find() gives places to write too
  std::vector<double> out(q.size(), 0), weights;
  for (int64_t r = 0; r < requests(); ++r) {
    for (int64_t p = 0; p < queries[r]; ++p) {
      int64_t last = p + lengths[r] - queries[r];
      int64_t to = shape.mask == Mask::none ? lengths[r] : last + 1;
      int64_t from = shape.mask == Mask::window ? last + 1 - shape.window : 0;
      from = std::max<int64_t>(from, 0);
      to = std::min<int64_t>(to, lengths[r]);
      for (int64_t h = 0; h < shape.heads * shape.group; ++h) {
        int64_t row = ((r * mostQueries + p) * shape.heads * shape.group + h) *
                      shape.width;
        weights.clear();
        double most = -INFINITY, sum = 0;
        for (int64_t m = from; m < to; ++m) {
          const float *key = self.find(self.k, r, m, h / shape.group);
          double score = 0;
          for (int64_t e = 0; e < shape.width; ++e) {
            score += double(q[size_t(row + e)]) * key[e];
          }
          most = std::max(most, weights.emplace_back(score * scale));
        }
        for (double &w : weights) {
          sum += w = std::exp(w - most);
        }
        for (double &w : weights) {
          w /= sum;
        }
        for (int64_t m = from; m < to; ++m) {
          const float *value = self.find(self.v, r, m, h / shape.group);
          for (int64_t e = 0; e < shape.width; ++e) {
            out[size_t(row + e)] += weights[size_t(m - from)] * value[e];
          }
        }
      }
    }
  }
  return out;
}

namespace {
/// A DLTensor of a compact array in host memory.
struct Tensor {
  Tensor(const void *data, std::vector<int64_t> given, DLDataType dtype)
      : sizes(std::move(given)) {
    tensor.data = const_cast<void *>(data);
    tensor.device = {kDLCPU, 0};
    tensor.dtype = dtype;
    tensor.ndim = int32_t(sizes.size());
    tensor.shape = sizes.data();
  }
  Tensor(const Tensor &) = delete;
  DLTensor tensor{};
  std::vector<int64_t> sizes;
};
constexpr DLDataType kF32{kDLFloat, 32, 1}, kI32{kDLInt, 32, 1};
} // namespace

Ran attn::test::run(rt::Context &, rt::Bundle &bundle, Batch &batch,
                    const How &how) {
  const Shape &s = batch.shape;
  int64_t requests = batch.requests();
  rt::Kernel kernel(bundle, "attend", how.device);
  auto caps = rt::params<attnrt_schedule_caps>();
  caps.workers = how.workers;
  caps.split = how.split;
  caps.strategy = how.strategy;
  rt::Schedule schedule(kernel, &caps);
  std::vector<int64_t> rows{requests, batch.mostQueries, s.heads, s.group,
                            s.width};
  std::vector<int64_t> cache{batch.pages, s.page, s.heads, s.width};
  Ran result;
  result.out.assign(batch.q.size(), -1);
  Tensor q(batch.q.data(), rows, kF32), k(batch.k.data(), cache, kF32),
      v(batch.v.data(), cache, kF32),
      table(batch.table.data(), {requests, batch.tableWidth}, kI32),
      length(batch.lengths.data(), {requests}, kI32),
      queries(batch.queries.data(), {requests}, kI32),
      scale(&batch.scale, {}, kF32), out(result.out.data(), rows, kF32),
      low(how.low.data(), {requests}, kI32),
      high(how.high.data(), {requests}, kI32);
  std::vector<const DLTensor *> arguments{
      &q.tensor,      &k.tensor,       &v.tensor,    &table.tensor,
      &length.tensor, &queries.tensor, &scale.tensor};
  std::vector<const DLTensor *> lows(arguments.size()), highs(arguments.size());
  lows[4] = &low.tensor;
  highs[4] = &high.tensor;
  auto step = rt::params<attnrt_step>();
  step.num_arguments = int32_t(arguments.size());
  step.arguments = arguments.data();
  if (!how.low.empty()) {
    step.low = lows.data();
    step.host = highs.data();
  }
  attnrt_prefixes prefixes = batch.prefixes();
  step.prefixes = how.shares ? &prefixes : nullptr;
  if (how.validates) {
    if (attnrt_schedule_validate(schedule.get(), &step)) {
      result.said = attnrt_last_message();
    }
    return result;
  }
  schedule.update(step);
  schedule.verify();
  result.stats = rt::params<attnrt_schedule_stats>();
  rt::throwIfFailed(attnrt_schedule_describe(schedule.get(), &result.stats));
  arguments.push_back(&out.tensor);
  schedule.run(arguments);
  return result;
}

double attn::test::distance(const std::vector<float> &got,
                            const std::vector<double> &want) {
  double most = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    double d = std::abs(got[i] - want[i]) / (1 + std::abs(want[i]));
    most = std::isnan(d) || std::isnan(most) ? NAN : std::max(most, d);
  }
  return most;
}

Batch attn::test::drawBatch(const Shape &shape, int64_t requests, int32_t most,
                            int32_t mostQueries, std::mt19937_64 &random) {
  auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  std::vector<Node> nodes;
  int64_t count = draw(0, std::max<int64_t>(requests, 1));
  for (int64_t n = 0; n < count; ++n) {
    int32_t parent = int32_t(draw(-1, n - 1));
    int32_t begin = parent < 0 ? 0 : nodes[size_t(parent)].end;
    if (begin + 1 < most) {
      nodes.push_back(
          {parent, int32_t(draw(begin + 1, begin + (most - begin) / 2 + 1))});
    } else {
      nodes.push_back({-1, int32_t(draw(1, most))});
    }
  }
  std::vector<int32_t> leaf, lengths, queries;
  auto longest = std::max_element(
      nodes.begin(), nodes.end(),
      [](const Node &x, const Node &y) { return x.end < y.end; });
  for (int64_t r = 0; r < requests; ++r) {
    int32_t node = int32_t(draw(-1, int64_t(nodes.size()) - 1));
    if (r == 0 && !nodes.empty()) {
      // No node is longer than all requests: a step refuses such.
      node = int32_t(longest - nodes.begin());
    }
    int32_t least = node < 0 ? 0 : nodes[size_t(node)].end;
    int32_t length = int32_t(draw(least, std::max(least, most)));
    // Now and then no more than what is shared, or nothing at all.
    length = draw(0, 3) ? length : least;
    leaf.push_back(node);
    lengths.push_back(length);
    queries.push_back(int32_t(draw(0, std::min(length, mostQueries))));
  }
  // At least one query, so that there is something to compute.
  queries[0] = lengths[0] ? std::max(queries[0], 1) : 0;
  if (*std::max_element(queries.begin(), queries.end()) == 0) {
    leaf[0] = -1;
    lengths[0] = queries[0] = 1;
  }
  return Batch(shape, std::move(nodes), std::move(leaf), std::move(lengths),
               std::move(queries), random());
}
