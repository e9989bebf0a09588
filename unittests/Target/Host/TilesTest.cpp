//===- TilesTest.cpp - AMX is a permission --------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Target/Host/Host.h"

#include "llvm/TargetParser/Host.h"
#include "gtest/gtest.h"
#if defined(__linux__)
#include <csignal>
#include <cstdlib>
#endif

using namespace attn;

#if defined(__linux__) && defined(__x86_64__)
/// In a process that has not asked for tiles yet: what is chosen with a signal
/// stack too small to save them. 0: nothing that needs tiles.
static void chooseWithSmallStack() {
  static char memory[4096];
  stack_t stack = {};
  stack.ss_sp = memory;
  stack.ss_size = sizeof memory;
  if (sigaltstack(&stack, nullptr)) {
    std::_Exit(3);
  }
  bool uses = hostVectorUnit({}).tilesBF16 || hostRuns("+amx-bf16");
  std::_Exit(uses ? 1 : refusesMatrixUnit() ? 0 : 2);
}

TEST(TilesTest, ASmallSignalStackLeavesThemOut) {
  if (!llvm::sys::getHostCPUFeatures().lookup("amx-bf16")) {
    GTEST_SKIP() << "this CPU has no AMX";
  }
  // Started anew: permissions cannot be given back.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(chooseWithSmallStack(), testing::ExitedWithCode(0), "");
}

TEST(TilesTest, TheyAreUsedWhereTheyAreGiven) {
  if (!llvm::sys::getHostCPUFeatures().lookup("amx-bf16")) {
    GTEST_SKIP() << "this CPU has no AMX";
  }
  EXPECT_EQ(hostVectorUnit({}).tilesBF16, !refusesMatrixUnit());
}
#endif

TEST(TilesTest, TheyNeedDotsBesideThem) {
  HostOptions options;
  options.features = "x86-64-v4,+avx512bf16,+amx-bf16";
  EXPECT_TRUE(hostVectorUnit(options).tilesBF16);
  options.features = "x86-64-v4,+amx-bf16";
  EXPECT_FALSE(hostVectorUnit(options).tilesBF16);
}
