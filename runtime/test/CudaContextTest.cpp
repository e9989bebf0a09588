//===- CudaContextTest.cpp - Whose context is current, and when -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FakeCuda.h"
#include "TestBundle.h"
#include "attnrt/cuda.h"

#include <functional>
#include <memory>
#include <thread>

using namespace attnrt_test;

namespace {

constexpr DLDevice gpu(int ordinal) { return {kDLCUDA, ordinal}; }

class CudaContext : public testing::Test, protected FakeCuda {
protected:
  CudaContext() {
    params.struct_size = sizeof(params);
    params.cuda_library = ATTNRT_FAKE_CUDA;
  }
  ~CudaContext() override {
    EXPECT_EQ(misusesBefore, misuses());
    EXPECT_EQ(liveBefore, live());
  }

  /// A step on a device, and its result.
  void runOn(Loaded &loaded, int device, std::vector<int32_t> lengths) {
    Batch batch(std::move(lengths), 30);
    batch.moveTo(gpu(device));
    EXPECT_EQ("", loaded.run(batch));
    finish();
    EXPECT_EQ(batch.expected(), batch.y);
  }

  attnrt_context_params params{};
  int misusesBefore = misuses(), liveBefore = live();
};

/// Calls the runtime, and looks whether the thread's contexts are as before.
struct Watch {
  explicit Watch(FakeCuda &cuda) : cuda(cuda) {}
  template <class F> auto operator()(F call) const {
    void *before = cuda.current();
    int depth = cuda.depth();
    auto result = call();
    EXPECT_EQ(before, cuda.current());
    EXPECT_EQ(depth, cuda.depth());
    return result;
  }
  FakeCuda &cuda;
};

} // namespace

TEST_F(CudaContext, DevicesInTurn) {
  void *first = nullptr, *second = nullptr;
  {
    Loaded one(&params, gpu(0)), two(&params, gpu(1));
    first = primary(0), second = primary(1);
    int before[] = {launches(first), launches(second)};
    for (int step = 0; step < 5; ++step) {
      runOn(one, 0, {9, 30, step});
      runOn(two, 1, {step, 4});
      runOn(two, 1, std::vector<int32_t>(size_t(20 * step), 7));
    }
    EXPECT_GT(launches(first), before[0]);
    EXPECT_GT(launches(second), before[1]);
    EXPECT_EQ(1, retained(0));
    EXPECT_EQ(1, retained(1));
  }
  EXPECT_EQ(0, retained(0));
  EXPECT_EQ(0, retained(1));
}

TEST_F(CudaContext, DevicesOfOneContext) {
  // Both behind one attnrt_context; the device of a tensor is looked at.
  Bytes bytes = pack(makeBundle(1, true));
  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(&params, &context));
  ASSERT_EQ(ATTNRT_OK,
            attnrt_bundle_load(context, bytes.data(), bytes.size(), &bundle));
  attnrt_kernel *kernels[2] = {};
  attnrt_schedule *schedules[2] = {};
  for (int d : {0, 1}) {
    ASSERT_EQ(ATTNRT_OK,
              attnrt_kernel_load(bundle, "sums", gpu(d), nullptr, &kernels[d]));
    ASSERT_EQ(ATTNRT_OK,
              attnrt_schedule_create(kernels[d], nullptr, &schedules[d]));
  }
  for (int d : {1, 0, 1}) {
    Batch batch({9, 30}, 30);
    batch.moveTo(gpu(d));
    attnrt_step step = batch.step();
    auto all = batch.all();
    int before = launches(primary(d)), other = launches(primary(1 - d));
    ASSERT_EQ(ATTNRT_OK, attnrt_schedule_update(schedules[d], &step, nullptr));
    EXPECT_EQ(ATTNRT_OK, attnrt_run(schedules[d], all.data(), 5, nullptr));
    ASSERT_EQ(ATTNRT_OK,
              attnrt_schedule_update(schedules[1 - d], &step, nullptr));
    EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
              attnrt_run(schedules[1 - d], all.data(), 5, nullptr));
    finish();
    EXPECT_EQ(batch.expected(), batch.y);
    EXPECT_LT(before, launches(primary(d)));
    EXPECT_EQ(other, launches(primary(1 - d)));
  }
  for (int d : {0, 1}) {
    attnrt_schedule_release(schedules[d]);
    attnrt_kernel_release(kernels[d]);
  }
  attnrt_bundle_release(bundle);
  attnrt_context_release(context);
}

TEST_F(CudaContext, DevicesOfTwoThreads) {
  // Each thread has a context of another device current, and none of the
  // runtime's calls may notice.
  auto work = [&](int device) {
    void *own = makeContext(1 - device), *popped = nullptr;
    EXPECT_EQ(0, push(own));
    for (int round = 0; round < 10; ++round) {
      Loaded loaded(&params, gpu(device));
      for (int step = 0; step < 10; ++step) {
        runOn(loaded, device, {9, 30, step, round});
      }
    }
    EXPECT_EQ(0, pop(&popped));
    EXPECT_EQ(own, popped);
    EXPECT_EQ(0, launches(own));
    dropContext(own);
  };
  std::thread other(work, 1);
  work(0);
  other.join();
}

