//===- ToolTest.cpp - What ptx-sim says of its command line ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Command.h"

#include <gtest/gtest.h>

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

} // namespace
