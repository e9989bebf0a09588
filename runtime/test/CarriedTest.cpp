//===- CarriedTest.cpp - Arrays that go with the plans --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TestBundle.h"
#include "attnrt/attnrt.hpp"

#include <cstring>
#include <dlfcn.h>
#include <gtest/gtest.h>

using namespace attnrt_test;
namespace rt = attn::rt;

namespace {

constexpr DLDevice kCpu{kDLCPU, 0}, kCuda{kDLCUDA, 0},
    kNull{kDLExtDev, ATTNRT_DEVICE_NULL};

attnrt_context_params fakeGpu() {
  auto params = rt::params<attnrt_context_params>();
  params.cuda_library = ATTNRT_FAKE_CUDA;
  return params;
}

int callDriver(const char *name, int argument = 0) {
  void *driver = dlopen(ATTNRT_FAKE_CUDA, RTLD_NOW);
  return reinterpret_cast<int (*)(int)>(dlsym(driver, name))(argument);
}

/// Plans a step whose lengths are carried, behind an array of another size, and
/// lets the batch's tensor be what the device has.
std::string update(Loaded &loaded, Batch &batch, uint64_t before = 5) {
  std::string text(before, 'x');
  attnrt_carried arrays[] = {{text.data(), text.size()},
                             {batch.len.data(), batch.len.size() * 4}};
  attnrt_step step = batch.step();
  step.carried = arrays;
  step.num_carried = 2;
  void *at = nullptr;
  if (attnrt_schedule_update(loaded.schedule, &step, nullptr) ||
      attnrt_schedule_carried(loaded.schedule, 1, &at)) {
    return attnrt_last_message();
  }
  EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(at) % 64);
  batch.tlen.tensor.data = at;
  return "";
}

std::string run(Loaded &loaded, Batch &batch) {
  auto all = batch.all();
  return attnrt_run(loaded.schedule, all.data(), 5, nullptr)
             ? attnrt_last_message()
             : "";
}

} // namespace

TEST(Carried, RunsReadWhatCameWithTheirStep) {
  attnrt_context_params params = fakeGpu();
  for (DLDevice device : {kCpu, kCuda}) {
    Loaded loaded(&params, device);
    for (uint64_t before : {5, 0, 1000, 64}) {
      Batch batch({14, 9, 30}, 30);
      batch.moveTo(device);
      ASSERT_EQ("", update(loaded, batch, before));
      std::vector<float> want = batch.expected();
      batch.len.assign(3, -7); // the engine's own array is its own again
      EXPECT_EQ("", run(loaded, batch));
      if (device.device_type == kDLCUDA) {
        callDriver("fake_cuda_finish");
      }
      EXPECT_EQ(want, batch.y);
    }
  }
}

TEST(Carried, OneCopyAndManyStepsInFlight) {
  attnrt_context_params params = fakeGpu();
  auto caps = rt::params<attnrt_schedule_caps>();
  caps.steps_in_flight = 2;
  Loaded loaded(&params, kCuda, 1, &caps);
  std::vector<std::unique_ptr<Batch>> batches;
  int copies = callDriver("fake_cuda_copies");
  for (int32_t i = 0; i < 12; ++i) {
    batches.push_back(std::make_unique<Batch>(
        std::vector<int32_t>{i, 2 * i + 1, 30 - i}, 30));
    batches.back()->moveTo(kCuda);
    ASSERT_EQ("", update(loaded, *batches.back()));
    EXPECT_EQ("", run(loaded, *batches.back()));
  }
  EXPECT_EQ(12, callDriver("fake_cuda_copies") - copies);
  callDriver("fake_cuda_finish");
  for (auto &batch : batches) {
    EXPECT_EQ(batch->expected(), batch->y);
  }
}

TEST(Carried, AddressesOfCapturedRunsStay) {
  attnrt_context_params params = fakeGpu();
  auto caps = rt::params<attnrt_schedule_caps>();
  caps.flags = ATTNRT_SCHEDULE_CAPTURE;
  Loaded loaded(&params, kCuda, 1, &caps);
  Batch batch({30, 30, 30}, 30);
  batch.moveTo(kCuda);
  auto layout = [&] {
    auto stats = rt::params<attnrt_schedule_stats>();
    attnrt_schedule_describe(loaded.schedule, &stats);
    return stats.layout;
  };
  ASSERT_EQ("", update(loaded, batch));
  int64_t known = layout();
  callDriver("fake_cuda_capture", 1);
  EXPECT_EQ("", run(loaded, batch));
  callDriver("fake_cuda_capture", 0);
  for (std::vector<int32_t> lengths :
       {std::vector<int32_t>{3, 0, 11}, {0, 0, 0}, {30, 1, 29}}) {
    batch.len = lengths;
    batch.y.assign(3, -1);
    ASSERT_EQ("", update(loaded, batch));
    EXPECT_EQ(known, layout());
    callDriver("fake_cuda_replay");
    callDriver("fake_cuda_finish");
    EXPECT_EQ(batch.expected(), batch.y);
  }
  // Another place in the copy is another layout.
  ASSERT_EQ("", update(loaded, batch, 100));
  EXPECT_NE(known, layout());
}

TEST(Carried, WhatIsRefused) {
  for (DLDevice device : {kCpu, kNull}) {
    Loaded loaded(nullptr, device);
    Batch batch({14, 9, 30}, 30);
    void *at = nullptr;
    auto ask = [&](int32_t number) {
      EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
                attnrt_schedule_carried(loaded.schedule, number, &at));
      return std::string(attnrt_last_message());
    };
    EXPECT_EQ("expects a step to be planned before its carried arrays are "
              "known",
              ask(0));
    EXPECT_EQ("", update(loaded, batch));
    EXPECT_EQ("expects a carried array below 2, but got 2", ask(2));
    EXPECT_EQ("expects a carried array below 2, but got -1", ask(-1));
    auto refuse = [&](std::vector<attnrt_carried> arrays, int32_t count) {
      attnrt_step step = batch.step();
      step.carried = arrays.empty() ? nullptr : arrays.data();
      step.num_carried = count;
      EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
                attnrt_schedule_update(loaded.schedule, &step, nullptr));
      return std::string(attnrt_last_message());
    };
    EXPECT_EQ("expects carried arrays, but got 1 at null", refuse({}, 1));
    EXPECT_EQ("expects carried arrays, but got -1 at null", refuse({}, -1));
    EXPECT_EQ("expects carried array 0 to have data and less than 2^40 bytes, "
              "but got 4 at null",
              refuse({{nullptr, 4}}, 1));
    EXPECT_EQ("expects carried array 1 to have data and less than 2^40 bytes, "
              "but got 1099511627776",
              refuse({{nullptr, 0}, {&batch, uint64_t(1) << 40}}, 2));
    // The step before is as it was.
    ASSERT_EQ(ATTNRT_OK, attnrt_schedule_carried(loaded.schedule, 0, &at));
    EXPECT_EQ(0, std::memcmp(at, "xxxxx", 5));
    batch.tlen.tensor.data = batch.len.data();
    EXPECT_EQ("", loaded.run(batch));
    EXPECT_EQ("expects a carried array below 0, but got 0", ask(0));
  }
}