TEST_F(CudaContext, OneScheduleAfterTheOtherThread) {
  // A handle that one thread made works on another, where nothing is current.
  Loaded loaded(&params, gpu(1));
  runOn(loaded, 1, {9, 30});
  std::thread([&] {
    Watch watch(*this);
    watch([&] { return runOn(loaded, 1, {30, 4, 0}), 0; });
    EXPECT_EQ(0, depth());
  }).join();
  runOn(loaded, 1, {3});
}

TEST_F(CudaContext, AnEnginesOwnContextStaysInUse) {
  void *own = makeContext(1), *popped = nullptr;
  {
    ASSERT_EQ(0, push(own));
    Loaded loaded(&params, gpu(1));
    runOn(loaded, 1, {9, 30});
    EXPECT_EQ(0, retained(1));
    int before = launches(own);
    EXPECT_LT(0, before);
    ASSERT_EQ(0, pop(&popped));
    // Without it current, in it all the same.
    runOn(loaded, 1, {30, 4, 0});
    EXPECT_LT(before, launches(own));
    EXPECT_EQ(0, retained(1));
    // For another device it says nothing.
    ASSERT_EQ(0, push(own));
    Loaded other(&params, gpu(0));
    runOn(other, 0, {30, 4, 0});
    EXPECT_EQ(1, retained(0));
    ASSERT_EQ(0, pop(&popped));
  }
  dropContext(own);
}

TEST_F(CudaContext, KernelsAndMemoryOfADeviceShareItsContext) {
  // What is current when a second kernel is loaded does not matter: workspaces
  // of both lie in the context that the device began with.
  void *own = makeContext(1), *popped = nullptr;
  Bytes bytes = pack(makeBundle(1, true));
  attnrt_kernel *second = nullptr;
  attnrt_schedule *schedule = nullptr;
  {
    Loaded loaded(&params, gpu(1));
    ASSERT_EQ(0, push(own));
    ASSERT_EQ(ATTNRT_OK, attnrt_kernel_load(loaded.bundle, "sums", gpu(1),
                                            nullptr, &second));
    ASSERT_EQ(ATTNRT_OK, attnrt_schedule_create(second, nullptr, &schedule));
    Batch batch({9, 30}, 30);
    batch.moveTo(gpu(1));
    attnrt_step step = batch.step();
    auto all = batch.all();
    ASSERT_EQ(ATTNRT_OK, attnrt_schedule_update(schedule, &step, nullptr));
    ASSERT_EQ(ATTNRT_OK, attnrt_run(schedule, all.data(), 5, nullptr))
        << attnrt_last_message();
    finish();
    EXPECT_EQ(batch.expected(), batch.y);
    EXPECT_EQ(0, launches(own));
    attnrt_schedule_release(schedule);
    attnrt_kernel_release(second);
    ASSERT_EQ(0, pop(&popped));
  }
  dropContext(own);
}

TEST_F(CudaContext, ADeviceThatIsNotThere) {
  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  attnrt_kernel *kernel = nullptr;
  Bytes bytes = pack(makeBundle(1, true));
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(&params, &context));
  ASSERT_EQ(ATTNRT_OK,
            attnrt_bundle_load(context, bytes.data(), bytes.size(), &bundle));
  EXPECT_EQ(ATTNRT_UNAVAILABLE,
            attnrt_kernel_load(bundle, "sums", gpu(2), nullptr, &kernel));
  EXPECT_STREQ("there is no device 2: fake error 101", attnrt_last_message());
  attnrt_bundle_release(bundle);
  attnrt_context_release(context);
}

//===----------------------------------------------------------------------===//
// Every call, also those that fail
//===----------------------------------------------------------------------===//

/// All that an engine calls, each watched; stops where something fails.
static attnrt_status useAll(const Watch &watch,
                            const attnrt_context_params &params, int device) {
  Bytes bytes = pack(makeBundle(1, true));
  Batch batch({9, 30, 0}, 30), large(std::vector<int32_t>(300, 30), 30);
  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  attnrt_kernel *kernel = nullptr;
  attnrt_schedule *schedule = nullptr;
  attnrt_status status = attnrt_context_create(&params, &context);
  auto then = [&](auto call) { status = status ? status : watch(call); };
  then([&] {
    return attnrt_bundle_load(context, bytes.data(), bytes.size(), &bundle);
  });
  then([&] {
    return attnrt_kernel_load(bundle, "sums", gpu(device), nullptr, &kernel);
  });
  then([&] { return attnrt_schedule_create(kernel, nullptr, &schedule); });
  for (Batch *b : {&batch, &large, &batch}) {
    b->moveTo(gpu(device));
    attnrt_step step = b->step();
    auto all = b->all();
    then([&] { return attnrt_schedule_update(schedule, &step, nullptr); });
    then([&] { return attnrt_run(schedule, all.data(), 5, nullptr); });
  }
  watch([&] { return attnrt_context_release(context), 0; });
  watch([&] { return attnrt_bundle_release(bundle), 0; });
  watch([&] { return attnrt_kernel_release(kernel), 0; });
  watch([&] { return attnrt_schedule_release(schedule), 0; });
  watch.cuda.finish();
  return status;
}

