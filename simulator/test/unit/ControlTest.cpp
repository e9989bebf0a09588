//===- ControlTest.cpp - Instructions that change nothing ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

TEST(ControlTest, WhatChangesNothing) {
  for (const char *good :
       {"nanosleep.u32 20;", "nanosleep.u32 %lane;", "pmevent 15;",
        "pmevent.mask 65535;", "griddepcontrol.wait;",
        "griddepcontrol.launch_dependents;"}) {
    EXPECT_EQ(loadError(good, {}, {}), "") << good;
  }
  for (const char *bad :
       {"nanosleep.u32;", "nanosleep.u32 20, 20;", "nanosleep 20;",
        "nanosleep.u64 20;", "nanosleep.u32 [%lane];", "pmevent;",
        "pmevent %lane;", "pmevent 16;", "pmevent -1;", "pmevent 1, 2;",
        "pmevent.mask 65536;", "pmevent.all 1;", "griddepcontrol;",
        "griddepcontrol.wait 1;"}) {
    EXPECT_NE(loadError(bad, {}, {}), "") << bad;
  }
  LaneProgram program(".reg .b32 %unset;\nnanosleep.u32 %unset;\n", {}, {});
  program.run({}, ~0u, 32, 32);
  EXPECT_EQ(program.findings().size(), 1u);
}
