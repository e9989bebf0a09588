//===- AbiTest.cpp - What the C ABI refuses, and how ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TestBundle.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace attnrt_test;

TEST(Abi, VersionsThatFit) {
  EXPECT_EQ(ATTNRT_ABI_VERSION, attnrt_abi_version());
  EXPECT_EQ(ATTNRT_OK, attnrt_check_abi(ATTNRT_ABI_VERSION));
  uint32_t major = ATTNRT_ABI_MAJOR, minor = ATTNRT_ABI_MINOR;
  EXPECT_EQ(ATTNRT_OK, attnrt_check_abi(major << 16)); // an older header
  EXPECT_EQ(ATTNRT_INCOMPATIBLE, attnrt_check_abi(major << 16 | (minor + 1)));
  EXPECT_EQ(ATTNRT_INCOMPATIBLE, attnrt_check_abi((major + 1) << 16));
  EXPECT_STREQ("the program was built for ABI 1.0, but the library has 0.5",
               attnrt_last_message());
}

TEST(Abi, StructsOfOtherHeaders) {
  attnrt_context *context = nullptr;
  // Newer: the fields that nobody knows here are zero, or refused.
  struct {
    attnrt_context_params known;
    uint64_t later[2];
  } newer{};
  newer.known.struct_size = sizeof(newer);
  EXPECT_EQ(ATTNRT_OK, attnrt_context_create(&newer.known, &context));
  attnrt_context_release(context);
  context = nullptr;
  newer.later[1] = 1;
  EXPECT_EQ(ATTNRT_INCOMPATIBLE, attnrt_context_create(&newer.known, &context));
  EXPECT_EQ(nullptr, context);
  // Older: what it has not is the default, although there is something behind.
  newer.known.struct_size = offsetof(attnrt_context_params, cpu_threads);
  newer.known.cpu_threads = -77;
  EXPECT_EQ(ATTNRT_OK, attnrt_context_create(&newer.known, &context));
  attnrt_context_release(context);
  context = nullptr;
  newer.known.struct_size = sizeof(newer.known);
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_context_create(&newer.known, &context));
  for (uint32_t size : {0u, 4u, 5000u}) {
    newer.known.struct_size = size;
    EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
              attnrt_context_create(&newer.known, &context));
  }
  // Structs that are filled: no byte behind struct_size is written.
  Loaded loaded;
  attnrt_argument_info info;
  std::memset(&info, 0x5a, sizeof(info));
  info.struct_size = 8;
  EXPECT_EQ(ATTNRT_OK, attnrt_kernel_argument(loaded.kernel, 1, &info));
  EXPECT_EQ(uint32_t(ATTNRT_ARGUMENT_HOST_READ), info.flags);
  EXPECT_EQ(8u, info.struct_size);
  EXPECT_EQ(0x5a5a5a5a, info.num_axes);
  info.struct_size = 0;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_kernel_argument(loaded.kernel, 1, &info));
}

TEST(Abi, ParametersOutOfRange) {
  attnrt_context *context = nullptr;
  attnrt_context_params params{};
  params.struct_size = sizeof(params);
  params.flags = 0x80;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_context_create(&params, &context));
  params.flags = 0;
  params.cpu_threads = 4097;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_context_create(&params, &context));
  params.cpu_threads = 1;
  attnrt_allocator allocator{};
  allocator.struct_size = sizeof(allocator);
  params.allocator = &allocator;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_context_create(&params, &context));
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_context_create(nullptr, nullptr));

  Loaded loaded;
  attnrt_schedule *schedule = nullptr;
  for (int field = 0; field < 6; ++field) {
    attnrt_schedule_caps caps{};
    caps.struct_size = sizeof(caps);
    (field == 0   ? caps.workers
     : field == 1 ? caps.split
     : field == 2 ? caps.steps_in_flight
                  : caps.strategy) = -1;
    caps.flags = field == 4;
    caps.max_rows = field == 5 ? -1 : 0;
    EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
              attnrt_schedule_create(loaded.kernel, &caps, &schedule));
  }
  EXPECT_EQ(nullptr, schedule);
}

