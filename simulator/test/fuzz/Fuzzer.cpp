//===- Fuzzer.cpp - libFuzzer's entry points ------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "fuzz/Mutator.h"
#include "fuzz/Target.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace ptxsim::test;

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Outcome outcome =
      tryText(std::string_view(reinterpret_cast<const char *>(data), size));
  if (!outcome.complaint.empty()) {
    std::fprintf(stderr, "ptxsim-fuzz-parser: %s\n", outcome.complaint.c_str());
    std::abort();
  }
  return 0;
}

/// Half of the changes know what a token is.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t most, unsigned seed) {
  std::mt19937 random(seed);
  if (random() % 2) {
    return LLVMFuzzerMutate(data, size, most);
  }
  std::string text =
      mutate(std::string(reinterpret_cast<char *>(data), size), random, most);
  std::memcpy(data, text.data(), text.size());
  return text.size();
}
