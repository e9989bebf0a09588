//===- CudaTest.cpp - Schedules on a driver that is late and fails --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Allocations.h"
#include "FakeCuda.h"
#include "TestBundle.h"

#include <gtest/gtest.h>
#include <memory>

using namespace attnrt_test;

namespace {

constexpr DLDevice kGpu = {kDLCUDA, 0};

class Cuda : public testing::Test, protected FakeCuda {
protected:
  Cuda() {
    params.struct_size = sizeof(params);
    params.cuda_library = ATTNRT_FAKE_CUDA;
  }
  ~Cuda() override { EXPECT_EQ(misusesBefore, misuses()); }

  attnrt_context_params params{};
  int misusesBefore = misuses();
};

/// From bytes to a launched run; what was said where it stops.
struct Attempt {
  explicit Attempt(const attnrt_context_params &params)
      : bytes(pack(makeBundle(1, true))), batch({9, 30, 0}, 30) {
    batch.moveTo(kGpu);
    attnrt_step step = batch.step();
    auto all = batch.all();
    (void)((status = attnrt_context_create(&params, &context)) ||
           (status = attnrt_bundle_load(context, bytes.data(), bytes.size(),
                                        &bundle)) ||
           (status =
                attnrt_kernel_load(bundle, "sums", kGpu, nullptr, &kernel)) ||
           (status = attnrt_schedule_create(kernel, nullptr, &schedule)) ||
           (status = attnrt_schedule_update(schedule, &step, nullptr)) ||
           (status = attnrt_run(schedule, all.data(), 5, nullptr)));
    said = status ? attnrt_last_message() : "";
  }
  ~Attempt() {
    attnrt_context_release(context);
    attnrt_bundle_release(bundle);
    attnrt_kernel_release(kernel);
    attnrt_schedule_release(schedule);
  }
  Bytes bytes;
  Batch batch;
  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  attnrt_kernel *kernel = nullptr;
  attnrt_schedule *schedule = nullptr;
  attnrt_status status = ATTNRT_OK;
  std::string said;
};

} // namespace

TEST_F(Cuda, EachLaunchSeesItsOwnPlan) {
  // Steps of different sizes are planned and launched while nothing has been
  // copied yet.
  for (int inFlight : {1, 2, 3}) {
    attnrt_schedule_caps caps{};
    caps.struct_size = sizeof(caps);
    caps.steps_in_flight = inFlight;
    Loaded loaded(&params, kGpu, 1, &caps);
    std::vector<std::unique_ptr<Batch>> batches;
    for (int s = 0; s < 12; ++s) {
      std::vector<int32_t> lengths(1 + size_t(s * 5 % 7));
      for (size_t b = 0; b < lengths.size(); ++b) {
        lengths[b] = int32_t((b * 11 + size_t(s) * 3) % 31);
      }
      Batch &batch =
          *batches.emplace_back(std::make_unique<Batch>(lengths, 30));
      batch.moveTo(kGpu);
      EXPECT_EQ("", loaded.run(batch));
      if (s % 4 == 3) {
        EXPECT_EQ(0, finish());
      }
    }
    EXPECT_EQ(0, finish());
    for (size_t s = 0; s < batches.size(); ++s) {
      EXPECT_EQ(batches[s]->expected(), batches[s]->y) << "step " << s;
    }
  }
}

TEST_F(Cuda, NobodyWaitsWhileStepsAreInFlight) {
  for (int inFlight : {1, 3}) {
    attnrt_schedule_caps caps{};
    caps.struct_size = sizeof(caps);
    caps.steps_in_flight = inFlight;
    Loaded loaded(&params, kGpu, 1, &caps);
    Batch batch({9, 30}, 30);
    batch.moveTo(kGpu);
    attnrt_step step = batch.step();
    int before = waits();
    for (int s = 0; s <= inFlight; ++s) {
      ASSERT_EQ(ATTNRT_OK,
                attnrt_schedule_update(loaded.schedule, &step, nullptr));
    }
    EXPECT_EQ(before, waits()); // that many, and the one that is planned
    ASSERT_EQ(ATTNRT_OK,
              attnrt_schedule_update(loaded.schedule, &step, nullptr));
    EXPECT_EQ(before + 1, waits());
    EXPECT_EQ(0, finish());
  }
}