TEST(Abi, KernelsThatAreNotThere) {
  Loaded loaded;
  attnrt_kernel *kernel = nullptr;
  DLDevice cpu = {kDLCPU, 0};
  EXPECT_EQ(ATTNRT_NOT_FOUND, attnrt_kernel_load(loaded.bundle, "products", cpu,
                                                 nullptr, &kernel));
  EXPECT_STREQ("expects an entry of the bundle (sums), but got 'products'",
               attnrt_last_message());
  EXPECT_EQ(
      ATTNRT_INVALID_ARGUMENT,
      attnrt_kernel_load(loaded.bundle, "sums", {kDLCPU, 1}, nullptr, &kernel));
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_kernel_load(loaded.bundle, "sums", {kDLExtDev, 7}, nullptr,
                               &kernel));
  attnrt_kernel_params params{};
  params.struct_size = sizeof(params);
  params.target = "x86-64-v9";
  EXPECT_EQ(ATTNRT_INCOMPATIBLE,
            attnrt_kernel_load(loaded.bundle, "sums", cpu, &params, &kernel));
  EXPECT_STREQ("no target of 'sums' fits the device (x86-64-v2: it is not "
               "'x86-64-v9')",
               attnrt_last_message());
  params.target = "x86-64-v2";
  EXPECT_EQ(ATTNRT_OK,
            attnrt_kernel_load(loaded.bundle, "sums", cpu, &params, &kernel));
  attnrt_kernel_info info{};
  info.struct_size = sizeof(info);
  EXPECT_EQ(ATTNRT_OK, attnrt_kernel_describe(kernel, &info));
  EXPECT_STREQ("x86-64-v2", info.target);
  EXPECT_EQ(3, info.num_arguments);
  EXPECT_EQ(2, info.num_results);
  EXPECT_EQ(2, info.num_launches);
  attnrt_kernel_release(kernel);
  EXPECT_EQ(nullptr, attnrt_bundle_entry_name(nullptr, 0));
}

/// Loads a changed bundle's entry on the CPU and returns what was said.
static std::string
loadChanged(void (*change)(attnrt::bundle::BundleT &bundle)) {
  attnrt::bundle::BundleT changed = makeBundle();
  change(changed);
  Bytes bytes = pack(std::move(changed));
  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  attnrt_kernel *kernel = nullptr;
  std::string said;
  if (attnrt_context_create(nullptr, &context) ||
      attnrt_bundle_load(context, bytes.data(), bytes.size(), &bundle) ||
      attnrt_kernel_load(bundle, "sums", {kDLCPU, 0}, nullptr, &kernel)) {
    said = attnrt_last_message();
  }
  attnrt_kernel_release(kernel);
  attnrt_bundle_release(bundle);
  attnrt_context_release(context);
  return said;
}

TEST(Abi, CodeThatDoesNotFitTheMachineOrTheTables) {
  EXPECT_EQ(
      "no target of 'sums' fits the device (x86-64-v2: it asks for "
      "teleport, which this CPU has not)",
      loadChanged([](auto &b) { b.targets[0]->features = {"teleport"}; }));
  EXPECT_EQ("the host code of the bundle lacks 'sums_split'",
            loadChanged([](auto &b) {
              b.entries[0]->programs[0]->kernels[1]->symbol = "sums_split";
            }));
  EXPECT_EQ("the host code of the bundle lacks 'none'",
            loadChanged([](auto &b) {
              b.entries[0]->programs[0]->extents_function = "none";
            }));
}

TEST(Abi, TheBestTargetIsTaken) {
  attnrt::bundle::BundleT both = makeBundle();
  auto target = std::make_unique<attnrt::bundle::TargetT>();
  target->chip = "x86-64-v3";
  both.targets.push_back(std::move(target));
  attnrt::bundle::BundleT again = makeBundle();
  auto &programs = both.entries[0]->programs;
  programs.push_back(std::move(again.entries[0]->programs[0]));
  programs[1]->target = programs[1]->host_target = 1;
  Bytes bytes = pack(std::move(both));
  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  attnrt_kernel *kernel = nullptr;
  ASSERT_EQ(ATTNRT_OK, attnrt_context_create(nullptr, &context));
  ASSERT_EQ(ATTNRT_OK,
            attnrt_bundle_load(context, bytes.data(), bytes.size(), &bundle))
      << attnrt_last_message();
  ASSERT_EQ(ATTNRT_OK,
            attnrt_kernel_load(bundle, "sums", {kDLCPU, 0}, nullptr, &kernel));
  attnrt_kernel_info info{};
  info.struct_size = sizeof(info);
  ASSERT_EQ(ATTNRT_OK, attnrt_kernel_describe(kernel, &info));
  EXPECT_STREQ(__builtin_cpu_supports("x86-64-v3") ? "x86-64-v3" : "x86-64-v2",
               info.target);
  attnrt_kernel_release(kernel);
  attnrt_bundle_release(bundle);
  attnrt_context_release(context);
}

