//===- Devices.h - What attn-run can run a program on ----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A device takes a verified program with checked arguments and gives results
// in the order of the function's. A new device is one function here and one
// line in `kDevices` (Devices.cpp); argument handling, comparison and reports
// stay the same.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TOOLS_ATTN_RUN_DEVICES_H
#define ATTN_TOOLS_ATTN_RUN_DEVICES_H

#include "attn/Support/HostArray.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace attn {

struct RunRequest {
  ModuleOp module;
  func::FuncOp entry;
  /// In the order of the function's arguments; memref arguments are written in
  /// place. They passed `checkArguments`.
  ArrayRef<HostArray> args;
  /// Worker threads; 0: one per core. The reference has one.
  int64_t workers = 0;
  /// Parts that each fold is run in; 1: whole; 0: as the planner likes.
  int64_t splits = 0;
  /// Reference: folds run in random parts that are merged in a random tree.
  std::optional<uint64_t> mergeSeed;
  /// Simulator: the chip that PTX is made for, and the order of what may happen
  /// in any order.
  std::string chip = "sm_80";
  /// cpu: the target that code is made for.
  std::string cpu = "cpu";
  /// Compiled devices: rows and columns of a tile, 0 where they are chosen;
  /// simulator: warps of a kernel and places of a ring.
  int64_t rows = 0, tile = 0, warps = 0, stages = 0;
  uint64_t simSeed = 1;
  int schedule = 0, completion = 0;
  /// Simulator: as in PtxCompileOptions.
  bool splitLoops = false, sabotage = false;
  /// More runs after the first one, each timed.
  int64_t repeats = 0;
  /// Whether the response's stats are to hold tile counts and passes.
  bool wantStats = false;
};

struct RunResponse {
  SmallVector<HostArray> results;
  /// Seconds of each repeated run.
  SmallVector<double> seconds;
  /// Passes over the folded rank, as the device ran them.
  std::optional<int64_t> passes;
  /// Keys for --stats, beside those that attn-run writes itself.
  llvm::json::Object stats;
};

/// Runs the program. On failure, `error` is one line.
using Device = FailureOr<RunResponse> (*)(const RunRequest &request,
                                          std::string &error);

/// The device of this name, or null.
Device findDevice(StringRef name);
/// "reference, cpu": all names, for messages.
std::string deviceNames();

FailureOr<RunResponse> runOnReference(const RunRequest &request,
                                      std::string &error);
FailureOr<RunResponse> runOnCpu(const RunRequest &request, std::string &error);
FailureOr<RunResponse> runOnSimulator(const RunRequest &request,
                                      std::string &error);

} // namespace attn

#endif // ATTN_TOOLS_ATTN_RUN_DEVICES_H
