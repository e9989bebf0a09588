//===- Inspect.cpp - What a step was planned as ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Schedule.h"

#include "Tensor.h"

#include <algorithm>
#include <set>
#include <tuple>

using namespace attnrt;

/// {segment, head, first row, rows} of each run of rows.
static std::vector<int32_t> findRuns(const attnrt_plan &plan) {
  const attnrt_item *items = attnrt_plan_items(&plan);
  std::set<std::tuple<int32_t, int32_t, int32_t>> seen;
  std::vector<int32_t> runs;
  for (uint32_t i = 0; i < plan.items.count; ++i) {
    const attnrt_item &item = items[i];
    if (seen.emplace(item.row_begin, item.head, item.sub_begin).second) {
      runs.insert(runs.end(),
                  {attnrt_plan_segments(&plan)[item.seg].param, item.head,
                   attnrt_plan_rows(&plan)[item.row_begin].coord,
                   int32_t(item.row_count)});
    }
  }
  return runs;
}

void Schedule::countTiles(int64_t counts[3]) const {
  bool isHost = kernel->device.device_type == kDLCPU ||
                (kernel->device.device_type == kDLExtDev &&
                 kernel->device.device_id == ATTNRT_DEVICE_SIM);
  if (!isHost) {
    raise(ATTNRT_UNAVAILABLE, "tiles are counted in host memory, but the "
                              "tensors are on a device");
  }
  if (!hasRun) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects a run of the step before its tiles are counted");
  }
  int64_t sum[3] = {};
  std::vector<uint64_t> scalars = runScalars;
  for (size_t n = 0; n < numberOf.size(); ++n) {
    if (kernel->program->buffers[n].kind == BufferKind::Extent) {
      scalars[numberOf[n]] = now.scalars[numberOf[n]]; // of this step alone
    }
  }
  const KernelPart &part = kernel->parts[0];
  for (size_t l = 0; l < now.works.size(); ++l) {
    const attnrt_plan *plan = now.works[l].plan;
    // A tile of keys in several formats has several classes.
    if (!plan || kernel->isJoined() || !part.classes[l]) {
      continue;
    }
    // Masks look at arguments and at what earlier launches made of them.
    attnrt_args args = part.args(runTensors.data(), scalars.data());
    std::vector<int32_t> runs = findRuns(*plan);
    part.classes[l](&args, runs.data(), sum, int64_t(runs.size() / 4));
  }
  std::copy(sum, sum + 3, counts);
}

attnrt_status attnrt_schedule_count_tiles(const attnrt_schedule *schedule,
                                          int64_t counts[3]) {
  return guard([&] {
    if (!schedule || !counts) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a schedule and a place for counts, but got null");
    }
    schedule->impl.countTiles(counts);
  });
}

static const Schedule &planned(const attnrt_schedule *schedule,
                               const char *what) {
  if (!schedule) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects a schedule, but got null");
  }
  if (!schedule->impl.now.isPlanned) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects a step to be planned before its %s are known", what);
  }
  return schedule->impl;
}

/// A schedule that is planned, and a launch that it has.
static const Schedule &planned(const attnrt_schedule *schedule,
                               const char *what, int32_t launch) {
  const Schedule &s = planned(schedule, what);
  size_t launches = s.now.launches.size();
  if (launch < 0 || size_t(launch) >= launches) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects a launch below %zu, but got %d",
          launches, launch);
  }
  return s;
}

attnrt_status attnrt_schedule_launch(const attnrt_schedule *schedule,
                                     int32_t number, attnrt_launch_info *out) {
  return guard([&] {
    const Schedule &s = planned(schedule, "launches", number);
    const LaunchRecord &launch = s.kernel->program->launches[size_t(number)];
    attnrt_launch_info info{};
    info.flags = (launch.isFold() ? uint32_t(ATTNRT_LAUNCH_FOLD) : 0u) |
                 (launch.shares ? uint32_t(ATTNRT_LAUNCH_SHARES) : 0u);
    info.rows = int32_t(launch.rows);
    info.cols = int32_t(launch.cols);
    info.plan = s.now.works[size_t(number)].plan;
    info.counters = s.session->counters(size_t(number));
    KernelResources resources = s.kernel->code->resources(size_t(number));
    info.registers = resources.registers;
    info.local_bytes = resources.localBytes;
    info.resident_ctas = resources.residentCtas;
    writeInfo(info, out, "attnrt_launch_info");
  });
}

attnrt_status attnrt_schedule_state(const attnrt_schedule *schedule,
                                    int32_t number, int32_t component,
                                    attnrt_state_info *out) {
  return guard([&] {
    const Schedule &s = planned(schedule, "states", number);
    const PlannedLaunch &launch = s.now.launches[size_t(number)];
    size_t components =
        s.kernel->program->launches[size_t(number)].states.size();
    const auto &states = s.now.statesAt[size_t(number)];
    if (component < 0 ||
        size_t(component) >= std::min(components, states.size())) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "launch %d expects a component below %zu, but got %d", number,
            std::min(components, states.size()), component);
    }
    auto [tensorNumber, at] = states[size_t(component)];
    const attnrt_tensor &tensor = s.now.tensors[tensorNumber];
    attnrt_state_info info{};
    info.device = s.kernel->device;
    info.dtype = toDLPack(attnrt_dtype(tensor.dtype));
    info.num_axes = int32_t(tensor.rank);
    std::memcpy(info.sizes, tensor.shape, tensor.rank * sizeof(int64_t));
    info.sizes[0] = launch.fixedSlots();
    info.data = info.sizes[0] ? s.memory.data() + at : nullptr;
    writeInfo(info, out, "attnrt_state_info");
  });
}

attnrt_status attnrt_schedule_carried(const attnrt_schedule *schedule,
                                      int32_t number, void **data) {
  return guard([&] {
    const Schedule &s = planned(schedule, "carried arrays");
    const Step &step = s.now;
    if (!data) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a place for an address, but got null");
    }
    if (number < 0 || size_t(number) >= step.carriedAt.size()) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a carried array below %zu, but got %d",
            step.carriedAt.size(), number);
    }
    char *base = s.session->carried();
    const char *here = reinterpret_cast<const char *>(step.carried.data());
    *data = (base ? base : const_cast<char *>(here)) +
            step.carriedAt[size_t(number)];
  });
}
