//===- KernelsTest.cpp - Whole kernels of CUDA sources --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ptxsim/Device.h"
#include "ptxsim/File.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace ptxsim;

namespace {

/// One launch of a kernel of test/kernels.
class Session {
public:
  explicit Session(const Options &options = {})
      : device(Device::create(options)) {}

  DevicePointer upload(const std::vector<float> &values, std::string name) {
    DevicePointer to = *device->allocate(values.size() * 4, std::move(name));
    (void)device->copyIn(to, values.data(), values.size() * 4);
    return to;
  }
  DevicePointer reserve(size_t count, std::string name) {
    return *device->allocate(count * 4, std::move(name));
  }
  std::vector<float> download(DevicePointer from, size_t count) {
    std::vector<float> values(count);
    (void)device->copyOut(values.data(), from, count * 4);
    return values;
  }
  void launch(const std::string &file, const std::string &name,
              const LaunchConfig &config, const KernelArguments &arguments) {
    auto text = readFile(PTXSIM_KERNELS "/" + file);
    ASSERT_TRUE(text) << text.message();
    auto module = device->loadModule(*text);
    ASSERT_TRUE(module) << module.message();
    auto kernel = (*module)->kernel(name);
    ASSERT_TRUE(kernel) << kernel.message();
    auto launched = device->launch(**kernel, config, arguments);
    ASSERT_TRUE(launched) << launched.message();
  }
  /// Of all findings: "check: message".
  std::vector<std::string> findings() const {
    std::vector<std::string> list;
    for (const Finding &finding : device->findings()) {
      list.push_back(finding.check + ": " + finding.message);
    }
    return list;
  }

  std::unique_ptr<Device> device;
};

std::vector<float> iota(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = float(i);
  }
  return values;
}

LaunchConfig shape(uint32_t grid, uint32_t block) {
  LaunchConfig config;
  config.grid.x = grid;
  config.block.x = block;
  return config;
}

TEST(KernelsTest, VectorAdd) {
  Session run;
  DevicePointer a = run.upload(iota(150), "a"), b = run.upload(iota(150), "b");
  DevicePointer c = run.reserve(150, "c");
  run.launch("sum.ptx", "vadd", shape(3, 64),
             KernelArguments().add(a).add(b).add(c).add(int32_t(150)));
  EXPECT_TRUE(run.findings().empty());
  std::vector<float> got = run.download(c, 150);
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i], 2 * float(i));
  }
  const LaunchStats &stats = run.device->stats();
  EXPECT_EQ(stats.total.globalReadBytes, 1200u);
  EXPECT_EQ(stats.total.globalWriteBytes, 600u);
  // 600 bytes of each: 18.75 sectors.
  EXPECT_EQ(stats.uniqueReadSectors, 38u);
  EXPECT_EQ(stats.uniqueWriteSectors, 19u);
  EXPECT_EQ(stats.ctaInstructions.size(), 3u);
}

TEST(KernelsTest, BoundsNameTheBuffer) {
  Session run;
  DevicePointer a = run.upload(iota(150), "a"), b = run.upload(iota(150), "b");
  DevicePointer c = run.reserve(149, "c");
  run.launch("sum.ptx", "vadd", shape(3, 64),
             KernelArguments().add(a).add(b).add(c).add(int32_t(150)));
  ASSERT_EQ(run.findings().size(), 1u);
  EXPECT_EQ(run.findings()[0],
            "bounds: writes 4 bytes at 0 bytes behind c (596 bytes)");
  const Finding &finding = run.device->findings()[0];
  EXPECT_EQ(finding.sourceFile, "sum.cu");
  EXPECT_EQ(finding.source.line, 11u);
  EXPECT_EQ(finding.cta[0], 2u);
  EXPECT_EQ(finding.lanes, 1u << 21);
}

TEST(KernelsTest, FreedAndUnwrittenBuffers) {
  Session run;
  DevicePointer a = run.upload(iota(32), "a"), b = run.reserve(32, "b");
  DevicePointer c = run.reserve(32, "c");
  ASSERT_TRUE(run.device->free(a));
  run.launch("sum.ptx", "vadd", shape(1, 32),
             KernelArguments().add(a).add(b).add(c).add(int32_t(32)));
  std::vector<std::string> found = run.findings();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], "uninitialised: reads b+0, which was not written");
  EXPECT_EQ(found[1], "bounds: reads 4 bytes at freed a+0");
}

