//===- Target.h - What is done to any text ----------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The front end takes any bytes: it gives a module, or an error of one line
// that says where and what. Both the fuzzer and the unit tests hold it to that.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_FUZZ_TARGET_H
#define PTXSIM_TEST_FUZZ_TARGET_H

#include <string>
#include <string_view>

namespace ptxsim::test {

struct Outcome {
  /// How far it came: the text was read, how many kernels were decoded.
  bool isParsed = false;
  unsigned numDecoded = 0, numRefused = 0;
  /// What is wrong with the front end; empty if nothing is.
  std::string complaint;
};

/// Reads the text, loads it as a module and decodes every kernel. Launches
/// nothing.
Outcome tryText(std::string_view text);

/// What is wrong with an error message about this text; empty if nothing is.
std::string checkMessage(const std::string &message, std::string_view text);

} // namespace ptxsim::test

#endif // PTXSIM_TEST_FUZZ_TARGET_H
