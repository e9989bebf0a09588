//===- RegisterPoolTest.cpp - Registers that change hands -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// setmaxnreg: each warpgroup of a block has a part of its own in a kernel.
//
//===----------------------------------------------------------------------===//
#include "WgmmaKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

/// One part per warpgroup, in which lines may have names. Threads that come to
/// the end store %x, which is 1 unless a part says otherwise; %flag is the
/// address of a word that is 0.
struct Pool {
  Source source;
  uint32_t threads;
  /// What a thread starts with; 0: as the device says.
  uint32_t registers;
  uint32_t ctas = 1;

  Pool(const std::vector<std::string> &parts, uint32_t registers,
       const std::string &directive = "")
      : threads(uint32_t(parts.size()) * 128), registers(registers) {
    std::string text =
        ".version 8.4\n.target sm_90a\n.address_size 64\n"
        ".visible .entry k(.param .u64 out)\n" +
        directive +
        "{\n  .reg .b32 %thread, %group, %warp, %lane, %cta, %x, %y;\n"
        "  .reg .b64 %out, %flag;\n  .reg .pred %p;\n"
        "  mov.u32 %thread, %tid.x;\n  shr.u32 %group, %thread, 7;\n"
        "  shr.u32 %warp, %thread, 5;\n  and.b32 %lane, %thread, 31;\n"
        "  mov.u32 %cta, %ctaid.x;\n  mov.u32 %x, 1;\n"
        "  ld.param.u64 %flag, [out];\n  mov.u32 %y, %ntid.x;\n"
        "  mad.lo.u32 %y, %y, %cta, %thread;\n"
        "  mad.wide.u32 %out, %y, 4, %flag;\n";
    for (size_t i = 0; i < parts.size(); ++i) {
      std::string number = std::to_string(i);
      text += "  setp.ne.u32 %p, %group, " + number + ";\n  @%p bra behind" +
              number + ";\n" + parts[i] + "  bra join;\nbehind" + number +
              ":\n";
    }
    source.text =
        text + "join:\n  st.global.b32 [%out+4], %x; // @end\n  ret;\n}\n";
  }

  Outcome run(const Options &options = {}) const {
    Outcome outcome;
    std::unique_ptr<Device> device = Device::create(options);
    auto module = device->loadModule(source.text);
    if (!module) {
      outcome.error = module.message();
      return outcome;
    }
    auto kernel = (*module)->kernel("k");
    if (!kernel) {
      outcome.error = kernel.message();
      return outcome;
    }
    std::vector<uint32_t> words(threads * ctas + 1, 0);
    DevicePointer out = *device->allocate(words.size() * 4, "out");
    (void)device->copyIn(out, words.data(), words.size() * 4);
    LaunchConfig config;
    config.grid.x = ctas;
    config.block.x = threads;
    config.registersPerThread = registers;
    KernelArguments arguments;
    arguments.add(out);
    auto launched = device->launch(**kernel, config, arguments);
    outcome.error = launched ? "" : launched.message();
    (void)device->copyOut(words.data(), out, words.size() * 4);
    words.erase(words.begin());
    outcome.d.push_back(words);
    outcome.findings = device->findings();
    return outcome;
  }
};

std::vector<Options> everySchedule() {
  std::vector<Options> list;
  for (Schedule schedule :
       {Schedule::RoundRobin, Schedule::Random, Schedule::Adversarial}) {
    for (uint64_t seed : {1, 2, 3}) {
      Options options;
      options.schedule = schedule;
      options.seed = seed;
      list.push_back(options);
    }
  }
  return list;
}

/// Every thread comes to the end, with %x = 1.
void expectEnd(const Pool &pool) {
  for (const Options &options : everySchedule()) {
    Outcome outcome = pool.run(options);
    EXPECT_EQ(outcome.error, "");
    EXPECT_TRUE(outcome.findings.empty()) << outcome.describe();
    ASSERT_EQ(outcome.d.size(), 1u);
    EXPECT_EQ(outcome.d[0], std::vector<uint32_t>(pool.threads * pool.ctas, 1));
  }
}

void expectReport(const Pool &pool, const std::string &line) {
  for (const Options &options : everySchedule()) {
    Outcome outcome = pool.run(options);
    EXPECT_TRUE(outcome.has({pool.source.line(line)}, {"barriers"}))
        << "expects a finding on '" << line << "' (line "
        << pool.source.line(line) << "), but got" << outcome.describe();
  }
}

