//===- BindTest.cpp - All memory of a schedule, before its steps ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Allocations.h"
#include "FakeCuda.h"
#include "TestBundle.h"
#include "attnrt/attnrt.hpp"

#include <cstdlib>
#include <random>

using namespace attnrt_test;

namespace {

constexpr DLDevice kCpu = {kDLCPU, 0}, kGpu = {kDLCUDA, 0};
constexpr int64_t kKeys = 30;

/// Memory of an engine, of its device.
struct Workspace {
  explicit Workspace(uint64_t bytes)
      : bytes(bytes), data(std::aligned_alloc(256, (bytes + 511) / 256 * 256)) {
    std::memset(data, 0x7b, bytes);
  }
  ~Workspace() { std::free(data); }
  bool holds(const void *at) const {
    return at >= data && at < static_cast<char *>(data) + bytes;
  }
  uint64_t bytes;
  void *data;
};

class Bind : public testing::Test, protected FakeCuda {
protected:
  Bind() {
    params.struct_size = sizeof(params);
    params.cuda_library = ATTNRT_FAKE_CUDA;
    params.allocator = &allocator.table;
    caps.struct_size = sizeof(caps);
    caps.workers = 3;
    caps.steps_in_flight = 2;
    caps.max_segments = caps.max_rows = 40;
    caps.max_items = 200;
    caps.max_merges = 60;
    caps.max_slots = 150;
  }
  attnrt_schedule_room measure(Loaded &loaded, Batch &largest) {
    attnrt_schedule_room room{};
    room.struct_size = sizeof(room);
    attnrt_step step = largest.step();
    EXPECT_EQ(ATTNRT_OK, attnrt_schedule_measure(loaded.schedule, &step, &room))
        << attnrt_last_message();
    return room;
  }
  /// "" or what was said.
  std::string bind(Loaded &loaded, Batch &largest, void *workspace = nullptr,
                   uint64_t bytes = 0) {
    attnrt_step step = largest.step();
    return attnrt_schedule_bind(loaded.schedule, &step, workspace, bytes,
                                nullptr)
               ? attnrt_last_message()
               : "";
  }
  /// What a driver may not be asked for once steps run.
  int forbidden() const {
    int sum = 0;
    for (const char *function :
         {"cuMemAlloc_v2", "cuMemFree_v2", "cuMemHostAlloc", "cuMemFreeHost",
          "cuEventCreate", "cuEventDestroy_v2", "cuModuleLoadDataEx",
          "cuModuleGetFunction", "cuFuncSetAttribute", "cuLinkCreate_v2",
          "cuCtxSynchronize"}) {
      sum += calls(function);
    }
    return sum;
  }

  CountingAllocator allocator;
  attnrt_context_params params{};
  attnrt_schedule_caps caps{};
};

std::vector<int32_t> randomLengths(std::mt19937 &random, size_t requests) {
  std::vector<int32_t> lengths(requests);
  for (int32_t &length : lengths) {
    length = int32_t(random() % (kKeys + 1));
  }
  return lengths;
}

} // namespace

TEST_F(Bind, NoStepAsksForAnything) {
  for (DLDevice device : {kCpu, kGpu}) {
    for (int kind = 0; kind < 6; ++kind) {
      caps.split = kind % 3;
      caps.flags = kind / 3 ? ATTNRT_SCHEDULE_CAPTURE : 0;
      Loaded loaded(&params, device, 1, &caps);
      Batch largest(std::vector<int32_t>(40, kKeys), kKeys);
      largest.moveTo(device);
      attnrt_schedule_room room = measure(loaded, largest);
      EXPECT_EQ(256u, room.alignment);
      // A number for each request, and one for each slot.
      EXPECT_LE(4 * (40 + 150), int64_t(room.workspace_bytes));
      EXPECT_EQ(device.device_type == kDLCUDA, room.plan_bytes > 0);
      EXPECT_EQ(3 * room.plan_bytes, room.pinned_bytes); // two steps in flight
      Workspace workspace(room.workspace_bytes);
      int held = live();
      ASSERT_EQ("", bind(loaded, largest, workspace.data, workspace.bytes));
      // On the GPU: a block, three that are pinned, an event for each.
      EXPECT_EQ(device.device_type == kDLCUDA ? 7 : 0, live() - held);
      int before = forbidden(), asked = allocator.asked;
      std::mt19937 random(7);
      for (int s = 0; s < 60; ++s) {
        Batch batch(randomLengths(random, s == 3 ? 0 : 1 + random() % 40),
                    1 + int64_t(random() % kKeys));
        batch.moveTo(device);
        ASSERT_EQ("", loaded.run(batch)) << s;
        finish();
        ASSERT_EQ(batch.expected(), batch.y) << s;
      }
      EXPECT_EQ(before, forbidden());
      EXPECT_EQ(asked, allocator.asked);
    }
  }
  EXPECT_EQ(0, allocator.asked);
}

