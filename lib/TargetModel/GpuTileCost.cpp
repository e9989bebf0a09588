//===- GpuTileCost.cpp - Which tile a fold has on a GPU -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/TargetModel/GpuTileCost.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/MathExtras.h"
#include <limits>
#include <numeric>

using namespace attn;

namespace {

/// Operations per score beside the exponential.
constexpr double elementwiseOps = 10;
/// Barriers, addresses and the turn of the loop, which nothing of the same CTA
/// hides.
constexpr double tileOverhead = 400;
/// And where warps beside each other hand each other maxima and weights.
constexpr double exchangeOverhead = 400;
/// Shared memory for what is neither rows nor columns: weights, where warps
/// meet, operands that are as long as the columns but have no channels.
constexpr double sharedSlack = 1.0 / 16;
/// Registers of a thread for what is no matrix: addresses and row values, and
/// coordinates and flags where points are masked.
constexpr double plainRegisters = 84, maskRegisters = 84;
/// Columns outside the item are masked in every kernel: their coordinates and
/// bounds.
constexpr double columnMaskRegisters = 38;
/// Registers of sums from which on each takes another one.
constexpr double manySums = 128;
/// Where a row selects columns: its list, and how far it has been read.
constexpr double selectionRegisters = 20;
/// For each value that a point looks up: addresses of those of a thread.
constexpr double pointReadRegisters = 8;
/// And for what operands are computed from.
constexpr double computingRegisters = 26;
/// What another CTA on the SM costs: a state more to merge for each.
constexpr double perCta = 0.02;
/// Items with the same columns that stand for "many".
constexpr double manyItems = 16;
constexpr int64_t maxRows = 128, maxCols = 128, maxStages = 4;
/// The narrowest block of columns that a warp can have.
constexpr int64_t kColumnsOfWarp = 8;
/// What rows are copied in at least.
constexpr uint64_t rowBytesStep = 32;
/// Threads that a fragment is spread over.
constexpr double lanes = 32;

} // namespace

int64_t GpuTile::getRowWarps() const {
  int64_t count = std::max<int64_t>(warps, 1);
  while (rows / kGpuRowStep % count) {
    --count;
  }
  return count;
}

int64_t GpuTile::getColumnWarps() const {
  return std::max<int64_t>(warps, 1) / getRowWarps();
}

int64_t GpuTile::getStep() const {
  return std::lcm(kGpuColumnStep, kColumnsOfWarp * getColumnWarps());
}

/// What a size of a block is made of it: warps beside each other have equal
/// parts.
static double padded(int64_t size, const GpuTile &tile) {
  return double(llvm::alignTo(uint64_t(size), uint64_t(tile.getStep())));
}

/// Registers of a thread that the accumulators and the scores take, in f32; the
/// left operand of the second product takes the place of the scores. Above four
/// blocks of 16 x 64 the compiler finds no order any more that keeps to them.
static double getSumRegisters(const TileProblem &problem, const GpuTile &tile) {
  double warps = tile.getRowWarps() * tile.getColumnWarps();
  double sums =
      tile.rows *
      (padded(problem.valueChannels, tile) + padded(tile.cols, tile)) /
      (warps * lanes);
  return sums + std::max(0.0, sums - manySums);
}

/// Of a row in shared memory.
static double getRowBytes(int64_t channels, const TileProblem &problem,
                          const GpuTile &tile) {
  return double(llvm::alignTo(
      uint64_t(padded(channels, tile) * problem.elementBytes), rowBytesStep));
}

static double getPlainRegisters(const TileProblem &problem) {
  return plainRegisters +
         (problem.masked ? maskRegisters : columnMaskRegisters) +
         (problem.columnBlock ? selectionRegisters : 0) +
         double(problem.pointReads) * pointReadRegisters;
}

/// What one product takes of the columns, where it is computed.
static double getComputedRegisters(const TileProblem &problem,
                                   const GpuTile &tile) {
  double channels =
      padded(std::max(problem.scoreChannels, problem.valueChannels), tile);
  return problem.computedParts *
         (computingRegisters + 1.25 * padded(tile.cols, tile) * channels /
                                   (tile.getColumnWarps() * lanes * 2));
}

/// And the left operand of the first, at 16 bits.
static double getRowRegisters(const TileProblem &problem, const GpuTile &tile) {
  double rows = double(tile.rows) / tile.getRowWarps();
  return rows * padded(problem.scoreChannels, tile) / lanes / 2;
}

bool attn::keepsRows(const GpuTargetModel &model, const TileProblem &problem,
                     const GpuTile &tile) {
  return getPlainRegisters(problem) + getSumRegisters(problem, tile) +
             getComputedRegisters(problem, tile) +
             getRowRegisters(problem, tile) <=
         model.registersPerThread;
}

