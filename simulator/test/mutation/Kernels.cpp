//===- Kernels.cpp - Whole kernels under test -----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels.h"

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>

using namespace ptxsim;
using namespace ptxsim::mutation;

static double valueOf(uint16_t bits) {
  return double(std::bit_cast<float>(uint32_t(bits) << 16));
}

AttentionProblem::AttentionProblem(int heads, int length, int channels,
                                   bool isCausal)
    : heads(heads), length(length), channels(channels), isCausal(isCausal) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (auto *tensor : {&q, &k, &v}) {
    for (int i = 0; i < heads * length * channels; ++i) {
      uint32_t bits = std::bit_cast<uint32_t>(normal(random));
      tensor->push_back(uint16_t(bits >> 16));
    }
  }
  expected.resize(q.size());
  for (int row = 0; row < heads * length; ++row) {
    size_t first = size_t(row / length * length) * size_t(channels);
    size_t start = size_t(row) * size_t(channels);
    int keys = isCausal ? row % length + 1 : length;
    std::vector<double> weights;
    double sum = 0;
    for (int m = 0; m < keys; ++m) {
      double score = 0;
      for (int e = 0; e < channels; ++e) {
        score += valueOf(q[start + size_t(e)]) *
                 valueOf(k[first + size_t(m * channels + e)]);
      }
      weights.push_back(std::exp(score * double(scale())));
      sum += weights.back();
    }
    for (int f = 0; f < channels; ++f) {
      double total = 0;
      for (int m = 0; m < keys; ++m) {
        total +=
            weights[size_t(m)] * valueOf(v[first + size_t(m * channels + f)]);
      }
      expected[start + size_t(f)] = total / sum;
    }
  }
}

float AttentionProblem::scale() const { return 1 / std::sqrt(float(channels)); }

/// A NaN must not get lost in a maximum.
static double worstRow(const std::vector<float> &got,
                       const std::vector<double> &expected, int channels) {
  double worst = 0;
  for (size_t row = 0; row < got.size(); row += size_t(channels)) {
    double gap = 0, size = 0;
    for (size_t i = row; i < row + size_t(channels); ++i) {
      double difference = std::fabs(double(got[i]) - expected[i]);
      gap = difference <= gap        ? gap
            : std::isnan(difference) ? INFINITY
                                     : difference;
      size = std::max(size, std::fabs(expected[i]));
    }
    worst = std::max(worst, gap / size);
  }
  return worst;
}

Outcome ptxsim::mutation::runFlash(const AttentionProblem &problem,
                                   const std::string &ptx,
                                   const Options &options) {
  Outcome outcome;
  std::unique_ptr<Device> device = Device::create(options);
  auto module = device->loadModule(ptx);
  if (!module) {
    outcome.error = module.message();
    return outcome;
  }
  auto kernel = (*module)->kernel("flash");
  if (!kernel) {
    outcome.error = kernel.message();
    return outcome;
  }
  KernelArguments arguments;
  for (auto *tensor : {&problem.q, &problem.k, &problem.v}) {
    DevicePointer to = *device->allocate(tensor->size() * 2, "input");
    (void)device->copyIn(to, tensor->data(), tensor->size() * 2);
    arguments.add(to);
  }
  std::vector<float> got(problem.expected.size());
  DevicePointer o = *device->allocate(got.size() * 4, "o");
  arguments.add(o)
      .add(int32_t(problem.length))
      .add(problem.scale())
      .add(int32_t(problem.isCausal));
  LaunchConfig config;
  config.grid = {uint32_t(problem.length + 63) / 64, uint32_t(problem.heads),
                 1};
  config.block.x = 128;
  config.dynamicSharedBytes = 5 * 64 * uint32_t(problem.channels) * 2;
  auto launched = device->launch(**kernel, config, arguments);
  if (!launched) {
    outcome.error = launched.message();
    return outcome;
  }
  outcome.findings = device->findings();
  (void)device->copyOut(got.data(), o, got.size() * 4);
  outcome.worstRow = worstRow(got, problem.expected, problem.channels);
  return outcome;
}

std::string ptxsim::mutation::readFile(const std::string &path) {
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "expects a readable file, but got '%s'\n",
                 path.c_str());
    std::exit(2);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string TestKernel::text() const {
  return readFile(std::string(PTXSIM_KERNELS) + "/" + file);
}

const std::vector<TestKernel> &ptxsim::mutation::testKernels() {
  // CTAs of one, two and three tiles; the last one is not full.
  static const AttentionProblem problem(1, 150, 64, true);
  static const std::vector<TestKernel> kernels = {
      {"flash", "flash.ptx", "flash", kAttentionTolerance, 1,
       [](const std::string &ptx, const Options &options) {
         return runFlash(problem, ptx, options);
       }},
  };
  return kernels;
}

std::vector<Options> ptxsim::mutation::allOrders() {
  std::vector<Options> orders;
  uint64_t seed = 0;
  for (Schedule schedule :
       {Schedule::RoundRobin, Schedule::Random, Schedule::Adversarial}) {
    ++seed;
    for (Completion completion :
         {Completion::Lazy, Completion::Eager, Completion::Random}) {
      Options options;
      options.schedule = schedule;
      options.completion = completion;
      options.seed = seed;
      orders.push_back(options);
    }
  }
  return orders;
}
