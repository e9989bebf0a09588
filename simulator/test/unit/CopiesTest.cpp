//===- CopiesTest.cpp - Asynchronous copies to shared memory --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include <gtest/gtest.h>
#include <set>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

constexpr Completion kAll[] = {Completion::Eager, Completion::Lazy,
                               Completion::Random};

Options with(Completion completion, uint64_t seed = 1) {
  Options options;
  options.completion = completion;
  options.seed = seed;
  return options;
}

/// `count` 64-bit values of which all bytes differ from those around them.
std::vector<uint64_t> content(size_t count) {
  std::vector<uint64_t> values(count);
  for (size_t i = 0; i < count * 8; ++i) {
    values[i / 8] |= uint64_t((i * 37 + 11) % 251) << i % 8 * 8;
  }
  return values;
}
uint8_t byteOf(const std::vector<uint64_t> &values, size_t i) {
  return uint8_t(values[i / 8] >> i % 8 * 8);
}
uint32_t wordOf(const std::vector<uint64_t> &values, size_t i) {
  return uint32_t(values[i / 2] >> i % 2 * 32);
}

/// %from is the first input's buffer; %at is `scale` bytes per lane behind it,
/// %to the same of shared memory.
std::string start(unsigned scale) {
  return ".reg .b64 %from, %at, %to, %x;\n.reg .b32 %y;\n"
         "ld.param.u64 %from, [p0];\n"
         "mad.wide.u32 %at, %lane, " +
         std::to_string(scale) +
         ", %from;\n"
         "mad.wide.u32 %to, %lane, " +
         std::to_string(scale) + ", %smem;\n";
}

/// Checks and starts of messages, in their order.
std::vector<std::string> findingsOf(const LaneProgram &program) {
  std::vector<std::string> list;
  for (const Finding &finding : program.findings()) {
    list.push_back(finding.check + ": " + finding.message);
  }
  return list;
}
void expectOne(const LaneProgram &program, const std::string &part) {
  std::vector<std::string> list = findingsOf(program);
  ASSERT_EQ(list.size(), 1u) << program.text();
  EXPECT_NE(list[0].find(part), std::string::npos) << list[0];
}

const std::string kWaitForAll =
    "cp.async.commit_group;\ncp.async.wait_group 0;\n";

TEST(CopiesTest, Sizes) {
  for (Completion completion : kAll) {
    for (unsigned size : {4u, 8u, 16u}) {
      // Each lane reads the first word that its mirror image copied.
      LaneProgram program(
          start(size) + "cp.async.ca.shared.global [%to], [%at], " +
              std::to_string(size) + ";\n" + kWaitForAll +
              "sub.u32 %y, 31, %lane;\nmad.wide.u32 %x, %y, " +
              std::to_string(size) +
              ", %smem;\nld.shared.u32 %d0, [%x];\n"
              "add.s64 %x, %x, " +
              std::to_string(size - 4) + ";\nld.shared.u32 %d1, [%x];\n",
          {64}, {32, 32}, with(completion));
      ASSERT_EQ(program.error(), "");
      // 16 bytes for each of 32 lanes.
      std::vector<uint64_t> data = content(64);
      Values d = program.run({data}, ~0u, 32);
      EXPECT_EQ(findingsOf(program), std::vector<std::string>());
      for (size_t l = 0; l < 32; ++l) {
        size_t first = (31 - l) * size / 4;
        EXPECT_EQ(d[0][l], wordOf(data, first)) << size;
        EXPECT_EQ(d[1][l], wordOf(data, first + size / 4 - 1)) << size;
      }
    }
  }
}

