//===- Options.h - What the demo is asked for ------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TOOLS_ATTN_DEMO_OPTIONS_H
#define ATTN_TOOLS_ATTN_DEMO_OPTIONS_H

#include "attn/Support/LLVM.h"
#include <optional>
#include <string>

namespace attn {

struct DemoOptions {
  std::string program = "examples/paged_gqa.mlir", trace, json;
  int64_t requests = 16, cut = 8192, chunk = 256, workers = 0;
  uint64_t seed = 1;
  bool skipToken = false;
};

/// Parses the command line. None: the program ends with `code`; a message or
/// the help was printed.
std::optional<DemoOptions> parseDemoOptions(ArrayRef<char *> words, int &code);

} // namespace attn

#endif // ATTN_TOOLS_ATTN_DEMO_OPTIONS_H
