//===- Kernels.h - Whole kernels under test ---------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel of test/kernels with a problem that it solves and the exact result.
// A new kernel is one entry of the list in Kernels.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_MUTATION_KERNELS_H
#define PTXSIM_TEST_MUTATION_KERNELS_H

#include "ptxsim/Device.h"

#include <functional>
#include <string>
#include <vector>

namespace ptxsim::mutation {

/// Attention with the inputs as bf16, [head][token][channel], and the result in
/// double.
struct AttentionProblem {
  AttentionProblem(int heads, int length, int channels, bool isCausal);

  float scale() const;

  int heads, length, channels;
  bool isCausal;
  std::vector<uint16_t> q, k, v;
  std::vector<double> expected;
};

/// bf16 weights and products.
constexpr double kAttentionTolerance = 8e-3;

struct Outcome {
  /// Why it did not run at all.
  std::string error;
  std::vector<Finding> findings;
  /// Largest error of a row over the row's largest value; infinite for a NaN.
  double worstRow = 0;
};

struct TestKernel {
  std::string name;  // on the command line
  std::string file;  // in test/kernels
  std::string entry; // in the text
  /// Names of its lists: what is equivalent, and mutants made by hand.
  std::string equivalent, handmade;
  /// A test runs one part of so many; all of it is for the long tier.
  uint64_t numSlices = 1;
  using Run = std::function<Outcome(const std::string &ptx, const Options &)>;
  /// Runs this text, a few milliseconds long.
  Run run;
  /// Mutants of the launch, by name: these run the text as it is.
  std::vector<std::pair<std::string, Run>> launches = {};
  double tolerance = kAttentionTolerance;

  std::string text() const;
};

/// Every kernel of the mutation suite.
const std::vector<TestKernel> &testKernels();

/// Of a file that must be there: ends the program if it is not.
std::string readOrStop(const std::string &path);

/// test/kernels/flash.cu.
Outcome runFlash(const AttentionProblem &problem, const std::string &ptx,
                 const Options &options);

/// Another map for tensor 0 (q) to 3 (o).
using ChangeMap = std::function<void(int tensor, TensorMapDesc &map)>;

/// test/kernels/flash_hopper.cu: 128 channels.
Outcome runFlashHopper(const AttentionProblem &problem, const std::string &ptx,
                       const Options &options, const ChangeMap &change = {});

/// All that a correct kernel must stand: each schedule with each completion.
std::vector<Options> allOrders();

} // namespace ptxsim::mutation

#endif // PTXSIM_TEST_MUTATION_KERNELS_H
