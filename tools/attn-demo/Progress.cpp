//===- Progress.cpp - Phases of the demo as they run ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Progress.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>

using namespace attn;
using llvm::outs;

double attn::now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Progress::start(const Twine &what) {
  text = llvm::formatv("[{0}/{1}] {2} ...", ++number, total, what.str()).str();
  since = now();
  runs = true;
  outs() << text;
  outs().flush();
}

void Progress::show(const Twine &state) {
  if (llvm::sys::Process::StandardOutIsDisplayed()) {
    // Blanks over the end of a longer state.
    outs() << '\r' << text << ' ' << state << "        ";
    outs().flush();
  }
}

void Progress::done(const Twine &result) {
  if (llvm::sys::Process::StandardOutIsDisplayed()) {
    outs() << '\r' << text;
  }
  outs() << llvm::formatv(" {0:F1} s; ", now() - since) << result << "\n";
  outs().flush();
  runs = false;
}

void Progress::abandon() {
  if (runs) {
    outs() << '\n';
    runs = false;
  }
  outs().flush();
}
