//===- PtxasLogTest.cpp - What the assembler says -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Target/PTX/Ptxas.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

using namespace attn;

namespace {

// The form of CUDA 13: what is said of a kernel stands behind its name.
const char *const kTwoKernels = R"(ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'small' for 'sm_80'
ptxas info    : Function properties for small
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 12 registers, used 0 barriers
ptxas info    : Compile time = 1.000 ms
ptxas info    : Compiling entry function 'large' for 'sm_80'
ptxas info    : Function properties for large
    240 bytes stack frame, 236 bytes spill stores, 352 bytes spill loads
ptxas info    : Used 255 registers, used 3 barriers, 240 bytes cumulative stack size, 49152 bytes smem
)";

TEST(PtxasLog, ReadsEachKernel) {
  PtxasLog log = parsePtxasLog(kTwoKernels);
  ASSERT_EQ(log.functions.size(), 2u);
  const PtxasFunction &small = log.functions[0], &large = log.functions[1];
  EXPECT_EQ(small.name, "small");
  EXPECT_TRUE(small.isKernel);
  EXPECT_EQ(small.registers, 12u);
  EXPECT_EQ(small.barriers, 0u);
  EXPECT_FALSE(small.spills());
  EXPECT_EQ(large.name, "large");
  EXPECT_EQ(large.registers, 255u);
  EXPECT_EQ(large.barriers, 3u);
  EXPECT_EQ(large.sharedBytes, 49152u);
  EXPECT_EQ(large.stackBytes, 240u);
  EXPECT_EQ(large.spillStoreBytes, 236u);
  EXPECT_EQ(large.spillLoadBytes, 352u);
  EXPECT_TRUE(large.spills());
  EXPECT_FALSE(log.isClean());
  EXPECT_TRUE(log.messages.empty());
  EXPECT_TRUE(log.errors.empty());
}

TEST(PtxasLog, ReadsTheFormOfOlderReleases) {
  PtxasLog log = parsePtxasLog(
      "ptxas info    : Compiling entry function 'k' for 'sm_90a'\n"
      "ptxas info    : Function properties for k\n"
      "    8 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
      "ptxas info    : Used 32 registers, 100 bytes smem, 380 bytes cmem[0]\n");
  ASSERT_EQ(log.functions.size(), 1u);
  EXPECT_EQ(log.functions[0].registers, 32u);
  EXPECT_EQ(log.functions[0].sharedBytes, 100u);
  EXPECT_EQ(log.functions[0].stackBytes, 8u);
  EXPECT_TRUE(log.isClean());
}

TEST(PtxasLog, TellsFunctionsFromKernels) {
  PtxasLog log = parsePtxasLog(
      "ptxas info    : Function properties for helper\n"
      "    0 bytes stack frame, 4 bytes spill stores, 0 bytes spill loads\n");
  ASSERT_EQ(log.functions.size(), 1u);
  EXPECT_FALSE(log.functions[0].isKernel);
  EXPECT_TRUE(log.functions[0].spills());
}

TEST(PtxasLog, EachMessageThatCostsSpeedIsKnown) {
  for (const char *code :
       {"C7504", "C7508", "C7511", "C7512", "C7514", "C7517", "C7519"}) {
    PtxasLog log = parsePtxasLog("ptxas info    : (" + std::string(code) +
                                 ") words in function 'fa' and more\n");
    ASSERT_EQ(log.messages.size(), 1u) << code;
    EXPECT_EQ(log.messages[0].code, code);
    EXPECT_EQ(log.messages[0].kernel, "fa") << code;
    EXPECT_EQ(log.messages[0].text, "words in function 'fa' and more");
    EXPECT_TRUE(log.messages[0].costsSpeed) << code;
    EXPECT_FALSE(log.isClean()) << code;
  }
  PtxasLog other = parsePtxasLog("ptxas info    : (C7999) words\n");
  ASSERT_EQ(other.messages.size(), 1u);
  EXPECT_FALSE(other.messages[0].costsSpeed);
  EXPECT_TRUE(other.isClean());
}

TEST(PtxasLog, AMessageWithoutANameIsOfTheOnlyKernel) {
  const std::string message =
      "ptxas info    : (C7508) 'setmaxnreg' ignored; no register count\n";
  const std::string first =
      "ptxas info    : Compiling entry function 'one' for 'sm_90a'\n";
  const std::string second =
      "ptxas info    : Compiling entry function 'two' for 'sm_90a'\n";
  EXPECT_EQ(parsePtxasLog(message + first).messages.at(0).kernel, "one");
  EXPECT_EQ(parsePtxasLog(message + first + second).messages.at(0).kernel, "");
}

TEST(PtxasLog, ReadsErrorsWithTheirLines) {
  PtxasLog log =
      parsePtxasLog("ptxas a b.ptx, line 14; error   : Unknown symbol 'x : y'\n"
                    "ptxas fatal   : Ptx assembly aborted due to errors\n");
  ASSERT_EQ(log.errors.size(), 2u);
  EXPECT_EQ(log.errors[0], "line 14: Unknown symbol 'x : y'");
  EXPECT_EQ(log.errors[1], "Ptx assembly aborted due to errors");
}

TEST(PtxasLog, SurvivesAnything) {
  for (const char *text :
       {"", "\n\n", "ptxas", "ptxas info", "ptxas info    : (", "    , ,",
        "ptxas info    : Used registers",
        "ptxas info    : Compiling entry function",
        "    99999999999999999999 bytes stack frame"}) {
    EXPECT_TRUE(parsePtxasLog(text).isClean()) << text;
  }
}

TEST(PtxasLog, WarnsWithTheKernelsName) {
  MLIRContext context;
  std::vector<std::string> said;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    EXPECT_EQ(diagnostic.getSeverity(), DiagnosticSeverity::Warning);
    said.push_back(diagnostic.str());
    return success();
  });
  warnAbout(parsePtxasLog(std::string(kTwoKernels) +
                          "ptxas info    : (C7512) serialized for the "
                          "function 'large'\n"
                          "ptxas info    : (C7999) nothing\n"),
            UnknownLoc::get(&context));
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0], "kernel 'large' spills: 236 bytes stored, 352 bytes "
                     "loaded at 255 registers");
  EXPECT_EQ(said[1], "kernel 'large': ptxas C7512: serialized for the "
                     "function 'large'");
}

TEST(PtxasLog, PrintsATable) {
  std::string text;
  llvm::raw_string_ostream os(text);
  printTable(parsePtxasLog(kTwoKernels), os);
  EXPECT_EQ(
      text,
      "function  registers   barriers   shared B    stack B   stored B   "
      "loaded B\n"
      "small            12          0          0          0          0       "
      "   0\n"
      "large           255          3      49152        240        236       "
      " 352\n");
}

} // namespace