/// Warps wait on one of the lines for ever, and the finding tells what for.
void expectDeadlock(const Pool &pool, const std::vector<std::string> &lines) {
  for (const Options &options : everySchedule()) {
    Outcome outcome = pool.run(options);
    bool isSaid = false;
    for (const Finding &finding : outcome.findings) {
      for (const std::string &line : lines) {
        std::string waits =
            " at line " + std::to_string(pool.source.line(line)) + " waits for";
        size_t at = finding.message.find(waits);
        isSaid |= finding.check == "barriers" && at != std::string::npos &&
                  finding.message.starts_with("deadlock") &&
                  finding.message.find("registers", at) != std::string::npos;
      }
    }
    EXPECT_TRUE(isSaid) << outcome.describe();
  }
}

std::string dec(unsigned count, const std::string &name = "dec") {
  return "  setmaxnreg.dec.sync.aligned.u32 " + std::to_string(count) +
         "; // @" + name + "\n";
}
std::string inc(unsigned count, const std::string &name = "inc") {
  return "  setmaxnreg.inc.sync.aligned.u32 " + std::to_string(count) +
         "; // @" + name + "\n";
}
/// All of two warpgroups meet, so that none of them is over before.
const char *const kMeet = "  barrier.sync 1, 256;\n";

} // namespace

/// A producer gives to two consumers: 168 * 3 = 24 + 240 + 240.
TEST(RegisterPoolTest, OneGivesToTwo) {
  expectEnd(Pool({dec(24), inc(240), inc(240, "inc2")}, 168));
  expectEnd(Pool({inc(240), inc(240, "inc2"), dec(24)}, 168));
}

/// Who gets registers sees what the giver did before, and no earlier.
TEST(RegisterPoolTest, IncreaseWaits) {
  std::string take = inc(232) + "  atom.global.add.u32 %x, [%flag], 0;\n";
  std::string give = "  mov.u32 %y, 0;\n"
                     "spin:\n  add.u32 %y, %y, 1;\n"
                     "  setp.lt.u32 %p, %y, 500;\n  @%p bra spin;\n"
                     "  setp.ne.u32 %p, %thread, 255;\n"
                     "  @!%p atom.global.exch.b32 %y, [%flag], 1;\n"
                     "  barrier.sync 2, 128;\n";
  expectEnd(Pool({take, give + dec(24)}, 128));
  // Of warpgroup 1 thread 255 is the last; of 0 it is none.
  Pool turned({give, take}, 128);
  turned.source.swap("%thread, 255", "%thread, 127")
      .swap("  barrier.sync 2, 128;\n", "  barrier.sync 2, 128;\n" + dec(24));
  expectEnd(turned);
}

TEST(RegisterPoolTest, NobodyGives) {
  expectDeadlock(Pool({inc(136) + kMeet, kMeet}, 128), {"inc"});
}

/// 104 registers per thread are wanted: 96 are not enough.
TEST(RegisterPoolTest, TooFewAreGiven) {
  expectDeadlock(Pool({inc(232) + kMeet, dec(32) + kMeet}, 128), {"inc"});
  expectEnd(Pool({inc(232) + kMeet, dec(24) + kMeet}, 128));
}

TEST(RegisterPoolTest, OneOfTwoGoesEmpty) {
  std::string all = "  barrier.sync 1, 384;\n";
  // Whoever came last.
  expectDeadlock(
      Pool({dec(24) + all, inc(240) + all, inc(248, "more") + all}, 168),
      {"inc", "more"});
}

TEST(RegisterPoolTest, RegistersComeBack) {
  expectEnd(Pool({inc(232) + kMeet + dec(128, "back"),
                  dec(24) + kMeet + inc(128, "again")},
                 128));
  expectDeadlock(Pool({inc(232) + kMeet + dec(136, "back") + kMeet,
                       dec(24) + kMeet + inc(128, "again") + kMeet},
                      128),
                 {"again"});
}

TEST(RegisterPoolTest, CtasHavePoolsOfTheirOwn) {
  std::string wants = "  setp.ne.u32 %p, %cta, 1;\n  @%p bra join;\n" +
                      inc(136) + "  barrier.sync 1, 256;\n";
  std::string gives = "  setp.ne.u32 %p, %cta, 0;\n  @%p bra hold;\n" +
                      dec(24) + "  bra join;\nhold:\n" +
                      "  barrier.sync 1, 256;\n";
  Pool pool({wants, gives}, 128);
  pool.ctas = 2;
  expectDeadlock(pool, {"inc"});
}

TEST(RegisterPoolTest, CountsAreMultiplesOf8From24To256) {
  for (int count : {-24, 0, 8, 16, 20, 28, 100, 255, 264, 512}) {
    Pool pool({"  setmaxnreg.dec.sync.aligned.u32 " + std::to_string(count) +
               "; // @dec\n"},
              128);
    std::string error = pool.run().error;
    std::string line = std::to_string(pool.source.line("dec"));
    EXPECT_TRUE(error.starts_with("line " + line + ": ")) << count << error;
  }
  for (unsigned count : {24u, 32u, 104u, 120u, 128u}) {
    expectEnd(Pool({dec(count)}, 128));
  }
  for (unsigned count : {24u, 256u}) {
    expectEnd(Pool({inc(count)}, count));
  }
}

