//===- GoldenTest.cpp - The probes, and what GPUs gave for them -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every probe of test/golden runs here with every check on and must be clean.
// For each golden-*.json beside them, its outputs are those of that GPU. If
// there is none, that test is skipped: GoldenFilesTest.cpp tests the
// comparison.
//
//===----------------------------------------------------------------------===//
#include "Simulated.h"
#include "ptxsim/File.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::golden;

namespace {

const std::vector<Probe> &allProbes() {
  static const Result<std::vector<Probe>> probes = readProbes(PTXSIM_GOLDEN);
  static const std::vector<Probe> none;
  if (!probes) {
    ADD_FAILURE() << probes.message();
    return none;
  }
  return *probes;
}

class ProbeTest : public testing::TestWithParam<std::string> {};

/// Names come from the folder; the test reads and parses.
std::vector<std::string> probeFiles() {
  std::vector<std::string> names;
  std::filesystem::path folder = PTXSIM_GOLDEN;
  for (const auto &entry :
       std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".ptx") {
      names.push_back(
          std::filesystem::relative(entry.path(), folder).generic_string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The results do not depend on what the output held, so that every byte of it
/// was written, nor on the order of warps or the time of copies.
TEST_P(ProbeTest, RunsCleanAndWritesItsOutput) {
  Result<std::string> text = readFile(PTXSIM_GOLDEN "/" + GetParam());
  ASSERT_TRUE(text) << text.message();
  Result<Probe> probe = parseProbe(GetParam(), *text);
  ASSERT_TRUE(probe) << probe.message();
  Outcome first = simulate(*probe, 0x00);
  if (!probe->mayFault) {
    ASSERT_EQ(first.trouble, "");
    EXPECT_EQ(!first.finding.empty(), probe->hasFinding) << first.finding;
  }
  Options options;
  options.completion = Completion::Eager;
  options.schedule = Schedule::Adversarial;
  Outcome second = simulate(*probe, 0xFF, options);
  EXPECT_EQ(second.trouble, first.trouble);
  EXPECT_EQ(second.finding.empty(), first.finding.empty()) << second.finding;
  ASSERT_EQ(second.output.size(), first.output.size());
  for (size_t i = 0; i < first.output.size(); ++i) {
    ASSERT_EQ(first.output[i], second.output[i]) << "byte " << i;
  }
}

std::string testName(const testing::TestParamInfo<std::string> &info) {
  std::string name = info.param.substr(0, info.param.size() - 4);
  for (char &c : name) {
    c = std::isalnum(uint8_t(c)) ? c : '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Golden, ProbeTest, testing::ValuesIn(probeFiles()),
                         testName);

std::vector<std::string> goldenFiles() {
  std::vector<std::string> names;
  for (const auto &entry : std::filesystem::directory_iterator(PTXSIM_GOLDEN)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with("golden-") && name.ends_with(".json")) {
      names.push_back(entry.path().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(GoldenTest, TheSimulatorIsAsTheGpus) {
  std::vector<std::string> names = goldenFiles();
  if (names.empty()) {
    GTEST_SKIP() << "there is no golden-<gpu>.json in " PTXSIM_GOLDEN
                    ": nothing holds the simulator to a GPU";
  }
  for (const std::string &name : names) {
    SCOPED_TRACE(name);
    Result<std::string> text = readFile(name);
    ASSERT_TRUE(text) << text.message();
    Result<GoldenFile> file = readGolden(*text);
    ASSERT_TRUE(file) << file.message();
    for (const std::string &failure : compareAll(allProbes(), *file)) {
      ADD_FAILURE() << failure;
    }
  }
}

} // namespace
