//===- Harness.h - Runs a few instructions over lanes -----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A test of instructions gives their text and a value of each input per thread:
//
//     LaneProgram program("mul.wide.s32 %d0, %a0, %a1;", {32, 32}, {64});
//     Values d = program.run({{1, 2, 3}, {4, 5, 6}});
//     EXPECT_EQ(d[0][2], 18u);
//     EXPECT_TRUE(program.findings().empty());
//
// Input i is in register %a<i>, output i is taken from %d<i>; each has 1 (a
// predicate), 8, 16, 32 or 64 bits. The text may declare registers of its own.
// Threads are numbered through CTAs of `threads` (32 unless told): thread t has
// element t. `%t` holds t, `%lane` the lane, `%smem` (64 bits) the offset of
// 1024 bytes of shared memory.
//
// Lanes outside of `lanes` branch around the text; their outputs are the low
// bits of kSkipped, and false.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_HARNESS_H
#define PTXSIM_TEST_HARNESS_H

#include "ptxsim/Device.h"

#include <string>
#include <vector>

namespace ptxsim::test {

/// [input or output][thread]; narrow values are zero-extended.
using Values = std::vector<std::vector<uint64_t>>;

constexpr uint64_t kSkipped = 0x5A5A'5A5A'5A5A'5A5A;

class LaneProgram {
public:
  LaneProgram(const std::string &body, std::vector<unsigned> inputBits,
              std::vector<unsigned> outputBits, const Options &options = {});

  /// Why the text could not be loaded; empty if it was.
  const std::string &error() const { return message; }
  const std::string &text() const { return ptx; }

  /// One thread per element; all inputs have the same number of them. Without
  /// inputs, `numThreads` says how many. A launch that fails, or text that
  /// could not be loaded, is a failure of the test and gives no values.
  Values run(const Values &inputs, uint32_t lanes = ~0u, uint32_t threads = 32,
             size_t numThreads = 0);

  /// Of the last run.
  const std::vector<Finding> &findings() const { return device->findings(); }
  const LaunchStats &stats() const { return device->stats(); }

private:
  std::vector<unsigned> inputBits, outputBits;
  std::unique_ptr<Device> device;
  std::unique_ptr<LoadedModule> module;
  std::string ptx, message;
};

/// Expects that the text is refused by the line that it is on, with the message
/// `reason`.
void expectRefused(const std::string &body, std::vector<unsigned> inputBits,
                   std::vector<unsigned> outputBits, const std::string &reason);

/// Why the text is refused; empty if it is accepted.
std::string loadError(const std::string &body, std::vector<unsigned> inputBits,
                      std::vector<unsigned> outputBits);

} // namespace ptxsim::test

#endif // PTXSIM_TEST_HARNESS_H
