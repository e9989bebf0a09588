//===- Schedule.h - The steps of an entry -----------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A schedule holds two steps: the one that runs use, and one that an update
// fills. They change places when nothing can fail any more.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_SCHEDULE_H
#define ATTNRT_SRC_ABI_SCHEDULE_H

#include "Handles.h"
#include "attnrt/plan.h"

#include <array>

namespace attnrt {

struct PlannerFree {
  void operator()(attnrt_planner *planner) const {
    attnrt_planner_destroy(planner);
  }
};

/// Arrays that only problems of an engine have.
struct GivenArrays {
  std::vector<int32_t> rowList, rowLenRef, rowBack, sureCount, extBegin, ext,
      keep;
};

/// The plan of one launch and what it was asked for.
struct PlannedLaunch {
  std::unique_ptr<attnrt_planner, PlannerFree> planner;
  const attnrt_plan *plan = nullptr; ///< null: nothing to do, or no plan needed

  attnrt_problem problem{};
  attnrt_entry entry{};
  attnrt_plan_options options{};

  // What the problem points to.
  std::vector<attnrt_segment> segments;
  std::vector<int32_t> rowBegin, rowEnd, coord, low, high;
  /// What rows see at all lengths; empty: the same.
  std::vector<int32_t> sureLow, sureHigh;
  // One entry per row for the range function, and its second answer.
  std::vector<int32_t> segmentOfRow, otherLow, otherHigh;
  GivenArrays given;
  /// The plan with a stage for each variant, where the device needs that.
  std::vector<uint64_t> byVariant;

  /// States that outlive the launch: slots from elsewhere, and those that stay.
  int64_t fixedSlots() const {
    return plan ? (int64_t(problem.ext_count) + problem.keep_count) *
                      problem.heads * problem.group
                : 0;
  }

  void makePlan();
};

/// The unit of memory for what engines read.
struct alignas(64) CacheLine {
  char bytes[64];
};

/// What an update makes and runs use.
struct Step {
  bool isPlanned = false;
  std::vector<int64_t> extents;
  std::vector<attnrt_tensor> tensors; ///< sizes of the step; data of the host
  std::vector<uint64_t> scalars;
  /// Extents and cells as launches get them: where runs are captured, numbers
  /// of keys are those of the longest step so far (Updater::holdExtents).
  std::vector<int64_t> heldExtents;
  std::vector<uint64_t> heldScalars;
  std::vector<PlannedLaunch> launches;
  std::vector<LaunchWork> works;
  /// Offsets in the schedule's memory: of workspaces by tensor, of states by
  /// launch.
  std::vector<uint64_t> workspaceAt;
  std::vector<std::vector<std::pair<uint32_t, uint64_t>>> statesAt;
  uint64_t workspaceBytes = 0;
  /// By launch: states that there is place for, where runs are captured.
  std::vector<int64_t> slotsRoom;
  /// Arrays of the engine, and where each begins, in bytes.
  std::vector<CacheLine> carried;
  std::vector<uint64_t> carriedAt;
  attnrt_schedule_stats stats{};

  int64_t product(const std::vector<uint32_t> &list) const;
  /// Whether runs hand the same to their launches, but for what they are bound
  /// to.
  bool hasSameLayout(const Step &other) const;
};

/// What a schedule needs for its capacities and the sizes of a step.
struct Room {
  uint64_t workspaceBytes = 0;
  PlanRoom plans;
};

struct Schedule {
  Schedule(std::shared_ptr<Kernel> kernel, const attnrt_schedule_caps &caps);

  Room measure(const attnrt_step &largest);
  void bind(const attnrt_step &largest, void *workspace, uint64_t bytes,
            void *stream);
  void update(const attnrt_step &step, void *stream);
  void run(const DLTensor *const *tensors, int32_t count, void *stream);
  void verify() const;
  void validate(const attnrt_step &step) const;
  void countTiles(int64_t counts[3]) const;

  std::shared_ptr<Kernel> kernel;
  attnrt_schedule_caps caps;
  int32_t workers;
  /// By buffer of the program: its number among tensors, or among cells.
  std::vector<uint32_t> numberOf;
  size_t numTensors = 0, numScalars = 0;

  bool isCaptured() const { return caps.flags & ATTNRT_SCHEDULE_CAPTURE; }

  Step now, next;
  Memory memory;
  bool isBound = false;             ///< to what `memory` and the session have
  std::unique_ptr<Session> session; ///< dies before `memory`

private:
  class Updater;

  /// That of the step that was planned, or bound.
  std::vector<int64_t> slotsRoom;
  // Of the step that is planned.
  char *knownMemory = nullptr;
  int64_t knownLayout = 0;

  // Of a run; kept so that runs need no memory.
  std::vector<attnrt_tensor> runTensors;
  std::vector<uint64_t> runScalars;
  bool hasRun = false; ///< the step that is planned
};

/// Refuses a step that has not one tensor for each argument.
void checkCount(const attnrt_step &step, size_t arguments);

} // namespace attnrt

struct attnrt_schedule {
  attnrt::Schedule impl;
};

#endif // ATTNRT_SRC_ABI_SCHEDULE_H
