//===- WgmmaChecksTest.cpp - What is wrong with a warpgroup's product -----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One defect each in a kernel that is otherwise right; beside many stands what
// is still allowed.
//
//===----------------------------------------------------------------------===//
#include "WgmmaKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

Product plain() { return {}; }

Product withSteps(unsigned steps) {
  Product p;
  p.steps = steps;
  return p;
}

Product withRegisters() {
  Product p;
  p.aInRegisters = true;
  return p;
}

const char *const kScratch = "{%x0, %x1, %x2, %x3}";
const char *const kFence = "  wgmma.fence.sync.aligned;\n";
const char *const kCommit = "  wgmma.commit_group.sync.aligned;\n";
const char *const kWait = "  wgmma.wait_group.sync.aligned 0;\n";

} // namespace

TEST(WgmmaChecksTest, NothingIsWrong) {
  expectClean(WgmmaJob(plain()));
  expectClean(WgmmaJob(withSteps(3)));
  expectClean(WgmmaJob(withRegisters()));
}

//===--- The fence before the first product -------------------------------===//

TEST(WgmmaChecksTest, FenceIsMissing) {
  for (const Product &p : {plain(), withSteps(2), withRegisters()}) {
    WgmmaJob job(p);
    job.source.drop("fence");
    expectFinding(job, {"mma0"}, {"async"});
  }
}

/// The manual wants it before the first product in any case.
TEST(WgmmaChecksTest, FenceIsMissingThoughNoRegisterWasTouched) {
  Product p;
  p.scale = "0";
  WgmmaJob job(p);
  for (std::string i : {"0", "1", "2", "3"}) {
    job.source.drop("load" + i);
  }
  job.source.drop("fence");
  expectFinding(job, {"mma0"}, {"async"});
}

TEST(WgmmaChecksTest, RegisterIsWrittenBehindTheFence) {
  WgmmaJob sums(plain());
  sums.source.after("fence", "  add.u32 %c1, %thread, 1;");
  expectFinding(sums, {"mma0"}, {"async"});
  WgmmaJob a(withRegisters());
  a.source.after("fence", "  add.u32 %a2, %thread, 1;");
  expectFinding(a, {"mma0"}, {"async"});
  // By way of a copy.
  WgmmaJob copied(withRegisters());
  copied.source.after("fence", "  add.u32 %x0, %thread, 1;\n"
                               "  mov.b32 %a2, %x0;");
  expectFinding(copied, {"mma0"}, {"async"});
  // Others may be written.
  WgmmaJob other(plain());
  other.source.after("fence", "  add.u32 %x1, %thread, 1;");
  expectClean(other);
}

TEST(WgmmaChecksTest, ASecondChainNeedsItsFence) {
  std::string again = multiplyText("{%c0, %c1, %c2, %c3}", "again");
  std::string touch = "  add.u32 %c0, %thread, 1;\n";
  WgmmaJob without(plain());
  without.source.after("wait", touch + again + "\n" + kCommit + kWait);
  expectFinding(without, {"again"}, {"async"});
  WgmmaJob with(plain());
  with.source.after("wait", touch + kFence + again + "\n" + kCommit + kWait);
  expectNoFinding(with);
}

/// Products of one shape on the same sums follow each other without a fence,
/// with a wait between them or none.
TEST(WgmmaChecksTest, ProductsOfOneShapeNeedNoFence) {
  WgmmaJob waits(withSteps(2));
  waits.source.before("mma1", std::string(kCommit) + kWait);
  expectClean(waits);
  WgmmaJob commits(withSteps(3));
  commits.source.before("mma1", kCommit).before("mma2", kCommit);
  expectClean(commits);
}

TEST(WgmmaChecksTest, AnotherShapeOnTheSameSums) {
  Product p;
  p.n = 16;
  std::string narrow = multiplyText("{%c0, %c1, %c2, %c3}", "narrow");
  WgmmaJob without(p);
  without.source.after("mma0", narrow);
  expectFinding(without, {"narrow"}, {"async"});
  WgmmaJob with(p);
  with.source.after("mma0", std::string(kCommit) + kWait + kFence + narrow);
  expectNoFinding(with);
}

//===--- Registers in flight ----------------------------------------------===//

TEST(WgmmaChecksTest, SumIsTouchedInFlight) {
  for (std::string where : {"mma0", "commit"}) {
    for (std::string touch :
         {"add.f32 %x0, %c0, %c0;", "add.u32 %c2, %thread, %thread;",
          "ld.shared.b32 %c3, [%smem];", "st.global.b32 [%p], %c1;"}) {
      WgmmaJob job(plain());
      if (touch[0] == 's') {
        // The thread's own sum, as the kernel stores it behind.
        job.source.after(where, "  ld.param.u64 %p, [d];\n"
                                "  mad.wide.u32 %p, %thread, 16, %p;\n  " +
                                    touch + " // @touch");
      } else {
        job.source.after(where, "  " + touch + " // @touch");
      }
      expectFinding(job, {"touch"}, {"async"});
    }
  }
}