TEST(CopiesTest, ShortSourcesAreFilledWithZeros) {
  for (Completion completion : kAll) {
    for (unsigned size : {4u, 8u, 16u}) {
      LaneProgram program(
          start(16) +
              // Lanes without a source point nowhere.
              ".reg .pred %none;\nsetp.eq.u32 %none, %a1, 0;\n"
              "selp.b64 %at, 64, %at, %none;\n"
              "cp.async.ca.shared::cta.global.L2::128B [%to], [%at], " +
              std::to_string(size) + ", %a1;\n" + kWaitForAll +
              "ld.shared.u32 %d0, [%to];\nmov.b32 %d1, 0;\n" +
              (size > 4 ? "ld.shared.u32 %d1, [%to+4];\n" : "") +
              "mov.b64 %d2, 0;\n" +
              (size > 8 ? "ld.shared.u64 %d2, [%to+8];\n" : ""),
          {64, 32}, {32, 32, 64}, with(completion));
      ASSERT_EQ(program.error(), "");
      std::vector<uint64_t> data = content(64), counts(64);
      for (size_t l = 0; l < 64; ++l) {
        counts[l] = l * 7 % (size + 1);
      }
      Values d = program.run({data, counts}, ~0u, 32);
      EXPECT_EQ(findingsOf(program), std::vector<std::string>());
      for (size_t l = 0; l < 64; ++l) {
        for (size_t i = 0; i < size; ++i) {
          unsigned got = i < 4   ? uint8_t(d[0][l] >> i * 8)
                         : i < 8 ? uint8_t(d[1][l] >> (i - 4) * 8)
                                 : uint8_t(d[2][l] >> (i - 8) * 8);
          unsigned want = i < counts[l] ? byteOf(data, l % 32 * 16 + i) : 0u;
          EXPECT_EQ(got, want) << size << " " << l << " " << i;
        }
      }
    }
  }
}

TEST(CopiesTest, IgnoredSource) {
  LaneProgram program(
      start(16) +
          ".reg .b64 %policy;\nmov.b64 %policy, 0;\n"
          "cp.async.cg.shared.global.L2::cache_hint [%to], [%at], 16, "
          "!%a1, %policy;\n" +
          kWaitForAll + "ld.shared.u64 %d0, [%to+8];\n",
      {64, 1}, {64});
  ASSERT_EQ(program.error(), "");
  std::vector<uint64_t> data = content(64), keep(64);
  for (size_t l = 0; l < 64; ++l) {
    keep[l] = l % 3 == 0;
  }
  Values d = program.run({data, keep}, ~0u, 32);
  EXPECT_EQ(findingsOf(program), std::vector<std::string>());
  for (size_t l = 0; l < 64; ++l) {
    EXPECT_EQ(d[0][l], keep[l] ? data[l % 32 * 2 + 1] : 0) << l;
  }
}

/// Two groups, of which the wait leaves `left`.
std::string twoGroups(unsigned left) {
  return start(4) +
         "st.shared.u32 [%to], 1;\nst.shared.u32 [%to+128], 2;\n"
         "cp.async.ca.shared.global [%to], [%at], 4;\n"
         "cp.async.commit_group;\n"
         "cp.async.ca.shared.global [%to+128], [%at+128], 4;\n"
         "cp.async.commit_group;\n"
         "cp.async.wait_group " +
         std::to_string(left) +
         ";\nld.shared.u32 %d0, [%to];\nld.shared.u32 %d1, [%to+128];\n"
         "cp.async.wait_all;\n";
}

TEST(CopiesTest, WaitLeavesTheLatestGroups) {
  std::vector<uint64_t> data = content(32);
  for (unsigned left : {0u, 1u, 2u, 9u}) {
    Options options;
    options.checks.async = false;
    LaneProgram program(twoGroups(left), {64}, {32, 32}, options);
    Values d = program.run({data});
    for (size_t l = 0; l < 32; ++l) {
      EXPECT_EQ(d[0][l], left < 2 ? wordOf(data, l) : 1u) << left;
      EXPECT_EQ(d[1][l], left < 1 ? wordOf(data, 32 + l) : 2u) << left;
    }
    // What is read before its wait races with the copy.
    std::vector<std::string> found = findingsOf(program);
    ASSERT_EQ(found.size(), left == 0 ? 0u : left == 1 ? 1u : 2u);
    for (const std::string &text : found) {
      EXPECT_EQ(text.rfind("races: read of shared+", 0), 0u) << text;
      EXPECT_NE(text.find("by cp.async of warp 0"), std::string::npos) << text;
    }
  }
}

TEST(CopiesTest, EagerCopiesAreDoneAtOnce) {
  std::vector<uint64_t> data = content(32);
  Options options = with(Completion::Eager);
  options.checks.races = false;
  LaneProgram program(twoGroups(2), {64}, {32, 32}, options);
  Values d = program.run({data});
  for (size_t l = 0; l < 32; ++l) {
    EXPECT_EQ(d[0][l], wordOf(data, l));
    EXPECT_EQ(d[1][l], wordOf(data, 32 + l));
  }
}

