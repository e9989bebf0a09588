//===- Report.h - The figures of the demo ----------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TOOLS_ATTN_DEMO_REPORT_H
#define ATTN_TOOLS_ATTN_DEMO_REPORT_H

#include "Check.h"
#include "Derivation.h"
#include "Requests.h"
#include "attn/Analysis/IoModel.h"
#include "attn/JIT/Executable.h"

namespace attn {

/// From text to a callable, by the clock.
struct CompileMilliseconds {
  double parse = 0, derive = 0, vector = 0, llvm = 0;
  double total() const { return parse + derive + vector + llvm; }
};

/// Decode or prefill. Bytes and pairs come from the model, seconds (a median)
/// and tiles from runs.
struct Job {
  std::string name;
  RunStats tiles;
  IoReport io;
  CheckReport check;
  double seconds = 0;

  /// Two dots of a multiply and an add per channel, for admitted pairs only.
  double gflops(int64_t channels) const {
    return 4.0 * double(channels) * double(io.pairs) / seconds / 1e9;
  }
  /// Keys and values that some query sees, each once.
  double gigabytes() const { return double(io.kvBytes) / seconds / 1e9; }
  double bytesOverBound() const {
    return double(io.coreBytes) / double(io.boundBytes());
  }
};

struct DemoReport {
  std::string program, cpu;
  int64_t workers = 1;
  SmallVector<int64_t> lengths;
  CacheShape shape;
  CompileMilliseconds compile;
  Derivation derivation;
  SmallVector<Job, 2> jobs;
};

/// A table with a column per job.
void printReport(const DemoReport &report, raw_ostream &os);

/// The same as JSON.
LogicalResult writeReport(const DemoReport &report, StringRef path,
                          std::string &error);

} // namespace attn

#endif // ATTN_TOOLS_ATTN_DEMO_REPORT_H