CtaNeeds attn::getNeeds(const GpuTargetModel &model, const TileProblem &problem,
                        const GpuTile &tile) {
  double rowWarps = tile.getRowWarps(), columnWarps = tile.getColumnWarps();
  double registers =
      getPlainRegisters(problem) + getSumRegisters(problem, tile) +
      getComputedRegisters(problem, tile) +
      (keepsRows(model, problem, tile) ? getRowRegisters(problem, tile) : 0);
  double scoreBytes = getRowBytes(problem.scoreChannels, problem, tile);
  double valueBytes = getRowBytes(problem.valueChannels, problem, tile);
  double cols = padded(tile.cols, tile);
  double shared =
      tile.stages * cols * (scoreBytes + valueBytes) + tile.rows * scoreBytes;
  // Warps beside each other hand each other the left operand of the second
  // product.
  if (columnWarps > 1) {
    shared += tile.rows * cols * problem.elementBytes;
  }
  CtaNeeds needs;
  needs.threads = unsigned(rowWarps * columnWarps * lanes);
  needs.registersPerThread = unsigned(registers);
  needs.sharedBytes = int64_t(shared * (1 + sharedSlack));
  return needs;
}

double attn::getTileCost(const GpuTargetModel &model,
                         const TileProblem &problem, const GpuTile &tile) {
  CtaNeeds needs = getNeeds(model, problem, tile);
  unsigned ctas = needs.registersPerThread > model.registersPerThread
                      ? 0
                      : model.getResidentCtas(needs);
  if (!ctas) {
    return std::numeric_limits<double>::infinity();
  }
  // Scores of warps that have no columns are computed all the same.
  double rows = tile.rows, cols = tile.cols;
  double scoreCols = padded(tile.cols, tile);
  double usefulRows = rows;
  double items = manyItems;
  if (problem.packedRows) {
    items = double(llvm::divideCeil(problem.packedRows, tile.rows));
    usefulRows = double(problem.packedRows) / items;
  }
  double channels = problem.scoreChannels + problem.valueChannels;
  double columnBytes = cols * channels * problem.elementBytes;

  double products = rows *
                    (scoreCols * padded(problem.scoreChannels, tile) +
                     cols * padded(problem.valueChannels, tile)) /
                    model.mmaMacsPerCycle;
  double elementwise =
      rows * scoreCols *
      (1 / model.specialPerCycle + elementwiseOps / model.fmaPerCycle);
  double shared = tile.getRowWarps() * columnBytes;
  if (!keepsRows(model, problem, tile)) {
    shared += rows * problem.scoreChannels * problem.elementBytes;
  }
  shared /= model.sharedBytesPerCycle;
  // The first item brings the columns from memory, the others find them in L2.
  double rate = 1 / (1 / (items * model.memoryBytesPerCycle) +
                     (items - 1) / (items * model.l2BytesPerCycle));
  // What is in flight while a tile is worked on: the other places.
  double inFlight = ctas * columnBytes * std::max<double>(tile.stages - 1, 0.5);
  double columns = 0;
  if (columnBytes > 0) {
    columns = columnBytes / rate *
              std::max(1.0, rate * model.memoryLatency / inFlight);
  }

  double parts[] = {products, elementwise, shared, columns};
  double longest = 0, sum = 0;
  for (double part : parts) {
    longest = std::max(longest, part);
    sum += part;
  }
  double warps = ctas * double(needs.threads) / model.threadsPerWarp;
  double exposed = std::min(1.0, model.schedulersPerSM / warps);
  double overhead = tileOverhead +
                    (tile.stages == 1 ? model.memoryLatency : 0) +
                    (tile.getColumnWarps() > 1 ? exchangeOverhead : 0);
  double cycles = (longest + exposed * (sum - longest) + overhead / ctas) *
                  (1 + perCta * ctas);
  return cycles * getVisitedPoints(problem, usefulRows, cols) /
         (usefulRows * cols);
}

std::optional<GpuTile> attn::chooseTile(const GpuTargetModel &model,
                                        const TileProblem &problem,
                                        const GpuTile &given) {
  auto candidates = [](int64_t given, int64_t least, int64_t most) {
    llvm::SmallVector<int64_t> values;
    if (given) {
      return llvm::SmallVector<int64_t>{given};
    }
    for (int64_t value = least; value <= most; value *= 2) {
      values.push_back(value);
    }
    return values;
  };
  int64_t mostRows = maxRows;
  if (problem.packedRows) {
    mostRows = std::min<int64_t>(
        maxRows,
        llvm::PowerOf2Ceil(llvm::alignTo(problem.packedRows, kGpuRowStep)));
  }
  int64_t fixedCols = given.cols ? given.cols : problem.fixedCols;
  llvm::SmallVector<int64_t> columns =
      candidates(fixedCols, kGpuColumnStep, maxCols);
  // Blocks of one column are listed one by one, and a tile holds several.
  if (!fixedCols && problem.columnBlock > 1) {
    llvm::erase_if(columns,
                   [&](int64_t c) { return problem.columnBlock % c != 0; });
    // A block that no power of two divides is a tile as it is.
    if (columns.empty()) {
      columns.push_back(problem.columnBlock);
    }
  }
  std::optional<GpuTile> best;
  double least = std::numeric_limits<double>::infinity();
  for (int64_t rows : candidates(given.rows, kGpuRowStep, mostRows)) {
    for (int64_t cols : columns) {
      for (int64_t warps : candidates(given.warps, 1, kGpuUsualWarps)) {
        for (int64_t stages : candidates(given.stages, 1, maxStages)) {
          GpuTile tile{rows, cols, warps, stages};
          if (tile.getRowWarps() * tile.getColumnWarps() != warps &&
              !given.warps) {
            continue;
          }
          double cost = getTileCost(model, problem, tile);
          if (cost < least) {
            least = cost;
            best = tile;
          }
        }
      }
    }
  }
  return best;
}
