//===- MutationTest.cpp - Mutants are made and found ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What mutants a piece of text has, by hand; and the part of the suite over
// whole kernels that ATTN_TEST_SEED chooses. ptxsim-mutants runs all of it.
//
//===----------------------------------------------------------------------===//
#include "Statements.h"
#include "Suite.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <gtest/gtest.h>
#include <thread>

using namespace ptxsim;
using namespace ptxsim::mutation;

namespace {

std::string kernelOf(const std::string &body) {
  return ".version 8.4\n.visible .entry other()\n{\nbar.sync 7;\n}\n"
         ".visible .entry k(\n.param .u64 p // {\n)\n{\n" +
         body + "\n}\n.visible .entry last() { bar.sync 7; }\n";
}

/// The body that the mutant of this name has, with single blanks.
std::string bodyOf(const std::string &body, const std::string &name) {
  std::string text = kernelOf(body);
  for (const Mutant &mutant : makeMutants(text, "k")) {
    if (mutant.name != name) {
      continue;
    }
    std::string changed = mutant.apply(text);
    EXPECT_EQ(std::count(changed.begin(), changed.end(), '\n'),
              std::count(text.begin(), text.end(), '\n'));
    size_t begin = changed.find("// {\n)\n{\n") + 9;
    std::string result;
    for (char c : changed.substr(begin, changed.rfind("\n}\n.vis") - begin)) {
      char blank = c == '\n' ? ' ' : c;
      if (blank != ' ' || (!result.empty() && result.back() != ' ')) {
        result += blank;
      }
    }
    while (!result.empty() && result.back() == ' ') {
      result.pop_back();
    }
    return result;
  }
  return "no mutant " + name;
}

std::vector<std::string> namesOf(const std::string &body) {
  std::vector<std::string> names;
  for (const Mutant &mutant : makeMutants(kernelOf(body), "k")) {
    names.push_back(mutant.name);
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(MutationTest, StatementsAreCutFromTheKernelOnly) {
  auto statements =
      findStatements(kernelOf("// bar.sync 1;\n/* { */ L1: @!%p1 bar.sync 0 , "
                              "%r1 ;\n.loc 1 2 3, inlined_at 1 4 5\n{ ret; }"),
                     "k");
  ASSERT_EQ(statements.size(), 8u);
  EXPECT_EQ(statements[1].name, "L1");
  EXPECT_EQ(statements[2].text(), "@!%p1 bar.sync 0, %r1");
  EXPECT_EQ(statements[2].line, 11u);
  EXPECT_EQ(statements[2].reads(), (Words{"%p1", "%r1"}));
  EXPECT_EQ(statements[3].name, ".loc");
  EXPECT_EQ(statements[4].partner, 6u);
  EXPECT_TRUE(statements[5].isBranch());
  EXPECT_TRUE(findStatements(kernelOf("{ ret;"), "none").empty());
}

TEST(MutationTest, ResultsAreReadWhereTheyMayStay) {
  auto of = [](const std::string &text) {
    return findStatements(kernelOf(text), "k")[1];
  };
  Statement load = of("ld.shared.v2.b32 {%r1, %r2}, [%r3+4];");
  EXPECT_EQ(load.writes(), (Words{"%r1", "%r2"}));
  EXPECT_EQ(load.reads(), Words{"%r3"});
  EXPECT_EQ(of("@%p add.s32 %r1, %r2, 1;").reads(),
            (Words{"%p", "%r1", "%r2"}));
  EXPECT_EQ(of("st.shared.b32 [%r1], %r2;").writes(), Words{});
  EXPECT_EQ(of("mbarrier.arrive.shared.b64 _, [%r1], 0f3F800000;").writes(),
            Words{});
  EXPECT_EQ(of("bar.red.popc.u32 %r1, 0, %p;").writes(), Words{"%r1"});
  EXPECT_EQ(of("wgmma.mma_async.x {%f1, %f2}, %rd1, %rd2, 1;").reads(),
            (Words{"%f1", "%f2", "%rd1", "%rd2"}));
}

TEST(MutationTest, DeletedWaitsHaveSucceeded) {
  EXPECT_EQ(bodyOf("bar.sync 0;\nret;", "bar.sync#1 delete"), "ret;");
  EXPECT_EQ(bodyOf("mbarrier.try_wait.parity.shared.b64 p, [%r1], %r2;",
                   "mbarrier.try_wait.parity.shared.b64#1 delete"),
            "mov.pred p, 1;");
  EXPECT_EQ(bodyOf("@%p mbarrier.arrive.shared.b64 %rd1, [%r1];",
                   "mbarrier.arrive.shared.b64#1 delete"),
            "@%p mov.b64 %rd1, 0;");
}

TEST(MutationTest, MovesGoOverWhatMatters) {
  const std::string body = "st.shared.b32 [%r1], %r2;\nadd.s32 %r3, %r4, 1;\n"
                           "bar.sync 0;\nmul.f32 %f1, %f2, %f2;\n"
                           "ld.shared.b32 %r2, [%r1];\n";
  EXPECT_EQ(bodyOf(body, "bar.sync#1 up"),
            "bar.sync 0; st.shared.b32 [%r1], %r2; add.s32 %r3, %r4, 1; "
            "mul.f32 %f1, %f2, %f2; ld.shared.b32 %r2, [%r1];");
  EXPECT_EQ(bodyOf(body, "bar.sync#1 down"),
            "st.shared.b32 [%r1], %r2; add.s32 %r3, %r4, 1; "
            "mul.f32 %f1, %f2, %f2; ld.shared.b32 %r2, [%r1]; bar.sync 0;");
  // Not out of the block; a label that nobody names is no border.
  EXPECT_EQ(namesOf("ld.shared.b32 %r2, [%r1];\n@%p bra L;\nbar.sync 0;\n"
                    "@%q bra L;\nL:\nld.shared.b32 %r2, [%r1];"),
            (Names{"bar.sync#1 delete", "bar.sync#1 barrier+1",
                   "bar.sync#1 barrier-1"}));
  EXPECT_EQ(bodyOf("membar.cta; D1: bar.sync 0;", "bar.sync#1 up"),
            "bar.sync 0; membar.cta; D1:");
}

TEST(MutationTest, MovesTakeAlongWhatTheyNeed) {
  const std::string arrive = "mbarrier.arrive.shared.b64 _, [%r1];";
  const std::string name = "mbarrier.arrive.shared.b64#1";
  EXPECT_EQ(bodyOf("st.shared.b32 [%r9], 1; add.s32 %r1, %r2, 8; "
                   "add.s32 %r2, %r2, 1; " +
                       arrive,
                   name + " up"),
            "add.s32 %r1, %r2, 8; " + arrive +
                " st.shared.b32 [%r9], 1; add.s32 %r2, %r2, 1;");
  // Its address is loaded.
  EXPECT_EQ(bodyOf("ld.shared.b32 %r1, [%r9]; " + arrive, name + " up"),
            "no mutant " + name + " up");
  // Nothing in between matters, and then the block ends.
  EXPECT_EQ(bodyOf("add.s32 %r1, %r2, 8; " + arrive, name + " up"),
            "no mutant " + name + " up");
}

TEST(MutationTest, ScopesAndWaitLoopsMoveAsOne) {
  const std::string expect = "{ .reg .b64 s; mbarrier.arrive.expect_tx.b64 s, "
                             "[%r1], 64; }";
  const std::string loop =
      "L: mbarrier.try_wait.parity.b64 %p1, [%r1], %r2; @!%p1 bra L;";
  EXPECT_EQ(bodyOf("st.shared.b32 [%r9], 1; " + expect,
                   "mbarrier.arrive.expect_tx.b64#1 up"),
            expect + " st.shared.b32 [%r9], 1;");
  EXPECT_EQ(bodyOf(loop + " bar.sync 0;", "bar.sync#1 up"),
            "bar.sync 0; " + loop);
  EXPECT_EQ(bodyOf("bar.sync 0; " + loop, "mbarrier.try_wait.parity.b64#1 up"),
            loop + " bar.sync 0;");
  // This loop has another way in.
  const std::string entered = "@%p2 bra L; " + loop + " bar.sync 0;";
  EXPECT_EQ(bodyOf(entered, "bar.sync#1 up"), "no mutant bar.sync#1 up");
  // One lane arrives.
  const std::string lane = "@%p9 bra S; mbarrier.arrive.b64 _, [%r1]; S:";
  EXPECT_EQ(bodyOf("fence.acq_rel.cta; " + lane, "mbarrier.arrive.b64#1 up"),
            lane + " fence.acq_rel.cta;");
  EXPECT_EQ(bodyOf(lane + " bar.sync 0;", "bar.sync#1 up"),
            "bar.sync 0; " + lane);
  EXPECT_EQ(bodyOf("@%p9 bra S; mbarrier.arrive.b64 _, [%r1]; "
                   "mbarrier.arrive.b64 _, [%r2]; S: bar.sync 0;",
                   "bar.sync#1 up"),
            "no mutant bar.sync#1 up");
  // With braces and two branches, as inline assembly has it.
  const std::string inlined = "{ .reg .pred q; W: mbarrier.try_wait.parity.b64 "
                              "q, [%r1], %r2; @q bra D; bra W; D: }";
  EXPECT_EQ(bodyOf(inlined + " bar.sync 0;", "bar.sync#1 up"),
            "bar.sync 0; " + inlined);
}

TEST(MutationTest, ProductsAreOrderedByTheirRegisters) {
  const std::string fence = "wgmma.fence.sync.aligned; ";
  const std::string before = "mul.f32 %f1, %f2, %f2; mov.b32 %f1, 0; "
                             "mul.f32 %f9, %f2, %f2; ";
  const std::string product = "wgmma.mma_async.x {%f1}, %rd1, %rd2, 1;";
  EXPECT_EQ(bodyOf(before + fence + product, "wgmma.fence.sync.aligned#1 up"),
            fence + before + product);
  const std::string wait = "wgmma.wait_group.sync.aligned 0; ";
  const std::string after = "mov.b32 %f3, %f1; add.f32 %f4, %f3, %f1;";
  EXPECT_EQ(bodyOf(product + wait + after + fence,
                   "wgmma.wait_group.sync.aligned#1 down"),
            product + " " + after + " " + wait + fence.substr(0, 25));
}

TEST(MutationTest, NumbersChangeByOne) {
  EXPECT_EQ(namesOf("barrier.sync 1, 64; bar.red.popc.u32 %r1, 2, 64, %p; "
                    "cp.async.bulk.wait_group.read 0; setmaxnreg.inc.x 64; "
                    "bar.warp.sync -1;"),
            (Names{"barrier.sync#1 delete",
                   "barrier.sync#1 down",
                   "barrier.sync#1 barrier+1",
                   "barrier.sync#1 barrier-1",
                   "barrier.sync#1 count+1",
                   "barrier.sync#1 count-1",
                   "bar.red.popc.u32#1 delete",
                   "bar.red.popc.u32#1 up",
                   "bar.red.popc.u32#1 down",
                   "bar.red.popc.u32#1 barrier+1",
                   "bar.red.popc.u32#1 barrier-1",
                   "bar.red.popc.u32#1 count+1",
                   "bar.red.popc.u32#1 count-1",
                   "cp.async.bulk.wait_group.read#1 delete",
                   "cp.async.bulk.wait_group.read#1 up",
                   "cp.async.bulk.wait_group.read#1 down",
                   "cp.async.bulk.wait_group.read#1 group+1",
                   "cp.async.bulk.wait_group.read#1 group-1",
                   "setmaxnreg.inc.x#1 delete",
                   "setmaxnreg.inc.x#1 up",
                   "setmaxnreg.inc.x#1 down",
                   "setmaxnreg.inc.x#1 registers+1",
                   "setmaxnreg.inc.x#1 registers-1",
                   "bar.warp.sync#1 delete",
                   "bar.warp.sync#1 up"}));
  const std::string init = "mbarrier.init.shared.b64 [%r1], ";
  const std::string name = "mbarrier.init.shared.b64#1 ";
  EXPECT_EQ(bodyOf(init + "0x10;", name + "count-1"), init + "15;");
  // A register that is set once, over another one.
  const std::string moves = "mov.b32 %r2, 4; mov.u32 %r3, %r2; ";
  EXPECT_EQ(bodyOf(moves + init + "%r3;", name + "count+1"),
            moves + init + "5;");
  EXPECT_EQ(bodyOf("mov.b32 %r2, 4; mov.b32 %r2, 5; " + init + "%r2;",
                   name + "count-1"),
            "mov.b32 %r2, 4; mov.b32 %r2, 5; { .reg .b32 %mutant; add.s32 "
            "%mutant, %r2, -1; " +
                init + "%mutant; }");
  EXPECT_EQ(bodyOf("@%q mbarrier.test_wait.parity.b64 %p, [%r1], %r2;",
                   "mbarrier.test_wait.parity.b64#1 parity^1"),
            "{ .reg .b32 %mutant; xor.b32 %mutant, %r2, 1; "
            "@%q mbarrier.test_wait.parity.b64 %p, [%r1], %mutant; }");
  EXPECT_EQ(bodyOf("mbarrier.arrive.expect_tx.b64 _, [%r1], 64;",
                   "mbarrier.arrive.expect_tx.b64#1 bytes-1"),
            "mbarrier.arrive.expect_tx.b64 _, [%r1], 63;");
  // Only a number of the text may be one that there is not.
  for (const Mutant &mutant :
       makeMutants(kernelOf("barrier.sync 1, %r9; mov.b32 %r2, 4; "
                            "mov.b32 %r2, 5; " +
                            init + "%r2;"),
                   "k")) {
    EXPECT_EQ(mutant.mayBeRefused,
              mutant.name == "barrier.sync#1 barrier+1" ||
                  mutant.name == "barrier.sync#1 barrier-1")
        << mutant.name;
  }
}

TEST(MutationTest, ListsOfMutantsAreChecked) {
  const std::string text = kernelOf("xor.b32 %r1, %r2, 7; bar.sync 0;");
  auto mutants = readMutants("# a list\n\nswizzle : xor.b32#1 : mov.b32 $0, "
                             "$1; // $x",
                             text, "k");
  ASSERT_TRUE(mutants) << mutants.message();
  ASSERT_EQ(mutants->size(), 1u);
  EXPECT_EQ((*mutants)[0].name, "swizzle");
  EXPECT_NE((*mutants)[0].apply(text).find("\nmov.b32 %r1, %r2; // $x bar"),
            std::string::npos);
  auto words = readMutants("a : cp.x#1 : cp.x $0.0, $1.2, $0;",
                           kernelOf("cp.x [%r1+8], [%rd2, {%r3, %r4}];"), "k");
  ASSERT_TRUE(words) << words.message();
  EXPECT_EQ((*words)[0].edits[0].replacement, "cp.x %r1, %r4, [%r1+8];");
  EXPECT_EQ(readMutants("a : xor.b32#1 : mov.b32 $0, $3;", text, "k").message(),
            "line 1: expects operands of 'xor.b32 %r1, %r2, 7', but got "
            "'mov.b32 $0, $3;'");
  EXPECT_EQ(readMutants("a : xor.b32#2 : ret;", text, "k").message(),
            "line 1: expects an instruction of the kernel, but got "
            "'xor.b32#2'");
  EXPECT_EQ(readMutants("\na : ret;", text, "k").message(),
            "line 2: expects 'name : instruction#number : text', but got 'a : "
            "ret;'");
}

TEST(MutationTest, PatternsFit) {
  EXPECT_TRUE(fits("bar.sync#* up", "bar.sync#12 up"));
  EXPECT_TRUE(fits("*", ""));
  EXPECT_FALSE(fits("bar.sync#1", "bar.sync#12"));
  EXPECT_FALSE(fits("bar*up", "bar.sync#1 upwards"));
}

/// The number of the day without a seed, as for the other tests.
uint64_t seedOfTest() {
  const char *given = std::getenv("ATTN_TEST_SEED");
  return given ? std::strtoull(given, nullptr, 10)
               : uint64_t(std::time(nullptr)) / 86400;
}

class SuiteTest : public ::testing::TestWithParam<size_t> {
protected:
  const TestKernel &kernel = testKernels()[GetParam()];
};

TEST_P(SuiteTest, EveryMutantIsFoundOrEquivalent) {
  SuiteOptions options;
  options.jobs = std::max(1u, std::thread::hardware_concurrency());
  options.numSlices = kernel.numSlices;
  options.slice = seedOfTest() % kernel.numSlices;
  SuiteResult result = runSuite(kernel, options);
  for (const std::string &error : result.errors) {
    ADD_FAILURE() << error;
  }
  for (const Verdict &verdict : result.verdicts) {
    EXPECT_NE(verdict.kind, Verdict::Kind::Missed)
        << verdict.mutant.name << " " << verdict.message << " (line "
        << verdict.mutant.line << ": " << verdict.mutant.instruction << ")";
  }
  EXPECT_TRUE(result.isGood());
  EXPECT_GT(result.count(Verdict::Kind::Found), 0u);
  std::printf("%s\n", result.summary(kernel.name).c_str());
}

TEST_P(SuiteTest, TheKernelIsRightAndClean) {
  for (const Options &options : allOrders()) {
    Outcome outcome = kernel.run(kernel.text(), options);
    EXPECT_EQ(outcome.error, "");
    for (const Finding &finding : outcome.findings) {
      EXPECT_TRUE(finding.isWarning) << finding.format(kernel.file);
    }
    EXPECT_LE(outcome.worstRow, kernel.tolerance);
  }
}

TEST(SuiteRulesTest, WhatTheKernelShowsIsNoMutant) {
  // A kernel with a race of its own would "find" all mutants.
  TestKernel kernel = testKernels()[0];
  auto run = kernel.run;
  kernel.run = [run](const std::string &ptx, const Options &options) {
    Outcome outcome = run(ptx, options);
    outcome.worstRow = options.schedule == Schedule::Adversarial ? NAN : 0;
    return outcome;
  };
  SuiteResult result = runSuite(kernel, {});
  EXPECT_FALSE(result.isGood());
  ASSERT_EQ(result.errors.size(), 1u);
  EXPECT_EQ(result.errors[0], "found without a mutation: error of a row nan");
}

TEST(SuiteRulesTest, ListedMutantsThatAreFoundAreWrong) {
  TestKernel kernel = testKernels()[0];
  auto run = kernel.run;
  const std::string original = kernel.text();
  // Finds everything.
  kernel.run = [&](const std::string &ptx, const Options &options) {
    Outcome outcome = ptx == original ? run(ptx, options) : Outcome();
    outcome.worstRow = ptx == original ? 0 : 1;
    return outcome;
  };
  SuiteResult result = runSuite(kernel, {});
  EXPECT_EQ(result.count(Verdict::Kind::Found), result.verdicts.size());
  ASSERT_FALSE(result.errors.empty());
  EXPECT_EQ(result.errors[0].find("listed as equivalent, but found: "), 0u);
  EXPECT_FALSE(result.isGood());
  // Finds nothing.
  kernel.run = [&](const std::string &, const Options &) { return Outcome(); };
  EXPECT_GT(runSuite(kernel, {}).count(Verdict::Kind::Missed), 0u);
}

TEST(SuiteRulesTest, RefusedMutantsAreFoundWhereANumberChanged) {
  TestKernel kernel = testKernels()[0];
  auto run = kernel.run;
  const std::string original = kernel.text();
  kernel.run = [&](const std::string &ptx, const Options &options) {
    Outcome outcome;
    outcome.error = "refused";
    return ptx == original ? run(ptx, options) : outcome;
  };
  SuiteResult result = runSuite(kernel, {});
  size_t numChanged = 0;
  for (const Verdict &verdict : result.verdicts) {
    bool isFound = verdict.kind == Verdict::Kind::Found;
    EXPECT_EQ(isFound, verdict.mutant.mayBeRefused) << verdict.mutant.name;
    EXPECT_EQ(verdict.message, "refused");
    numChanged += isFound;
  }
  EXPECT_GT(numChanged, 0u);
  EXPECT_LT(numChanged, result.verdicts.size());
}

INSTANTIATE_TEST_SUITE_P(Kernels, SuiteTest,
                         ::testing::Range(size_t(0), testKernels().size()),
                         [](const auto &info) {
                           return testKernels()[info.param].name;
                         });

} // namespace