namespace {
/// Of a step and its run: a change, and what must be said.
struct BadCall {
  const char *message;
  void (*change)(Batch &batch);
};
} // namespace

TEST(Abi, TensorsThatDoNotFit) {
  const BadCall cases[] = {
      {"argument 0 expects ?x? of f32, but got 2x9x1 of f32",
       [](Batch &b) { b.tx.sizes = {2, 9, 1}, b.tx.tensor.ndim = 3; }},
      {"argument 0 expects ?x? of f32, but got 2x9 of f64",
       [](Batch &b) { b.tx.tensor.dtype.bits = 64; }},
      {"argument 1 expects ? of i32, but got 2 of u32",
       [](Batch &b) { b.tlen.tensor.dtype.code = kDLUInt; }},
      {"argument 1 expects ? of i32, but got 1 axes of type code 77, 32 bits, "
       "1 lanes",
       [](Batch &b) { b.tlen.tensor.dtype.code = 77; }},
      {"argument 0 expects ?x? of f32, but got 2 axes of type code 2, 32 bits, "
       "4 lanes",
       [](Batch &b) { b.tx.tensor.dtype.lanes = 4; }},
      {"argument 0 expects ?x? of f32, but got ?x9 of f32",
       [](Batch &b) { b.tx.sizes[0] = -3; }},
      {"argument 0 expects stride 1 for its last axis, but got 2",
       [](Batch &b) { b.tx.strides = {18, 2}; }},
      {"argument 0 is too large",
       [](Batch &b) { b.tx.sizes = {1ll << 50, 1ll << 50}; }},
      {"argument 1 is read when a step is planned, but has no data",
       [](Batch &b) { b.tlen.tensor.data = nullptr; }},
      {"argument 1 is read when a step is planned, but lies on a device",
       [](Batch &b) { b.tlen.tensor.device.device_type = kDLCUDA; }},
      {"argument 2 expects a scalar in host memory, but got device type 2",
       [](Batch &b) { b.tscale.tensor.device.device_type = kDLCUDA; }},
      {"argument 2 expects data, but got null",
       [](Batch &b) { b.tscale.tensor.data = nullptr; }},
      {"extents of rank 'b' disagree: argument gives 2 but argument gives 1",
       [](Batch &b) { b.tlen.sizes = {1}; }},
      // When it runs.
      {"argument 0 expects memory of device type 1, number 0, but got  type 2, "
       "number 0",
       [](Batch &b) { b.tx.tensor.device.device_type = kDLCUDA; }},
      {"argument 0 expects memory of device type 1, number 0, but got null, "
       "type 1, number 0",
       [](Batch &b) { b.tx.tensor.data = nullptr; }},
      {"result 0 expects 2 of f32, but got 3 of f32",
       [](Batch &b) { b.ty.sizes = {3}; }},
      {"result 1 expects ?x2 of f32, but got 2x3 of f32",
       [](Batch &b) { b.tz.sizes = {2, 3}; }},
      {"result 0 expects memory of device",
       [](Batch &b) { b.ty.tensor.data = nullptr; }},
  };
  for (const BadCall &bad : cases) {
    Loaded loaded;
    Batch batch({3, 9}, 9);
    bad.change(batch);
    std::string said = loaded.run(batch);
    EXPECT_EQ(0u, said.find(bad.message)) << bad.message << "\n got: " << said;
  }
}

