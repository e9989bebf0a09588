//===- Progress.h - Phases of the demo as they run -------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TOOLS_ATTN_DEMO_PROGRESS_H
#define ATTN_TOOLS_ATTN_DEMO_PROGRESS_H

#include "attn/Support/LLVM.h"
#include "llvm/ADT/Twine.h"
#include <string>

namespace attn {

/// Seconds of a steady clock.
double now();

/// "[3/7] decode: run on 2 threads ... 1.2 s; 8.1 ms" on stdout: the front as a
/// phase starts, the rest as it ends. On a terminal the end shows what is done
/// meanwhile.
class Progress {
public:
  explicit Progress(int total) : total(total) {}

  void start(const Twine &what);
  void show(const Twine &state);
  void done(const Twine &result);
  /// Ends the line of a phase that failed, if one runs.
  void abandon();

private:
  int number = 0, total;
  std::string text;
  double since = 0;
  bool runs = false;
};

} // namespace attn

#endif // ATTN_TOOLS_ATTN_DEMO_PROGRESS_H
