//===- PoolStepsTest.cpp - Steps of an engine on a page pool --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A pool, its forest and its tables on a device, as docs/pool.md has them: the
// forest says what steps share, changes of the table and lengths are carried by
// the plans' copy, and a compiled kernel applies them. Lengths are bounds:
// drafts may be rejected behind the host's back. Pages hold 4 keys, tiles 32.
//
//===----------------------------------------------------------------------===//
#include "PlanPrograms.h"
#include "TestProgram.h"

#include "attnrt/pool.hpp"

#include "gtest/gtest.h"
#include <cmath>
#include <fstream>
#include <random>
#include <sstream>

using namespace attn;
using namespace attn::test;

namespace {

constexpr int32_t kPage = 4, kPages = 900, kRows = 8, kColumns = 80,
                  kChanges = 300, kQueries = 3;
constexpr DLDevice kCpu{kDLCPU, 0}, kSim{kDLExtDev, ATTNRT_DEVICE_SIM};

/// A compact tensor; sizes live as long as it does.
struct Tensor {
  Tensor(DLDataType dtype, std::vector<int64_t> given, const void *data)
      : sizes(std::move(given)) {
    tensor.data = const_cast<void *>(data);
    tensor.device = kCpu;
    tensor.dtype = dtype;
    tensor.ndim = int32_t(sizes.size());
    tensor.shape = sizes.data();
  }
  Tensor(const Tensor &) = delete;
  const DLTensor *get() const { return &tensor; }