TEST(CopiesTest, RandomCopiesAreDoneSometimes) {
  std::vector<uint64_t> data = content(32);
  size_t early = 0, late = 0;
  std::set<std::vector<uint64_t>> different;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Options options = with(Completion::Random, seed);
    options.checks.races = false;
    LaneProgram program(twoGroups(2), {64}, {32, 32}, options);
    Values d = program.run({data});
    for (size_t l = 0; l < 32; ++l) {
      early += d[0][l] == wordOf(data, l);
      late += d[0][l] == 1;
    }
    different.insert(d[0]);
    // The seed repeats it.
    EXPECT_EQ(program.run({data})[0], d[0]);
  }
  EXPECT_EQ(early + late, 8u * 32);
  EXPECT_GT(early, 32u);
  EXPECT_GT(late, 32u);
  EXPECT_GT(different.size(), 6u);
}

TEST(CopiesTest, GroupsArePerThread) {
  std::vector<uint64_t> data = content(32);
  Options options = with(Completion::Lazy);
  options.checks.races = options.checks.async = false;
  // The upper lanes commit an empty group more: to them, the second group is
  // not among the last one.
  LaneProgram program(
      start(4) +
          "st.shared.u32 [%to], 1;\nst.shared.u32 [%to+128], 2;\n"
          "cp.async.ca.shared.global [%to], [%at], 4;\n"
          "cp.async.commit_group;\n"
          "cp.async.ca.shared.global [%to+128], [%at+128], 4;\n"
          "cp.async.commit_group;\n.reg .pred %up;\nsetp.ge.u32 %up, %lane, "
          "16;\n@%up cp.async.commit_group;\n"
          "cp.async.wait_group 1;\n"
          "ld.shared.u32 %d0, [%to];\nld.shared.u32 %d1, [%to+128];\n"
          "cp.async.wait_group 0;\nld.shared.u32 %d2, [%to+128];\n",
      {64}, {32, 32, 32}, options);
  ASSERT_EQ(program.error(), "");
  Values d = program.run({data});
  EXPECT_EQ(findingsOf(program), std::vector<std::string>());
  for (size_t l = 0; l < 32; ++l) {
    EXPECT_EQ(d[0][l], wordOf(data, l));
    EXPECT_EQ(d[1][l], l < 16 ? 2u : wordOf(data, 32 + l));
    EXPECT_EQ(d[2][l], wordOf(data, 32 + l));
  }
}

TEST(CopiesTest, GroupsCompleteInTheirOrder) {
  // The second group writes what the first one did.
  std::vector<uint64_t> data = content(32);
  for (Completion completion : kAll) {
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      LaneProgram program(start(8) +
                              "cp.async.ca.shared.global [%to], [%at], 8;\n"
                              "cp.async.commit_group;\n"
                              "cp.async.ca.shared.global [%to], [%from], 8;\n"
                              "cp.async.commit_group;\n"
                              "cp.async.commit_group;\n"
                              "cp.async.wait_group 0;\n"
                              "ld.shared.u64 %d0, [%to];\n",
                          {64}, {64}, with(completion, seed));
      EXPECT_EQ(program.run({data})[0], std::vector<uint64_t>(32, data[0]));
      EXPECT_EQ(findingsOf(program), std::vector<std::string>());
    }
  }
}

TEST(CopiesTest, SomeLanesCommit) {
  std::vector<uint64_t> data = content(32);
  Options options = with(Completion::Lazy);
  options.checks.races = options.checks.async = false;
  LaneProgram program(start(8) +
                          "st.shared.u64 [%to], 7;\n"
                          ".reg .pred %up;\nsetp.ge.u32 %up, %lane, 16;\n"
                          "cp.async.ca.shared.global [%to], [%at], 8;\n"
                          "@%up cp.async.commit_group;\n"
                          "cp.async.wait_group 0;\nld.shared.u64 %d0, [%to];\n"
                          "cp.async.wait_all;\nld.shared.u64 %d1, [%to];\n",
                      {64}, {64, 64}, options);
  Values d = program.run({data});
  EXPECT_EQ(findingsOf(program), std::vector<std::string>());
  for (size_t l = 0; l < 32; ++l) {
    EXPECT_EQ(d[0][l], l < 16 ? 7 : data[l]);
    EXPECT_EQ(d[1][l], data[l]);
  }
}

