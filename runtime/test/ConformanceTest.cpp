//===- ConformanceTest.cpp - What every device must do --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TestBundle.h"

#ifdef ATTNRT_TEST_WITH_SIM
#include "attnrt/sim.h"
#endif

#include <dlfcn.h>
#include <gtest/gtest.h>

using namespace attnrt_test;

namespace {

struct DeviceCase {
  const char *name;
  DLDevice device;
  bool computes;
};

void PrintTo(const DeviceCase &device, std::ostream *os) { *os << device.name; }

class Conformance : public testing::TestWithParam<DeviceCase> {
protected:
  Conformance() {
    params.struct_size = sizeof(params);
    params.cuda_library = ATTNRT_FAKE_CUDA;
    if (GetParam().device.device_type == kDLCUDA) {
      void *driver = dlopen(ATTNRT_FAKE_CUDA, RTLD_NOW);
      wait = reinterpret_cast<int (*)()>(dlsym(driver, "fake_cuda_finish"));
    }
  }

  void expect(const Batch &batch, const char *what) {
    if (wait) {
      EXPECT_EQ(0, wait());
    }
    if (GetParam().computes) {
      EXPECT_EQ(batch.expected(), batch.y) << what;
      EXPECT_EQ(std::vector<float>(batch.z.size(), 0), batch.z) << what;
    }
  }

  attnrt_context_params params{};
  int (*wait)() = nullptr; ///< for what the device does by itself
};

/// The simulator where it is built: the runtime alone has none.
std::vector<DeviceCase> devices() {
  std::vector<DeviceCase> list{{"cpu", {kDLCPU, 0}, true},
                               {"null", {kDLExtDev, ATTNRT_DEVICE_NULL}, false},
                               {"cuda", {kDLCUDA, 0}, true}};
#ifdef ATTNRT_TEST_WITH_SIM
  attnrt_sim_options options{};
  options.schedule = 2; // the worst order of threads that it can think of
  options.threads = 1;
  EXPECT_EQ(ATTNRT_OK, attnrt_sim_enable(&options));
  list.push_back({"sim", {kDLExtDev, ATTNRT_DEVICE_SIM}, true});
#endif
  return list;
}

INSTANTIATE_TEST_SUITE_P(Devices, Conformance, testing::ValuesIn(devices()),
                         [](const auto &info) {
                           return std::string(info.param.name);
                         });

} // namespace

TEST_P(Conformance, StepsOfManySizes) {
  for (int32_t workers : {1, 3}) {
    for (int32_t split : {0, 1, 4}) {
      attnrt_schedule_caps caps{};
      caps.struct_size = sizeof(caps);
      caps.workers = workers;
      caps.split = split;
      Loaded loaded(&params, GetParam().device, 1, &caps);
      // Growing and shrinking, rows without keys, no rows, no keys.
      for (std::vector<int32_t> lengths : {std::vector<int32_t>{5},
                                           {1, 0, 30, 17},
                                           {},
                                           {0, 0},
                                           {29, 30},
                                           std::vector<int32_t>(100, 30)}) {
        Batch batch(lengths, 30);
        batch.moveTo(GetParam().device);
        EXPECT_EQ("", loaded.run(batch));
        expect(batch, "a step");
        batch.scale = 2; // of the next run of the same step
        auto all = batch.all();
        EXPECT_EQ(ATTNRT_OK,
                  attnrt_run(loaded.schedule, all.data(), 5, nullptr));
        expect(batch, "its second run");
      }
      Batch none({0, 0, 0}, 0);
      none.moveTo(GetParam().device);
      EXPECT_EQ("", loaded.run(none));
      expect(none, "no keys");
    }
  }
}

TEST_P(Conformance, AnyStrides) {
  Loaded loaded(&params, GetParam().device);
  Batch batch({3, 9, 6}, 9);
  batch.moveTo(GetParam().device);
  // Rows of x far apart and in front of a gap; y backwards is not allowed to
  // have an inner stride, z has wide rows.
  std::vector<float> wide(3 * 20 + 2, -7);
  for (int b = 0; b < 3; ++b) {
    std::copy_n(batch.x.begin() + 9 * b, 9, wide.begin() + 2 + 20 * b);
  }
  batch.tx.tensor.data = wide.data();
  batch.tx.tensor.byte_offset = 8;
  batch.tx.strides = {20, 1};
  std::vector<float> z(3 * 5, -1);
  batch.tz.tensor.data = z.data();
  batch.tz.strides = {5, 1};
  if (wait) {
    EXPECT_EQ("expects a result that is filled with zeros to be compact, but "
              "got stride 5 on axis 0",
              loaded.run(batch));
    return;
  }
  EXPECT_EQ("", loaded.run(batch));
  if (GetParam().computes) {
    EXPECT_EQ(batch.expected(), batch.y);
    for (size_t i = 0; i < z.size(); ++i) {
      EXPECT_EQ(i % 5 < 2 ? 0 : -1, z[i]) << i;
    }
  }
}

