//===- Cases.h - Instructions against formulas ------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One row of a table of instructions: the text and the formula of one lane.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_CASES_H
#define PTXSIM_TEST_CASES_H

#include "Harness.h"

#include <functional>
#include <random>

namespace ptxsim::test {

using Lane = std::vector<uint64_t>;

struct Case {
  std::string body;
  std::vector<unsigned> in, out;
  /// Outputs of a lane from its inputs, zero-extended.
  std::function<Lane(const Lane &)> formula;
};

/// Runs the row over the inputs, with all lanes and with some of them, and
/// holds every output to the formula, bit by bit. Findings are failures.
void expectCase(const Case &c, const Values &inputs);
/// The same over corners(bits) of every input in all combinations, and random
/// values.
void expectCase(const Case &c);

/// 0, 1, the limits of signed and unsigned, and values beside them.
std::vector<uint64_t> corners(unsigned bits);
/// All combinations of the lists.
Values combine(const std::vector<std::vector<uint64_t>> &lists);
/// Appends `count` random bit patterns to every input.
void addRandom(Values &values, const std::vector<unsigned> &bits, size_t count);

/// The low bits as a number.
inline int64_t asSigned(uint64_t value, unsigned bits) {
  return int64_t(value << (64 - bits)) >> (64 - bits);
}
inline uint64_t cut(uint64_t value, unsigned bits) {
  return bits == 64 ? value : value & ((uint64_t(1) << bits) - 1);
}

} // namespace ptxsim::test

#endif // PTXSIM_TEST_CASES_H