TEST(CopiesTest, AddressesHave32Or64BitsAndOffsets) {
  std::vector<uint64_t> data = content(64);
  LaneProgram program(start(8) +
                          "cvt.u32.u64 %y, %to;\n"
                          "cp.async.ca.shared.global [%y+256], [%at+8], 8;\n"
                          "cp.async.ca.shared.global [%to+512], [%at+8], 8;\n"
                          "cp.async.wait_all;\n"
                          "ld.shared.u64 %d0, [%to+256];\n"
                          "ld.shared.u64 %d1, [%to+512];\n",
                      {64}, {64, 64});
  Values d = program.run({data}, ~0u, 32);
  EXPECT_EQ(findingsOf(program), std::vector<std::string>());
  for (size_t l = 0; l < 32; ++l) {
    EXPECT_EQ(d[0][l], data[l + 1]);
    EXPECT_EQ(d[1][l], data[l + 1]);
  }
}

/// What is done between the issue and the wait.
TEST(CopiesTest, DestinationsBeforeTheWait) {
  const std::string copy = start(8) + "mov.b64 %d0, 0;\n"
                                      "cp.async.ca.shared.global [%to], [%at], "
                                      "8;\n",
                    read = "ld.shared.u64 %d0, [%to];\n",
                    write = "st.shared.u64 [%to], 7;\n",
                    commit = "cp.async.commit_group;\n",
                    end = "cp.async.wait_all;\n";
  // Either check finds it alone.
  for (bool Checks::*kind : {&Checks::races, &Checks::async}) {
    std::string name = kind == &Checks::races ? "races" : "async";
    for (Completion completion : kAll) {
      auto check = [&](const std::string &text) {
        Options options = with(completion);
        options.checks = Checks::none();
        options.checks.*kind = true;
        LaneProgram program(text, {64}, {64}, options);
        program.run({content(32)});
        std::vector<std::string> found = findingsOf(program);
        return found.empty() ? "" : found[0].substr(0, found[0].find(':'));
      };
      EXPECT_EQ(check(copy + kWaitForAll + read), "");
      EXPECT_EQ(check(copy + commit + read + end), name);
      EXPECT_EQ(check(copy + kWaitForAll + write), "");
      EXPECT_EQ(check(copy + commit + write + end), name);
      // A wait does not wait for what is not committed.
      EXPECT_EQ(check(copy + "cp.async.wait_group 0;\n" + read + end), name);
      EXPECT_EQ(check(copy + end + read), "");
    }
  }
}

TEST(CopiesTest, OtherWarpsNeedABarrier) {
  auto text = [](const char *barrier) {
    return start(0) +
           "mad.wide.u32 %at, %t, 8, %from;\nmad.wide.u32 %to, %t, 8, %smem;\n"
           "cp.async.ca.shared.global [%to], [%at], 8;\n"
           "cp.async.wait_all;\n" +
           barrier +
           "xor.b32 %y, %t, 32;\nmad.wide.u32 %x, %y, 8, %smem;\n"
           "ld.shared.u64 %d0, [%x];\n";
  };
  std::vector<uint64_t> data = content(64);
  LaneProgram good(text("bar.sync 0;\n"), {64}, {64});
  Values d = good.run({data}, ~0u, 64);
  EXPECT_EQ(findingsOf(good), std::vector<std::string>());
  for (size_t t = 0; t < 64; ++t) {
    EXPECT_EQ(d[0][t], data[t ^ 32]);
  }
  // Eager: else the first warp only sees bytes that nobody wrote.
  LaneProgram bad(text(""), {64}, {64}, with(Completion::Eager));
  bad.run({data}, ~0u, 64);
  std::vector<std::string> found = findingsOf(bad);
  ASSERT_FALSE(found.empty());
  bool isRace = false;
  for (const std::string &one : found) {
    isRace |= one.rfind("races: ", 0) == 0 &&
              one.find("by cp.async of warp") != std::string::npos;
  }
  EXPECT_TRUE(isRace);
}

