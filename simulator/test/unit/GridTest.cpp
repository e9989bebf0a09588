//===- GridTest.cpp - CTAs that wait for each other -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ptxsim/Device.h"

#include <gtest/gtest.h>

using namespace ptxsim;

namespace {

/// CTA i waits for the flag of CTA i + step (the last ones do not), adds one to
/// what it finds there, and raises its own flag.
std::string chain(int step, const char *load) {
  std::string text = R"(
.version 8.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 flags, .param .u64 values) {
  .reg .pred %p;
  .reg .b32 %i, %n, %other, %f, %v;
  .reg .b64 %flags, %values, %a;
  ld.param.u64 %flags, [flags];
  ld.param.u64 %values, [values];
  mov.u32 %i, %ctaid.x;
  mov.u32 %n, %nctaid.x;
  mov.u32 %v, 0;
  add.s32 %other, %i, STEP;
  setp.ge.u32 %p, %other, %n;
  @%p bra own;
  mad.wide.u32 %a, %other, 4, %flags;
wait:
  LOAD
  setp.eq.u32 %p, %f, 0;
  @%p bra wait;
  mad.wide.u32 %a, %other, 4, %values;
  ld.global.u32 %v, [%a];
own:
  add.s32 %v, %v, 1;
  mad.wide.u32 %a, %i, 4, %values;
  st.global.u32 [%a], %v;
  mad.wide.u32 %a, %i, 4, %flags;
  st.release.gpu.global.u32 [%a], 1;
  ret;
}
)";
  text.replace(text.find("STEP"), 4, std::to_string(step));
  text.replace(text.find("LOAD"), 4, load);
  return text;
}

struct Outcome {
  std::vector<uint32_t> values;
  std::vector<Finding> findings;
};

Outcome run(const std::string &text, uint32_t ctas, const Options &options,
            const DeviceProperties &properties = {}) {
  auto device = Device::create(options, properties);
  auto module = device->loadModule(text);
  EXPECT_TRUE(bool(module)) << module.message();
  auto kernel = (*module)->kernel("k");
  EXPECT_TRUE(bool(kernel)) << kernel.message();
  DevicePointer flags = *device->allocate(ctas * 4, "flags"),
                values = *device->allocate(ctas * 4, "values");
  EXPECT_TRUE(bool(device->fill(flags, 0, ctas * 4)));
  LaunchConfig config;
  config.grid.x = ctas;
  config.block.x = 1;
  auto launched = device->launch(**kernel, config,
                                 KernelArguments().add(flags).add(values));
  EXPECT_TRUE(bool(launched)) << launched.message();
  Outcome outcome;
  outcome.values.resize(ctas);
  EXPECT_TRUE(bool(device->copyOut(outcome.values.data(), values, ctas * 4)));
  outcome.findings = device->findings();
  return outcome;
}

const char *const kLoad = "ld.acquire.gpu.global.u32 %f, [%a];";
const char *const kAtomic = "atom.acquire.gpu.global.or.b32 %f, [%a], 0;";

TEST(GridTest, WaitsForLaterCtas) {
  for (const char *load : {kLoad, kAtomic}) {
    for (Schedule schedule :
         {Schedule::RoundRobin, Schedule::Random, Schedule::Adversarial}) {
      for (unsigned threads : {1u, 2u, 5u}) {
        Options options;
        options.schedule = schedule;
        options.threads = threads;
        Outcome outcome = run(chain(3, load), 40, options);
        EXPECT_TRUE(outcome.findings.empty())
            << outcome.findings[0].format("chain");
        for (uint32_t i = 0; i < 40; ++i) {
          EXPECT_EQ(outcome.values[i], (39 - i) / 3 + 1) << i;
        }
      }
    }
  }
}

TEST(GridTest, WhatIsNotReleasedIsARace) {
  std::string text = chain(1, kLoad);
  text.replace(text.find("st.release.gpu"), 14, "st.relaxed.gpu");
  Outcome outcome = run(text, 8, Options());
  ASSERT_FALSE(outcome.findings.empty());
  EXPECT_EQ(outcome.findings[0].check, "races");
}

TEST(GridTest, OnlyAsManyAsTheDeviceHoldsRunTogether) {
  DeviceProperties small;
  small.numSms = 2;
  small.maxCtasPerSm = 4;
  for (unsigned threads : {1u, 3u}) {
    Options options;
    options.threads = threads;
    Outcome enough = run(chain(1, kLoad), 8, options, small);
    EXPECT_TRUE(enough.findings.empty()) << enough.findings[0].format("chain");
    Outcome dead = run(chain(8, kLoad), 64, options, small);
    ASSERT_EQ(dead.findings.size(), 1u);
    EXPECT_NE(dead.findings[0].message.find("deadlock: warp 0 at line"),
              std::string::npos)
        << dead.findings[0].message;
    EXPECT_NE(dead.findings[0].message.find("56 of 64 CTAs"), std::string::npos)
        << dead.findings[0].message;
  }
}

TEST(GridTest, NobodyRaisesTheFlag) {
  std::string text = chain(1, kLoad);
  text.replace(text.find("st.release.gpu.global.u32 [%a], 1"), 33,
               "st.release.gpu.global.u32 [%a], 0");
  for (unsigned threads : {1u, 2u}) {
    Options options;
    options.threads = threads;
    Outcome outcome = run(text, 6, options);
    ASSERT_EQ(outcome.findings.size(), 1u);
    EXPECT_EQ(outcome.findings[0].check, "barriers");
  }
}

TEST(GridTest, LanesOfOneTargetGoTogether) {
  std::string text = R"(
.version 8.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 flags, .param .u64 values) {
  .reg .b32 %i, %v;
  .reg .b64 %values, %a;
  ld.param.u64 %values, [values];
  mov.u32 %i, %ctaid.x;
  mad.wide.u32 %a, %i, 4, %values;
targets: .branchtargets one, two, three;
  brx.idx %i, targets;
one: mov.u32 %v, 10; bra done;
two: mov.u32 %v, 20; bra done;
three: mov.u32 %v, 30;
done: st.global.u32 [%a], %v;
  ret;
}
)";
  Outcome outcome = run(text, 3, Options());
  EXPECT_TRUE(outcome.findings.empty());
  EXPECT_EQ(outcome.values, (std::vector<uint32_t>{10, 20, 30}));
  Outcome outside = run(text, 4, Options());
  ASSERT_EQ(outside.findings.size(), 1u);
  EXPECT_NE(outside.findings[0].message.find("an index below 3, but got 3"),
            std::string::npos);
  Options options;
  options.checks.bounds = false;
  EXPECT_TRUE(run(text, 4, options).findings.empty());
}

} // namespace
