//===- TestProgram.h - Programs as bundles for the tests --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_UNITTESTS_JIT_TESTPROGRAM_H
#define ATTN_UNITTESTS_JIT_TESTPROGRAM_H

#include "attnrt/attnrt.hpp"

#include <string>

namespace attn::test {

struct ProgramOptions {
  bool withPtx = false; ///< for sm_80 too, and the simulator is a device
  int64_t rows = 0, tile = 0;
};

/// The program for the CPU, loaded; a failure of the test if there is none.
rt::Bundle loadProgram(const rt::Context &context, const std::string &text,
                       const ProgramOptions &options = {});

/// ATTN_TEST_SEED, or 1.
uint64_t testSeed();

} // namespace attn::test

#endif // ATTN_UNITTESTS_JIT_TESTPROGRAM_H