TEST(CopiesTest, OverwritesWhatAnotherWarpStillReads) {
  // The second warp reads shared memory that the first one copies over.
  auto text = [](const char *barrier) {
    return start(4) +
           ".reg .pred %first;\nsetp.lt.u32 %first, %t, 32;\n"
           "@%first st.shared.u32 [%to], 5;\nbar.sync 0;\nmov.b32 %d0, 5;\n"
           "@!%first ld.shared.u32 %d0, [%to];\n" +
           barrier +
           "@%first cp.async.ca.shared.global [%to], [%at], 4;\n"
           "cp.async.wait_all;\n";
  };
  LaneProgram good(text("bar.sync 0;\n"), {64}, {32});
  good.run({content(64)}, ~0u, 64);
  EXPECT_EQ(findingsOf(good), std::vector<std::string>());
  LaneProgram bad(text(""), {64}, {32});
  bad.run({content(64)}, ~0u, 64);
  expectOne(bad, "races: ");
}

TEST(CopiesTest, MoreSourceThanDestination) {
  LaneProgram program(start(16) +
                          "cp.async.ca.shared.global [%to], [%at], 8, %a1;\n" +
                          kWaitForAll + "ld.shared.u64 %d0, [%to];\n",
                      {64, 32}, {64});
  std::vector<uint64_t> data = content(64), counts(64, 8);
  program.run({data, counts}, ~0u, 32);
  EXPECT_EQ(findingsOf(program), std::vector<std::string>());
  counts[5] = 9;
  program.run({data, counts}, ~0u, 32);
  expectOne(program, "async: expects at most 8 bytes of the source, but got 9");
}

TEST(CopiesTest, TwoCopiesOfOneGroupToOneAddress) {
  auto text = [](const char *between, unsigned second) {
    return start(16) + "cp.async.cg.shared.global [%to], [%at], 16;\n" +
           between + "cp.async.ca.shared.global [%to+" +
           std::to_string(second) + "], [%at], 8;\n" + kWaitForAll +
           "mov.b32 %d0, 0;\n";
  };
  std::vector<uint64_t> data = content(64);
  LaneProgram bad(text("", 8), {64}, {32});
  bad.run({data}, ~0u, 32);
  expectOne(bad, "async: copies to shared+8, as another copy");
  LaneProgram inTwoGroups(text("cp.async.commit_group;\n", 8), {64}, {32});
  inTwoGroups.run({data}, ~0u, 32);
  EXPECT_EQ(findingsOf(inTwoGroups), std::vector<std::string>());
  LaneProgram elsewhere(text("", 512), {64}, {32});
  elsewhere.run({data}, ~0u, 32);
  EXPECT_EQ(findingsOf(elsewhere), std::vector<std::string>());
}

TEST(CopiesTest, LanesOfOneCopyToOneAddress) {
  LaneProgram program(start(8) +
                          "cp.async.ca.shared.global [%smem], [%at], 8;\n" +
                          kWaitForAll + "mov.b32 %d0, 0;\n",
                      {64}, {32});
  program.run({content(32)});
  expectOne(program, "async: copies to shared+0, as another copy");
}

TEST(CopiesTest, SharedMemoryOfAnotherCta) {
  std::unique_ptr<Device> device = Device::create();
  auto module = device->loadModule(R"(
.version 8.4
.target sm_90a
.address_size 64
.visible .entry k(.param .u64 p) {
  .reg .b64 %g;
  .shared .align 16 .b8 buffer[64];
  ld.param.u64 %g, [p];
  cp.async.cg.shared.global [buffer+33554432], [%g], 16;
  cp.async.wait_all;
  ret;
}
)");
  ASSERT_TRUE(bool(module)) << module.message();
  auto kernel = (*module)->kernel("k");
  ASSERT_TRUE(bool(kernel)) << kernel.message();
  auto pointer = device->allocate(16, "a");
  ASSERT_TRUE(bool(pointer) && bool(device->fill(*pointer, 1, 16)));
  LaunchConfig config;
  config.grid.x = config.cluster.x = 2;
  ASSERT_TRUE(
      bool(device->launch(**kernel, config, KernelArguments().add(*pointer))));
  // The CTAs write to one place as well.
  ASSERT_EQ(device->findings().size(), 2u);
  EXPECT_EQ(device->findings()[0].check, "bounds");
  EXPECT_EQ(device->findings()[1].check, "races");
}

