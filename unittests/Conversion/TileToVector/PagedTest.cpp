//===- PagedTest.cpp - Paged causal attention from tile to numbers --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include "gtest/gtest.h"

using namespace attn;
using namespace attn::test;

namespace {
constexpr int64_t heads = 8, group = 4, dim = 128, page = 16;

/// Requests over a shuffled pool whose unused slots hold NaN.
struct Problem {
  std::vector<int32_t> lengths, offsets, table;
  std::vector<uint16_t> q, k, v;
  std::vector<float> out, stateM, stateL, stateA;
  int64_t rows, pagesPerRequest;
  float scale = 0.088388f;
  std::vector<attnrt_row> rowRecords;
  std::vector<attnrt_segment> segments;

  Problem(std::vector<int32_t> lengths, int64_t rows, unsigned seed)
      : lengths(lengths), rows(rows) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    int64_t requests = lengths.size(), longest = 1;
    for (int32_t n : lengths) {
      longest = std::max<int64_t>(longest, n);
      // The last row of queries is the last token.
      offsets.push_back(n - rows);
    }
    pagesPerRequest = (longest + page - 1) / page;
    int64_t pages = pagesPerRequest * requests + 3;
    std::vector<int32_t> order(pages);
    for (int64_t i = 0; i < pages; ++i) {
      order[i] = i;
    }
    std::shuffle(order.begin(), order.end(), random);
    k.assign(pages * page * heads * dim, halfNaN);
    v = k;
    // Entries behind a request's last page are no page numbers.
    table.assign(requests * pagesPerRequest, 0x3fffffff);
    int64_t next = 0;
    for (int64_t b = 0; b < requests; ++b) {
      for (int64_t m = 0; m < lengths[b]; ++m) {
        if (m % page == 0) {
          table[b * pagesPerRequest + m / page] = order[next++];
        }
        for (int64_t i = 0; i < heads * dim; ++i) {
          k[slot(b, m) * heads * dim + i] = toHalf(normal(random));
          v[slot(b, m) * heads * dim + i] = toHalf(normal(random));
        }
      }
    }
    q.resize(requests * rows * heads * group * dim);
    for (uint16_t &x : q) {
      x = toHalf(normal(random));
    }
    out.assign(q.size(), NAN);
    for (int64_t b = 0; b < requests; ++b) {
      attnrt_segment s = {};
      s.param = b;
      s.count = lengths[b];
      segments.push_back(s);
      for (int64_t p = 0; p < rows; ++p) {
        attnrt_row r = {};
        r.coord = p;
        r.sym = b;
        rowRecords.push_back(r);
      }
    }
  }

  int64_t slot(int64_t b, int64_t m) const {
    return table[b * pagesPerRequest + m / page] * page + m % page;
  }

  std::vector<attnrt_tensor> tensors(int64_t slots) {
    int64_t requests = lengths.size(), pages = k.size() / (page * heads * dim);
    stateM.assign(slots, NAN);
    stateL.assign(slots, NAN);
    stateA.assign(slots * dim, NAN);
    return {describe(q.data(), {requests, rows, heads, group, dim}),
            describe(k.data(), {pages, page, heads, dim}),
            describe(v.data(), {pages, page, heads, dim}),
            describe(table.data(), {requests, pagesPerRequest}),
            describe(lengths.data(), {requests}),
            describe(offsets.data(), {requests}),
            describe(out.data(), {requests, rows, heads, group, dim}),
            describe(stateM.data(), {slots}),
            describe(stateL.data(), {slots}),
            describe(stateA.data(), {slots, dim})};
  }

  std::vector<double> reference(int64_t b, int64_t p, int64_t g, int64_t r,
                                int64_t dropped = -1) const {
    const uint16_t *row = &q[(((b * rows + p) * heads + g) * group + r) * dim];
    std::vector<double> score, o(dim, 0.0);
    double top = -INFINITY, sum = 0;
    for (int64_t m = 0; m < lengths[b] && m <= p + offsets[b]; ++m) {
      double s = 0;
      for (int64_t e = 0; e < dim; ++e) {
        s += fromHalf(row[e]) * fromHalf(k[(slot(b, m) * heads + g) * dim + e]);
      }
      score.push_back(s * scale);
      top = std::max(top, score.back());
    }
    for (int64_t m = 0; m < int64_t(score.size()); ++m) {
      if (m == dropped) {
        continue;
      }
      double w = std::exp(score[m] - top);
      sum += w;
      for (int64_t f = 0; f < dim; ++f) {
        o[f] += w * fromHalf(v[(slot(b, m) * heads + g) * dim + f]);
      }
    }
    for (double &x : o) {
      x = sum > 0 ? x / sum : 0.0;
    }
    return o;
  }

  /// Worst error of a row, relative to the row's largest value; a NaN is worst.
  double worst(int64_t b, int64_t p, int64_t g, int64_t r, const float *got,
               int64_t dropped = -1) const {
    std::vector<double> want = reference(b, p, g, r, dropped);
    double largest = 0, error = 0;
    for (int64_t f = 0; f < dim; ++f) {
      largest = std::max(largest, std::fabs(want[f]));
      double e = std::fabs(want[f] - got[f]);
      error = std::isnan(e) ? INFINITY : std::max(error, e);
    }
    return largest > 0 ? error / largest : error;
  }
};

