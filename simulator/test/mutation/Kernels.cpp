//===- Kernels.cpp - Whole kernels under test -----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels.h"
#include "ptxsim/File.h"

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
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

namespace {

/// A device with the inputs and the output of a problem.
class Setup {
public:
  Setup(const AttentionProblem &problem, const Options &options)
      : problem(problem), device(Device::create(options)),
        count(problem.expected.size()) {
    const std::vector<uint16_t> *inputs[] = {&problem.q, &problem.k,
                                             &problem.v};
    for (int i = 0; i < 3; ++i) {
      at[i] = *device->allocate(count * 2, std::string(1, "qkv"[i]));
      (void)device->copyIn(at[i], inputs[i]->data(), count * 2);
    }
    at[3] = *device->allocate(count * 4, "o");
  }

  /// Rows from `numRows` on are not looked at.
  Outcome run(const std::string &ptx, const char *name,
              const LaunchConfig &config, const KernelArguments &arguments,
              int numRows) {
    Outcome outcome;
    auto module = device->loadModule(ptx);
    if (!module) {
      outcome.error = module.message();
      return outcome;
    }
    auto kernel = (*module)->kernel(name);
    if (!kernel) {
      outcome.error = kernel.message();
      return outcome;
    }
    auto launched = device->launch(**kernel, config, arguments);
    if (!launched) {
      outcome.error = launched.message();
      return outcome;
    }
    outcome.findings = device->findings();
    std::vector<float> got(count);
    (void)device->copyOut(got.data(), at[3], count * 4);
    got.resize(size_t(numRows) * size_t(problem.channels));
    outcome.worstRow = worstRow(got, problem.expected, problem.channels);
    return outcome;
  }

  const AttentionProblem &problem;
  std::unique_ptr<Device> device;
  size_t count;
  DevicePointer at[4]; // q, k, v, o
};

} // namespace

Outcome ptxsim::mutation::runFlash(const AttentionProblem &problem,
                                   const std::string &ptx,
                                   const Options &options) {
  Setup setup(problem, options);
  KernelArguments arguments;
  for (DevicePointer tensor : setup.at) {
    arguments.add(tensor);
  }
  arguments.add(int32_t(problem.length))
      .add(problem.scale())
      .add(int32_t(problem.isCausal));
  LaunchConfig config;
  config.grid = {uint32_t(problem.length + 63) / 64, uint32_t(problem.heads),
                 1};
  config.block.x = 128;
  config.dynamicSharedBytes = 5 * 64 * uint32_t(problem.channels) * 2;
  return setup.run(ptx, "flash", config, arguments,
                   problem.heads * problem.length);
}

/// [head][token][channel], in boxes of 64 tokens of 128 bytes.
static TensorMapDesc describe(const AttentionProblem &problem,
                              DevicePointer base, bool isOutput) {
  TensorMapDesc map;
  uint32_t bytes = isOutput ? 4 : 2;
  map.element =
      isOutput ? TensorMapDesc::Element::F32 : TensorMapDesc::Element::BF16;
  map.rank = 3;
  map.base = base;
  map.dim[0] = uint64_t(problem.channels);
  map.dim[1] = uint64_t(problem.length);
  map.dim[2] = uint64_t(problem.heads);
  map.stride[1] = map.dim[0] * bytes;
  map.stride[2] = map.stride[1] * map.dim[1];
  map.box[0] = 128 / bytes;
  map.box[1] = 64;
  map.swizzle = TensorMapDesc::Swizzle::B128;
  return map;
}

Outcome ptxsim::mutation::runFlashHopper(const AttentionProblem &problem,
                                         const std::string &ptx,
                                         const Options &options,
                                         const ChangeMap &change) {
  Setup setup(problem, options);
  KernelArguments arguments;
  for (int i = 0; i < 4; ++i) {
    TensorMapDesc map = describe(problem, setup.at[i], i == 3);
    if (change) {
      change(i, map);
    }
    auto encoded = encodeTensorMap(map);
    if (!encoded) {
      Outcome outcome;
      outcome.error = encoded.message();
      return outcome;
    }
    arguments.add(*encoded);
  }
  arguments.add(int32_t(problem.length))
      .add(problem.scale())
      .add(int32_t(problem.isCausal));
  LaunchConfig config;
  config.grid = {uint32_t(problem.length + 127) / 128, uint32_t(problem.heads),
                 1};
  config.block.x = 384;
  config.dynamicSharedBytes = 98376;
  return setup.run(ptx, "flash_hopper", config, arguments,
                   problem.heads * problem.length);
}

