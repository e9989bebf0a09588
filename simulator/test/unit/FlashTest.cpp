//===- FlashTest.cpp - A whole attention kernel, and what breaks it -------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// test/kernels/flash.cu: cp.async, ldmatrix, mma.sync. It must be right and
// clean under every schedule and completion, and each mutant of its
// synchronisation must be noticed, by a check or by a wrong row.
//
//===----------------------------------------------------------------------===//
#include "ptxsim/Device.h"

#include <bit>
#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <random>
#include <sstream>

using namespace ptxsim;

namespace {

constexpr int kHeads = 2, kLength = 150, kChannels = 64;
constexpr float kScale = 0.125f;

std::vector<std::string> readLines() {
  std::ifstream file(std::string(PTXSIM_KERNELS) + "/flash.ptx");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

std::string join(const std::vector<std::string> &lines) {
  std::string text;
  for (const std::string &line : lines) {
    text += line + "\n";
  }
  return text;
}

/// The inputs as bf16, and the result in double.
struct Problem {
  explicit Problem(bool isCausal) : isCausal(isCausal) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (auto *tensor : {&q, &k, &v}) {
      for (int i = 0; i < kHeads * kLength * kChannels; ++i) {
        uint32_t bits = std::bit_cast<uint32_t>(normal(random));
        tensor->push_back(uint16_t(bits >> 16));
      }
    }
    expected.resize(q.size());
    for (int h = 0; h < kHeads; ++h) {
      for (int row = 0; row < kLength; ++row) {
        attend(h, row);
      }
    }
  }

  static double value(const std::vector<uint16_t> &tensor, int h, int token,
                      int channel) {
    uint32_t bits =
        uint32_t(tensor[size_t((h * kLength + token) * kChannels + channel)])
        << 16;
    return double(std::bit_cast<float>(bits));
  }

  void attend(int h, int row) {
    int keys = isCausal ? row + 1 : kLength;
    std::vector<double> weights;
    double sum = 0;
    for (int m = 0; m < keys; ++m) {
      double score = 0;
      for (int e = 0; e < kChannels; ++e) {
        score += value(q, h, row, e) * value(k, h, m, e);
      }
      weights.push_back(std::exp(score * double(kScale)));
      sum += weights.back();
    }
    for (int f = 0; f < kChannels; ++f) {
      double total = 0;
      for (int m = 0; m < keys; ++m) {
        total += weights[size_t(m)] * value(v, h, m, f);
      }
      expected[size_t((h * kLength + row) * kChannels + f)] = total / sum;
    }
  }

  bool isCausal;
  std::vector<uint16_t> q, k, v;
  std::vector<double> expected;
};

struct Outcome {
  std::string error; // not run at all
  std::vector<Finding> findings;
  double worstRow = 0; // infinite for a NaN
};

Outcome run(const Problem &problem, const std::string &text,
            const Options &options) {
  Outcome outcome;
  std::unique_ptr<Device> device = Device::create(options);
  auto module = device->loadModule(text);
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
  size_t count = problem.expected.size();
  DevicePointer o = *device->allocate(count * 4, "o");
  arguments.add(o)
      .add(int32_t(kLength))
      .add(kScale)
      .add(int32_t(problem.isCausal));
  LaunchConfig config;
  config.grid = {(kLength + 63) / 64, kHeads, 1};
  config.block.x = 128;
  config.dynamicSharedBytes = 5 * 64 * kChannels * 2;
  auto launched = device->launch(**kernel, config, arguments);
  if (!launched) {
    outcome.error = launched.message();
    return outcome;
  }
  outcome.findings = device->findings();
  std::vector<float> got(count);
  (void)device->copyOut(got.data(), o, count * 4);
  for (size_t row = 0; row < count; row += kChannels) {
    double gap = 0, size = 0;
    for (size_t i = row; i < row + kChannels; ++i) {
      double difference = std::fabs(double(got[i]) - problem.expected[i]);
      // A NaN must not get lost in a maximum.
      gap = difference <= gap        ? gap
            : std::isnan(difference) ? INFINITY
                                     : difference;
      size = std::max(size, std::fabs(problem.expected[i]));
    }
    outcome.worstRow = std::max(outcome.worstRow, gap / size);
  }
  return outcome;
}

constexpr double kTolerance = 8e-3; // bf16
const Schedule kSchedules[] = {Schedule::RoundRobin, Schedule::Random,
                               Schedule::Adversarial};
const Completion kCompletions[] = {Completion::Lazy, Completion::Eager,
                                   Completion::Random};

TEST(FlashTest, IsRightAndCleanUnderAllSchedules) {
  std::string text = join(readLines());
  for (bool isCausal : {false, true}) {
    Problem problem(isCausal);
    for (uint64_t seed : {1, 2, 3}) {
      for (Completion completion : kCompletions) {
        Options options;
        options.schedule = kSchedules[seed - 1];
        options.completion = completion;
        options.seed = seed;
        Outcome outcome = run(problem, text, options);
        ASSERT_EQ(outcome.error, "");
        EXPECT_TRUE(outcome.findings.empty())
            << outcome.findings[0].format("flash.ptx");
        EXPECT_LE(outcome.worstRow, kTolerance);
      }
    }
  }
}

TEST(FlashTest, RowsAreFoundToBeWrong) {
  // What is compared would show a kernel that forgets one key.
  Problem problem(false);
  problem.k[5 * kChannels] ^= 0x8000;
  Outcome outcome = run(problem, join(readLines()), Options());
  EXPECT_GT(outcome.worstRow, kTolerance);
}

/// Whether a line orders or moves data between threads.
bool touchesMemory(const std::string &line) {
  for (const char *word :
       {"bar.sync", "cp.async", "ldmatrix", "ld.shared", "st.shared"}) {
    if (line.find(word) != std::string::npos) {
      return true;
    }
  }
  return false;
}

/// Whether a line ends a basic block or starts one.
bool isEdge(const std::string &line) {
  return line.find("bra") != std::string::npos ||
         line.find("ret;") != std::string::npos || line.find("$L_") == 0;
}

struct Mutant {
  std::string name;
  std::vector<std::string> lines;
};

std::vector<Mutant> makeMutants() {
  const std::vector<std::string> lines = readLines();
  std::vector<Mutant> mutants;
  auto add = [&](size_t at, const std::string &what, auto change) {
    std::vector<std::string> copy = lines;
    change(copy);
    mutants.push_back(
        {"line " + std::to_string(at + 1) + " (" + lines[at] + "): " + what,
         std::move(copy)});
  };
  for (size_t i = 0; i < lines.size(); ++i) {
    bool isWait = lines[i].find("wait_group") != std::string::npos;
    bool isSync = isWait || lines[i].find("bar.sync") != std::string::npos ||
                  lines[i].find("commit_group") != std::string::npos;
    if (!isSync) {
      continue;
    }
    add(i, "deleted", [&](auto &copy) { copy[i].clear(); });
    if (isWait) {
      add(i, "waits for one group less", [&](auto &copy) {
        copy[i].replace(copy[i].find("wait_group 1"), 12, "wait_group 2");
      });
    }
    // Over the next instruction that touches memory, in the same block.
    for (int step : {-1, 1}) {
      size_t j = i + size_t(step);
      while (j > 0 && j + 1 < lines.size() && !isEdge(lines[j]) &&
             !touchesMemory(lines[j])) {
        j += size_t(step);
      }
      if (touchesMemory(lines[j])) {
        add(i, step < 0 ? "moved up" : "moved down", [&](auto &copy) {
          std::string moved = copy[i];
          copy[i].clear();
          copy[j] = step < 0 ? moved + "\n" + copy[j] : copy[j] + "\n" + moved;
        });
      }
    }
  }
  return mutants;
}

TEST(FlashTest, EveryMutantOfTheSynchronisationIsFound) {
  Problem problem(false);
  int found = 0;
  for (const Mutant &mutant : makeMutants()) {
    std::string text = join(mutant.lines);
    bool isFound = false;
    for (size_t s = 0; s < 3 && !isFound; ++s) {
      for (Completion completion : kCompletions) {
        Options options;
        options.schedule = kSchedules[s];
        options.completion = completion;
        options.seed = s + 1;
        options.maxInstructions = 1 << 22;
        Outcome outcome = run(problem, text, options);
        ASSERT_EQ(outcome.error, "") << mutant.name;
        isFound |=
            !outcome.findings.empty() || !(outcome.worstRow <= kTolerance);
        if (isFound) {
          break;
        }
      }
    }
    found += isFound;
    EXPECT_TRUE(isFound) << "missed: " << mutant.name;
  }
  EXPECT_GT(found, 5);
}

} // namespace
