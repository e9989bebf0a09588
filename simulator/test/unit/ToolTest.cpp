//===- ToolTest.cpp - What ptx-sim says of its command line ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Command.h"

#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace ptxsim::test;

namespace {

const std::string kSum = PTXSIM_KERNELS "/sum.ptx";
const std::string kFolder = PTXSIM_KERNELS;

Ended runTool(const std::string &arguments) {
  return runCommand("'" PTXSIM_TOOL "' " + arguments);
}

/// One line on what is wrong, and the code for bad input.
void expectRefused(const std::string &arguments, const std::string &message) {
  Ended ended = runTool(arguments);
  EXPECT_EQ(ended.code, 2) << arguments;
  EXPECT_EQ(ended.text, "ptx-sim: " + message + "\n");
}

TEST(ToolTest, FoldersAndMissingFilesAreNoFiles) {
  for (const std::string &path : {kFolder, kFolder + "/none"}) {
    std::string message = "expects a readable file, but got '" + path + "'";
    expectRefused("'" + path + "'", message);
    expectRefused("'" + kSum + "' --kernel=vadd --arg=file:f32:'" + path + "'",
                  message);
    expectRefused("'" + kSum + "' --kernel=vadd --arg=map:f32:'" + path +
                      "':4:4",
                  message);
  }
}

TEST(ToolTest, ArgumentsThatAreNone) {
  std::string run = "'" + kSum + "' --kernel=vadd --arg=";
  expectRefused(
      run + "f33:1",
      "expects TYPE:VALUE, "
      "buf:TYPE:COUNT:rand|iota|zero|nan|none[:SEED], file:TYPE:PATH "
      "or map:TYPE:PATH|none:DIM,..:BOX,..[:0|32|64|128] with TYPE of "
      "u8 s8 u16 s16 u32 s32 u64 s64 f16 bf16 f32 f64, but got "
      "'f33:1'");
  for (const char *large :
       {"buf:u8:17179869185:none", "buf:f64:2147483649:none",
        "buf:u64:18446744073709551615:none", "map:u8:none:17179869185:64",
        "map:f32:none:65536,65537:64,64"}) {
    expectRefused(run + large, "expects a buffer of at most 17179869184 bytes, "
                               "but got '" +
                                   std::string(large) + "'");
  }
}

/// Memory that the host does not have.
TEST(ToolTest, BuffersWithoutMemory) {
  Ended ended = runCommand("ulimit -v 4000000; '" PTXSIM_TOOL "' '" + kSum +
                           "' --kernel=vadd --arg=buf:u8:17179869184:none");
  EXPECT_EQ(ended.code, 2);
  EXPECT_EQ(ended.text, "ptx-sim: cannot allocate a buffer as large as "
                        "'buf:u8:17179869184:none'\n");
}

/// The file, the line and what is there, as for text that cannot be read.
TEST(ToolTest, ErrorsNameTheFile) {
  std::string path =
      testing::TempDir() + "/ptxsim-tool-" + std::to_string(getpid()) + ".ptx";
  auto refuse = [&](const std::string &code, const std::string &message) {
    std::ofstream(path) << ".version 8.0\n.target sm_80\n.address_size 64\n"
                           ".visible .entry k()\n{\n"
                        << code << "\n  ret;\n}\n";
    expectRefused("'" + path + "'", path + ": " + message);
  };
  refuse("  fly;", "line 6: does not know the instruction 'fly'");
  std::remove(path.c_str());
  expectRefused("'" + kSum + "' --kernel=none",
                kSum + ": expects a kernel of the module (vadd, reduce, "
                       "reduce_race), but got 'none'");
}

TEST(ToolTest, HelpSaysThatThereIsNoLimit) {
  Ended ended = runTool("--help");
  EXPECT_EQ(ended.code, 0);
  EXPECT_NE(ended.text.find("(default: no limit)"), std::string::npos);
}

} // namespace
