//===- Updater.h - One update of a schedule ---------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_UPDATER_H
#define ATTNRT_SRC_ABI_UPDATER_H

#include "Problem.h"
#include "ViewWalk.h"

#include <optional>
#include <tuple>

namespace attnrt {

/// The product, or a refusal past 2^62.
inline int64_t multiply(int64_t a, int64_t b, const char *what) {
  if (b != 0 && a > (int64_t(1) << 62) / b) {
    raise(ATTNRT_RESOURCE_EXHAUSTED, "%s of %lld times %lld are too many", what,
          static_cast<long long>(a), static_cast<long long>(b));
  }
  return a * b;
}

/// Of workspaces and states, in bytes.
constexpr uint64_t kWorkspaceAlignment = 256;

/// Gives a tensor its place at the end of a block, and moves the end.
uint64_t place(uint64_t &end, const attnrt_tensor &tensor);

/// Fills the next step of a schedule from what an engine gives, in the order of
/// the calls. What fails throws, and leaves the step that runs use as it was.
class Schedule::Updater {
public:
  Updater(Schedule &schedule, const attnrt_step &given)
      : schedule(schedule), kernel(*schedule.kernel), program(*kernel.program),
        given(given), step(schedule.next) {
    if (given.prefixes) {
      prefixes = readParams(given.prefixes, "attnrt_prefixes");
    }
  }

  void bind();
  std::vector<bool> findSizes() const;
  void findExtents();
  void checkResults() const;
  void shapeBuffers();
  void holdExtents();
  void plan();
  void carry();
  void shareStates(size_t number);
  void checkRecords() const;
  void layOut();
  [[nodiscard]] uint64_t bytesLeft() const;
  void checkBytes(uint64_t workspaceBytes) const;
  /// In place of plan() and what follows it: the most that a step of these
  /// sizes may need.
  Room measure();

private:
  void beginPlans();
  [[nodiscard]] bool hasSameArguments(const Step &other) const;
  uint64_t layOut(int64_t part, bool keepsRoom);
  uint64_t mostBytes(size_t number);
  const DLTensor *valuesOf(uint32_t argument, const DLTensor *const *list,
                           attnrt_tensor &shaped);
  const attnrt_problem *problemOf(size_t number) const {
    return given.problems && int64_t(number) < given.num_problems
               ? given.problems[number]
               : nullptr;
  }
  /// Of a joined kernel: a launch whose items are in the plan of the first.
  bool isVariant(size_t number) const {
    return kernel.isJoined() && number > 0;
  }
  LaunchSizes sizesOf(const LaunchRecord &launch) const;
  /// Of a fold, or of all folds that are joined.
  LaunchSizes jointSizes(size_t number) const;
  bool poseFold(size_t number);
  [[nodiscard]] KeyReach reachOf(const PlannedLaunch &planned, size_t number,
                                 int64_t tile) const;
  void checkKeys(size_t number, const PlannedLaunch *planned,
                 int64_t tile) const;
  [[nodiscard]] std::vector<HostValue> hostValues() const;
  bool posePoints(size_t number);
  void plan(size_t number);

  Schedule &schedule;
  const Kernel &kernel;
  const Program &program;
  const attnrt_step &given;
  Step &step;
  std::optional<attnrt_prefixes> prefixes;
  /// Tensors with a combination of smallest and largest values; the first has
  /// the largest everywhere.
  std::vector<std::vector<attnrt_tensor>> corners;
  std::vector<bool> isSize; ///< by extent
};

} // namespace attnrt

#endif // ATTNRT_SRC_ABI_UPDATER_H