TEST(KernelsTest, PresetBuffersKeepWhatNobodyWrites) {
  Session run;
  DevicePointer a = run.upload(iota(32), "a"), b = run.reserve(32, "b");
  DevicePointer c = run.reserve(32, "c");
  std::vector<float> preset(32, -7), got(32);
  ASSERT_TRUE(run.device->preset(b, preset.data(), 4 * 32));
  ASSERT_TRUE(run.device->preset(c, preset.data(), 4 * 32));
  // 20 of 32 elements; b counts as unwritten all the same.
  run.launch("sum.ptx", "vadd", shape(1, 32),
             KernelArguments().add(a).add(b).add(c).add(int32_t(20)));
  ASSERT_EQ(run.findings().size(), 1u);
  EXPECT_EQ(run.findings()[0],
            "uninitialised: reads b+0, which was not written");
  ASSERT_TRUE(run.device->copyOut(got.data(), c, 4 * 32));
  for (int i = 0; i < 32; ++i) {
    EXPECT_EQ(got[size_t(i)], i < 20 ? float(i) - 7 : -7);
  }
  EXPECT_FALSE(run.device->preset(c, preset.data(), 4 * 33));
}

TEST(KernelsTest, ReduceIsCleanUnderEverySchedule) {
  for (Schedule schedule :
       {Schedule::RoundRobin, Schedule::Random, Schedule::Adversarial}) {
    for (uint64_t seed : {1, 2, 3}) {
      Options options;
      options.schedule = schedule;
      options.seed = seed;
      Session run(options);
      DevicePointer a = run.upload(iota(1000), "a");
      DevicePointer out = run.reserve(1, "out");
      run.launch("sum.ptx", "reduce", shape(1, 256),
                 KernelArguments().add(a).add(out).add(int32_t(1000)));
      EXPECT_TRUE(run.findings().empty());
      EXPECT_EQ(run.download(out, 1)[0], 499500.0f);
    }
  }
}

TEST(KernelsTest, AMissingBarrierIsARaceUnderEverySchedule) {
  for (Schedule schedule :
       {Schedule::RoundRobin, Schedule::Random, Schedule::Adversarial}) {
    for (uint64_t seed : {1, 2, 3}) {
      Options options;
      options.schedule = schedule;
      options.seed = seed;
      Session run(options);
      DevicePointer a = run.upload(iota(1000), "a");
      DevicePointer out = run.reserve(1, "out");
      run.launch("sum.ptx", "reduce_race", shape(1, 256),
                 KernelArguments().add(a).add(out).add(int32_t(1000)));
      std::vector<std::string> found = run.findings();
      EXPECT_TRUE(
          std::any_of(found.begin(), found.end(), [](const std::string &text) {
            return text.starts_with("races: ");
          }));
    }
  }
}

TEST(KernelsTest, ArgumentsAreHeldAgainstTheParameters) {
  Session run;
  auto text = readFile(PTXSIM_KERNELS "/sum.ptx");
  ASSERT_TRUE(text) << text.message();
  auto module = run.device->loadModule(*text);
  ASSERT_TRUE(module);
  EXPECT_EQ((*module)->kernel("nosuch").message(),
            "expects a kernel of the module (vadd, reduce, reduce_race), but "
            "got 'nosuch'");
  auto kernel = (*module)->kernel("reduce");
  ASSERT_TRUE(kernel);
  uint64_t pointer = 0;
  auto error = [&](const KernelArguments &arguments,
                   const LaunchConfig &config) {
    auto launched = run.device->launch(**kernel, config, arguments);
    return launched ? std::string() : launched.message();
  };
  EXPECT_EQ(error(KernelArguments().add(pointer), shape(1, 32)),
            "expects 3 arguments of 'reduce', but got 1");
  EXPECT_EQ(error(KernelArguments().add(pointer).add(pointer).add(pointer),
                  shape(1, 32)),
            "expects 4 bytes for parameter 'reduce_param_2', but got 8");
  EXPECT_EQ(error(KernelArguments().add(pointer).add(pointer).add(int32_t(0)),
                  shape(1, 2048)),
            "expects at most 1024 threads of a block in x, but got 2048");
}

} // namespace