/// And what attnrt/cuda.h has.
static attnrt_status useMemory(const Watch &watch, int device) {
  attnrt_cuda_options options{ATTNRT_FAKE_CUDA, device};
  attnrt_cuda *cuda = nullptr;
  uint64_t memory = 0;
  int32_t value = 7, back = 0;
  attnrt_cuda_info info{};
  attnrt_status status =
      watch([&] { return attnrt_cuda_create(&options, &cuda); });
  auto then = [&](auto call) { status = status ? status : watch(call); };
  then([&] { return attnrt_cuda_describe(cuda, &info); });
  then([&] { return attnrt_cuda_allocate(cuda, sizeof(value), &memory); });
  then(
      [&] { return attnrt_cuda_copy_in(cuda, memory, &value, sizeof(value)); });
  then([&] { return attnrt_cuda_copy_out(cuda, &back, memory, sizeof(back)); });
  then([&] { return attnrt_cuda_synchronize(cuda); });
  EXPECT_EQ(status ? 0 : value, status ? 0 : back);
  if (memory) {
    attnrt_status freed = watch([&] { return attnrt_cuda_free(cuda, memory); });
    if (freed) {
      status = freed;
      EXPECT_EQ(ATTNRT_OK, attnrt_cuda_free(cuda, memory)); // not failing twice
    }
  }
  if (cuda) {
    watch([&] { return attnrt_cuda_destroy(cuda), 0; });
  }
  return status;
}

TEST_F(CudaContext, WhatIsCurrentIsTheCallers) {
  Watch watch(*this);
  void *popped = nullptr;
  const char *functions[] = {"cuDeviceGet",
                             "cuDeviceGetAttribute",
                             "cuDevicePrimaryCtxRetain",
                             "cuCtxGetCurrent",
                             "cuCtxGetDevice",
                             "cuCtxPushCurrent_v2",
                             "cuCtxSynchronize",
                             "cuModuleLoadDataEx",
                             "cuModuleGetFunction",
                             "cuFuncGetAttribute",
                             "cuFuncSetAttribute",
                             "cuOccupancyMaxActiveBlocksPerMultiprocessor",
                             "cuMemAlloc_v2",
                             "cuMemHostAlloc",
                             "cuMemcpyHtoD_v2",
                             "cuMemcpyDtoH_v2",
                             "cuMemcpyHtoDAsync_v2",
                             "cuMemsetD8Async",
                             "cuEventCreate",
                             "cuEventRecord",
                             "cuEventSynchronize",
                             "cuLaunchKernel"};
  // Nothing, a context of the same device, one of another.
  for (int current : {-1, 0, 1}) {
    void *own = current < 0 ? nullptr : makeContext(current);
    if (own) {
      ASSERT_EQ(0, push(own));
    }
    const std::function<attnrt_status()> uses[] = {
        [&] { return useAll(watch, params, 0); },
        [&] { return useMemory(watch, 0); }};
    for (const auto &use : uses) {
      ASSERT_EQ(ATTNRT_OK, use()) << attnrt_last_message();
      int before = live(), failures = 0;
      for (const char *function : functions) {
        // The first call fails, the second, until there are no more.
        for (int call = 0;; ++call) {
          failAt(function, 719, call);
          attnrt_status status = use();
          if (forgive()) {
            EXPECT_EQ(ATTNRT_OK, status) << function;
            break;
          }
          failures += status != ATTNRT_OK;
          // A context that cannot be entered keeps what lies in it.
          if (function != std::string("cuCtxPushCurrent_v2")) {
            EXPECT_EQ(before, live()) << function << " call " << call;
          }
          before = live();
        }
      }
      EXPECT_LT(10, failures);
    }
    if (own) {
      ASSERT_EQ(0, pop(&popped));
      EXPECT_EQ(own, popped);
      dropContext(own);
    }
  }
  liveBefore = live();
}

TEST(CudaMemory, NullIsRefused) {
  attnrt_cuda_info info;
  uint64_t address = 7;
  char byte = 0;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_cuda_create(nullptr, nullptr));
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_cuda_describe(nullptr, &info));
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_cuda_allocate(nullptr, 1, &address));
  EXPECT_EQ(7u, address);
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_cuda_free(nullptr, 0));
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_cuda_copy_in(nullptr, 0, &byte, 1));
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_cuda_copy_out(nullptr, &byte, 0, 1));
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_cuda_synchronize(nullptr));
  EXPECT_STREQ("expects a device, but got null", attnrt_last_message());
}
