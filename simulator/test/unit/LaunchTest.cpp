//===- LaunchTest.cpp - Launches that are refused -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ptxsim/Device.h"

#include <gtest/gtest.h>

using namespace ptxsim;

namespace {

std::string returnsAtOnce(const std::string &target) {
  return ".version 8.0\n.target " + target +
         "\n.address_size 64\n.visible .entry k()\n{\n  ret;\n}\n";
}

struct Shape {
  Dim3 grid, block, cluster;
};

/// Why a kernel that does nothing is not launched; empty if it is.
std::string launchError(const Shape &shape,
                        const std::string &target = "sm_90a") {
  auto device = Device::create();
  auto module = device->loadModule(returnsAtOnce(target));
  EXPECT_TRUE(module) << module.message();
  auto kernel = (*module)->kernel("k");
  EXPECT_TRUE(kernel) << kernel.message();
  LaunchConfig config;
  config.grid = shape.grid;
  config.block = shape.block;
  config.cluster = shape.cluster;
  auto launched = device->launch(**kernel, config, {});
  return launched ? "" : launched.message();
}

TEST(LaunchTest, CountsDoNotOverflow) {
  constexpr uint32_t most = ~0u;
  EXPECT_EQ((Dim3{2, 3, 4}.count()), 24u);
  EXPECT_EQ((Dim3{0, most, most}.count()), 0u);
  EXPECT_EQ((Dim3{most, most, 0}.count()), 0u);
  EXPECT_EQ((Dim3{most, most, 1}.count()), uint64_t(most) * most);
  EXPECT_EQ((Dim3{most, most, most}.count()), ~uint64_t(0));
  EXPECT_EQ((Dim3{1u << 31, 1u << 31, 4}.count()), ~uint64_t(0));
}

TEST(LaunchTest, ShapesThatNoDriverTakes) {
  EXPECT_EQ(launchError({{0x8000'0000, 1, 1}, {}, {}}),
            "expects at most 2147483647 CTAs of the grid in x, but got "
            "2147483648");
  EXPECT_EQ(launchError({{1, 65536, 1}, {}, {}}),
            "expects at most 65535 CTAs of the grid in y, but got 65536");
  EXPECT_EQ(launchError({{1, 1, 65536}, {}, {}}),
            "expects at most 65535 CTAs of the grid in z, but got 65536");
  EXPECT_EQ(launchError({{}, {1025, 1, 1}, {}}),
            "expects at most 1024 threads of a block in x, but got 1025");
  EXPECT_EQ(launchError({{}, {1, 1025, 1}, {}}),
            "expects at most 1024 threads of a block in y, but got 1025");
  EXPECT_EQ(launchError({{}, {1, 1, 65}, {}}),
            "expects at most 64 threads of a block in z, but got 65");
  EXPECT_EQ(launchError({{}, {32, 33, 1}, {}}),
            "expects at most 1024 threads in a block, but got 1056");
  EXPECT_EQ(launchError({{0, 1, 1}, {}, {}}),
            "expects a grid, block and cluster without a 0");
  // The largest that there are.
  EXPECT_EQ(launchError({{1, 65535, 1}, {}, {}}), "");
  EXPECT_EQ(launchError({{1, 1, 65535}, {}, {}}), "");
  EXPECT_EQ(launchError({{}, {16, 1, 64}, {}}), "");
  EXPECT_EQ(launchError({{}, {1, 1024, 1}, {}}), "");
}

TEST(LaunchTest, GridsWithoutRoomForStatistics) {
  EXPECT_EQ(launchError({{0x7FFF'FFFF, 65535, 65535}, {}, {}}),
            "expects at most 67108864 CTAs, for the statistics of each, but "
            "got 9223090559730712575");
  EXPECT_EQ(launchError({{uint32_t(kMostCtas) + 1, 1, 1}, {}, {}}),
            "expects at most 67108864 CTAs, for the statistics of each, but "
            "got 67108865");
}

/// A warning says what is not looked for: CTAs have numbers of 21 bits there.
TEST(LaunchTest, TooManyCtasForRaces) {
  auto warnings = [](uint32_t ctas, const Checks &checks) {
    Options options;
    options.checks = checks;
    auto device = Device::create(options);
    auto module = device->loadModule(returnsAtOnce("sm_80"));
    LaunchConfig config;
    config.grid.x = ctas;
    EXPECT_TRUE(device->launch(**(*module)->kernel("k"), config, {}));
    EXPECT_EQ(device->numFindings(), 0u);
    std::vector<std::string> list;
    for (const Finding &finding : device->findings()) {
      list.push_back(finding.format("k.ptx"));
    }
    return list;
  };
  constexpr uint32_t most = (1 << 21) - 1;
  Checks races = Checks::none();
  races.races = true;
  EXPECT_EQ(warnings(most, races),
            (std::vector<std::string>{
                "k.ptx: warning: races: races between CTAs in global memory "
                "are not looked for in launches of 2097151 CTAs or more, but "
                "got 2097151 [kernel k, cta 0,0,0, seed 1]"}));
  EXPECT_TRUE(warnings(most - 1, races).empty());
}

TEST(LaunchTest, Clusters) {
  EXPECT_EQ(launchError({{8, 1, 1}, {}, {8, 1, 1}}), "");
  EXPECT_EQ(launchError({{2, 2, 2}, {}, {2, 2, 2}}, "sm_90"), "");
  EXPECT_EQ(launchError({{16, 1, 1}, {}, {16, 1, 1}}),
            "expects at most 8 CTAs in a cluster, but got 16");
  EXPECT_EQ(launchError({{2, 1, 1}, {}, {2, 1, 1}}, "sm_89"),
            "expects a target from sm_90 on for clusters, but got sm_89");
  EXPECT_EQ(launchError({{3, 1, 1}, {}, {2, 1, 1}}),
            "expects a grid of whole clusters");
}

TEST(LaunchTest, KernelsBelongToTheirDevice) {
  auto one = Device::create(), other = Device::create();
  auto module = one->loadModule(returnsAtOnce("sm_80"));
  ASSERT_TRUE(module) << module.message();
  auto kernel = (*module)->kernel("k");
  ASSERT_TRUE(kernel) << kernel.message();
  EXPECT_TRUE(one->launch(**kernel, {}, {}));
  auto launched = other->launch(**kernel, {}, {});
  ASSERT_FALSE(launched);
  EXPECT_EQ(launched.message(),
            "expects a kernel of this device, but got 'k' of another one");
}

} // namespace
