//===- Devices.cpp - What attn-run can run a program on -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Devices.h"

#include "attn/Analysis/CascadeInfo.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Reference/Interpreter.h"

#include <chrono>

using namespace attn;

namespace {
struct NamedDevice {
  StringRef name;
  Device run;
};
} // namespace

static const NamedDevice kDevices[] = {
    {"reference", runOnReference},
    {"cpu", runOnCpu},
    {"sim", runOnSimulator},
};

Device attn::findDevice(StringRef name) {
  for (const NamedDevice &device : kDevices) {
    if (device.name == name) {
      return device.run;
    }
  }
  return nullptr;
}

std::string attn::deviceNames() {
  std::string text;
  for (const NamedDevice &device : kDevices) {
    text += (text.empty() ? "" : ", ") + device.name.str();
  }
  return text;
}

FailureOr<RunResponse> attn::runOnReference(const RunRequest &request,
                                            std::string &error) {
  RunResponse response;
  InterpreterStats stats;
  for (int64_t run = 0; run <= request.repeats; ++run) {
    InterpreterOptions options;
    options.splits = std::max<int64_t>(request.splits, 1);
    options.randomSeed = request.mergeSeed;
    options.stats = run == 0 ? &stats : nullptr;
    auto start = std::chrono::steady_clock::now();
    FailureOr<SmallVector<HostArray>> results =
        interpret(request.entry, request.args, options, error);
    std::chrono::duration<double> elapsed =
        std::chrono::steady_clock::now() - start;
    if (failed(results)) {
      return failure();
    }
    if (run == 0) {
      response.results = std::move(*results);
    } else {
      response.seconds.push_back(elapsed.count());
    }
  }
  if (request.wantStats) {
    response.passes = countMostPasses(request.entry);
  }
  int64_t points = 0;
  for (auto [op, count] : stats.points) {
    points += isa<EinsumOp>(op) ? count : 0;
  }
  response.stats["points"] = points;
  return response;
}