TEST_P(Conformance, LengthsBetweenBounds) {
  attnrt_schedule_caps caps{};
  caps.struct_size = sizeof(caps);
  caps.workers = 2;
  Loaded loaded(&params, GetParam().device, 1, &caps);
  Batch batch({20, 30, 4}, 30);
  batch.moveTo(GetParam().device);
  std::vector<int32_t> low{0, 10, 4};
  Tensor lowest = Tensor::ints({3}, low);
  const DLTensor *lows[] = {nullptr, lowest.get(), nullptr};
  attnrt_step step = batch.step();
  step.low = lows;
  ASSERT_EQ(ATTNRT_OK, attnrt_schedule_update(loaded.schedule, &step, nullptr))
      << attnrt_last_message();
  EXPECT_EQ(ATTNRT_OK, attnrt_schedule_verify(loaded.schedule));
  for (std::vector<int32_t> real :
       {std::vector<int32_t>{20, 30, 4}, {0, 10, 4}, {7, 11, 4}, {13, 30, 4}}) {
    batch.len = real;
    batch.tlen.tensor.data = batch.len.data();
    auto all = batch.all();
    EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
    expect(batch, "a length between");
  }
}

TEST_P(Conformance, FixedSplitDoesNotDependOnTheRest) {
  attnrt_schedule_caps caps{};
  caps.struct_size = sizeof(caps);
  caps.split = 3;
  Loaded loaded(&params, GetParam().device, 1, &caps);
  Batch alone({27}, 30), among({5, 30, 27, 1}, 30);
  alone.moveTo(GetParam().device);
  among.moveTo(GetParam().device);
  // Sums whose value depends on their order.
  for (size_t m = 0; m < 30; ++m) {
    alone.x[m] = among.x[60 + m] = 1.0f / float(3 * m + 1);
  }
  EXPECT_EQ("", loaded.run(alone));
  EXPECT_EQ("", loaded.run(among));
  if (wait) {
    wait();
  }
  if (GetParam().computes) {
    EXPECT_EQ(alone.y[0], among.y[2]); // bitwise
  }
}

TEST_P(Conformance, CapacitiesHold) {
  Batch large({30, 30, 30}, 30), small({3}, 30);
  large.moveTo(GetParam().device);
  small.moveTo(GetParam().device);
  Loaded free(&params, GetParam().device);
  ASSERT_EQ("", free.run(large));
  attnrt_schedule_stats stats{};
  stats.struct_size = sizeof(stats);
  ASSERT_EQ(ATTNRT_OK, attnrt_schedule_describe(free.schedule, &stats));
  EXPECT_EQ(90, stats.keys_read);
  EXPECT_GE(stats.workspace_bytes, 12);

  attnrt_schedule_caps caps{};
  caps.struct_size = sizeof(caps);
  caps.max_segments = 2;
  Loaded loaded(&params, GetParam().device, 1, &caps);
  EXPECT_EQ("", loaded.run(small));
  EXPECT_EQ("the schedule has room for 2 segments, but the step needs 3",
            loaded.run(large));
  // The old step is as it was.
  small.y = {-1};
  auto all = small.all();
  EXPECT_EQ(ATTNRT_OK, attnrt_run(loaded.schedule, all.data(), 5, nullptr));
  expect(small, "after a step that was too large");
  int64_t sizes[ATTNRT_MAX_AXES];
  int32_t axes = 0;
  EXPECT_EQ(ATTNRT_OK,
            attnrt_schedule_result(loaded.schedule, 1, sizes, &axes));
  EXPECT_EQ(2, axes);
  EXPECT_EQ(1, sizes[0]);
  EXPECT_EQ(2, sizes[1]);
}
