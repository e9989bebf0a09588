//===- BarriersTest.cpp - Named barriers ----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Harness.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

std::vector<uint64_t> iota(size_t count) {
  std::vector<uint64_t> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = i;
  }
  return values;
}

/// Each thread writes its number to shared memory and reads that of its
/// neighbour in the next warp.
std::string exchange(const std::string &between) {
  return ".reg .b32 %w<4>;\n.reg .b64 %x<3>;\n.reg .pred %q<3>;\n"
         "mul.wide.u32 %x1, %t, 4;\nadd.s64 %x1, %x1, %smem;\n"
         "st.shared.b32 [%x1], %a0;\n" +
         between +
         "add.s32 %w1, %t, 32;\nand.b32 %w1, %w1, 127;\n"
         "mul.wide.u32 %x2, %w1, 4;\nadd.s64 %x2, %x2, %smem;\n"
         "ld.shared.b32 %d0, [%x2];";
}

struct Outcome {
  Values values;
  std::vector<std::string> checks, messages;
  size_t warnings = 0; // of the messages
};

/// One CTA of four warps.
Outcome runFour(const std::string &body, const Options &options = {}) {
  LaneProgram program(body, {32}, {32}, options);
  EXPECT_EQ(program.error(), "");
  Outcome outcome;
  outcome.values = program.run({iota(128)}, ~0u, 128);
  for (const Finding &finding : program.findings()) {
    outcome.checks.push_back(finding.check);
    outcome.messages.push_back(finding.message);
    outcome.warnings += finding.isWarning;
  }
  return outcome;
}

bool mentions(const Outcome &outcome, const std::string &text) {
  for (const std::string &message : outcome.messages) {
    if (message.find(text) != std::string::npos) {
      return true;
    }
  }
  return false;
}

void expectExchanged(const Outcome &outcome) {
  for (size_t t = 0; t < 128; ++t) {
    EXPECT_EQ(outcome.values[0][t], (t + 32) % 128);
  }
}

TEST(BarriersTest, EveryFormOrders) {
  for (const char *form :
       {"bar.sync 0;\n", "bar.sync 3, 128;\n", "barrier.sync.aligned 1;\n",
        "barrier.sync 15;\n", "bar.cta.sync 2;\n",
        "mov.b32 %w2, 5;\n"
        "bar.sync %w2;\n"}) {
    for (Schedule schedule :
         {Schedule::RoundRobin, Schedule::Random, Schedule::Adversarial}) {
      Options options;
      options.schedule = schedule;
      Outcome outcome = runFour(exchange(form), options);
      EXPECT_TRUE(outcome.messages.empty())
          << form << ": " << outcome.messages[0];
      expectExchanged(outcome);
    }
  }
}

TEST(BarriersTest, WithoutOneThereIsARace) {
  Outcome outcome = runFour(exchange(""));
  EXPECT_TRUE(mentions(outcome, "races with the"));
}

TEST(BarriersTest, ABarrierOfTwoWarpsDoesNotOrderTheOthers) {
  // Warps 0 and 1 meet at barrier 1, warps 2 and 3 at barrier 2: warp 1 reads
  // what warp 2 writes.
  Outcome outcome = runFour(exchange("shr.u32 %w2, %t, 6;\n"
                                     "add.s32 %w2, %w2, 1;\n"
                                     "bar.sync %w2, 64;\n"));
  EXPECT_TRUE(mentions(outcome, "races with the"));
}

TEST(BarriersTest, ArriveReleasesAndSyncAcquires) {
  // Warps 1 to 3 only arrive; warp 0 waits and reads what all wrote.
  std::string body = ".reg .b32 %w<2>;\n.reg .b64 %x<3>;\n.reg .pred %q<2>;\n"
                     "mul.wide.u32 %x1, %t, 4;\nadd.s64 %x1, %x1, %smem;\n"
                     "st.shared.b32 [%x1], %a0;\nmov.b32 %d0, 0;\n"
                     "setp.gt.u32 %q1, %t, 31;\n@%q1 bra ARRIVES;\n"
                     "barrier.sync 1, 128;\nld.shared.b32 %d0, [%x1+384];\n"
                     "bra DONE;\nARRIVES: barrier.arrive 1, 128;\nDONE:";
  Outcome outcome = runFour(body);
  EXPECT_TRUE(outcome.messages.empty());
  for (size_t t = 0; t < 32; ++t) {
    EXPECT_EQ(outcome.values[0][t], t + 96);
  }
  // The aligned form is for one place by the letter, but the manual's own
  // example of producers and consumers uses it so.
  size_t at;
  while ((at = body.find("barrier.")) != std::string::npos) {
    body.replace(at, 8, "bar.");
  }
  outcome = runFour(body);
  EXPECT_TRUE(mentions(outcome, "different places need barrier.sync"));
  EXPECT_EQ(outcome.messages.size(), 1u);
  EXPECT_EQ(outcome.warnings, 1u);
  for (size_t t = 0; t < 32; ++t) {
    EXPECT_EQ(outcome.values[0][t], t + 96);
  }
}