  std::vector<int64_t> sizes;
  DLTensor tensor{};
};

constexpr DLDataType kInt{kDLInt, 32, 1}, kFloat{kDLFloat, 32, 1};

std::string textOf(const char *path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class Engine {
public:
  Engine(DLDevice device, uint64_t seed)
      : random(seed),
        attendBundle(loadProgram(context, makeProgram(shape),
                                 {device.device_type == kDLExtDev, 0, 32})),
        patchBundle(loadProgram(context, textOf(ATTN_TABLE_PATCH),
                                {device.device_type == kDLExtDev, 0, 0})),
        attend(attendBundle, "attend", device),
        patch(patchBundle, "table_patch", device), schedule(attend),
        patches(patch), pool(context, poolParams()), forest(pool),
        table(pool, kRows, kColumns), device(kRows * kColumns, 0),
        k(size_t(kPages * kPage * shape.heads * shape.width), NAN), v(k) {
    // Of as many changes as there may be, once and for all.
    Tensor changes(kInt, {kChanges, 2}, nullptr), count(kInt, {1}, nullptr),
        flat(kInt, {kRows * kColumns}, nullptr);
    patches.update({changes.get(), count.get(), flat.get()});
    rows.resize(kRows);
  }

  void admitAndRelease();
  /// "" or what was wrong. Adds keys that were read, and that would be without
  /// sharing.
  std::string step(int64_t &read, int64_t &flat);

private:
  static attnrt_page_pool_params &poolParams() {
    static auto params = rt::params<attnrt_page_pool_params>();
    params.num_pages = kPages;
    params.page_size = kPage;
    return params;
  }
  int32_t draw(int32_t from, int32_t to) {
    return std::uniform_int_distribution<int32_t>(from, to)(random);
  }
  /// Element of a key or value: what the token and its place decide.
  float contentOf(int32_t token, int64_t at, int64_t element, int which) const {
    uint32_t x = uint32_t(token * 7919 + at * 104729 + element * 31 + which);
    x = (x ^ x >> 15) * 2246822519u;
    return float(int32_t(x >> 8 & 0xffff) - 0x8000) / 0x8000;
  }
  void append(size_t row, const std::vector<int32_t> &tokens);
  std::string check(const std::vector<float> &out, const std::vector<float> &q,
                    const std::vector<int32_t> &len,
                    const std::vector<int32_t> &queries) const;

  struct Row {
    attnrt_sequence sequence = 0;
    std::vector<int32_t> tokens;
  };

  Shape shape;
  std::mt19937_64 random;
  rt::Context context;
  rt::Bundle attendBundle, patchBundle;
  rt::Kernel attend, patch;
  rt::Schedule schedule, patches;
  rt::PagePool pool;
  rt::PageForest forest;
  rt::PageTable table;
  std::vector<int32_t> device; ///< the table there
  std::vector<float> k, v;
  std::vector<Row> rows;
  float scale = 0.25f;
};

void Engine::append(size_t row, const std::vector<int32_t> &tokens) {
  auto content = rt::params<attnrt_content>();
  content.num_tokens = int64_t(tokens.size());
  content.tokens = tokens.data();
  std::vector<int64_t> slots(tokens.size());
  attnrt_page_copy copy{};
  int32_t copies = 0;
  rt::throwIfFailed(attnrt_sequence_append(
      pool.get(), rows[row].sequence, &content, slots.data(), &copy, &copies));
  const int64_t width = shape.heads * shape.width;
  for (int i = 0; i < copies; ++i) {
    for (auto *cache : {&k, &v}) {
      std::copy_n(cache->begin() + copy.src * kPage * width,
                  copy.tokens * width,
                  cache->begin() + copy.dst * kPage * width);
    }
  }
  for (size_t t = 0; t < tokens.size(); ++t) {
    const int64_t at = int64_t(rows[row].tokens.size());
    for (int64_t i = 0; i < width; ++i) {
      k[size_t(slots[t] * width + i)] = contentOf(tokens[t], at, i, 1);
      v[size_t(slots[t] * width + i)] = contentOf(tokens[t], at, i, 2);
    }
    rows[row].tokens.push_back(tokens[t]);
  }
}

void Engine::admitAndRelease() {
  for (size_t row = 0; row < kRows; ++row) {
    Row &r = rows[row];
    if (r.sequence && (draw(0, 9) == 0 || r.tokens.size() > 250)) {
      rt::throwIfFailed(attnrt_sequence_release(pool.get(), r.sequence));
      r = {};
    }
    if (!r.sequence && draw(0, 2)) {
      // One of two system prompts, whole or in part, and something of its own.
      std::vector<int32_t> prompt(size_t(draw(0, 2) ? 150 : draw(1, 150)));
      const int32_t which = draw(0, 1);
      for (size_t i = 0; i < prompt.size(); ++i) {
        prompt[i] = int32_t(i) + 1000 * which;
      }
      for (int32_t more = draw(3, 20); more > 0; --more) {
        prompt.push_back(draw(5000, 5003));
      }
      auto content = rt::params<attnrt_content>();
      content.num_tokens = int64_t(prompt.size());
      content.tokens = prompt.data();
      int64_t reused = 0;
      rt::throwIfFailed(attnrt_sequence_create(pool.get(), &content, 0,
                                               &r.sequence, &reused));
      r.tokens.assign(prompt.begin(), prompt.begin() + reused);
      append(row, {prompt.begin() + reused, prompt.end()});
    } else if (r.sequence) {
      std::vector<int32_t> tokens(size_t(draw(1, 6)));
      for (int32_t &token : tokens) {
        token = draw(0, 3);
      }
      append(row, tokens);
    }
    table.bind(int32_t(row), r.sequence);
  }
}

std::string Engine::check(const std::vector<float> &out,
                          const std::vector<float> &q,
                          const std::vector<int32_t> &len,
                          const std::vector<int32_t> &queries) const {
  size_t element = 0;
  for (size_t b = 0; b < kRows; ++b) {
    for (int32_t p = 0; p < kQueries; ++p) {
      for (int64_t h = 0; h < shape.heads * shape.group;
           ++h, element += size_t(shape.width)) {
        const int64_t first = h / shape.group * shape.width;
        double all = 0;
        std::vector<double> sums(size_t(shape.width));
        const int32_t end = p < queries[b] ? p + len[b] - queries[b] + 1 : 0;
        for (int32_t m = 0; m < end; ++m) {
          double score = 0;
          for (int64_t e = 0; e < shape.width; ++e) {
            score += double(q[element + size_t(e)]) *
                     contentOf(rows[b].tokens[size_t(m)], m, first + e, 1);
          }
          const double weight = std::exp(double(scale) * score);
          all += weight;
          for (int64_t f = 0; f < shape.width; ++f) {
            sums[size_t(f)] +=
                weight * contentOf(rows[b].tokens[size_t(m)], m, first + f, 2);
          }
        }
        for (int64_t f = 0; f < shape.width; ++f) {
          const double want = all > 0 ? sums[size_t(f)] / all : 0;
          const double error = std::abs(out[element + size_t(f)] - want);
          if (!(error < 2e-5)) {
            return "request " + std::to_string(b) + ", query " +
                   std::to_string(p) + " is off by " + std::to_string(error);
          }
        }
      }
    }
  }
  return "";
}

std::string Engine::step(int64_t &read, int64_t &flat) {
  // The host knows that up to two drafts of each request may be gone.
  std::vector<int32_t> high(kRows), low(kRows), real(kRows), queries(kRows);
  std::vector<attnrt_sequence> sequences;
  std::vector<int64_t> least;
  std::vector<int32_t> request;
  for (size_t b = 0; b < kRows; ++b) {
    if (!rows[b].sequence) {
      continue;
    }
    high[b] = int32_t(rows[b].tokens.size());
    queries[b] = draw(1, std::min(kQueries, high[b]));
    low[b] = std::max(high[b] - 2, queries[b]);
    real[b] = draw(low[b], high[b]);
    sequences.push_back(rows[b].sequence);
    least.push_back(low[b]);
    request.push_back(int32_t(b));
  }
  auto what = rt::params<attnrt_forest_params>();
  what.num_sequences = int64_t(sequences.size());
  what.sequences = sequences.data();
  what.least = least.data();
  // Rows without a sequence share nothing.
  attnrt_prefixes prefixes = forest.prefixes(what);
  std::vector<int32_t> leaf(kRows, -1);
  for (size_t i = 0; i < request.size(); ++i) {
    leaf[size_t(request[i])] = prefixes.leaf[i];
  }
  prefixes.leaf = leaf.data();
  prefixes.num_leaves = kRows;

  std::vector<attnrt_table_change> changes = table.changes();
  const int32_t count = int32_t(changes.size());
  EXPECT_LE(count, kChanges);
  changes.resize(kChanges, {1 << 30, 77}); // nobody looks there
  attnrt_carried arrays[] = {{changes.data(), changes.size() * 8},
                             {&count, 4},
                             {real.data(), real.size() * 4}};
  std::vector<float> q(
      size_t(kRows * kQueries * shape.heads * shape.group * shape.width)),
      out(q.size(), -9);
  std::normal_distribution<float> normal;
  for (float &x : q) {
    x = normal(random);
  }
  const std::vector<int64_t> qSizes{kRows, kQueries, shape.heads, shape.group,
                                    shape.width},
      cacheSizes{kPages, kPage, shape.heads, shape.width};
  Tensor tq(kFloat, qSizes, q.data()), tk(kFloat, cacheSizes, k.data()),
      tv(kFloat, cacheSizes, v.data()),
      ttable(kInt, {kRows, kColumns}, device.data()),
      thigh(kInt, {kRows}, high.data()), tlow(kInt, {kRows}, low.data()),
      tqueries(kInt, {kRows}, queries.data()), tscale(kFloat, {}, &scale),
      tout(kFloat, qSizes, out.data());
  const DLTensor *arguments[] = {tq.get(),     tk.get(),    tv.get(),
                                 ttable.get(), thigh.get(), tqueries.get(),
                                 tscale.get()};
  const DLTensor *lows[] = {nullptr,    nullptr, nullptr, nullptr,
                            tlow.get(), nullptr, nullptr};
  auto step = rt::params<attnrt_step>();
  step.num_arguments = 7;
  step.arguments = arguments;
  step.low = lows;
  schedule.update(step);
  flat += schedule.stats().keys_read;
  step.prefixes = &prefixes;
  step.carried = arrays;
  step.num_carried = 3;
  schedule.update(step);
  schedule.verify();
  read += schedule.stats().keys_read;

  Tensor tchanges(kInt, {kChanges, 2}, schedule.carried(0)),
      tcount(kInt, {1}, schedule.carried(1)),
      treal(kInt, {kRows}, schedule.carried(2)),
      tflat(kInt, {kRows * kColumns}, device.data());
  patches.run({tchanges.get(), tcount.get(), tflat.get()});
  if (!std::equal(device.begin(), device.end(), table.data())) {
    return "the device's table is not the pool's";
  }
  EXPECT_EQ(ATTNRT_OK, attnrt_schedule_validate(schedule.get(), &step))
      << attnrt_last_message();
  schedule.run({tq.get(), tk.get(), tv.get(), ttable.get(), treal.get(),
                tqueries.get(), tscale.get(), tout.get()});
  return check(out, q, real, queries);
}

void serve(DLDevice device, int steps) {
  Engine engine(device, testSeed());
  int64_t read = 0, flat = 0;
  for (int i = 0; i < steps; ++i) {
    engine.admitAndRelease();
    ASSERT_EQ("", engine.step(read, flat)) << "step " << i;
  }
  // The prompts are read once, where there is time for them to be shared.
  EXPECT_LT(read * 3, flat * (steps < 10 ? 3 : 2));
}

} // namespace

TEST(PoolSteps, ForestTablesAndLengths) { serve(kCpu, 60); }

TEST(PoolSteps, OnTheSimulator) { serve(kSim, 3); }
