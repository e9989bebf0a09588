//===- CompiledDevices.cpp - Compiled programs, here or simulated ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Devices.h"

#include "attn/Analysis/CascadeInfo.h"
#include "attn/JIT/Executable.h"

#include "mlir/IR/Diagnostics.h"

#include <thread>

using namespace attn;

/// What each fold was cut into, and what a simulated device counted.
static llvm::json::Array describePlans(const RunStats &stats) {
  llvm::json::Array list;
  for (const RunStats::Fold &fold : stats.plans) {
    llvm::json::Array items;
    for (const RunStats::Item &item : fold.items) {
      items.push_back(llvm::json::Object{{"worker", item.worker},
                                         {"segment", item.segment},
                                         {"head", item.head},
                                         {"row", item.row},
                                         {"rows", item.rows},
                                         {"sub", item.sub},
                                         {"subs", item.subs},
                                         {"begin", item.begin},
                                         {"count", item.count}});
    }
    llvm::json::Object entry{
        {"rows", fold.rows}, {"cols", fold.cols}, {"items", std::move(items)}};
    if (llvm::Expected<llvm::json::Value> launches =
            llvm::json::parse(fold.launches)) {
      entry["launches"] = std::move(*launches);
    } else {
      llvm::consumeError(launches.takeError());
    }
    list.push_back(std::move(entry));
  }
  return list;
}

static FailureOr<RunResponse> runCompiled(const RunRequest &request,
                                          const DeviceOptions &device,
                                          std::string &error) {
  func::FuncOp entry = request.entry;
  // The first error is handed back as the one line; it is not printed as well.
  ScopedDiagnosticHandler quiet(entry.getContext(), [](Diagnostic &diagnostic) {
    return success(diagnostic.getSeverity() == DiagnosticSeverity::Error);
  });
  CompileOptions compileOptions;
  // Code that counts would be measured as well.
  bool countTiles = request.wantStats && request.repeats == 0;
  compileOptions.countTiles = countTiles;
  compileOptions.rows = request.rows;
  compileOptions.tile = request.tile;
  std::unique_ptr<Executable> exe = Executable::compile(
      request.module, entry.getName(), compileOptions, error, device);
  if (!exe) {
    return failure();
  }
  RunOptions options;
  options.workers = request.workers > 0
                        ? request.workers
                        : std::max(1u, std::thread::hardware_concurrency());
  options.split = request.splits;
  RunResponse response;
  RunStats stats;
  for (int64_t run = 0; run <= request.repeats; ++run) {
    SmallVector<HostArray> results;
    if (failed(exe->run(request.args, options, results, error, &stats))) {
      return failure();
    }
    if (run == 0) {
      response.results = std::move(results);
    } else {
      response.seconds.push_back(stats.seconds);
    }
  }
  const CompileTimes &times = exe->times();
  llvm::json::Object compile{{"tile", times.tile},
                             {"vector", times.vector},
                             {"lower", times.host.lower},
                             {"translate", times.host.translate},
                             {"optimise", times.host.optimise},
                             {"codegen", times.host.codegen},
                             {"link", times.host.link},
                             {"load", times.host.load},
                             {"total", times.total}};
  response.stats["compile_ms"] = std::move(compile);
  if (request.wantStats) {
    OwningOpRef<func::FuncOp> derived(entry.clone());
    // Without a fold to launch the program ran as it is written.
    bool ranDerived =
        stats.folds > 0 && succeeded(derive(*derived, compileOptions));
    response.passes = countMostPasses(ranDerived ? *derived : entry);
  }
  if (countTiles) {
    response.stats["tiles"] =
        llvm::json::Object{{"empty", stats.emptyTiles},
                           {"partial", stats.partialTiles},
                           {"full", stats.fullTiles}};
  }
  if (request.wantStats) {
    response.stats["plans"] = describePlans(stats);
  }
  response.stats["items"] = stats.items;
  response.stats["merges"] = stats.merges;
  response.stats["folds"] = stats.folds;
  response.stats["stages"] = stats.stages;
  return response;
}

FailureOr<RunResponse> attn::runOnCpu(const RunRequest &request,
                                      std::string &error) {
  DeviceOptions device;
  device.cpu = request.cpu;
  return runCompiled(request, device, error);
}

FailureOr<RunResponse> attn::runOnSimulator(const RunRequest &request,
                                            std::string &error) {
  DeviceOptions device;
  device.simulatedChip = request.chip;
  device.warps = request.warps;
  device.stages = request.stages;
  device.seed = request.simSeed;
  device.schedule = request.schedule;
  device.completion = request.completion;
  device.splitLoops = request.splitLoops;
  device.sabotage = request.sabotage;
  return runCompiled(request, device, error);
}
