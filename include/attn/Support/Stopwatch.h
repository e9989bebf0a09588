//===- Stopwatch.h - Milliseconds between points ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_SUPPORT_STOPWATCH_H
#define ATTN_SUPPORT_STOPWATCH_H

#include <chrono>

namespace attn {

class Stopwatch {
public:
  /// Since the start or the lap before.
  double lap() {
    auto now = std::chrono::steady_clock::now();
    std::chrono::duration<double, std::milli> t = now - last;
    last = now;
    return t.count();
  }

private:
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};
} // namespace attn

#endif // ATTN_SUPPORT_STOPWATCH_H