TEST(WgmmaChecksTest, OneLaneTouchesASumInFlight) {
  WgmmaJob job(plain());
  job.source.after("commit", "  setp.eq.u32 %low, %thread, 77;\n"
                             "  @%low add.f32 %x0, %c0, %c0; // @touch");
  expectFinding(job, {"touch"}, {"async"});
}

/// What a guard keeps from running touches nothing.
TEST(WgmmaChecksTest, NoLaneTouchesASumInFlight) {
  WgmmaJob job(plain());
  job.source.after("commit", "  setp.eq.u32 %low, %thread, 1000;\n"
                             "  @%low add.f32 %x0, %c0, %c0; // @touch");
  expectClean(job);
}

/// Compilers print such copies; they are gone when registers are allocated.
TEST(WgmmaChecksTest, CopyOfASumInFlightIsAWarning) {
  WgmmaJob job(plain());
  job.source.after("commit", "  mov.b32 %x0, %c0; // @copy");
  for (const Options &options : everyCompletion()) {
    Outcome outcome = job.run(options);
    EXPECT_TRUE(outcome.hasWarning(job.source.line("copy")))
        << outcome.describe();
    for (const Finding &finding : outcome.findings) {
      EXPECT_TRUE(isWarning(finding)) << outcome.describe();
    }
    EXPECT_EQ(job.difference(outcome), "");
  }
}

TEST(WgmmaChecksTest, RegistersOfAAreWrittenInFlight) {
  for (std::string where : {"mma0", "commit"}) {
    WgmmaJob job(withRegisters());
    job.source.after(where, "  add.u32 %a3, %thread, 1; // @touch");
    expectFinding(job, {"touch"}, {"async"});
  }
  WgmmaJob late(withRegisters());
  late.source.after("wait", "  add.u32 %a3, %thread, 1;");
  expectClean(late);
}

TEST(WgmmaChecksTest, RegistersOfAMayServeTwice) {
  WgmmaJob job(withRegisters());
  job.source.after("mma0",
                   multiplyText(kScratch, "second", "{%a0, %a1, %a2, %a3}"));
  expectClean(job);
}

/// The sums of one product are A of the next, which does not wait.
TEST(WgmmaChecksTest, SumsInFlightAreNoA) {
  WgmmaJob job(plain());
  job.source.after("commit",
                   multiplyText(kScratch, "second", "{%c0, %c1, %c2, %c3}") +
                       "\n" + kCommit);
  expectFinding(job, {"second"}, {"async"});
  WgmmaJob waits(plain());
  waits.source.after(
      "wait", kFence +
                  multiplyText(kScratch, "second", "{%c0, %c1, %c2, %c3}") +
                  "\n" + kCommit + kWait);
  expectClean(waits);
}

//===--- Groups -----------------------------------------------------------===//

TEST(WgmmaChecksTest, GroupIsNotCommitted) {
  WgmmaJob job(plain());
  job.source.drop("commit");
  expectFinding(job, {"store0"}, {"async"});
}

TEST(WgmmaChecksTest, GroupIsCommittedBehindTheWait) {
  WgmmaJob job(plain());
  job.source.drop("commit").after("wait", kCommit);
  expectFinding(job, {"store0"}, {"async"});
}

TEST(WgmmaChecksTest, WaitIsMissing) {
  WgmmaJob job(plain());
  job.source.drop("wait");
  expectFinding(job, {"store0"}, {"async"});
}

TEST(WgmmaChecksTest, WaitLeavesTheGroupPending) {
  for (std::string pending : {"1", "2", "7"}) {
    WgmmaJob job(plain());
    job.source.replace("wait",
                       "  wgmma.wait_group.sync.aligned " + pending + ";");
    expectFinding(job, {"store0"}, {"async"});
  }
}

TEST(WgmmaChecksTest, EmptyGroupsCount) {
  WgmmaJob job(plain());
  job.source.after("commit", std::string(kCommit) + kCommit)
      .replace("wait", "  wgmma.wait_group.sync.aligned 2;");
  expectClean(job);
  job.source.replace("wait", "  wgmma.wait_group.sync.aligned 3;");
  expectFinding(job, {"store0"}, {"async"});
}

TEST(WgmmaChecksTest, OlderGroupIsDoneTheYoungerIsNot) {
  WgmmaJob job(plain());
  job.source.after("commit", multiplyText(kScratch, "second") + "\n" + kCommit)
      .replace("wait", "  wgmma.wait_group.sync.aligned 1;")
      .before("end", kWait);
  expectClean(job);
  job.source.after("wait", "  add.f32 %x4, %x0, %x0; // @touch");
  expectFinding(job, {"touch"}, {"async"});
}

//===--- Switches ---------------------------------------------------------===//

TEST(WgmmaChecksTest, SwitchesTurnThemOff) {
  WgmmaJob job(plain());
  job.source.drop("fence").drop("wait");
  Options options;
  options.completion = Completion::Eager;
  options.checks.async = false;
  Outcome outcome = job.run(options);
  EXPECT_TRUE(outcome.findings.empty()) << outcome.describe();
  EXPECT_EQ(job.difference(outcome), "");
  options.checks = Checks::none();
  job.source.drop("proxy");
  EXPECT_TRUE(job.run(options).findings.empty());
}
