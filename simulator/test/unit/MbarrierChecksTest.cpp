//===- MbarrierChecksTest.cpp - What is wrong with an mbarrier ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One defect each; beside it stands what is right.
//
//===----------------------------------------------------------------------===//
#include "LaunchKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

/// One thread. `bar` is not initialised.
Launch threadOf(const std::string &body) {
  Launch launch(".shared .align 8 .b8 bar[24];", body);
  launch.words = 0;
  return launch;
}

void expectBad(const std::string &body,
               const std::vector<std::string> &checks = {"barriers"}) {
  expectFinding(threadOf(body), {"bad"}, checks);
}
void expectGood(const std::string &body) { expectClean(threadOf(body), {}); }

const std::string kInit = "  mbarrier.init.shared.b64 [bar], 4;\n";
const std::string kInval = "  mbarrier.inval.shared.b64 [bar];\n";
const std::string kCopy = "  cp.async.ca.shared.global [bar+8], [%in], 4;\n";

/// Everything but init.
const std::vector<std::string> kOperations = {
    "mbarrier.inval.shared.b64 [bar];",
    "mbarrier.arrive.shared.b64 _, [bar];",
    "mbarrier.arrive.shared.b64 %x0, [bar], 2;",
    "mbarrier.arrive.noComplete.shared.b64 %x0, [bar], 1;",
    "mbarrier.arrive.expect_tx.shared.b64 _, [bar], 16;",
    "mbarrier.arrive.shared::cluster.b64 _, [bar];",
    "mbarrier.arrive_drop.shared.b64 _, [bar];",
    "mbarrier.arrive_drop.expect_tx.shared.b64 _, [bar], 16;",
    "mbarrier.expect_tx.shared.b64 [bar], 16;",
    "mbarrier.complete_tx.shared.b64 [bar], 16;",
    "mbarrier.test_wait.parity.shared.b64 %p0, [bar], 1;",
    "mbarrier.try_wait.parity.shared.b64 %p0, [bar], 1;",
    "cp.async.mbarrier.arrive.shared.b64 [bar];",
    "cp.async.mbarrier.arrive.noinc.shared.b64 [bar];"};

/// An arrival of copies must not be on its way when the CTA ends: completes the
/// phase that it belongs to.
std::string settled(const std::string &operation) {
  if (operation.find("cp.async") == std::string::npos) {
    return "";
  }
  std::string count = operation.find("noinc") != std::string::npos ? "3" : "4";
  return "  mbarrier.arrive.shared.b64 _, [bar], " + count + ";\n" +
         waitText("mbarrier.try_wait.parity.shared.b64", "[bar], 0", "settled");
}

std::string bad(const std::string &text) { return "  " + text + " // @bad\n"; }

} // namespace

//===--- Objects ----------------------------------------------------------===//

TEST(MbarrierChecksTest, NotInitialised) {
  for (const std::string &operation : kOperations) {
    expectBad(bad(operation));
    expectBad(kInit + kInval + bad(operation));
    // Another object is none here.
    expectBad("  mbarrier.init.shared.b64 [bar+8], 4;\n" + bad(operation));
    std::string end = "  " + operation + "\n" + settled(operation);
    expectGood(kInit + end);
    expectGood(kInit + kInval + kInit + end);
  }
}

TEST(MbarrierChecksTest, InitialisedTwice) {
  expectBad(kInit + bad("mbarrier.init.shared.b64 [bar], 4;"));
  expectBad(kInit + kInval + kInit + bad("mbarrier.init.shared.b64 [bar], 1;"));
  expectGood(kInit + kInval + kInit + kInval + kInit);
}

TEST(MbarrierChecksTest, CountsOfInit) {
  for (const char *count : {"0", "1048576", "0xFFFFFFFF"}) {
    expectBad(
        bad("mbarrier.init.shared.b64 [bar], " + std::string(count) + ";"));
    expectBad("  mov.u32 %v0, " + std::string(count) + ";\n" +
              bad("mbarrier.init.shared.b64 [bar], %v0;"));
  }
  expectGood("  mbarrier.init.shared.b64 [bar], 1;\n"
             "  mbarrier.init.shared.b64 [bar+8], 1048575;\n");
}

TEST(MbarrierChecksTest, NotAligned) {
  expectBad(bad("mbarrier.init.shared.b64 [bar+4], 1;"), {"alignment"});
  expectBad(kInit + bad("mbarrier.arrive.shared.b64 _, [bar+4];"),
            {"alignment", "barriers"});
}

