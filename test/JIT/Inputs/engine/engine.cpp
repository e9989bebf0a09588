//===- engine.cpp - An engine in C++ ----------------------------------------
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attnjit/attnjit.h"
#include "attnrt/attnrt.hpp"

#include <fstream>
#include <iostream>
#include <iterator>

int main(int, char **argv) {
  std::ifstream file(argv[1], std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  attnjit_result *result = nullptr;
  if (attnjit_compile(text.data(), text.size(), nullptr, &result)) {
    std::cerr << attnjit_result_diagnostics(result);
    return 1;
  }
  attn::rt::Context context;
  attn::rt::Bundle bundle(context, attnjit_result_bytes(result),
                          attnjit_result_size(result));
  attnjit_result_release(result);
  for (const std::string &entry : bundle.entries()) {
    attn::rt::Kernel kernel(bundle, entry.c_str(), DLDevice{kDLCPU, 0});
    std::cout << "C++: " << entry << " of " << kernel.info().num_arguments
              << " arguments\n";
  }
}
