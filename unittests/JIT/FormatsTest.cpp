//===- FormatsTest.cpp - A cache in two formats, one launch ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Older keys are 8-bit floats in pages of 16, newer ones bf16 in pages of 4:
// two entries whose masks say which keys are theirs, joined. Steps say nothing
// about formats. Everything that is not a key of a format is NaN there.
//
//===----------------------------------------------------------------------===//
#include "PlanPrograms.h"
#include "TestProgram.h"

#include "attn/Support/FloatFormats.h"

#include "gtest/gtest.h"
#include <cmath>
#include <numeric>
#include <optional>
#include <random>

using namespace attn;
using namespace attn::test;

namespace {

constexpr int64_t kHeads = 2, kGroup = 3, kWidth = 16;
constexpr DLDevice kCpu{kDLCPU, 0}, kSim{kDLExtDev, ATTNRT_DEVICE_SIM};

/// Attention to the keys of one format; ENTRY, ELEMENT, PAGE and MINE differ.
const char *const program = R"mlir(
!cacheENTRY = memref<?xPAGEx2x16xELEMENT>
!keys = tensor<?x?x2x16xELEMENT>
!queries = tensor<?x?x2x3x16xf32>
!scores = tensor<?x2x3x?x?xf32>
!rows = tensor<?x2x3x?xf32>
func.func @ENTRY(
    %q: !queries, %kp: !cacheENTRY, %vp: !cacheENTRY, %table: memref<?x?xi32>,
    %len: tensor<?xi32>, %old: tensor<?xi32>, %queries: tensor<?xi32>)
    -> !queries {
  %k = attn.view (b, m, g, e)
      symbols(pg = %table[b, m floordiv PAGE], len = %len[b], old = %old[b])
      where (MINE) of %kp[pg, m mod PAGE, g, e]
      : (!cacheENTRY, memref<?x?xi32>, tensor<?xi32>, tensor<?xi32>) -> !keys
  %v = attn.view (b, m, g, f)
      symbols(pg = %table[b, m floordiv PAGE], len = %len[b], old = %old[b])
      where (MINE) of %vp[pg, m mod PAGE, g, f]
      : (!cacheENTRY, memref<?x?xi32>, tensor<?xi32>, tensor<?xi32>) -> !keys
  %o = attn.cascade ranks(b, g, r, p, m, e, f) -> !queries {
    %qk = attn.einsum %q[b, p, g, r, e], %k[b, m, g, e] -> [b, g, r, p, m]
        reduce add(e) symbols(len = %len[b], queries = %queries[b])
        where (p < queries and m <= p + len - queries)
        : (!queries, !keys, tensor<?xi32>, tensor<?xi32>) -> !scores
)mlir";

std::string programOf(const std::string &entry, const std::string &element,
                      int64_t page, const std::string &mine) {
  std::string text = std::string(program) + kAttentionOfScores;
  for (auto [from, to] : {std::pair<std::string, std::string>{"ENTRY", entry},
                          {"ELEMENT", element},
                          {"PAGE", std::to_string(page)},
                          {"MINE", mine}}) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;
         at += to.size()) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

/// Both entries for a device, and the kernel of both.
struct Compiled {
  Compiled(DLDevice device, int64_t oldTile, int64_t newTile)
      : oldBundle(loadProgram(context,
                              programOf("older", "f8E4M3FN", 16, "m < old"),
                              {device.device_type == kDLExtDev, 0, oldTile})),
        newBundle(loadProgram(
            context, programOf("newer", "bf16", 4, "m >= old and m < len"),
            {device.device_type == kDLExtDev, 0, newTile})),
        older(oldBundle, "older", device), newer(newBundle, "newer", device),
        kernel(rt::Kernel::join({&older, &newer})) {}

  rt::Context context;
  rt::Bundle oldBundle, newBundle;
  rt::Kernel older, newer, kernel;
};

/// The pages of one format.
template <class T> struct Cache {
  Cache(int64_t page, FloatFormat format) : page(page), format(format) {}

  void store(int64_t request, int64_t key, const float *k, const float *v) {
    int32_t number = table[size_t(request * columns + key / page)];
    size_t to = size_t((number * page + key % page) * kHeads * kWidth);
    for (int64_t i = 0; i < kHeads * kWidth; ++i) {
      keys[to + size_t(i)] = T(encodeFloat(k[i], format));
      values[to + size_t(i)] = T(encodeFloat(v[i], format));
    }
  }
  void makeTable(int64_t requests, int64_t most, std::mt19937_64 &random) {
    columns = most / page + 1;
    pages = requests * columns + 1;
    table.resize(size_t(requests * columns));
    std::iota(table.begin(), table.end(), 1);
    std::shuffle(table.begin(), table.end(), random);
    clear();
  }
  void clear() {
    T nan = T(encodeFloat(NAN, format));
    keys.assign(size_t(pages * page * kHeads * kWidth), nan);
    values = keys;
  }

  int64_t page, columns = 0, pages = 0;
  FloatFormat format;
  std::vector<int32_t> table;
  std::vector<T> keys, values;
};

/// Requests whose keys below `old` are in 8 bits. Those below `shared` are the
/// first request's, for all.
class Batch {
public:
  Batch(std::vector<int32_t> lengths, std::vector<int32_t> olds,
        std::vector<int32_t> counts, uint64_t seed, int32_t shared = 0)
      : len(std::move(lengths)), old(std::move(olds)),
        queries(std::move(counts)), random(seed) {
    most = *std::max_element(len.begin(), len.end());
    mostQueries = *std::max_element(queries.begin(), queries.end());
    older.makeTable(requests(), most, random);
    newer.makeTable(requests(), most, random);
    std::normal_distribution<float> normal;
    q.resize(size_t(requests() * mostQueries * kHeads * kGroup * kWidth));
    k.resize(size_t(requests() * most * kHeads * kWidth));
    v.resize(k.size());
    // What both formats hold exactly.
    for (auto *list : {&q, &k, &v}) {
      for (float &x : *list) {
        x = float(decodeFloat(encodeFloat(normal(random) / 2, kFloat8E4M3FN),
                              kFloat8E4M3FN));
      }
    }
    for (int64_t b = 1; b < requests(); ++b) {
      std::copy_n(&k[0], shared * kHeads * kWidth, &k[at(b, 0)]);
      std::copy_n(&v[0], shared * kHeads * kWidth, &v[at(b, 0)]);
      std::copy_n(&older.table[0], shared / older.page,
                  &older.table[size_t(b * older.columns)]);
      std::copy_n(&newer.table[0], shared / newer.page,
                  &newer.table[size_t(b * newer.columns)]);
    }
  }

  int64_t requests() const { return int64_t(len.size()); }
  size_t at(int64_t b, int64_t m) const {
    return size_t((b * most + m) * kHeads * kWidth);
  }

  /// Keys where they are at these lengths.
  void store() {
    older.clear();
    newer.clear();
    for (int64_t b = 0; b < requests(); ++b) {
      for (int64_t m = 0; m < len[size_t(b)]; ++m) {
        if (m < old[size_t(b)]) {
          older.store(b, m, &k[at(b, m)], &v[at(b, m)]);
        } else {
          newer.store(b, m, &k[at(b, m)], &v[at(b, m)]);
        }
      }
    }
  }

  /// The largest error, relative to 1 + |what is right|.
  double distance(const std::vector<float> &out) const;

  std::vector<int32_t> len, old, queries;
  int64_t most, mostQueries;
  Cache<uint8_t> older{16, kFloat8E4M3FN};
  Cache<uint16_t> newer{4, kBFloat};
  std::vector<float> q, k, v;
  std::mt19937_64 random;
};

double Batch::distance(const std::vector<float> &out) const {
  double worst = 0;
  size_t element = 0;
  for (int64_t b = 0; b < requests(); ++b) {
    for (int64_t p = 0; p < mostQueries; ++p) {
      for (int64_t h = 0; h < kHeads * kGroup; ++h, element += kWidth) {
        const int64_t g = h / kGroup, first = g * kWidth;
        double all = 0, sums[kWidth] = {};
        int64_t end = p < queries[size_t(b)]
                          ? p + len[size_t(b)] - queries[size_t(b)] + 1
                          : 0;
        for (int64_t m = 0; m < end; ++m) {
          double score = 0;
          for (int64_t e = 0; e < kWidth; ++e) {
            score += double(q[element + size_t(e)]) *
                     k[at(b, m) + size_t(first + e)];
          }
          all += std::exp(score);
          for (int64_t f = 0; f < kWidth; ++f) {
            sums[f] += std::exp(score) * v[at(b, m) + size_t(first + f)];
          }
        }
        for (int64_t f = 0; f < kWidth; ++f) {
          double want = all > 0 ? sums[f] / all : 0;
          double error =
              std::abs(out[element + size_t(f)] - want) / (1 + std::abs(want));
          worst = std::isnan(error) ? INFINITY : std::max(worst, error);
        }
      }
    }
  }
  return worst;
}

/// Compact tensors in host memory.
class Tensors {
public:
  void add(DLDataType dtype, std::vector<int64_t> sizes, const void *data) {
    shapes.push_back(std::make_unique<std::vector<int64_t>>(std::move(sizes)));
    auto tensor = std::make_unique<DLTensor>();
    tensor->data = const_cast<void *>(data);
    tensor->device = kCpu;
    tensor->ndim = int32_t(shapes.back()->size());
    tensor->dtype = dtype;
    tensor->shape = shapes.back()->data();
    list.push_back(tensor.get());
    tensors.push_back(std::move(tensor));
  }
  template <class T>
  void addPart(const Batch &batch, const Cache<T> &cache, DLDataType element,
               const std::vector<int32_t> &len,
               const std::vector<int32_t> &old) {
    int64_t b = batch.requests();
    add({kDLFloat, 32, 1}, {b, batch.mostQueries, kHeads, kGroup, kWidth},
        batch.q.data());
    std::vector<int64_t> sizes{cache.pages, cache.page, kHeads, kWidth};
    add(element, sizes, cache.keys.data());
    add(element, sizes, cache.values.data());
    add({kDLInt, 32, 1}, {b, cache.columns}, cache.table.data());
    add({kDLInt, 32, 1}, {b}, len.data());
    add({kDLInt, 32, 1}, {b}, old.data());
    add({kDLInt, 32, 1}, {b}, batch.queries.data());
  }
  void addBoth(const Batch &batch, const std::vector<int32_t> &len,
               const std::vector<int32_t> &old) {
    addPart(batch, batch.older, {kDLFloat8_e4m3fn, 8, 1}, len, old);
    addPart(batch, batch.newer, {kDLBfloat, 16, 1}, len, old);
  }

  std::vector<std::unique_ptr<std::vector<int64_t>>> shapes;
  std::vector<std::unique_ptr<DLTensor>> tensors;
  std::vector<const DLTensor *> list;
};

struct Bounds {
  std::vector<int32_t> len, old;
};

/// Plans for [low, high] (else for what is), and runs.
double run(Compiled &compiled, Batch &batch, const attnrt_schedule_caps &caps,
           const Bounds *low = nullptr, const Bounds *high = nullptr,
           const attnrt_prefixes *prefixes = nullptr,
           attnrt_schedule_stats *stats = nullptr) {
  rt::Schedule schedule(compiled.kernel, &caps);
  Tensors most, least;
  most.addBoth(batch, high ? high->len : batch.len,
               high ? high->old : batch.old);
  auto step = rt::params<attnrt_step>();
  step.num_arguments = int32_t(most.list.size());
  step.arguments = most.list.data();
  step.prefixes = prefixes;
  std::vector<const DLTensor *> lows(most.list.size());
  if (low) {
    least.addBoth(batch, low->len, low->old);
    for (size_t i : {4, 5, 11, 12}) {
      lows[i] = least.list[i];
    }
    step.low = lows.data();
  }
  schedule.update(step);
  schedule.verify();
  if (stats) {
    *stats = schedule.stats();
  }
  batch.store();
  EXPECT_EQ(ATTNRT_OK, attnrt_schedule_validate(schedule.get(), &step))
      << attnrt_last_message();
  std::vector<float> out(batch.q.size(), -7);
  Tensors all;
  all.addBoth(batch, batch.len, batch.old);
  all.add({kDLFloat, 32, 1},
          {batch.requests(), batch.mostQueries, kHeads, kGroup, kWidth},
          out.data());
  schedule.run(all.list);
  return batch.distance(out);
}

void checkStrategies(Compiled &compiled, Batch &batch, double tolerance) {
  for (int32_t strategy : {0, 1, 2, 3}) {
    for (int32_t split : {0, 1, 3}) {
      if (split && strategy % 3) {
        continue;
      }
      SCOPED_TRACE("strategy " + std::to_string(strategy) + ", split " +
                   std::to_string(split));
      auto caps = rt::params<attnrt_schedule_caps>();
      caps.strategy = strategy;
      caps.split = split;
      caps.workers = 3;
      EXPECT_LT(run(compiled, batch, caps), tolerance);
    }
  }
}

/// No key in one format, in the other, none at all; borders anywhere.
Batch ragged() {
  return Batch({70, 33, 90, 0, 41, 64, 5}, {35, 33, 0, 0, 40, 48, 5},
               {1, 3, 4, 0, 1, 2, 5}, 3);
}

} // namespace

TEST(Formats, OneLaunchForBoth) {
  Compiled compiled(kCpu, 32, 32);
  Batch batch = ragged();
  checkStrategies(compiled, batch, 2e-5);
}

TEST(Formats, TilesOfDifferentSizes) {
  // The older keys have fewer tiles than go into a common multiple.
  for (auto [older, newer] : {std::pair{48, 16}, {32, 48}, {16, 80}}) {
    Compiled compiled(kCpu, older, newer);
    Batch batch = ragged();
    checkStrategies(compiled, batch, 2e-5);
  }
}

TEST(Formats, OnTheSimulator) {
  Compiled compiled(kSim, 32, 32);
  Batch batch = ragged();
  auto caps = rt::params<attnrt_schedule_caps>();
  // Matrix units take weights in bf16.
  EXPECT_LT(run(compiled, batch, caps), 1e-2);
  caps.split = 2;
  EXPECT_LT(run(compiled, batch, caps), 1e-2);
}

TEST(Formats, LengthsAndBordersBetweenBounds) {
  Compiled compiled(kCpu, 32, 32);
  Batch batch = ragged();
  std::mt19937_64 random(testSeed());
  for (int repeat = 0; repeat < 20; ++repeat) {
    Bounds low, high;
    for (size_t b = 0; b < batch.len.size(); ++b) {
      auto draw = [&](int32_t from, int32_t to) {
        return std::uniform_int_distribution<int32_t>(from, to)(random);
      };
      int32_t most = draw(batch.queries[b], int32_t(batch.most));
      high.len.push_back(most);
      low.len.push_back(draw(batch.queries[b], most));
      batch.len[b] = draw(low.len[b], most);
      high.old.push_back(draw(0, low.len[b]));
      low.old.push_back(draw(0, high.old[b]));
      batch.old[b] = draw(low.old[b], high.old[b]);
    }
    auto caps = rt::params<attnrt_schedule_caps>();
    caps.workers = 1 + repeat % 4;
    ASSERT_LT(run(compiled, batch, caps, &low, &high), 2e-5) << repeat;
  }
}

TEST(Formats, RequestsShareKeysOfBoth) {
  Compiled compiled(kCpu, 32, 32);
  // 128 keys for all, of which 80 are in 8 bits.
  Batch batch({140, 128, 190, 129, 160, 131}, {80, 80, 80, 80, 80, 80},
              {2, 1, 2, 1, 2, 2}, 5, 128);
  attnrt_prefix_node node{-1, 128};
  std::vector<int32_t> leaf(6, 0);
  auto prefixes = rt::params<attnrt_prefixes>();
  prefixes.num_nodes = 1;
  prefixes.nodes = &node;
  prefixes.leaf = leaf.data();
  prefixes.num_leaves = 6;
  auto caps = rt::params<attnrt_schedule_caps>();
  attnrt_schedule_stats flat, shared;
  EXPECT_LT(run(compiled, batch, caps, nullptr, nullptr, nullptr, &flat), 2e-5);
  EXPECT_LT(run(compiled, batch, caps, nullptr, nullptr, &prefixes, &shared),
            2e-5);
  EXPECT_LT(2 * shared.keys_read, flat.keys_read);
}

TEST(Formats, FixedSplitDoesNotDependOnTheRest) {
  Compiled compiled(kCpu, 32, 32);
  Batch among = ragged();
  auto caps = rt::params<attnrt_schedule_caps>();
  caps.split = 3;
  auto rowsOf = [&](const std::vector<int32_t> &which) {
    // The requests of `among` that are in `which`, the others without queries.
    Batch batch = among;
    for (size_t b = 0; b < batch.queries.size(); ++b) {
      if (std::find(which.begin(), which.end(), int32_t(b)) == which.end()) {
        batch.queries[b] = 0;
      }
    }
    batch.store();
    rt::Schedule schedule(compiled.kernel, &caps);
    std::vector<float> out(batch.q.size());
    Tensors all;
    all.addBoth(batch, batch.len, batch.old);
    schedule.update(all.list);
    all.add({kDLFloat, 32, 1},
            {batch.requests(), batch.mostQueries, kHeads, kGroup, kWidth},
            out.data());
    schedule.run(all.list);
    size_t width = out.size() / size_t(batch.requests());
    return std::vector<float>(out.begin() + long(2 * width),
                              out.begin() + long(3 * width));
  };
  EXPECT_EQ(rowsOf({2}), rowsOf({0, 1, 2, 4, 5, 6})); // bitwise
}