TEST(MbarrierChecksTest, NotInSharedMemory) {
  expectBad(bad("mbarrier.init.b64 [%in], 1;"), {"barriers", "bounds"});
  expectBad(bad("mbarrier.arrive.b64 _, [%in];"), {"barriers", "bounds"});
  expectBad(bad("mbarrier.init.shared.b64 [bar+4096], 1;"), {"bounds"});
}

/// [9.7.13.15] Nothing else may touch the bytes of an object.
TEST(MbarrierChecksTest, OrdinaryAccess) {
  for (const char *access :
       {"ld.shared.b32 %v0, [bar];", "ld.shared.u8 %v0, [bar+7];",
        "ld.shared.b64 %x0, [bar];", "ld.volatile.shared.b64 %x0, [bar];",
        "st.shared.b32 [bar+4], %v1;", "st.shared.b64 [bar], %in;",
        "atom.shared.add.u32 %v0, [bar], 1;", "red.shared.add.u32 [bar+4], 1;",
        "cp.async.ca.shared.global [bar+4], [%in], 4;"}) {
    std::string text = access;
    std::string fill = "  mov.u32 %v1, 7;\n  st.shared.b64 [bar], %in;\n";
    std::string wait = "  cp.async.wait_all;\n";
    expectBad(fill + kInit + bad(text) + wait);
    expectGood(fill + "  " + text + "\n" + wait + kInit);
    expectGood(fill + kInit + kInval + fill + "  " + text + "\n" + wait);
    // Of bytes beside it.
    size_t at = text.find("[bar") + 4;
    std::string beside = text.substr(0, at) + "+8" + text.substr(at);
    beside += "\n";
    expectGood(fill + "  st.shared.b64 [bar+8], %in;\n" + kInit + "  " +
               beside + wait);
  }
}

//===--- Counts -----------------------------------------------------------===//

TEST(MbarrierChecksTest, TooManyArrivals) {
  std::string arrive = "  mbarrier.arrive.shared.b64 _, [bar], 3;\n";
  expectBad(kInit + bad("mbarrier.arrive.shared.b64 _, [bar], 5;"));
  expectBad(kInit + arrive + bad("mbarrier.arrive.shared.b64 _, [bar], 2;"));
  expectBad(kInit + arrive +
            bad("mbarrier.arrive_drop.shared.b64 _, [bar], 2;"));
  expectGood(kInit + arrive + "  mbarrier.arrive.shared.b64 _, [bar], 1;\n");
  // Once all have arrived, the bytes alone are missing.
  std::string expects = "  mbarrier.expect_tx.shared.b64 [bar], 8;\n" + arrive +
                        "  mbarrier.arrive.shared.b64 _, [bar];\n";
  expectBad(kInit + expects + bad("mbarrier.arrive.shared.b64 _, [bar];"));
  expectGood(kInit + expects +
             "  mbarrier.complete_tx.shared.b64 [bar], 8;\n"
             "  mbarrier.arrive.shared.b64 _, [bar];\n");
  // Those that drop out are not awaited any more.
  std::string drops = "  mbarrier.arrive_drop.shared.b64 _, [bar], 2;\n"
                      "  mbarrier.arrive.shared.b64 _, [bar], 2;\n";
  expectBad(kInit + drops + bad("mbarrier.arrive.shared.b64 _, [bar], 3;"));
  expectGood(kInit + drops + "  mbarrier.arrive.shared.b64 _, [bar], 2;\n");
}

TEST(MbarrierChecksTest, NoCompleteCompletes) {
  expectBad(kInit + bad("mbarrier.arrive.noComplete.shared.b64 _, [bar], 4;"));
  expectBad(kInit +
            bad("mbarrier.arrive_drop.noComplete.shared.b64 _, [bar], 4;"));
  expectGood(kInit + "  mbarrier.arrive.noComplete.shared.b64 _, [bar], 3;\n");
}

TEST(MbarrierChecksTest, TooManyBytes) {
  std::string most = "  mbarrier.expect_tx.shared.b64 [bar], 1048575;\n";
  std::string least = "  mbarrier.complete_tx.shared.b64 [bar], 1048575;\n";
  expectGood(kInit + most + least + least + most);
  expectBad(kInit + most + bad("mbarrier.expect_tx.shared.b64 [bar], 1;"));
  expectBad(kInit + most +
            bad("mbarrier.arrive.expect_tx.shared.b64 _, [bar], 1;"));
  expectBad(kInit + least + bad("mbarrier.complete_tx.shared.b64 [bar], 1;"));
  expectBad(kInit + bad("mbarrier.expect_tx.shared.b64 [bar], 1048576;"));
}

