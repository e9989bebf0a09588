//===- Suite.h - Which mutants are found ------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the mutants of a kernel under every order until a check or a wrong
// result finds them. A list next to this file (`flash.equivalent.txt`) holds
// those that nothing can find, with the reason:
//
//     cp.async.wait_group#1 group-1 : it waits longer than it must
//
// The pattern may hold `*`. What is listed and found all the same is wrong, and
// so is an entry that fits no mutant.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_MUTATION_SUITE_H
#define PTXSIM_TEST_MUTATION_SUITE_H

#include "Kernels.h"
#include "Mutants.h"

namespace ptxsim::mutation {

/// `*` stands for any text.
bool fits(std::string_view pattern, std::string_view text);

struct Verdict {
  enum class Kind : uint8_t { Found, Equivalent, Missed };
  Mutant mutant;
  Kind kind = Kind::Missed;
  /// Found: "races", "result", "refused". Equivalent: the reason.
  std::string by;
  /// Found: what was said. Missed: why it is no proper mutant, if it is not.
  std::string message;
};

struct SuiteOptions {
  /// Of names.
  std::string filter = "*";
  /// Part `slice` of `numSlices`, each spread over the whole kernel.
  uint64_t slice = 0, numSlices = 1;
  unsigned jobs = 1;
  std::function<void(size_t done, size_t all)> progress = {};
};

struct SuiteResult {
  std::vector<Verdict> verdicts; // in the order of the text
  /// What is wrong with the kernel or with its lists.
  std::vector<std::string> errors;

  size_t count(Verdict::Kind kind) const;
  /// Nothing missed, nothing wrong, and something to say so of.
  bool isGood() const;
  /// "flash: 80 mutants, 70 found (races 60, result 10), 10 equivalent, 0
  /// missed".
  std::string summary(const std::string &kernel) const;
};

/// All mutants of the kernel: mechanical, hand-made, of the launch.
Result<std::vector<Mutant>> allMutants(const TestKernel &kernel);

SuiteResult runSuite(const TestKernel &kernel, const SuiteOptions &options);

} // namespace ptxsim::mutation

#endif // PTXSIM_TEST_MUTATION_SUITE_H