std::string ptxsim::mutation::readOrStop(const std::string &path) {
  Result<std::string> text = readFile(path);
  if (!text) {
    std::fprintf(stderr, "%s\n", text.message().c_str());
    std::exit(2);
  }
  return *text;
}

std::string TestKernel::text() const {
  return readOrStop(std::string(PTXSIM_KERNELS) + "/" + file);
}

/// Wrong maps of flash_hopper.
static std::vector<std::pair<std::string, TestKernel::Run>>
wrongMaps(const AttentionProblem &problem) {
  using Desc = TensorMapDesc;
  std::vector<std::pair<std::string, TestKernel::Run>> launches;
  auto add = [&](const char *name, int tensor,
                 const std::function<void(Desc &)> &change) {
    launches.emplace_back(
        name, [=, &problem](const std::string &ptx, const Options &options) {
          return runFlashHopper(problem, ptx, options, [&](int i, Desc &map) {
            if (i == tensor) {
              change(map);
            }
          });
        });
  };
  add("map of q: swizzle", 0, [](Desc &m) { m.swizzle = Desc::Swizzle::None; });
  add("map of k: swizzle", 1, [](Desc &m) {
    // The span of 64 bytes needs a narrower box.
    m.swizzle = Desc::Swizzle::B64;
    m.box[0] = 32;
    m.box[1] = 128;
  });
  add("map of v: swizzle", 2, [](Desc &m) { m.swizzle = Desc::Swizzle::None; });
  add("map of o: swizzle", 3, [](Desc &m) { m.swizzle = Desc::Swizzle::None; });
  add("map of k: box of fewer rows", 1, [](Desc &m) { m.box[1] = 56; });
  add("map of k: box of more rows", 1, [](Desc &m) { m.box[1] = 72; });
  add("map of v: box of half the channels", 2, [](Desc &m) { m.box[0] = 32; });
  add("map of o: box of fewer rows", 3, [](Desc &m) { m.box[1] = 32; });
  add("map of k: stride of a row", 1, [](Desc &m) { m.stride[1] -= 16; });
  add("map of v: stride beyond the buffer", 2,
      [](Desc &m) { m.stride[1] += 16; });
  add("map of k: fewer rows", 1, [](Desc &m) { m.dim[1] -= 1; });
  add("map of v: more rows", 2, [](Desc &m) { m.dim[1] += 1; });
  add("map of o: more rows", 3, [](Desc &m) { m.dim[1] += 1; });
  add("map of v: rows behind the last are NaN", 2,
      [](Desc &m) { m.fill = Desc::Fill::NaN; });
  add("map of k: base of the next row", 1, [](Desc &m) { m.base += 256; });
  add("map of v: every other row", 2, [](Desc &m) { m.elementStride[1] = 2; });
  return launches;
}

const std::vector<TestKernel> &ptxsim::mutation::testKernels() {
  // CTAs of one, two and three tiles; the last one is not full.
  static const AttentionProblem small(1, 150, 64, true);
  // CTAs of two tiles, of four and of five: each ring goes round twice and
  // more.
  static const AttentionProblem large(1, 300, 128, true);
  auto flash = [](const std::string &ptx, const Options &options) {
    return runFlash(small, ptx, options);
  };
  auto hopper = [](const std::string &ptx, const Options &options) {
    return runFlashHopper(large, ptx, options);
  };
  static const std::vector<TestKernel> kernels = {
      {"flash", "flash.ptx", "flash", "flash", "flash", 1, flash},
      {"flash_clang", "flash_clang.ptx", "flash", "flash", "flash_clang", 1,
       flash},
      {"flash_hopper", "flash_hopper.ptx", "flash_hopper", "flash_hopper",
       "flash_hopper", 16, hopper, wrongMaps(large)},
      {"flash_hopper_clang", "flash_hopper_clang.ptx", "flash_hopper",
       "flash_hopper", "flash_hopper", 16, hopper, wrongMaps(large)},
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
