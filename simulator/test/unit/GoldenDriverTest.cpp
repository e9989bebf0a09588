//===- GoldenDriverTest.cpp - The program that runs probes on a GPU -------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ptxsim-golden-fake is ptxsim-golden with a CUDA driver that simulates. What
// it writes is what the simulator gives, so the comparison must find it equal.
//
//===----------------------------------------------------------------------===//
#include "Command.h"
#include "Simulated.h"
#include "ptxsim/File.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::golden;
using namespace ptxsim::test;
namespace fs = std::filesystem;

namespace {

Ended runFake(const std::string &capability, const std::string &arguments) {
  std::string gpu =
      capability.empty() ? "" : "PTXSIM_FAKE_GPU=" + capability + " ";
  return runCommand("env " + gpu + "'" PTXSIM_GOLDEN_FAKE "' " + arguments);
}

bool has(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

/// A folder of the test's own.
class GoldenDriverTest : public testing::Test {
protected:
  void SetUp() override {
    const auto *info = testing::UnitTest::GetInstance()->current_test_info();
    folder = testing::TempDir() + "/ptxsim-" + info->name() + "-" +
             std::to_string(getpid());
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }

  /// A probe that writes its thread numbers after `code`.
  void write(const std::string &name, const std::string &header,
             const std::string &code) {
    std::ofstream(folder + "/" + name + ".ptx")
        << "// probe: " << header << "\n// out: u32 32 tid\n"
        << ".version 7.1\n.target sm_80\n.address_size 64\n"
           ".visible .entry probe(.param .u64 out, .param .u64 in)\n{\n"
           "  .reg .b32 %t, %v;\n  .reg .b64 %out, %in;\n"
           "  ld.param.u64 %out, [out];\n  ld.param.u64 %in, [in];\n"
           "  mov.u32 %t, %tid.x;\n  mad.wide.u32 %out, %t, 4, %out;\n"
        << code << "  st.global.u32 [%out], %t;\n  ret;\n}\n";
  }

  std::string folder;
};

TEST_F(GoldenDriverTest, EveryProbeComesBackAsSimulated) {
  std::string out = folder + "/golden.json";
  Ended ended = runFake("9.0", "--out='" + out + "' '" PTXSIM_GOLDEN "'");
  // Those with an expected finding fault on a GPU that is a simulator.
  Result<std::vector<Probe>> probes = readProbes(PTXSIM_GOLDEN);
  ASSERT_TRUE(probes) << probes.message();
  auto expected = std::count_if(probes->begin(), probes->end(),
                                [](const Probe &p) { return p.hasFinding; });
  EXPECT_EQ(ended.code, expected ? 1 : 0) << ended.text;
  Result<std::string> text = readFile(out);
  ASSERT_TRUE(text) << text.message();
  Result<GoldenFile> file = readGolden(*text);
  ASSERT_TRUE(file) << file.message();
  EXPECT_EQ(file->gpu, "Simulated GPU");
  EXPECT_EQ(file->computeCapability, "9.0");
  EXPECT_EQ(file->driver, "12.8");
  EXPECT_EQ(file->probes.size(), probes->size());
  std::erase_if(*probes, [](const Probe &p) { return p.hasFinding; });
  std::erase_if(file->probes, [&](const GoldenProbe &golden) {
    return std::none_of(probes->begin(), probes->end(),
                        [&](const Probe &p) { return p.name == golden.name; });
  });
  EXPECT_GT(file->probes.size(), 80u);
  for (const std::string &failure : compareAll(*probes, *file)) {
    ADD_FAILURE() << failure;
  }
}

TEST_F(GoldenDriverTest, OnlyProbesThatTheChipRuns) {
  write("old", "sm=80", "");
  write("new", "sm=90", "");
  write("exact", "sm=90a", "");
  auto names = [&](const std::string &capability) {
    std::string out = folder + "/golden.json";
    Ended ended = runFake(capability, "--out='" + out + "' '" + folder + "'");
    EXPECT_EQ(ended.code, 0) << ended.text;
    Result<GoldenFile> file = readGolden(*readFile(out));
    std::string list;
    for (const GoldenProbe &probe : file->probes) {
      list += probe.name + " ";
    }
    return list;
  };
  EXPECT_EQ(names("8.0"), "old ");
  EXPECT_EQ(names("9.0"), "exact new old ");
  EXPECT_EQ(names("10.0"), "new old ");
}

TEST_F(GoldenDriverTest, OneThatFailsDoesNotEndTheOthers) {
  write("a_bad_text", "sm=80", "  nonsense;\n");
  write("b_fault", "sm=80", "  ld.global.u32 %v, [%in+4096];\n");
  write("c_allowed", "sm=80 fault=allowed",
        "  ld.global.u32 %v, [%in+4096];\n");
  write("d_hang", "sm=80", "again:\n  bra again;\n");
  write("e_good", "sm=80", "");
  Ended ended = runFake("8.0", "--timeout=2 '" + folder + "'");
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(has(ended.text, "FAILED a_bad_text: cuModuleLoadDataEx: "
                              "CUDA_ERROR_INVALID_PTX: line 14: "))
      << ended.text;
  EXPECT_TRUE(has(ended.text, "FAILED b_fault: the kernel: "
                              "CUDA_ERROR_ILLEGAL_ADDRESS\n"))
      << ended.text;
  EXPECT_TRUE(has(ended.text, "ok     c_allowed: the kernel: "
                              "CUDA_ERROR_ILLEGAL_ADDRESS\n"))
      << ended.text;
  EXPECT_TRUE(has(ended.text, "FAILED d_hang: no end within 2 s\n"))
      << ended.text;
  EXPECT_TRUE(has(ended.text, "ok     e_good\n")) << ended.text;
  EXPECT_TRUE(has(ended.text, "2 probes ran, 3 failed, 0 are for other GPUs"))
      << ended.text;
  Result<GoldenFile> file =
      readGolden(*readFile(folder + "/golden-simulated-gpu.json"));
  ASSERT_TRUE(file) << file.message();
  ASSERT_EQ(file->probes.size(), 5u);
  EXPECT_EQ(file->probes[3].error, "no end within 2 s");
  EXPECT_EQ(file->probes[4].outputs[0].hex.substr(0, 24),
            "000000000000000100000002");
}

TEST_F(GoldenDriverTest, BadInput) {
  Ended ended = runFake("", "'" PTXSIM_GOLDEN "'");
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.text,
            "ptxsim-golden: expects a GPU: cuInit: CUDA_ERROR_NO_DEVICE\n");
  for (const char *arguments :
       {"", "--nonsense x", "/nonexistent", "--timeout=0 x", "x y",
        "--only=add '" PTXSIM_GOLDEN "'",
        "--out=x --only=nosuch '" PTXSIM_GOLDEN "'"}) {
    ended = runFake("9.0", arguments);
    EXPECT_EQ(ended.code, 2) << arguments;
    EXPECT_TRUE(has(ended.text, "expects")) << arguments << ": " << ended.text;
  }
  ended = runFake("", "--help");
  EXPECT_EQ(ended.code, 0);
  EXPECT_TRUE(has(ended.text, "usage: ptxsim-golden"));
  ended = runFake("", "--list '" PTXSIM_GOLDEN "'");
  EXPECT_EQ(ended.code, 0);
  EXPECT_TRUE(has(ended.text, "sm_80    sm_80/cp_async\n"));
}

} // namespace