TEST_F(Bind, NoRunAllocates) {
  auto loop = [](void *, int64_t n, void (*body)(void *, int64_t), void *ctx) {
    for (int64_t i = 0; i < n; ++i) {
      body(ctx, i);
    }
  };
  for (bool isEngineLoop : {false, true}) {
    params.parallel_for = isEngineLoop ? +loop : nullptr;
    params.cpu_threads = 3;
    Loaded loaded(&params, kCpu, 1, &caps);
    Batch largest(std::vector<int32_t>(40, kKeys), kKeys);
    Workspace workspace(measure(loaded, largest).workspace_bytes);
    const long atFirst = blocksMade();
    ASSERT_EQ("", bind(loaded, largest, workspace.data, workspace.bytes));
    // Scratch of each thread, or of all of them.
    EXPECT_EQ(isEngineLoop ? 1 : 3, blocksMade() - atFirst);
    std::mt19937 random(5);
    for (int s = 0; s < 30; ++s) {
      // The largest one first: its run is the first one as well.
      Batch batch(s ? randomLengths(random, 1 + random() % 40) : largest.len,
                  kKeys);
      attnrt_step step = batch.step();
      auto all = batch.all();
      ASSERT_EQ(ATTNRT_OK,
                attnrt_schedule_update(loaded.schedule, &step, nullptr));
      const long before = allocationsMade();
      attnrt_status status =
          attnrt_run(loaded.schedule, all.data(), 5, nullptr);
      EXPECT_EQ(before, allocationsMade()) << s;
      ASSERT_EQ(ATTNRT_OK, status);
      EXPECT_EQ(batch.expected(), batch.y) << s;
    }
  }
}

TEST_F(Bind, ACapturedLayoutStays) {
  caps.flags = ATTNRT_SCHEDULE_CAPTURE;
  Loaded loaded(&params, kGpu, 1, &caps);
  Batch batch(std::vector<int32_t>(40, kKeys), kKeys);
  batch.moveTo(kGpu);
  Workspace workspace(measure(loaded, batch).workspace_bytes);
  ASSERT_EQ("", bind(loaded, batch, workspace.data, workspace.bytes));
  // The smallest step is the one that is captured.
  std::fill(batch.len.begin(), batch.len.end(), 0);
  auto all = batch.all();
  auto plan = [&] {
    attnrt_step step = batch.step();
    ASSERT_EQ(ATTNRT_OK,
              attnrt_schedule_update(loaded.schedule, &step, nullptr));
  };
  auto layout = [&] {
    attnrt_schedule_stats stats{};
    stats.struct_size = sizeof(stats);
    EXPECT_EQ(ATTNRT_OK, attnrt_schedule_describe(loaded.schedule, &stats));
    return stats.layout;
  };
  plan();
  finish();
  const int64_t captured = layout();
  capture(1);
  EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
  capture(0);
  std::mt19937 random(11);
  for (int s = 0; s < 30; ++s) {
    std::vector<int32_t> lengths = randomLengths(random, 40);
    std::copy(lengths.begin(), lengths.end(), batch.len.begin());
    std::fill(batch.y.begin(), batch.y.end(), -1.f);
    plan();
    EXPECT_EQ(captured, layout()) << s;
    EXPECT_EQ(4, replay());
    finish();
    EXPECT_EQ(batch.expected(), batch.y) << s;
  }
}

TEST_F(Bind, WhatDoesNotFitIsRefused) {
  Batch largest(std::vector<int32_t>(8, kKeys), kKeys);
  largest.moveTo(kGpu);
  Batch more(std::vector<int32_t>(39, 1), kKeys); // within the capacities
  more.moveTo(kGpu);
  Loaded loaded(&params, kGpu, 1, &caps);
  ASSERT_EQ("", loaded.run(more)); // it grows as long as nothing is bound
  finish();
  ASSERT_EQ("", bind(loaded, largest));
  auto all = more.all();
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_run(loaded.schedule, all.data(), 5, nullptr));
  EXPECT_STREQ("expects a step to be planned before it is run",
               attnrt_last_message());
  ASSERT_EQ("", loaded.run(largest));
  finish();
  Batch many(std::vector<int32_t>(1000, 1), kKeys);
  many.moveTo(kGpu);
  EXPECT_EQ("the schedule has room for 40 segments, but the step needs 1000",
            loaded.run(many));
  std::string carried(600, 'x');
  attnrt_carried array{carried.data(), carried.size()};
  attnrt_step step = largest.step();
  step.num_carried = 1;
  step.carried = &array;
  EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED,
            attnrt_schedule_update(loaded.schedule, &step, nullptr));
  EXPECT_STREQ("the schedule is bound to 0 bytes for what steps carry, but the "
               "step needs 768",
               attnrt_last_message());
  // The step before is as it was.
  largest.y.assign(8, -1);
  auto same = largest.all();
  EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, same.data(), 5, nullptr));
  finish();
  EXPECT_EQ(largest.expected(), largest.y);
}

