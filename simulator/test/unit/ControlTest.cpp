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

/// As compilers print one of printf: its parameters are set up first.
TEST(ControlTest, CallsAreUnsupportedByName) {
  std::string setUp = "{\n.param .b64 format;\nst.param.b64 [format], 0;\n"
                      ".param .b32 result;\n";
  for (const auto &[call, name] :
       {std::pair("call.uni (result), vprintf, (format);", "call.uni vprintf"),
        std::pair("call (result), f, (format);", "call f"),
        std::pair("call f;", "call f")}) {
    std::string error = loadError(setUp + call + "\n}", {}, {});
    EXPECT_TRUE(error.ends_with(": calls are unsupported, but got '" +
                                std::string(name) + "'"))
        << error;
  }
  expectRefused("call f, ();", {}, {},
                "calls are unsupported, but got 'call f'");
}