TEST(BarriersTest, AlignedBarriersOfTheWholeCtaHaveOnePlace) {
  auto meet = [](const std::string &first, const std::string &second) {
    return runFour(".reg .pred %q;\nsetp.gt.u32 %q, %t, 63;\n"
                   "mov.b32 %d0, 0;\n@%q bra OTHER;\n" +
                   first + ";\nbra DONE;\nOTHER: " + second + ";\nDONE:");
  };
  // It is a defect if one of both has no count.
  const char *defects[][2] = {{"bar.sync 0", "bar.sync 0"},
                              {"bar.sync 0, 128", "bar.sync 0"},
                              {"bar.sync 0", "bar.sync 0, 128"},
                              {"barrier.sync 0", "bar.sync 0"}};
  for (const auto &[first, second] : defects) {
    Outcome outcome = meet(first, second);
    EXPECT_EQ(outcome.messages.size(), 1u) << first << "; " << second;
    EXPECT_EQ(outcome.warnings, 0u) << first << "; " << second;
    EXPECT_TRUE(mentions(outcome, "different places need barrier.sync"));
  }
  EXPECT_EQ(meet("bar.sync 0, 128", "bar.sync 0, 128").warnings, 1u);
  EXPECT_TRUE(meet("barrier.sync 0", "barrier.sync 0").messages.empty());
}

TEST(BarriersTest, Reductions) {
  std::string head = ".reg .pred %q<4>;\nsetp.lt.u32 %q1, %a0, 100;\n";
  Outcome count = runFour(head + "bar.red.popc.u32 %d0, 0, %q1;\n");
  EXPECT_TRUE(count.messages.empty());
  Outcome all = runFour(head + "bar.red.and.pred %q2, 0, %q1;\n"
                               "selp.b32 %d0, 1, 0, %q2;\n");
  Outcome any = runFour(head + "bar.red.or.pred %q2, 1, 128, !%q1;\n"
                               "selp.b32 %d0, 1, 0, %q2;\n");
  for (size_t t = 0; t < 128; ++t) {
    EXPECT_EQ(count.values[0][t], 100u);
    EXPECT_EQ(all.values[0][t], 0u);
    EXPECT_EQ(any.values[0][t], 1u);
  }
}

TEST(BarriersTest, Misuse) {
  EXPECT_TRUE(mentions(runFour("bar.sync 16;\nmov.b32 %d0, 0;"),
                       "expects a barrier from 0 to 15, but got 16"));
  EXPECT_TRUE(mentions(runFour("bar.sync 0, 100;\nmov.b32 %d0, 0;"),
                       "a multiple of 32, but got 100"));
  // Warp 0 expects 64 threads, the others 128.
  EXPECT_TRUE(mentions(runFour(".reg .b32 %w<2>;\n.reg .pred %q;\n"
                               "setp.lt.u32 %q, %t, 32;\n"
                               "selp.b32 %w1, 64, 128, %q;\n"
                               "bar.sync 0, %w1;\nmov.b32 %d0, 0;"),
                       "expects 64 threads at barrier 0"));
  // Half of each warp.
  EXPECT_TRUE(mentions(runFour(".reg .pred %q;\n.reg .b32 %w;\n"
                               "and.b32 %w, %t, 16;\nsetp.eq.u32 %q, %w, 0;\n"
                               "@%q bar.sync 0;\nmov.b32 %d0, 0;"),
                       "must be executed by all lanes of the warp, but 16 of "
                       "32 do"));
}

TEST(BarriersTest, DeadlockNamesTheWaiters) {
  // Warp 3 goes another way.
  Outcome outcome = runFour(".reg .pred %q;\nmov.b32 %d0, 0;\n"
                            "setp.gt.u32 %q, %t, 95;\n@%q bra OVER;\n"
                            "bar.sync 4, 128;\nOVER:");
  ASSERT_FALSE(outcome.messages.empty());
  EXPECT_TRUE(mentions(outcome, "deadlock: warp 0 at line "));
  EXPECT_TRUE(mentions(outcome, "waits for barrier 4 (96 of 128 threads)"));
}

TEST(BarriersTest, WithoutTheCheckNothingIsSaid) {
  Options options;
  options.checks.barriers = false;
  options.checks.races = false;
  EXPECT_TRUE(
      runFour("bar.sync 0, 100;\nmov.b32 %d0, 0;", options).messages.empty());
  // What cannot end must not look clean.
  options.checks = Checks::none();
  Outcome stuck = runFour("bar.sync 0, 160;\nmov.b32 %d0, 0;", options);
  ASSERT_EQ(stuck.messages.size(), 1u);
  EXPECT_EQ(stuck.checks[0], "barriers");
  EXPECT_TRUE(mentions(stuck, "deadlock: warp 0 at line "));
}

} // namespace