TEST_F(Bind, SizesPastTheLargestAreRefused) {
  // The workspace has a number for each request.
  caps.max_slots = 1;
  caps.split = 1;
  caps.max_segments = caps.max_rows = caps.max_items = 1000;
  Loaded loaded(&params, kCpu, 1, &caps);
  Batch largest({kKeys}, kKeys), small({3}, kKeys),
      more(std::vector<int32_t>(64, 1), kKeys), // 256 bytes, as one has
      many(std::vector<int32_t>(200, 1), kKeys);
  attnrt_schedule_room room = measure(loaded, largest);
  EXPECT_EQ(512u, room.workspace_bytes); // and 256 for the state
  Workspace workspace(room.workspace_bytes);
  ASSERT_EQ("", bind(loaded, largest, workspace.data, workspace.bytes));
  for (Batch *batch : {&small, &more}) {
    EXPECT_EQ("", loaded.run(*batch));
    EXPECT_EQ(batch->expected(), batch->y);
  }
  EXPECT_EQ("the schedule is bound to 512 bytes of workspace, but the step "
            "needs 1024",
            loaded.run(many));
  EXPECT_EQ(0, allocator.asked);
}

TEST_F(Bind, CapacitiesThatAreJustEnough) {
  // What a step turned out to need, as capacities: it fits, to the last byte.
  std::mt19937 random(3);
  for (DLDevice device : {kCpu, kGpu}) {
    for (int32_t round = 0; round < 40; ++round) {
      Batch batch(randomLengths(random, 1 + random() % 300), kKeys);
      batch.moveTo(device);
      attnrt_schedule_caps exact{};
      exact.struct_size = sizeof(exact);
      exact.workers = 1 + int32_t(random() % 40);
      exact.split = int32_t(random() % 4);
      attnrt_schedule_stats stats{};
      stats.struct_size = sizeof(stats);
      {
        Loaded free(&params, device, 1, &exact);
        ASSERT_EQ("", free.run(batch));
        finish();
        ASSERT_EQ(ATTNRT_OK, attnrt_schedule_describe(free.schedule, &stats));
      }
      auto atLeastOne = [](int64_t n) { return std::max<int64_t>(n, 1); };
      exact.max_segments = atLeastOne(stats.segments);
      exact.max_rows = atLeastOne(stats.rows);
      exact.max_items = atLeastOne(stats.items);
      exact.max_merges = atLeastOne(stats.merges);
      exact.max_slots = atLeastOne(stats.slots);
      Loaded loaded(&params, device, 1, &exact);
      Workspace workspace(measure(loaded, batch).workspace_bytes);
      ASSERT_EQ("", bind(loaded, batch, workspace.data, workspace.bytes));
      batch.y.assign(batch.y.size(), -1);
      EXPECT_EQ("", loaded.run(batch)) << round;
      finish();
      EXPECT_EQ(batch.expected(), batch.y) << round;
    }
  }
}

TEST_F(Bind, WorkspacesThatDoNotServe) {
  Loaded loaded(&params, kGpu, 1, &caps);
  Batch largest(std::vector<int32_t>(40, kKeys), kKeys);
  largest.moveTo(kGpu);
  uint64_t bytes = measure(loaded, largest).workspace_bytes;
  Workspace workspace(bytes);
  ASSERT_EQ("", loaded.run(largest));
  finish();
  std::string wanted = "expects a workspace of at least " +
                       std::to_string(bytes) +
                       " bytes, aligned to 256, but got ";
  std::string said = bind(loaded, largest, workspace.data, bytes - 1);
  EXPECT_EQ(0u, said.find(wanted + std::to_string(bytes - 1) + " bytes at 0x"))
      << said;
  said = bind(loaded, largest, static_cast<char *>(workspace.data) + 8, bytes);
  EXPECT_EQ(0u, said.find(wanted + std::to_string(bytes) + " bytes at 0x"))
      << said;
}

