//===- Bind.cpp - All memory of a schedule, before its steps --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a step needs follows from its sizes and from how its folds are cut.
// Sizes are those of the largest step; how folds are cut nobody knows before,
// so the capacities bound it: each of several folds may have all there is.
//
//===----------------------------------------------------------------------===//
#include "Updater.h"

using namespace attnrt;

/// Bytes of the plan of a fold that has as many records as the schedule allows.
/// Masks of steps are operands of the entry: plans have no words of them.
static uint64_t mostBytesOfFold(const attnrt_schedule_caps &caps,
                                int32_t workers, uint32_t variants) {
  // Items of each variant, merges, and the merges of variants without any.
  uint64_t shares = variants > 1 ? variants + 2 : 2;
  const struct {
    uint64_t count, size;
  } arrays[] = {{uint64_t(caps.max_segments), sizeof(attnrt_segment)},
                {uint64_t(caps.max_rows), sizeof(attnrt_row)},
                {uint64_t(caps.max_items), sizeof(attnrt_item)},
                {uint64_t(caps.max_merges), sizeof(attnrt_merge)},
                {variants, sizeof(attnrt_stage)},
                {shares * (uint64_t(workers) + 1), sizeof(int32_t)},
                // Each state is merged once.
                {uint64_t(caps.max_slots), sizeof(int32_t)}};
  uint64_t bytes = sizeof(attnrt_plan);
  for (const auto &array : arrays) {
    if (array.count > INT32_MAX) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects capacities of at most %d records to bind a schedule, but "
            "got %llu",
            INT32_MAX, static_cast<unsigned long long>(array.count));
    }
    bytes = (bytes + array.count * array.size + 63) / 64 * 64;
  }
  return bytes;
}

uint64_t Schedule::Updater::mostBytes(size_t number) {
  if (isVariant(number)) {
    return 0; // its items are in the plan of the first
  }
  if (program.launches[number].isFold()) {
    uint32_t variants = kernel.isJoined() ? uint32_t(kernel.parts.size()) : 1;
    return mostBytesOfFold(schedule.caps, schedule.workers, variants);
  }
  // Points are cut in one way only.
  plan(number);
  const attnrt_plan *points = step.works[number].plan;
  return points ? points->bytes : 0;
}

Room Schedule::Updater::measure() {
  const attnrt_schedule_caps &caps = schedule.caps;
  const struct {
    const char *name;
    int64_t value;
  } expected[] = {{"max_segments", caps.max_segments},
                  {"max_rows", caps.max_rows},
                  {"max_items", caps.max_items},
                  {"max_merges", caps.max_merges},
                  {"max_slots", caps.max_slots}};
  for (const auto &capacity : expected) {
    if (!capacity.value) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects %s of the schedule to be more than 0, so that its memory "
            "has a bound",
            capacity.name);
    }
  }
  Room room;
  room.plans.workers = schedule.workers;
  beginPlans();
  for (size_t number = 0; number < program.launches.size(); ++number) {
    room.plans.plans.push_back(mostBytes(number));
    room.plans.points.push_back(step.works[number].points);
  }
  uint64_t end = 0;
  for (size_t n = 0; n < program.buffers.size(); ++n) {
    if (program.buffers[n].kind == BufferKind::Workspace) {
      place(end, step.tensors[schedule.numberOf[n]]);
    }
  }
  // States that the engine sees have a place of their own, others share one.
  uint64_t shared = 0;
  for (size_t l = 0; l < program.launches.size(); ++l) {
    uint64_t bytes = 0;
    for (uint32_t state : program.launches[l].states) {
      attnrt_tensor tensor = step.tensors[schedule.numberOf[state]];
      tensor.shape[0] = caps.max_slots;
      place(bytes, tensor);
    }
    if (isVariant(l)) {
      continue;
    }
    if (problemOf(l)) {
      end += bytes;
    } else {
      shared = std::max(shared, bytes);
    }
  }
  room.workspaceBytes = end + shared;
  carry();
  room.plans.carried = step.carried.size() * sizeof(CacheLine);
  return room;
}

Room Schedule::measure(const attnrt_step &largest) {
  next.isPlanned = false;
  Updater updater(*this, largest);
  updater.bind();
  updater.findExtents();
  updater.shapeBuffers();
  updater.holdExtents();
  Room room = updater.measure();
  int64_t most = caps.max_workspace_bytes;
  if (most && room.workspaceBytes > uint64_t(most)) {
    raise(ATTNRT_RESOURCE_EXHAUSTED,
          "the schedule has room for %lld bytes of workspace, but its "
          "capacities need %llu",
          static_cast<long long>(most),
          static_cast<unsigned long long>(room.workspaceBytes));
  }
  return room;
}

void Schedule::bind(const attnrt_step &largest, void *workspace, uint64_t bytes,
                    void *stream) {
  Room room = measure(largest);
  Memory fresh(kernel->context(), kernel->device, kernel->where);
  if (workspace) {
    if (bytes < room.workspaceBytes ||
        reinterpret_cast<uintptr_t>(workspace) % kWorkspaceAlignment) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a workspace of at least %llu bytes, aligned to %llu, but "
            "got %llu bytes at %p",
            static_cast<unsigned long long>(room.workspaceBytes),
            static_cast<unsigned long long>(kWorkspaceAlignment),
            static_cast<unsigned long long>(bytes), workspace);
    }
    fresh.borrow(workspace, bytes);
  } else {
    fresh.reserve(room.workspaceBytes, stream);
  }
  session->reserve(room.plans);
  // Nothing fails from here on, but the engine's free may throw.
  now.isPlanned = false;
  isBound = true;
  slotsRoom.assign(slotsRoom.size(), caps.max_slots);
  now.tensors.swap(next.tensors);
  now.scalars.swap(next.scalars);
  now.heldExtents.swap(next.heldExtents);
  memory.take(fresh);
}

//===----------------------------------------------------------------------===//
// C ABI
//===----------------------------------------------------------------------===//

attnrt_status attnrt_schedule_measure(attnrt_schedule *schedule,
                                      const attnrt_step *largest,
                                      attnrt_schedule_room *out) {
  return guard([&] {
    if (!schedule || !largest) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a schedule and a step, but got null");
    }
    Room room = schedule->impl.measure(readParams(largest, "attnrt_step"));
    attnrt_schedule_room info{};
    info.alignment = kWorkspaceAlignment;
    info.workspace_bytes = room.workspaceBytes;
    std::tie(info.plan_bytes, info.pinned_bytes) =
        schedule->impl.session->measure(room.plans);
    writeInfo(info, out, "attnrt_schedule_room");
  });
}

attnrt_status attnrt_schedule_bind(attnrt_schedule *schedule,
                                   const attnrt_step *largest, void *workspace,
                                   uint64_t bytes, void *stream) {
  return guard([&] {
    if (!schedule || !largest) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a schedule and a step, but got null");
    }
    schedule->impl.bind(readParams(largest, "attnrt_step"), workspace, bytes,
                        stream);
  });
}
