//===- Executable.h - A function, compiled and loaded --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_JIT_EXECUTABLE_H
#define ATTN_JIT_EXECUTABLE_H

#include "attn/JIT/Bundle.h"
#include "attn/Support/HostArray.h"
#include <memory>
#include <string>

namespace attn {

/// Where launches run.
struct DeviceOptions {
  /// A chip whose PTX the simulator runs; empty: this CPU.
  std::string simulatedChip;
  /// The CPU that code is made for, a target of BundleOptions that is no chip.
  std::string cpu = "cpu";
  /// Of its kernels, as in PtxCompileOptions.
  int64_t warps = 0, stages = 0;
  bool splitLoops = false, sabotage = false;
  /// Of the simulator: seed, and 0 to 2 for schedule and completion of copies
  /// (attnrt/sim.h).
  uint64_t seed = 1;
  int schedule = 0, completion = 0;
};

struct RunOptions {
  /// Threads, the caller included.
  int workers = 1;
  /// Parts of every fold, joined by the derived merge; 0: as balance asks.
  int split = 0;
};

/// What one run did. Tiles are counted per run of rows and KV head, and only
/// where CompileOptions::countTiles was set; a run of rows without a point is
/// no work and not counted.
struct RunStats {
  /// A work item of a fold: rows by their coordinate and query heads of one
  /// segment and KV head, and the ordinals that they go over.
  struct Item {
    int64_t worker, segment, head, row, rows, sub, subs, begin, count;
  };
  /// A fold that was launched: its tiles, its items, and what a simulated
  /// device counted, as JSON (attnrt_sim_launches).
  struct Fold {
    int64_t rows = 0, cols = 0;
    std::vector<Item> items;
    std::string launches = "[]";
  };
  std::vector<Fold> plans;
  int64_t folds = 0, stages = 0; // launches
  int64_t items = 0, merges = 0;
  int64_t emptyTiles = 0, partialTiles = 0, fullTiles = 0;
  double seconds = 0; // of the launches; planning is not counted
};

/// A function compiled into a bundle and loaded from it (attnrt/attnrt.h).
/// run() may be called from several threads; calls with the same number of
/// workers share a pool of threads.
class Executable {
public:
  /// Compiles `entry` of `module` (left untouched). On failure `error` has one
  /// line; diagnostics were emitted through the context as well.
  static std::unique_ptr<Executable> compile(ModuleOp module, StringRef entry,
                                             const CompileOptions &options,
                                             std::string &error,
                                             const DeviceOptions &device = {});
  ~Executable();

  /// Arguments in the order of the function; nothing is written to them except
  /// through places. Results are new arrays. Wrong numbers, shapes, element
  /// types and extents are refused before anything runs. What tables and
  /// lengths hold is trusted, as on any device: attn::checkArguments looks at
  /// it.
  LogicalResult run(ArrayRef<HostArray> args, const RunOptions &options,
                    SmallVectorImpl<HostArray> &results, std::string &error,
                    RunStats *stats = nullptr);

  const CompileTimes &times() const;

private:
  Executable();
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace attn

#endif // ATTN_JIT_EXECUTABLE_H
