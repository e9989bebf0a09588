//===- CapturedStepsTest.cpp - Compiled kernels in captured runs ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A captured launch keeps what its kernels were handed. Lengths grow with each
// step of a decode, and the longest of them is an extent that kernels get.
//
//===----------------------------------------------------------------------===//
#include "TablesKit.h"
#include "TestProgram.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <fstream>
#include <iterator>
#include <random>

using namespace attn;
using namespace attn::test;

namespace {

constexpr int64_t B = 3, G = 8, R = 4, E = 128, kSlots = 16, kColumns = 3;
constexpr DLDataType kF16{kDLFloat, 16, 1};

/// Values as f16 for kernels, and what these are.
struct Halves {
  Halves(size_t count, std::mt19937_64 &random) : values(count), bits(count) {
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < count; ++i) {
      llvm::APFloat x(normal(random) / 2);
      bool losesInfo;
      x.convert(llvm::APFloat::IEEEhalf(), llvm::APFloat::rmNearestTiesToEven,
                &losesInfo);
      bits[i] = uint16_t(x.bitcastToAPInt().getZExtValue());
      x.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven,
                &losesInfo);
      values[i] = x.convertToFloat();
    }
  }
  std::vector<float> values;
  std::vector<uint16_t> bits;
};

/// examples/paged_gqa.mlir with one query for each request, the newest token.
struct Decode {
  explicit Decode(std::mt19937_64 &random)
      : q(B * G * R * E, random), k(B * kColumns * kSlots * G * E, random),
        v(k.values.size(), random), table(B * kColumns), len(B), off(B),
        out(B * G * R * E) {
    for (size_t i = 0; i < table.size(); ++i) {
      table[i] = int32_t((i * 5 + 2) % table.size()); // in no order
    }
  }
  void setLengths(const std::vector<int32_t> &lengths) {
    llvm::copy(lengths, len.begin());
    for (int64_t b = 0; b < B; ++b) {
      off[b] = std::max(len[b] - 1, 0);
    }
  }
  std::vector<const DLTensor *> arguments() {
    return {tq.get(), tk.get(), tv.get(), tt.get(),
            tl.get(), tf.get(), ts.get()};
  }
  void expectRows() const {
    for (int64_t b = 0; b < B; ++b) {
      for (int64_t h = 0; h < G * R; ++h) {
        std::vector<double> want(E);
        double sum = 0;
        for (int64_t m = 0; m < len[b]; ++m) {
          const int64_t page = table[b * kColumns + m / kSlots];
          const int64_t at = ((page * kSlots + m % kSlots) * G + h / R) * E;
          double score = 0;
          for (int64_t e = 0; e < E; ++e) {
            score +=
                double(q.values[(b * G * R + h) * E + e]) * k.values[at + e];
          }
          const double weight = std::exp(score * scale);
          sum += weight;
          for (int64_t f = 0; f < E; ++f) {
            want[f] += weight * v.values[at + f];
          }
        }
        for (int64_t f = 0; f < E; ++f) {
          ASSERT_NEAR(len[b] ? want[f] / sum : 0, out[(b * G * R + h) * E + f],
                      2e-3)
              << "request " << b << " head " << h << " channel " << f;
        }
      }
    }
  }

  Halves q, k, v;
  std::vector<int32_t> table, len, off;
  std::vector<float> out;
  float scale = 0.1f;
  Tensor tq{q.bits.data(), {B, 1, G, R, E}, kF16},
      tk{k.bits.data(), {B * kColumns, kSlots, G, E}, kF16},
      tv{v.bits.data(), tk.sizes, kF16}, tt{table.data(), {B, kColumns}, kI32},
      tl{len.data(), {B}, kI32}, tf{off.data(), {B}, kI32},
      ts{&scale, {}, kF32}, to{out.data(), tq.sizes, kF32};
};

class CapturedStepsTest : public ::testing::TestWithParam<DeviceCase> {};

INSTANTIATE_TEST_SUITE_P(
    Devices, CapturedStepsTest,
    ::testing::Values(DeviceCase{"cpu", {kDLCPU, 0}},
                      DeviceCase{"sim", {kDLExtDev, ATTNRT_DEVICE_SIM}}),
    [](const auto &info) { return std::string(info.param.name); });

} // namespace

TEST_P(CapturedStepsTest, LengthsMoveNoLayout) {
  std::ifstream file(ATTN_PAGED_GQA);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  rt::Context context;
  rt::Kernel kernel(loadProgram(context, text, {.withPtx = true}), "paged_gqa",
                    GetParam().device);
  std::mt19937_64 random(testSeed());
  Decode decode(random);
  for (bool isBound : {true, false}) {
    auto caps = rt::params<attnrt_schedule_caps>();
    caps.flags = ATTNRT_SCHEDULE_CAPTURE;
    caps.workers = 5;
    caps.split = isBound ? 0 : 1; // no states that need more room
    caps.max_segments = caps.max_rows = 8;
    caps.max_items = caps.max_merges = caps.max_slots = 400;
    rt::Schedule schedule(kernel, &caps);
    auto plan = [&](const std::vector<int32_t> &lengths, bool binds) {
      decode.setLengths(lengths);
      auto arguments = decode.arguments();
      auto step = rt::params<attnrt_step>();
      step.num_arguments = int32_t(arguments.size());
      step.arguments = arguments.data();
      if (binds) {
        schedule.bind(step);
      } else {
        schedule.update(step);
        schedule.verify();
      }
    };
    plan({48, 48, 48}, isBound); // the largest one makes room
    int64_t layout = 0;
    for (int32_t n = 0; n < 9; ++n) {
      const int32_t grown = n < 8 ? n : -8; // and a shorter one
      plan({27 + grown, 0, 11 + grown}, false);
      layout = n ? layout : schedule.stats().layout;
      EXPECT_EQ(layout, schedule.stats().layout) << "step " << n;
      llvm::fill(decode.out, NAN);
      auto all = decode.arguments();
      all.push_back(decode.to.get());
      schedule.run(all);
      decode.expectRows();
    }
  }
}