TEST_F(Bind, EveryFunctionThatFails) {
  Batch largest(std::vector<int32_t>(40, kKeys), kKeys), small({9}, kKeys);
  largest.moveTo(kGpu);
  small.moveTo(kGpu);
  int failures = 0;
  for (const char *function :
       {"cuCtxPushCurrent_v2", "cuMemAlloc_v2", "cuMemHostAlloc",
        "cuEventCreate", "cuEventSynchronize"}) {
    for (int call = 0, isOver = 0; !isOver; ++call) {
      Loaded loaded(&params, kGpu, 1, &caps);
      Workspace workspace(measure(loaded, largest).workspace_bytes);
      ASSERT_EQ("", loaded.run(small));
      failAt(function, 2, call);
      std::string said = bind(loaded, largest, workspace.data, workspace.bytes);
      isOver = forgive();
      EXPECT_EQ(isOver, said.empty()) << function;
      failures += !isOver;
      // The step before is still there.
      small.y = {-1};
      auto all = small.all();
      EXPECT_EQ(isOver ? ATTNRT_INVALID_ARGUMENT : ATTNRT_OK,
                attnrt_run(loaded.schedule, all.data(), 5, nullptr));
      finish();
      EXPECT_EQ(isOver, small.expected() != small.y);
      EXPECT_EQ("", loaded.run(largest));
      finish();
      EXPECT_EQ(largest.expected(), largest.y);
    }
  }
  // Pushing, a block, three pinned ones, two more events, a wait.
  EXPECT_EQ(8, failures);
}

TEST_F(Bind, CapacitiesMustBeGiven) {
  for (auto field :
       {&attnrt_schedule_caps::max_segments, &attnrt_schedule_caps::max_rows,
        &attnrt_schedule_caps::max_items, &attnrt_schedule_caps::max_merges,
        &attnrt_schedule_caps::max_slots}) {
    attnrt_schedule_caps some = caps;
    some.*field = 0;
    Loaded loaded(&params, kCpu, 1, &some);
    Batch largest({9}, kKeys);
    std::string said = bind(loaded, largest);
    EXPECT_EQ(0u, said.find("expects max_")) << said;
    EXPECT_NE(std::string::npos,
              said.find("of the schedule to be more than 0"));
    EXPECT_EQ("", loaded.run(largest));
  }
  caps.max_workspace_bytes = 512;
  Loaded loaded(&params, kCpu, 1, &caps);
  Batch largest(std::vector<int32_t>(40, 3), kKeys);
  EXPECT_EQ("the schedule has room for 512 bytes of workspace, but its "
            "capacities need 1024",
            bind(loaded, largest));
}

TEST_F(Bind, MemoryOfTheAllocator) {
  {
    Loaded loaded(&params, kCpu, 1, &caps);
    Batch largest(std::vector<int32_t>(40, kKeys), kKeys);
    ASSERT_EQ("", bind(loaded, largest));
    EXPECT_EQ(1, allocator.asked);
    ASSERT_EQ("", loaded.run(largest));
    EXPECT_EQ(1, allocator.asked);
    // Engines' memory takes its place, and the other way round.
    Workspace workspace(measure(loaded, largest).workspace_bytes);
    ASSERT_EQ("", bind(loaded, largest, workspace.data, workspace.bytes));
    EXPECT_EQ(1, allocator.freed);
    ASSERT_EQ("", loaded.run(largest));
    EXPECT_EQ(largest.expected(), largest.y);
    ASSERT_EQ("", bind(loaded, largest));
    EXPECT_EQ(2, allocator.asked);
    ASSERT_EQ("", loaded.run(largest));
  }
  EXPECT_EQ(2, allocator.freed);
}

TEST_F(Bind, TheCppHeader) {
  attn::rt::Context context;
  Bytes bytes = pack(makeBundle());
  attn::rt::Bundle bundle(context, bytes.data(), bytes.size());
  attn::rt::Kernel kernel(bundle, "sums", kCpu);
  attn::rt::Schedule schedule(kernel, &caps);
  Batch batch({9, 30}, kKeys);
  attnrt_schedule_room room = schedule.measure(batch.step());
  Workspace workspace(room.workspace_bytes);
  schedule.bind(batch.step(), workspace.data, workspace.bytes);
  schedule.update(batch.step());
  schedule.run(batch.all());
  EXPECT_EQ(batch.expected(), batch.y);
}