const std::string &kernelText() {
  static const std::string text =
      readFile(ATTN_TEST_DIR "/Dialect/Tile/IR/paged-items.mlir");
  return text;
}

class Paged : public testing::TestWithParam<const char *> {};

/// Runs every row of every head in items of `rows` rows, cut at `cuts`
/// (multiples of 64), and returns the worst error of all rows.
double run(Compiled &code, Problem &problem, std::vector<int32_t> cuts,
           bool spill, int64_t dropped = -1) {
  int64_t slotsPerItem = problem.rows * group;
  cuts.insert(cuts.begin(), 0);
  int64_t parts = cuts.size();
  std::vector<attnrt_tensor> tensors = problem.tensors(parts * slotsPerItem);
  uint64_t cell = 0;
  std::memcpy(&cell, &problem.scale, 4);
  attnrt_args args = {};
  args.tensors = tensors.data();
  args.scalars = &cell;
  args.segments = problem.segments.data();
  args.rows = problem.rowRecords.data();
  auto *kernel = code.function<ItemFn>("paged");
  double worst = 0;
  for (int64_t b = 0; b < int64_t(problem.lengths.size()); ++b) {
    for (int64_t g = 0; g < heads; g += 3) {
      for (int64_t part = 0; part < parts; ++part) {
        int32_t end = part + 1 < parts ? cuts[part + 1] : problem.lengths[b];
        attnrt_item item = {};
        item.row_begin = b * problem.rows;
        item.row_count = problem.rows;
        item.seg = b;
        item.kv_begin = cuts[part];
        item.kv_count = std::max(end - cuts[part], 0);
        item.slot = spill ? part * slotsPerItem : -1;
        item.head = g;
        item.sub_count = group;
        kernel(&args, &item, code.scratch);
      }
      for (int64_t p = 0; p < problem.rows; ++p) {
        // The model in f64 is slow: every row of small problems, some of large.
        bool checked = problem.lengths[b] < 200 || p % 7 == 2;
        for (int64_t r = checked ? 0 : group - 1; r < group; ++r) {
          std::vector<float> merged(dim);
          const float *got =
              &problem.out[(((b * problem.rows + p) * heads + g) * group + r) *
                           dim];
          if (spill) {
            double top = -INFINITY, sum = 0;
            std::vector<double> acc(dim, 0.0);
            for (int64_t part = 0; part < parts; ++part) {
              int64_t s = part * slotsPerItem + p * group + r;
              top = std::max<double>(top, problem.stateM[s]);
            }
            for (int64_t part = 0; part < parts; ++part) {
              int64_t s = part * slotsPerItem + p * group + r;
              double w = problem.stateM[s] == -INFINITY
                             ? 0.0
                             : std::exp(problem.stateM[s] - top);
              sum += w * problem.stateL[s];
              for (int64_t f = 0; f < dim; ++f) {
                acc[f] += w * problem.stateA[s * dim + f];
              }
            }
            for (int64_t f = 0; f < dim; ++f) {
              merged[f] = sum > 0 ? acc[f] / sum : 0.0;
            }
            got = merged.data();
          }
          worst = std::max(worst, problem.worst(b, p, g, r, got, dropped));
        }
      }
    }
  }
  return worst;
}

const std::vector<int32_t> lengths = {1, 15, 16, 17, 63, 64, 65, 1000};

TEST_P(Paged, Decode) {
  Compiled code;
  ASSERT_TRUE(code.compile(kernelText(), GetParam()));
  Problem problem(lengths, 1, 1);
  EXPECT_LT(run(code, problem, {}, false), 1e-5);
}

TEST_P(Paged, Prefill) {
  Compiled code;
  ASSERT_TRUE(code.compile(kernelText(), GetParam()));
  Problem problem(lengths, 24, 2);
  EXPECT_LT(run(code, problem, {}, false), 1e-5);
}

TEST_P(Paged, OddNumberOfRows) {
  Compiled code;
  ASSERT_TRUE(code.compile(kernelText(), GetParam()));
  Problem problem({70, 7}, 5, 3);
  EXPECT_LT(run(code, problem, {}, false), 1e-5);
}

TEST_P(Paged, SplitsThroughStates) {
  Compiled code;
  ASSERT_TRUE(code.compile(kernelText(), GetParam()));
  Problem problem({1000, 700, 320}, 24, 4);
  EXPECT_LT(run(code, problem, {128, 320}, true), 1e-5);
}

TEST_P(Paged, DroppedTokenIsSeen) {
  Compiled code;
  ASSERT_TRUE(code.compile(kernelText(), GetParam()));
  Problem problem({65}, 1, 5);
  EXPECT_GT(run(code, problem, {}, false, /*dropped=*/64), 1e-4);
}

/// A NaN that a row sees must show.
TEST_P(Paged, VisibleNaNShows) {
  Compiled code;
  ASSERT_TRUE(code.compile(kernelText(), GetParam()));
  Problem problem({100}, 1, 6);
  problem.k[(problem.slot(0, 70) * heads) * dim + 5] = halfNaN;
  EXPECT_EQ(run(code, problem, {}, false), INFINITY);
  EXPECT_TRUE(std::isnan(problem.out[0]));
}

INSTANTIATE_TEST_SUITE_P(Features, Paged,
                         testing::Values("native", "x86-64-v3", "x86-64-v2"));
} // namespace
