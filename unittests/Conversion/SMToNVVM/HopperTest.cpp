//===- HopperTest.cpp - The kernel of hopper-prefill.mlir, executed -------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// test/Conversion/SMToNVVM/hopper-prefill.mlir on the simulated device. Nothing
// but live tokens holds numbers: every other slot of the pool is NaN, and pages
// lie in any order.
//
//===----------------------------------------------------------------------===//
#include "SimulatedKernel.h"

#include "llvm/ADT/APFloat.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <utility>

namespace {

constexpr int kChannels = 128, kPage = 16, kHeads = 2, kGroup = 2;
constexpr float kScale = 0.12f, kUntouched = -7;

/// The last `rows` positions of a sequence attend to all of it.
struct Sequence {
  int length, rows;
};

uint16_t encode(float number, bool isHalf) {
  if (isHalf) {
    return floatToHalf(number);
  }
  llvm::APFloat value(number);
  bool lost;
  value.convert(llvm::APFloat::BFloat(), llvm::APFloat::rmNearestTiesToEven,
                &lost);
  return uint16_t(value.bitcastToAPInt().getZExtValue());
}

double decode(uint16_t bits, bool isHalf) {
  if (isHalf) {
    return halfToFloat(bits);
  }
  uint32_t wide = uint32_t(bits) << 16;
  float number;
  std::memcpy(&number, &wide, 4);
  return number;
}

std::string readKernel() {
  std::ifstream file(ATTN_HOPPER_PREFILL);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string replace(std::string text, const std::string &from,
                    const std::string &to) {
  EXPECT_NE(text.find(from), std::string::npos) << "expects '" << from << "'";
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;
       at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// Sequences with their numbers, pages and records.
class Problem {
public:
  Problem(std::vector<Sequence> sequences, bool isHalf, uint32_t seed)
      : sequences(std::move(sequences)), isHalf(isHalf), random(seed) {
    addRows();
    addPages();
    uint32_t scale;
    std::memcpy(&scale, &kScale, 4);
    plan.scalars = {scale, kGroup};
    tensors.push_back(
        TestTensor::get<float>(rows * kHeads * kGroup, kChannels, kUntouched));
    tensors.back().axes = {rows, kHeads * kGroup};
    deal();
  }

  TestPlan plan;
  std::vector<TestTensor> tensors;

  /// The largest error; infinite where a number is NaN or a row is not written.
  double getError(const std::vector<TestTensor> &results) const {
    double largest = 0;
    for (size_t s = 0; s < sequences.size(); ++s) {
      for (int row = 0; row < sequences[s].rows; ++row) {
        for (int head = 0; head < kHeads * kGroup; ++head) {
          double error = getRowError(results, int(s), row, head);
          if (!(error <= largest)) {
            largest = std::isnan(error) ? INFINITY : error;
          }
        }
      }
    }
    return largest;
  }

private:
  uint16_t draw() {
    return encode(float(random() % 2001) / 1000.0f - 1.0f, isHalf);
  }

  int getFirst(int s) const {
    return std::max(0, sequences[s].length - sequences[s].rows);
  }

  void addRows() {
    for (const Sequence &sequence : sequences) {
      begins.push_back(rows);
      rows += sequence.rows;
    }
    TestTensor q = TestTensor::get<uint16_t>(rows * kHeads * kGroup, kChannels);
    q.axes = {rows, kHeads * kGroup};
    for (int64_t i = 0; i < q.rows * kChannels; ++i) {
      q.at<uint16_t>(i / kChannels, i % kChannels) = draw();
    }
    tensors.push_back(std::move(q));
  }

  void addPages() {
    std::vector<int> free;
    int widest = 1;
    for (const Sequence &sequence : sequences) {
      int pages = (sequence.length + kPage - 1) / kPage;
      widest = std::max(widest, pages);
      free.resize(free.size() + pages + 1); // and one that nobody has
    }
    for (size_t i = 0; i < free.size(); ++i) {
      free[i] = int(i);
    }
    std::shuffle(free.begin(), free.end(), random);
    int64_t poolPages = int64_t(free.size());
    uint16_t nan = encode(NAN, isHalf);
    for (int pool = 0; pool < 2; ++pool) {
      TestTensor tensor =
          TestTensor::get<uint16_t>(poolPages * kPage * kHeads, kChannels, nan);
      tensor.axes = {poolPages, kPage, kHeads};
      tensors.push_back(std::move(tensor));
    }
    // Entries that belong to no page would lead anywhere.
    TestTensor table =
        TestTensor::get<int32_t>(int64_t(sequences.size()), widest, 0x7fffffff);
    TestTensor lengths = TestTensor::get<int32_t>(int64_t(sequences.size()), 1);
    TestTensor starts = TestTensor::get<int32_t>(int64_t(sequences.size()), 1);
    for (int s = 0; s < int(sequences.size()); ++s) {
      lengths.at<int32_t>(s, 0) = sequences[s].length;
      starts.at<int32_t>(s, 0) = begins[s] - getFirst(s);
      for (int t = 0; t < sequences[s].length; ++t) {
        if (t % kPage == 0) {
          table.at<int32_t>(s, t / kPage) = free.back();
          free.pop_back();
        }
        int64_t slot =
            (int64_t(table.at<int32_t>(s, t / kPage)) * kPage + t % kPage) *
            kHeads;
        for (int64_t i = 0; i < kHeads * kChannels; ++i) {
          for (int pool = 1; pool <= 2; ++pool) {
            tensors[pool].at<uint16_t>(slot + i / kChannels, i % kChannels) =
                draw();
          }
        }
      }
    }
    tensors.push_back(std::move(table));
    tensors.push_back(std::move(lengths));
    tensors.push_back(std::move(starts));
  }

  /// Records of up to 128 rows, to three workers.
  void deal() {
    for (int s = 0; s < int(sequences.size()); ++s) {
      attnrt_segment segment = {};
      segment.select = segment.len_ref = segment.head = -1;
      segment.param = s;
      plan.segments.push_back(segment);
      for (int r = 0; r < sequences[s].rows; ++r) {
        attnrt_row row = {};
        row.q = begins[s] + r;
        row.coord = getFirst(s) + r;
        row.len_ref = -1;
        plan.rows.push_back(row);
      }
      for (int head = 0; head < kHeads * kGroup; ++head) {
        for (int r = 0; r < sequences[s].rows; r += 128) {
          attnrt_item item = {};
          item.row_begin = begins[s] + r;
          item.row_count = std::min(128, sequences[s].rows - r);
          item.seg = s;
          item.kv_count = 1;
          item.slot = item.carry = item.mask = -1;
          item.head = uint16_t(head / kGroup);
          item.sub_begin = uint16_t(head % kGroup);
          item.sub_count = 1;
          plan.items.push_back(item);
        }
      }
    }
    std::shuffle(plan.items.begin(), plan.items.end(), random);
    int items = int(plan.items.size());
    plan.work = {0, items / 3, items * 2 / 3, items};
  }

  double getRowError(const std::vector<TestTensor> &results, int s, int row,
                     int head) const {
    std::vector<TestTensor> &in = const_cast<Problem *>(this)->tensors;
    std::vector<TestTensor> &out =
        const_cast<std::vector<TestTensor> &>(results);
    int64_t at = (begins[s] + row) * int64_t(kHeads * kGroup) + head;
    int seen = std::min(getFirst(s) + row + 1, sequences[s].length);
    std::vector<double> weights(seen), sums(kChannels);
    double total = 0;
    auto slot = [&](int t) {
      return (int64_t(in[3].at<int32_t>(s, t / kPage)) * kPage + t % kPage) *
                 kHeads +
             head / kGroup;
    };
    for (int t = 0; t < seen; ++t) {
      double score = 0;
      for (int c = 0; c < kChannels; ++c) {
        score += decode(in[0].at<uint16_t>(at, c), isHalf) *
                 decode(in[1].at<uint16_t>(slot(t), c), isHalf);
      }
      total += weights[t] = std::exp2(score * double(kScale));
    }
    for (int t = 0; t < seen; ++t) {
      for (int c = 0; c < kChannels; ++c) {
        sums[c] +=
            weights[t] / total * decode(in[2].at<uint16_t>(slot(t), c), isHalf);
      }
    }
    double largest = 0;
    for (int c = 0; c < kChannels; ++c) {
      double error = std::fabs(out[6].at<float>(at, c) - sums[c]);
      if (std::isnan(error)) {
        return error;
      }
      largest = std::max(largest, error);
    }
    return largest;
  }

  std::vector<Sequence> sequences;
  bool isHalf;
  std::mt19937 random;
  int rows = 0;
  std::vector<int> begins;
};

/// Lengths around a page and a tile, and rows around a half and a record.
const std::vector<Sequence> kAll = {{0, 3},    {1, 1},     {17, 17},  {128, 64},
                                    {129, 65}, {300, 200}, {385, 130}};
constexpr double kTolerance = 8e-3;

TEST(SMToNVVMHopper, ComputesPagedCausalAttention) {
  std::string text = readKernel();
  for (bool isHalf : {false, true}) {
    SCOPED_TRACE(isHalf ? "f16" : "bf16");
    CompiledKernel kernel =
        compileKernel(isHalf ? replace(text, "bf16", "f16") : text, "sm_90a");
    ASSERT_FALSE(kernel.ptx.empty());
    for (uint32_t seed :
         isHalf ? std::vector<uint32_t>{4} : std::vector<uint32_t>{1, 2, 3}) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      Problem problem(kAll, isHalf, seed);
      std::vector<TestTensor> results = problem.tensors;
      SharedAccesses accesses;
      std::vector<std::string> found =
          findDefects(kernel, problem.plan, results, seed, &accesses);
      ASSERT_TRUE(found.empty()) << found.front();
      // Copies, boxes and operands of products, all without bank conflicts.
      EXPECT_GT(accesses.ideal, 0u);
      EXPECT_EQ(accesses.wavefronts, accesses.ideal);
      EXPECT_LT(problem.getError(results), kTolerance);
      if (seed != 1) {
        continue;
      }
      // Of every channel.
      for (int channel : {0, 63, 64, kChannels - 1}) {
        float &number = results.back().at<float>(0, channel);
        float right = std::exchange(number, number + 1);
        EXPECT_GT(problem.getError(results), 0.5) << "channel " << channel;
        number = right;
      }
    }
  }
}

/// What is seen of a kernel that is wrong.
struct Seen {
  bool findings;
  double error;
};

Seen look(const std::string &text, const std::string &from = "",
          const std::string &to = "") {
  CompiledKernel kernel = compileKernel(text, "sm_90a");
  if (!from.empty()) {
    kernel.ptx = replace(kernel.ptx, from, to);
  }
  Problem problem({{300, 200}, {40, 40}}, false, 1);
  std::vector<TestTensor> results = problem.tensors;
  bool findings = !findDefects(kernel, problem.plan, results, 2).empty();
  return {findings, problem.getError(results)};
}

TEST(SMToNVVMHopper, PlantedErrorsAreSeen) {
  std::string text = readKernel();
  Seen right = look(text);
  EXPECT_FALSE(right.findings);
  EXPECT_LT(right.error, kTolerance);
  // The page of another ordinal, a mask that is off by one, rows behind the end
  // that keep what they have: wrong numbers.
  EXPECT_GT(look(replace(text, "%page0 = arith.muli %t, %c8",
                         "%page0 = arith.muli %t, %c4"))
                .error,
            kTolerance);
  EXPECT_GT(look(replace(text, "cmpi sle, %keys, %limits",
                         "cmpi slt, %keys, %limits"))
                .error,
            kTolerance);
  EXPECT_GT(
      look(replace(text, "sm.zero_rows %landed from %left : !tile", "")).error,
      kTolerance);
  // Results that are read early, writes that products do not see, a place that
  // is full too early: findings.
  EXPECT_TRUE(look(text, "wgmma.wait_group.sync.aligned 1;",
                   "wgmma.wait_group.sync.aligned 2;")
                  .findings);
  EXPECT_TRUE(look(text, "wgmma.fence.sync.aligned;", "").findings);
  EXPECT_TRUE(look(text, "fence.proxy.async.shared::cta;", "").findings);
  EXPECT_TRUE(look(replace(text, "sm.end_turn %turns", "")).findings);
  EXPECT_TRUE(look(replace(text, "sm.release %vs, %vc : !ring", "")).findings);
}

} // namespace