TEST_F(Cuda, ManyRunsOfOneStep) {
  // Each with tensors of its own, none of which is waited for.
  Loaded loaded(&params, kGpu);
  std::vector<std::unique_ptr<Batch>> layers;
  for (int layer = 0; layer < 100; ++layer) {
    layers.push_back(
        std::make_unique<Batch>(std::vector<int32_t>{9, 30, 4}, 30));
    layers.back()->moveTo(kGpu);
    layers.back()->scale = float(layer);
    for (float &x : layers.back()->x) {
      x += float(layer);
    }
  }
  attnrt_step step = layers[0]->step();
  ASSERT_EQ(ATTNRT_OK, attnrt_schedule_update(loaded.schedule, &step, nullptr));
  for (auto &layer : layers) {
    auto all = layer->all();
    ASSERT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
  }
  EXPECT_EQ(0, finish());
  for (auto &layer : layers) {
    EXPECT_EQ(layer->expected(), layer->y);
  }
}

static int64_t layoutOf(const Loaded &loaded) {
  attnrt_schedule_stats stats{};
  stats.struct_size = sizeof(stats);
  EXPECT_EQ(ATTNRT_OK, attnrt_schedule_describe(loaded.schedule, &stats));
  return stats.layout;
}

TEST_F(Cuda, ACapturedRunServesLaterSteps) {
  using Lengths = std::vector<int32_t>;
  const Lengths largest{30, 30, 30, 30}, nothing{0, 0, 0, 0};
  // Whole rows need no merges, and rows that see nothing need no items: what is
  // captured has them all the same.
  for (int32_t split : {0, 1}) {
    for (const Lengths &captured : {largest, nothing}) {
      attnrt_schedule_caps caps{};
      caps.struct_size = sizeof(caps);
      caps.flags = ATTNRT_SCHEDULE_CAPTURE;
      caps.split = split;
      Loaded loaded(&params, kGpu, 1, &caps);
      Batch batch(largest, 30);
      batch.moveTo(kGpu);
      auto all = batch.all();
      auto plan = [&](const Lengths &lengths) {
        std::copy(lengths.begin(), lengths.end(), batch.len.begin());
        attnrt_step step = batch.step();
        ASSERT_EQ(ATTNRT_OK,
                  attnrt_schedule_update(loaded.schedule, &step, nullptr));
      };
      // The first step makes room for the others.
      for (const Lengths &lengths :
           {largest, Lengths{30, 30, 0, 30}, captured}) {
        plan(lengths);
      }
      ASSERT_EQ(0, finish());
      int64_t layout = layoutOf(loaded);
      capture(1);
      EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr))
          << attnrt_last_message();
      capture(0);
      for (const Lengths &lengths : {Lengths{9, 30, 4, 1}, Lengths{0, 0, 0, 30},
                                     nothing, Lengths{17, 3, 8, 29}}) {
        std::fill(batch.y.begin(), batch.y.end(), -1.f);
        plan(lengths);
        EXPECT_EQ(layout, layoutOf(loaded));
        // A fill, items and merges of the fold, and the stage.
        EXPECT_EQ(4, replay());
        EXPECT_EQ(0, finish());
        EXPECT_EQ(batch.expected(), batch.y);
      }
      // Other sizes are other launches.
      Batch more({30, 2, 9, 4, 5}, 30);
      more.moveTo(kGpu);
      EXPECT_EQ("", loaded.run(more));
      EXPECT_NE(layout, layoutOf(loaded));
      EXPECT_EQ(0, finish());
    }
  }
}

TEST_F(Cuda, AnUpdateIsNoPartOfAGraph) {
  Loaded loaded(&params, kGpu);
  Batch batch({9, 30}, 30);
  batch.moveTo(kGpu);
  attnrt_step step = batch.step();
  capture(1);
  EXPECT_EQ(ATTNRT_INTERNAL,
            attnrt_schedule_update(loaded.schedule, &step, nullptr));
  capture(0);
  EXPECT_EQ("", loaded.run(batch));
  EXPECT_EQ(0, finish());
  EXPECT_EQ(batch.expected(), batch.y);
}

TEST_F(Cuda, KernelsOfTheFirstFormatAreRefused) {
  attnrt::bundle::BundleT made = makeBundle(1, true);
  made.format = 1;
  for (auto &kernel : made.entries[0]->programs[1]->kernels) {
    kernel->argument_bytes = 0;
  }
  EXPECT_EQ(ATTNRT_INCOMPATIBLE, tryToLoad(std::move(made), params, kGpu));
  EXPECT_STREQ(
      "the GPU code of 'sums' is of a bundle of format 1, whose kernels "
      "took their arguments in another way: compile it again",
      attnrt_last_message());
}