TEST(CopiesTest, NobodyWaits) {
  for (const char *last :
       {"", "cp.async.commit_group;\n",
        "cp.async.commit_group;\ncp.async.wait_group 1;\n"}) {
    LaneProgram program(start(4) +
                            "cp.async.ca.shared.global [%to], [%at], 4;\n" +
                            last + "mov.b32 %d0, 0;\n",
                        {64}, {32});
    program.run({content(64)}, ~0u, 32);
    expectOne(program, "async: the warp ends with a copy that nobody waited");
  }
}

TEST(CopiesTest, SourceOutsideOfItsBuffer) {
  // 32 elements of 8 bytes; the last lanes' 16 bytes lie behind them.
  LaneProgram program(start(16) +
                          "cp.async.cg.shared.global [%to], [%at], 16;\n" +
                          kWaitForAll + "mov.b32 %d0, 0;\n",
                      {64}, {32});
  program.run({content(32)});
  expectOne(program, "bounds: reads 16 bytes at ");
  LaneProgram odd(start(16) +
                      "cp.async.cg.shared.global [%to], [%at+8], 16;\n" +
                      kWaitForAll + "mov.b32 %d0, 0;\n",
                  {64}, {32});
  odd.run({content(128)}, ~0u, 32);
  expectOne(odd, "alignment: ");
}

TEST(CopiesTest, Counters) {
  // 32 * 16 bytes are 16 sectors and 4 wavefronts.
  LaneProgram program(start(16) +
                          "cp.async.cg.shared.global [%to], [%at], 16;\n" +
                          kWaitForAll + "mov.b32 %d0, 0;\n",
                      {64}, {32});
  program.run({content(64)}, ~0u, 64);
  const Counters *copy = nullptr;
  for (const auto &[line, counters] : program.stats().lines) {
    if (counters.sharedRequests) {
      copy = &counters;
    }
  }
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->warpInstructions, 2u);
  EXPECT_EQ(copy->globalSectors, 32u);
  EXPECT_EQ(copy->globalReadBytes, 1024u);
  EXPECT_EQ(copy->sharedWavefronts, 8u);
  EXPECT_EQ(copy->sharedIdealWavefronts, 8u);
}

TEST(CopiesTest, Refusals) {
  auto refuse = [](const std::string &text) {
    return loadError(start(4) + text, {64}, {});
  };
  EXPECT_NE(refuse("cp.async.cg.shared.global [%to], [%at], 8;")
                .find("expects 16 bytes"),
            std::string::npos);
  EXPECT_NE(refuse("cp.async.ca.shared.global [%to], [%at], 12;")
                .find("expects 4, 8 or 16 bytes"),
            std::string::npos);
  EXPECT_NE(refuse("cp.async.ca.shared.global [%to], [%at], %y;")
                .find("expects an immediate"),
            std::string::npos);
  EXPECT_NE(refuse("cp.async.ca.global.shared [%to], %at, 4;"), "");
  EXPECT_NE(refuse("cp.async.shared.global [%to], [%at], 4;"), "");
  EXPECT_NE(refuse("cp.async.wait_group -1;"), "");
  EXPECT_NE(refuse("cp.async.wait_group;"), "");
  // Counts are of 32 bits, and are not cut.
  for (const char *wait :
       {"cp.async.wait_group", "cp.async.bulk.wait_group",
        "cp.async.bulk.wait_group.read", "wgmma.wait_group.sync.aligned"}) {
    EXPECT_EQ(refuse(std::string(wait) + " 4294967295;"), "");
    EXPECT_NE(refuse(std::string(wait) + " 4294967296;")
                  .find("expects a number of groups, but got 4294967296"),
              std::string::npos)
        << wait;
    EXPECT_NE(refuse(std::string(wait) + " -1;"), "");
  }
  EXPECT_NE(refuse("cp.async.bulk.commit_group.read;"), "");
  EXPECT_NE(refuse("cp.async.commit_group.fast;"), "");
  EXPECT_EQ(refuse("cp.async.wait_all;"), "");
}

} // namespace