TEST(MbarrierChecksTest, ParityIsOneBit) {
  std::string wait = "mbarrier.test_wait.parity.shared.b64 %p0, [bar], %v0;";
  for (unsigned parity : {2u, 3u, ~1u}) {
    expectBad(kInit + "  mov.u32 %v0, " + std::to_string(parity) + ";\n" +
              bad(wait));
  }
  expectGood(kInit + "  mov.u32 %v0, 1;\n  " + wait + "\n");
}

/// A state is good for its phase and the one behind it.
TEST(MbarrierChecksTest, StateIsTooOld) {
  std::string phase = "  mbarrier.arrive.shared.b64 _, [bar], 4;\n";
  std::string first = kInit + "  mbarrier.arrive.shared.b64 %x0, [bar], 4;\n";
  std::string wait = "mbarrier.test_wait.shared.b64 %p0, [bar], %x0;";
  expectGood(first + "  " + wait + "\n");
  Launch old = threadOf(first + phase + bad(wait));
  for (const Options &options : everySchedule()) {
    LaunchOutcome outcome = old.run(options);
    ASSERT_EQ(outcome.findings.size(), 1u) << nameOf(options);
    EXPECT_EQ(outcome.findings[0].line, old.source.line("bad"));
    EXPECT_EQ(outcome.findings[0].check, "barriers");
  }
}

//===--- Waits that do not end --------------------------------------------===//

TEST(MbarrierChecksTest, NeverCompletes) {
  for (std::string wait : {"mbarrier.try_wait.parity.shared.b64",
                           "mbarrier.test_wait.parity.shared.b64"}) {
    auto deadlock = [&](const std::string &body, const std::string &parity,
                        const std::string &missing) {
      expectDeadlock(
          threadOf(kInit + body + waitText(wait, "[bar], " + parity, "wait")),
          "wait", "mbarrier shared+0 (phase " + missing);
    };
    std::string arrive = "  mbarrier.arrive.shared.b64 _, [bar], ";
    deadlock("", "0", "0: 4 of 4 arrivals missing)");
    deadlock(arrive + "3;\n", "0", "0: 1 of 4 arrivals missing)");
    deadlock(arrive + "4;\n", "1", "1: 4 of 4 arrivals missing)");
    deadlock("  mbarrier.expect_tx.shared.b64 [bar], 48;\n" + arrive + "4;\n" +
                 "  mbarrier.complete_tx.shared.b64 [bar], 16;\n",
             "0", "0: 0 of 4 arrivals missing, 32 bytes to come)");
  }
}

/// A wait that gives up is no deadlock if something else follows.
TEST(MbarrierChecksTest, TryGivesUp) {
  Launch launch = threadOf(
      kInit +
      "  mbarrier.try_wait.parity.shared.b64 %p0, [bar], 0;\n"
      "  mbarrier.arrive.shared.b64 _, [bar], 4;\n" +
      waitText("mbarrier.try_wait.parity.shared.b64", "[bar], 0", "wait") +
      "  selp.u32 %v0, 1, 0, %p0;\n  selp.u32 %v1, 1, 0, %p7;\n"
      "  st.global.u32 [%out], %v0;\n  st.global.u32 [%out+4], %v1;\n");
  launch.words = 2;
  expectClean(launch, {0, 1});
}

/// Two warps that each try once, and then do what the other waits for.
TEST(MbarrierChecksTest, BothTryFirst) {
  std::string wait = "mbarrier.try_wait.parity.shared.b64";
  Launch launch(".shared .align 8 .b8 bar[16];",
                "  setp.eq.u32 %p0, %thread, 0;\n"
                "  @%p0 mbarrier.init.shared.b64 [bar], 32;\n"
                "  @%p0 mbarrier.init.shared.b64 [bar+8], 32;\n"
                "  bar.sync 0;\n  mov.u32 %v0, bar;\n"
                "  mad.lo.u32 %v1, %warp, 8, %v0;\n  xor.b32 %v2, %v1, 8;\n  " +
                    wait +
                    " %p1, [%v1], 0;\n"
                    "  mbarrier.arrive.shared.b64 _, [%v2];\n" +
                    waitText(wait, "[%v1], 0", "wait") +
                    "  st.global.u32 [%own], %warp;\n");
  launch.config.block.x = 64;
  launch.words = 64;
  std::vector<uint32_t> out(64, 0);
  std::fill(out.begin() + 32, out.end(), 1);
  expectClean(launch, out);
}