TEST_F(Cuda, EveryFunctionThatFails) {
  int before = live();
  {
    Attempt good(params);
    ASSERT_EQ("", good.said);
    EXPECT_EQ(0, finish());
    EXPECT_EQ(good.batch.expected(), good.batch.y);
    EXPECT_GT(live(), before);
  }
  EXPECT_EQ(before, live());
  const struct {
    const char *function;
    attnrt_status outOfMemory, other;
  } cases[] = {
      {"cuInit", ATTNRT_UNAVAILABLE, ATTNRT_UNAVAILABLE},
      {"cuDeviceGet", ATTNRT_UNAVAILABLE, ATTNRT_UNAVAILABLE},
      {"cuDevicePrimaryCtxRetain", ATTNRT_RESOURCE_EXHAUSTED, ATTNRT_INTERNAL},
      {"cuCtxGetCurrent", ATTNRT_RESOURCE_EXHAUSTED, ATTNRT_INTERNAL},
      {"cuCtxPushCurrent_v2", ATTNRT_RESOURCE_EXHAUSTED, ATTNRT_INTERNAL},
      {"cuDeviceGetAttribute", ATTNRT_RESOURCE_EXHAUSTED, ATTNRT_INTERNAL},
      {"cuModuleLoadDataEx", ATTNRT_RESOURCE_EXHAUSTED, ATTNRT_INTERNAL},
      {"cuModuleGetFunction", ATTNRT_INVALID_ARGUMENT, ATTNRT_INVALID_ARGUMENT},
      {"cuFuncSetAttribute", ATTNRT_RESOURCE_EXHAUSTED, ATTNRT_INTERNAL},
      {"cuOccupancyMaxActiveBlocksPerMultiprocessor", ATTNRT_RESOURCE_EXHAUSTED,
       ATTNRT_INTERNAL},
      {"cuMemAlloc_v2", ATTNRT_RESOURCE_EXHAUSTED, ATTNRT_INTERNAL},
      {"cuMemHostAlloc", ATTNRT_RESOURCE_EXHAUSTED, ATTNRT_INTERNAL},
      {"cuEventCreate", ATTNRT_RESOURCE_EXHAUSTED, ATTNRT_INTERNAL},
      // Then the copy is waited for.
      {"cuEventRecord", ATTNRT_OK, ATTNRT_OK},
      {"cuMemcpyHtoDAsync_v2", ATTNRT_RESOURCE_EXHAUSTED, ATTNRT_INTERNAL},
      {"cuMemsetD8Async", ATTNRT_RESOURCE_EXHAUSTED, ATTNRT_INTERNAL},
      {"cuLaunchKernel", ATTNRT_RESOURCE_EXHAUSTED, ATTNRT_INTERNAL},
  };
  for (const auto &c : cases) {
    // Out of memory, no device, no image, bad PTX, PTX too new, illegal access,
    // a failed launch.
    for (int status : {2, 100, 209, 218, 222, 700, 719}) {
      fail(c.function, status);
      {
        Attempt attempt(params);
        const bool isForAnother =
            (status == 209 || status == 222) &&
            c.function == std::string("cuModuleLoadDataEx");
        EXPECT_EQ(isForAnother  ? ATTNRT_INCOMPATIBLE
                  : status == 2 ? c.outOfMemory
                                : c.other,
                  attempt.status)
            << c.function << ": " << attempt.said;
        std::string code = "fake error " + std::to_string(status);
        EXPECT_EQ(c.other != ATTNRT_OK,
                  attempt.said.find(code) != std::string::npos)
            << c.function << ": " << attempt.said;
        finish();
      }
      EXPECT_EQ(before, live()) << c.function << " leaves something";
    }
  }
}

TEST_F(Cuda, CodeThatTheDriverDoesNotTake) {
  // Not for this GPU, no compiler of PTX, PTX of a later version.
  for (int status : {209, 221, 222}) {
    fail("cuModuleLoadDataEx", status);
    Attempt attempt(params);
    EXPECT_EQ(ATTNRT_INCOMPATIBLE, attempt.status) << attempt.said;
    EXPECT_NE(std::string::npos,
              attempt.said.find(status == 209 ? "compile it for this GPU"
                                              : "a newer driver"))
        << attempt.said;
  }
}

TEST_F(Cuda, TheDriversWordsOnPtx) {
  fail("cuModuleLoadDataEx", 218);
  Attempt attempt(params);
  EXPECT_EQ("the driver does not take the code: fake error 218: ptxas error: "
            "line 7",
            attempt.said);
}

TEST_F(Cuda, AStepThatFailsLeavesTheOneBefore) {
  Loaded loaded(&params, kGpu);
  Batch small({9, 4}, 30), large(std::vector<int32_t>(900, 30), 30);
  small.moveTo(kGpu);
  large.moveTo(kGpu);
  ASSERT_EQ("", loaded.run(small));
  for (const char *function :
       {"cuMemAlloc_v2", "cuMemHostAlloc", "cuMemcpyHtoDAsync_v2"}) {
    fail(function, 2);
    attnrt_step step = large.step();
    EXPECT_EQ(ATTNRT_RESOURCE_EXHAUSTED,
              attnrt_schedule_update(loaded.schedule, &step, nullptr));
    small.y.assign(2, -1);
    auto all = small.all();
    EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
    EXPECT_EQ(0, finish());
    EXPECT_EQ(small.expected(), small.y) << function;
  }
  EXPECT_EQ("", loaded.run(large));
  EXPECT_EQ(0, finish());
  EXPECT_EQ(large.expected(), large.y);
}