TEST(Abi, AxesThatAreNotThere) {
  Batch batch({3, 9}, 9);
  Loaded loaded;
  ASSERT_EQ("", loaded.run(batch));
  auto all = batch.all();
  std::vector<DLTensor> bent;
  for (const DLTensor *tensor : all) {
    bent.push_back(*tensor);
  }
  auto expect = [&](size_t number, const char *message) {
    std::vector<const DLTensor *> list = all;
    list[number] = &bent[number];
    EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
              attnrt_run(loaded.schedule, list.data(), 5, nullptr));
    EXPECT_STREQ(message, attnrt_last_message());
    if (number < 3) {
      attnrt_step step = batch.step();
      step.arguments = list.data();
      EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
                attnrt_schedule_update(loaded.schedule, &step, nullptr));
      EXPECT_STREQ(message, attnrt_last_message());
    }
    bent[number] = *all[number];
  };
  // The sizes behind those of the tensor are nobody's.
  bent[0].ndim = 100;
  expect(0, "argument 0 expects 0..6 axes, but got 100");
  bent[1].ndim = 7;
  expect(1, "argument 1 expects 0..6 axes, but got 7");
  bent[2].ndim = -1;
  expect(2, "argument 2 expects 0..6 axes, but got -1");
  bent[4].ndim = INT32_MAX;
  expect(4, "result 1 expects 0..6 axes, but got 2147483647");
  bent[0].shape = nullptr;
  expect(0, "argument 0 expects sizes of its 2 axes, but got null");
  EXPECT_EQ("", loaded.run(batch));
}

TEST(Abi, CallsThatDoNotFit) {
  Loaded loaded;
  Batch batch({3, 9}, 9);
  auto all = batch.all();
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_run(loaded.schedule, all.data(), 5, nullptr));
  EXPECT_STREQ("expects a step to be planned before it is run",
               attnrt_last_message());
  int64_t sizes[ATTNRT_MAX_AXES];
  int32_t axes;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_schedule_result(loaded.schedule, 0, sizes, &axes));
  attnrt_step step = batch.step();
  step.num_arguments = 2;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_schedule_update(loaded.schedule, &step, nullptr));
  EXPECT_STREQ("expects 3 arguments, but got 2", attnrt_last_message());
  ASSERT_EQ("", loaded.run(batch));
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_run(loaded.schedule, all.data(), 4, nullptr));
  EXPECT_STREQ("expects 3 arguments and 2 results, but got 4 tensors",
               attnrt_last_message());
  all[4] = nullptr;
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_run(loaded.schedule, all.data(), 5, nullptr));
  EXPECT_STREQ("result 1 expects a tensor, but got null",
               attnrt_last_message());
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_schedule_result(loaded.schedule, 2, sizes, &axes));
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_run(nullptr, nullptr, 0, nullptr));
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_schedule_update(loaded.schedule, nullptr, nullptr));
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT, attnrt_schedule_verify(nullptr));
  // Sizes of another step.
  Batch other({3, 9, 1}, 9);
  auto others = other.all();
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_run(loaded.schedule, others.data(), 5, nullptr));
  EXPECT_STREQ("argument 0 expects 2x9 of f32, but got 3x9 of f32",
               attnrt_last_message());
  // None of it changed anything.
  auto again = batch.all();
  EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, again.data(), 5, nullptr));
  EXPECT_EQ(batch.expected(), batch.y);
}

TEST(Abi, ScalarsThatPlanningReadMustStay) {
  attnrt::bundle::BundleT made = makeBundle();
  made.entries[0]->programs[0]->host_reads = {1, 2};
  Bytes bytes = pack(std::move(made));
  Loaded loaded;
  attnrt_bundle_release(loaded.bundle);
  attnrt_kernel_release(loaded.kernel);
  attnrt_schedule_release(loaded.schedule);
  ASSERT_EQ(ATTNRT_OK, attnrt_bundle_load(loaded.context, bytes.data(),
                                          bytes.size(), &loaded.bundle));
  ASSERT_EQ(ATTNRT_OK, attnrt_kernel_load(loaded.bundle, "sums", {kDLCPU, 0},
                                          nullptr, &loaded.kernel));
  ASSERT_EQ(ATTNRT_OK,
            attnrt_schedule_create(loaded.kernel, nullptr, &loaded.schedule));
  Batch batch({3, 9}, 9);
  ASSERT_EQ("", loaded.run(batch));
  batch.scale = 3;
  auto all = batch.all();
  EXPECT_EQ(ATTNRT_INVALID_ARGUMENT,
            attnrt_run(loaded.schedule, all.data(), 5, nullptr));
  EXPECT_STREQ("argument 2 expects the value that the step was planned with",
               attnrt_last_message());
  EXPECT_EQ("", loaded.run(batch));
}

TEST(Abi, ReleaseOfNothing) {
  attnrt_context_release(nullptr);
  attnrt_bundle_release(nullptr);
  attnrt_kernel_release(nullptr);
  attnrt_schedule_release(nullptr);
}
