//===- ClusterWalkTest.cpp - Words that CTAs of a cluster move ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ClusterWalk.h"
#include "WgmmaKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

void expectWalk(const ClusterWalk &walk, const Options &options) {
  auto device = Device::create(options);
  auto module = device->loadModule(walk.text());
  ASSERT_TRUE(module) << module.message() << walk.text();
  auto kernel = (*module)->kernel("k");
  ASSERT_TRUE(kernel) << kernel.message() << walk.text();
  std::vector<uint32_t> want = walk.expected(), got(want.size());
  // The table may be empty.
  size_t tableBytes = 4 * walk.table.size() + 4;
  DevicePointer in = *device->allocate(4 * ClusterWalk::kInput, "in"),
                table = *device->allocate(tableBytes, "table"),
                out = *device->allocate(4 * want.size(), "out");
  (void)device->copyIn(in, walk.input.data(), 4 * ClusterWalk::kInput);
  (void)device->copyIn(table, walk.table.data(), 4 * walk.table.size());
  TensorMapDesc map;
  map.element = TensorMapDesc::Element::U32;
  map.base = in;
  map.dim[0] = ClusterWalk::kInput;
  map.box[0] = 32;
  LaunchConfig config;
  config.cluster = config.grid = walk.shape;
  config.grid.x *= ClusterWalk::kClusters;
  config.block.x = ClusterWalk::kThreads;
  KernelArguments arguments;
  arguments.add(*encodeTensorMap(map)).add(in).add(table).add(out);
  auto launched = device->launch(**kernel, config, arguments);
  ASSERT_TRUE(launched) << launched.message() << walk.text();
  Outcome outcome;
  outcome.findings = device->findings();
  ASSERT_TRUE(outcome.findings.empty()) << outcome.describe() << walk.text();
  (void)device->copyOut(got.data(), out, 4 * got.size());
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(got[i], want[i]) << "word " << i % walk.wordsOut() << " of CTA "
                               << i / walk.wordsOut() << "\n"
                               << walk.text();
  }
}

} // namespace

TEST(ClusterWalkTest, WordsOfEveryCTA) {
  const Dim3 shapes[] = {{1, 1, 1}, {2, 1, 1}, {1, 2, 1}, {1, 1, 2}, {3, 1, 1},
                         {2, 2, 1}, {4, 1, 1}, {1, 2, 3}, {8, 1, 1}, {2, 2, 2}};
  uint32_t seed = 0;
  for (const Dim3 &shape : shapes) {
    for (Schedule schedule :
         {Schedule::RoundRobin, Schedule::Random, Schedule::Adversarial}) {
      for (Completion completion :
           {Completion::Lazy, Completion::Eager, Completion::Random}) {
        ClusterWalk walk(++seed, shape);
        for (unsigned i = 0; i < 24; ++i) {
          walk.step();
        }
        Options options;
        options.schedule = schedule;
        options.completion = completion;
        options.seed = seed;
        options.threads = 1 + seed % 2;
        options.maxInstructions = 10'000'000;
        SCOPED_TRACE("seed " + std::to_string(seed));
        expectWalk(walk, options);
        if (testing::Test::HasFailure()) {
          return;
        }
      }
    }
  }
}