TEST_F(Cuda, EveryAllocation) {
  // Of the host's memory: the driver's own are functions that fail, above.
  Bytes bytes = pack(makeBundle(1, true));
  const int none = live();
  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  attnrt_kernel *kernel = nullptr;
  attnrt_schedule *schedule = nullptr;
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(&params, &context));
  ASSERT_EQ(ATTNRT_OK,
            attnrt_bundle_load(context, bytes.data(), bytes.size(), &bundle));
  // What the device has stays open with the context.
  ASSERT_EQ(ATTNRT_OK,
            attnrt_kernel_load(bundle, "sums", kGpu, nullptr, &kernel));
  attnrt_kernel_release(kernel);
  kernel = nullptr;
  const int before = live();
  EXPECT_GT(failEach(
                [&] {
                  return attnrt_kernel_load(bundle, "sums", kGpu, nullptr,
                                            &kernel);
                },
                [&] {
                  EXPECT_EQ(nullptr, kernel);
                  EXPECT_EQ(before, live());
                }),
            5);
  EXPECT_GT(
      failEach(
          [&] { return attnrt_schedule_create(kernel, nullptr, &schedule); },
          [&] { EXPECT_EQ(nullptr, schedule); }),
      1);
  Batch small({9, 4}, 30), large(std::vector<int32_t>(900, 30), 30);
  small.moveTo(kGpu);
  large.moveTo(kGpu);
  attnrt_step step = small.step();
  ASSERT_EQ(ATTNRT_OK, attnrt_schedule_update(schedule, &step, nullptr));
  step = large.step();
  EXPECT_GT(
      failEach([&] { return attnrt_schedule_update(schedule, &step, nullptr); },
               [&] {
                 small.y.assign(2, -1);
                 auto all = small.all();
                 EXPECT_EQ(ATTNRT_OK,
                           attnrt_run(schedule, all.data(), 5, nullptr));
                 EXPECT_EQ(0, finish());
                 EXPECT_EQ(small.expected(), small.y);
               }),
      5);
  auto all = large.all();
  failEach([&] { return attnrt_run(schedule, all.data(), 5, nullptr); }, [] {});
  EXPECT_EQ(0, finish());
  EXPECT_EQ(large.expected(), large.y);
  attnrt_schedule_release(schedule);
  attnrt_kernel_release(kernel);
  attnrt_bundle_release(bundle);
  attnrt_context_release(context);
  EXPECT_EQ(none, live());
}

TEST_F(Cuda, ChipsThatTheDeviceCannotRun) {
  // The fake one is sm_86.
  auto load = [&](const char *chip) {
    attnrt::bundle::BundleT made = makeBundle(1, true);
    made.targets[1]->chip = chip;
    Bytes bytes = pack(std::move(made));
    attnrt_context *context = nullptr;
    attnrt_bundle *bundle = nullptr;
    attnrt_kernel *kernel = nullptr;
    attnrt_status status = ATTNRT_OK;
    (void)((status = attnrt_context_create(&params, &context)) ||
           (status = attnrt_bundle_load(context, bytes.data(), bytes.size(),
                                        &bundle)) ||
           (status =
                attnrt_kernel_load(bundle, "sums", kGpu, nullptr, &kernel)));
    attnrt_kernel_release(kernel);
    attnrt_bundle_release(bundle);
    attnrt_context_release(context);
    return status;
  };
  EXPECT_EQ(ATTNRT_OK, load("sm_80"));
  EXPECT_EQ(ATTNRT_OK, load("sm_86"));
  EXPECT_EQ(ATTNRT_OK, load("sm_86a"));
  EXPECT_EQ(ATTNRT_INCOMPATIBLE, load("sm_90"));
  EXPECT_EQ(ATTNRT_INCOMPATIBLE, load("sm_80a")); // on sm_80 only
  EXPECT_STREQ("no target of 'sums' fits the device (x86-64-v2: it is for a "
               "CPU; sm_80a: the device is sm_86)",
               attnrt_last_message());
}

TEST_F(Cuda, NoDriver) {
  params.cuda_library = "none/libcuda.so.1";
  Attempt attempt(params);
  EXPECT_EQ(ATTNRT_UNAVAILABLE, attempt.status);
  EXPECT_EQ(0u, attempt.said.find("expects the driver of a GPU, but got: "))
      << attempt.said;
}