TEST(RegisterPoolTest, RefusesOtherForms) {
  for (std::string text :
       {"setmaxnreg.dec.sync.aligned.u32 %y;", "setmaxnreg.dec.aligned.u32 64;",
        "setmaxnreg.sync.aligned.u32 64;",
        "setmaxnreg.dec.inc.sync.aligned.u32 64;",
        "setmaxnreg.dec.sync.aligned.u64 64;",
        "setmaxnreg.dec.sync.aligned.u32 64, 64;"}) {
    Pool pool({"  " + text + " // @bad\n"}, 128);
    std::string line = std::to_string(pool.source.line("bad"));
    EXPECT_TRUE(pool.run().error.starts_with("line " + line + ": ")) << text;
  }
}

TEST(RegisterPoolTest, IncreaseIsNoDecrease) {
  expectReport(Pool({inc(120)}, 128), "inc");
  expectReport(Pool({dec(136)}, 128), "dec");
  expectEnd(Pool({inc(128)}, 128));
  expectEnd(Pool({dec(128)}, 128));
  // Against what it has now, not what it began with.
  expectReport(
      Pool({dec(64) + "  barrier.sync 2, 128;\n" + dec(72, "again")}, 128),
      "again");
  expectEnd(Pool({dec(64) + "  barrier.sync 2, 128;\n" + inc(72)}, 128));
}

TEST(RegisterPoolTest, WarpgroupComesTogether) {
  // Another instruction, half a warp, no warpgroup at all.
  Pool other({"  setp.eq.u32 %p, %warp, 1;\n  @%p bra other;\n" + dec(64) +
              "  bra join;\nother:\n" + dec(64, "other")},
             128);
  for (const Options &options : everySchedule()) {
    Outcome outcome = other.run(options);
    EXPECT_TRUE(outcome.has(
        {other.source.line("dec"), other.source.line("other")}, {"barriers"}))
        << outcome.describe();
  }
  expectReport(
      Pool({"  setp.ge.u32 %p, %lane, 16;\n  @%p bra join;\n" + dec(64)}, 128),
      "dec");
  for (uint32_t threads : {32u, 64u, 96u, 160u}) {
    Pool pool({dec(64), dec(64, "second")}, 128);
    pool.threads = threads;
    expectReport(pool, threads < 128 ? "dec" : "second");
  }
}

//===--- What a thread starts with ----------------------------------------===//

TEST(RegisterPoolTest, DirectiveSaysWhatThereIs) {
  std::string directive = ".maxnreg 120\n";
  expectEnd(Pool({inc(120), dec(120)}, 0, directive));
  expectReport(Pool({inc(112), ""}, 0, directive), "inc");
  expectReport(Pool({dec(128), ""}, 0, directive), "dec");
  expectDeadlock(Pool({inc(128) + kMeet, kMeet}, 0, directive), {"inc"});
  // The launch has the last word.
  expectEnd(Pool({inc(64), dec(64)}, 64, directive));
  expectDeadlock(Pool({inc(120) + kMeet, kMeet}, 64, directive), {"inc"});
}

/// 65536 registers for 384 threads are 170 each, in steps of 8.
TEST(RegisterPoolTest, DeviceSaysWhatThereIs) {
  expectEnd(Pool({inc(168), dec(168), inc(168, "third")}, 0));
  expectReport(Pool({inc(160), "", ""}, 0), "inc");
  expectReport(Pool({dec(176), "", ""}, 0), "dec");
  expectEnd(Pool({dec(24), inc(240), inc(240, "third")}, 0));
}

TEST(RegisterPoolTest, SwitchTurnsItOff) {
  Pool pool({inc(120)}, 128);
  Options options;
  options.checks.barriers = false;
  Outcome outcome = pool.run(options);
  EXPECT_TRUE(outcome.findings.empty()) << outcome.describe();
}

TEST(RegisterPoolTest, AWarpIsMissing) {
  Pool pool({"  setp.eq.u32 %p, %warp, 1;\n  @%p bra join;\n" + dec(64)}, 128);
  expectReport(pool, "dec");
}

/// 65536 for 128 or 256 threads are more than the 248 that a thread may have.
TEST(RegisterPoolTest, DeviceSaysAtMost248) {
  expectEnd(Pool({inc(248)}, 0));
  expectEnd(Pool({inc(248), inc(248, "second")}, 0));
}
