//===- GlobalRacesTest.cpp - Order between threads of a launch
//--------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every pattern comes as a program that is right, which must be clean, and as
// programs that lack one part of it, each of which must be found.
//
//===----------------------------------------------------------------------===//
#include "ptxsim/Device.h"

#include <gtest/gtest.h>

using namespace ptxsim;

namespace {

constexpr size_t kWords = 1024;

struct Outcome {
  /// "check: message"
  std::vector<std::string> findings;
  std::vector<uint32_t> data;
};

/// %data and %flag point to kWords words, numbered from 100 and zero; %cta and
/// %t number the CTA and the thread in it.
Outcome run(const std::string &body, unsigned ctas, unsigned threads = 32,
            Options options = {}, unsigned launches = 1) {
  std::string text =
      ".version 8.4\n.target sm_90a\n.address_size 64\n"
      ".visible .entry k(.param .u64 data, .param .u64 flag)\n{\n"
      ".reg .b64 %data, %flag, %x, %smem;\n.reg .b16 %h;\n"
      ".reg .b32 %t, %cta, %n, %v, %w;\n.reg .pred %p, %q, %r;\n"
      ".shared .align 16 .b8 smem[1024];\n"
      "mov.u64 %smem, smem;\n"
      "ld.param.u64 %data, [data];\nld.param.u64 %flag, [flag];\n"
      "mov.u32 %t, %tid.x;\nmov.u32 %cta, %ctaid.x;\nmov.u32 %n, %nctaid.x;\n"
      "mov.b32 %v, 7;\nmov.b32 %w, 0;\nmov.b16 %h, 7;\n" +
      body + "\nend:\nret;\n}\n";
  Outcome outcome;
  auto device = Device::create(options);
  auto module = device->loadModule(text);
  if (!module) {
    ADD_FAILURE() << module.message() << "\n" << text;
    return outcome;
  }
  auto kernel = (*module)->kernel("k");
  if (!kernel) {
    ADD_FAILURE() << kernel.message() << "\n" << text;
    return outcome;
  }
  outcome.data.resize(kWords);
  for (size_t i = 0; i < kWords; ++i) {
    outcome.data[i] = uint32_t(100 + i);
  }
  DevicePointer data = *device->allocate(kWords * 4, "data");
  DevicePointer flag = *device->allocate(kWords * 4, "flag");
  EXPECT_TRUE(device->copyIn(data, outcome.data.data(), kWords * 4));
  EXPECT_TRUE(device->fill(flag, 0, kWords * 4));
  KernelArguments arguments;
  arguments.add(data).add(flag);
  LaunchConfig config;
  config.grid.x = ctas;
  config.block.x = threads;
  for (unsigned i = 0; i < launches; ++i) {
    auto launched = device->launch(**kernel, config, arguments);
    EXPECT_TRUE(launched) << launched.message();
  }
  EXPECT_TRUE(device->copyOut(outcome.data.data(), data, kWords * 4));
  for (const Finding &finding : device->findings()) {
    outcome.findings.push_back(finding.check + ": " + finding.message);
  }
  return outcome;
}

Options oneThread() {
  Options options;
  options.threads = 1;
  return options;
}

void expectClean(const std::string &body, unsigned ctas,
                 unsigned threads = 32) {
  for (unsigned hostThreads : {1u, 4u}) {
    for (Schedule schedule :
         {Schedule::RoundRobin, Schedule::Random, Schedule::Adversarial}) {
      Options options;
      options.threads = hostThreads;
      options.schedule = schedule;
      EXPECT_EQ(run(body, ctas, threads, options).findings,
                std::vector<std::string>())
          << body;
    }
  }
}

/// Findings of this check alone, one of which has the part.
void expectRace(const std::string &body, unsigned ctas, unsigned threads = 32,
                const std::string &part = "races with the ") {
  Outcome outcome = run(body, ctas, threads, oneThread());
  bool isThere = false;
  for (const std::string &text : outcome.findings) {
    EXPECT_EQ(text.rfind("races: ", 0), 0u) << text;
    isThere |= text.find(part) != std::string::npos;
  }
  EXPECT_TRUE(isThere) << body
                       << (outcome.findings.empty() ? "no finding"
                                                    : outcome.findings[0]);
}

/// `first` runs in CTA 0, `second` in CTA 1.
std::string split(const std::string &first, const std::string &second) {
  return "setp.ne.u32 %p, %cta, 0;\n@%p bra other;\n" + first +
         "bra end;\nother:\n" + second;
}

/// One lane of CTA 0 or 1.
const std::string kOneLane = "setp.ne.u32 %p, %t, 0;\n@%p bra end;\n";
const std::string kWrite = "st.global.u32 [%data+16], %v;\n";
const std::string kRead = "ld.global.u32 %v, [%data+16];\n";

TEST(GlobalRacesTest, TwoCtasWithoutOrder) {
  expectRace(kOneLane + split(kWrite, kRead), 2, 32,
             "read of data+16 races with the write at line 24 by cta 0,0,0 "
             "warp 0");
  // In the order that they run here, the write comes last.
  expectRace(kOneLane + split(kRead, kWrite), 2, 32,
             "write of data+16 races with the read at line 24 by cta 0,0,0");
  expectRace(kOneLane + split(kWrite, kWrite), 2, 32,
             "write of data+16 races with the write at line 24");
  expectClean(kOneLane + split(kRead, kRead), 2);
  expectClean(kOneLane + split(kWrite, "st.global.u32 [%data+20], %v;\n"), 2);
}

TEST(GlobalRacesTest, OneCtaOnly) {
  expectClean(kOneLane + kWrite + kRead, 1);
  Options off;
  off.checks.races = false;
  EXPECT_TRUE(
      run(kOneLane + split(kWrite, kRead), 2, 32, off).findings.empty());
}

TEST(GlobalRacesTest, BytesOfOneWord) {
  // Each CTA has its own bytes.
  expectClean(kOneLane + "cvt.u64.u32 %x, %cta;\nadd.s64 %x, %data, %x;\n"
                         "st.global.u8 [%x], %h;\nld.global.u8 %h, [%x];\n",
              64);
  expectClean(kOneLane + split("st.global.u16 [%data], %h;\n",
                               "st.global.u16 [%data+2], %h;\n"),
              2);
  expectRace(kOneLane + split("st.global.u16 [%data+2], %h;\n",
                              "ld.global.u32 %v, [%data];\n"),
             2);
  expectRace(kOneLane + split("st.global.u8 [%data+3], %h;\n",
                              "ld.global.v4.u32 {%v, %v, %v, %v}, [%data];\n"),
             2);
  expectClean(kOneLane + split("st.global.u8 [%data+16], %h;\n",
                               "ld.global.v4.u32 {%v, %v, %v, %v}, [%data];\n"),
              2);
}

TEST(GlobalRacesTest, ALaunchForgetsTheOneBefore) {
  // CTA n writes what CTA n + 1 wrote before.
  std::string body = "add.u32 %w, %cta, %t;\nmad.wide.u32 %x, %w, 4, %data;\n"
                     "setp.ne.u32 %p, %t, 0;\n"
                     "@%p bra end;\nst.global.u32 [%x], %v;\n";
  EXPECT_TRUE(run(body, 8, 32, oneThread(), 3).findings.empty());
}

TEST(GlobalRacesTest, AWriteBehindReadsOfMany) {
  // The last reader writes; the others' reads are not ordered.
  expectRace(kOneLane + kRead + "setp.ne.u32 %p, %cta, 2;\n@%p bra end;\n" +
                 kWrite,
             3, 32, "write of data+16 races with the read at line ");
}

/// CTA 0 writes data and raises a flag; CTA 1 waits for it and reads.
std::string message(const std::string &beforeFlag, const std::string &raise,
                    const std::string &poll, const std::string &afterPoll) {
  return kOneLane +
         split(kWrite + beforeFlag + raise,
               "loop:\n" + poll + "setp.eq.u32 %q, %w, 0;\n@%q bra loop;\n" +
                   afterPoll + kRead);
}

TEST(GlobalRacesTest, FlagsWithReleaseAndAcquire) {
  std::string release = "st.release.gpu.global.u32 [%flag], 1;\n";
  std::string acquire = "ld.acquire.gpu.global.u32 %w, [%flag];\n";
  std::string set = "st.relaxed.gpu.global.u32 [%flag], 1;\n";
  std::string get = "ld.relaxed.gpu.global.u32 %w, [%flag];\n";
  std::string fence = "fence.acq_rel.gpu;\n";
  expectClean(message("", release, acquire, ""), 2);
  expectClean(message(fence, set, acquire, ""), 2);
  expectClean(message("", release, get, fence), 2);
  expectClean(message("membar.gl;\n", set, get, "fence.sc.sys;\n"), 2);
  expectClean(message("membar.sys;\n", "st.volatile.global.u32 [%flag], 1;\n",
                      "ld.volatile.global.u32 %w, [%flag];\n", fence),
              2);
  expectClean(message("", "red.release.gpu.global.add.u32 [%flag], 1;\n",
                      "atom.acquire.gpu.global.or.b32 %w, [%flag], 0;\n", ""),
              2);
  expectClean(message(fence, "atom.global.exch.b32 %w, [%flag], 1;\n",
                      "atom.global.cas.b32 %w, [%flag], 5, 5;\n", fence),
              2);
  // One part less each.
  expectRace(message("", set, acquire, ""), 2);
  expectRace(message("", release, get, ""), 2);
  expectRace(message(fence, set, get, ""), 2);
  expectRace(message("", set, get, fence), 2);
  expectRace(message("membar.cta;\n", set, acquire, ""), 2);
  expectRace(message("", release, get, "fence.acq_rel.cta;\n"), 2);
  expectRace(
      message("", "st.release.cta.global.u32 [%flag], 1;\n", acquire, ""), 2);
  expectRace(
      message("", release, "ld.acquire.cta.global.u32 %w, [%flag];\n", ""), 2);
  // The fence comes too late, or too early.
  expectRace(message("", set + fence, acquire, ""), 2);
  expectRace(message("", release, fence + get, ""), 2);
}

TEST(GlobalRacesTest, WeakFlags) {
  std::string fence = "fence.acq_rel.gpu;\n";
  // The data is said to be ordered, the flag itself is not.
  Outcome outcome =
      run(message(fence, "st.global.u32 [%flag], 1;\n",
                  "ld.relaxed.gpu.global.u32 %w, [%flag];\n", fence),
          2, 32, oneThread());
  ASSERT_FALSE(outcome.findings.empty());
  EXPECT_NE(outcome.findings[0].find("read of flag+0 races with the write"),
            std::string::npos);
}

TEST(GlobalRacesTest, AnotherLocationOrdersNothing) {
  std::string release = "st.release.gpu.global.u32 [%flag+4], 1;\n"
                        "st.relaxed.gpu.global.u32 [%flag], 1;\n";
  expectRace(
      message("", release, "ld.acquire.gpu.global.u32 %w, [%flag];\n", ""), 2);
}

TEST(GlobalRacesTest, WhatComesBehindTheReleaseIsNotReleased) {
  std::string set = "st.release.gpu.global.u32 [%flag], 1;\n";
  std::string get = "ld.acquire.gpu.global.u32 %w, [%flag];\n";
  std::string late = "st.global.u32 [%data+32], %v;\n";
  auto text = [&](const std::string &first, const std::string &second) {
    return kOneLane +
           split(first + set + second, get + "ld.global.u32 %v, [%data+32];\n");
  };
  expectClean(text(late, ""), 2);
  expectRace(text("", late), 2);
}

TEST(GlobalRacesTest, Chains) {
  auto link = [](const std::string &get, unsigned from, const std::string &set,
                 unsigned to) {
    std::string a = "[%flag+" + std::to_string(from * 4) + "]";
    std::string b = "[%flag+" + std::to_string(to * 4) + "]";
    return "loop" + std::to_string(from) + ":\nld." + get +
           ".gpu.global.u32 %w, " + a + ";\nsetp.eq.u32 %q, %w, 0;\n@%q bra " +
           "loop" + std::to_string(from) + ";\nst." + set + ".gpu.global.u32 " +
           b + ", 1;\n";
  };
  auto text = [&](const std::string &get, const std::string &set) {
    return kOneLane +
           split(kWrite + "st.release.gpu.global.u32 [%flag+4], 1;\n",
                 "setp.eq.u32 %p, %cta, 2;\n@%p bra third;\n" +
                     link(get, 1, set, 2) + "bra end;\nthird:\n" +
                     link("acquire", 2, "relaxed", 3) + kRead);
  };
  expectClean(text("acquire", "release"), 3);
  expectRace(text("relaxed", "release"), 3);
  expectRace(text("acquire", "relaxed"), 3);
}

/// Split-K: every thread leaves a part, the last CTA adds them up.
std::string splitK(const std::string &fence, const std::string &firstBarrier,
                   const std::string &count, const std::string &secondFence,
                   const std::string &fenceOfAll = "") {
  return "mov.u32 %w, %ntid.x;\nmad.lo.u32 %w, %cta, %w, %t;\n"
         "mad.wide.u32 %x, %w, 4, %data;\nadd.u32 %v, %w, 1;\n"
         "st.global.u32 [%x], %v;\n" +
         fence + firstBarrier +
         "setp.ne.u32 %p, %t, 0;\n@%p bra counted;\n"
         "sub.u32 %w, %n, 1;\n" +
         count + secondFence +
         "st.shared.u32 [%smem], %v;\n"
         "counted:\nbar.sync 0;\nld.shared.u32 %v, [%smem];\n" +
         fenceOfAll +
         "sub.u32 %w, %n, 1;\nsetp.ne.u32 %p, %v, %w;\n@%p bra end;\n"
         // Thread t adds what the threads t left.
         "mov.b32 %v, 0;\nmad.wide.u32 %x, %t, 4, %data;\n"
         ".reg .b64 %step;\n.reg .b32 %i, %y;\nmov.u32 %i, %ntid.x;\n"
         "mul.wide.u32 %step, %i, 4;\nmov.b32 %i, 0;\n"
         "add:\nld.global.u32 %y, [%x];\nadd.u32 %v, %v, %y;\n"
         "add.s64 %x, %x, %step;\nadd.u32 %i, %i, 1;\n"
         "setp.lt.u32 %q, %i, %n;\n@%q bra add;\n"
         "mad.wide.u32 %x, %t, 4, %data;\nst.global.u32 [%x+2048], %v;\n"
         // The counter is ready for the next launch.
         "setp.ne.u32 %p, %t, 0;\n@%p bra end;\nst.global.u32 [%flag], 0;\n";
}

TEST(GlobalRacesTest, SplitK) {
  std::string membar = "membar.gl;\n", barrier = "bar.sync 0;\n";
  std::string relaxed = "atom.global.inc.u32 %v, [%flag], %w;\n";
  std::string both = "atom.acq_rel.gpu.global.add.u32 %v, [%flag], 1;\n";
  for (const std::string &text :
       {splitK(membar, barrier, relaxed, membar),
        // The fence of the thread that counts covers what the barrier ordered.
        splitK("", barrier, membar + relaxed, membar),
        // All threads fence, one counts, all fence again.
        splitK(membar, barrier, relaxed, "", membar),
        splitK("", barrier, both, "")}) {
    expectClean(text, 6, 64);
    for (unsigned hostThreads : {1u, 4u}) {
      Options options;
      options.threads = hostThreads;
      Outcome outcome = run(text, 6, 64, options, 3);
      EXPECT_EQ(outcome.findings, std::vector<std::string>());
      for (uint32_t t = 0; t < 64; ++t) {
        uint32_t sum = 0;
        for (uint32_t c = 0; c < 6; ++c) {
          sum += c * 64 + t + 1;
        }
        // Behind the last launch `flag` is zero or goes on counting.
        EXPECT_EQ(outcome.data[512 + t], sum);
      }
    }
  }
  expectRace(splitK("", barrier, relaxed, membar), 6, 64);
  expectRace(splitK(membar, "", relaxed, membar), 6, 64);
  expectRace(splitK("", "", membar + relaxed, membar), 6, 64);
  expectRace(splitK(membar, barrier, relaxed, ""), 6, 64);
  expectRace(splitK("membar.cta;\n", barrier, relaxed, membar), 6, 64);
  expectRace(splitK("", barrier,
                    "atom.release.gpu.global.add.u32 %v, [%flag], "
                    "1;\n",
                    ""),
             6, 64);
  expectRace(splitK("", barrier,
                    "atom.acquire.gpu.global.add.u32 %v, [%flag], "
                    "1;\n",
                    ""),
             6, 64);
  expectRace(splitK("", barrier,
                    "atom.acq_rel.cta.global.add.u32 %v, [%flag], 1;\n", ""),
             6, 64);
}

TEST(GlobalRacesTest, ReductionsAcquireNothing) {
  std::string add = "red.relaxed.gpu.global.add.u32 [%flag], 1;\n";
  std::string fence = "fence.acq_rel.gpu;\n";
  expectRace(kOneLane + split(kWrite + fence + add, add + fence + kRead), 2);
  expectClean(
      kOneLane + split(kWrite + fence + add,
                       "atom.global.add.u32 %w, [%flag], 1;\n" + fence + kRead),
      1);
}

TEST(GlobalRacesTest, AtomicsOfAll) {
  std::string add = "red.global.add.u32 [%data+16], 1;\n";
  expectClean(add, 16, 64);
  EXPECT_EQ(run(add, 16, 64).data[4], 104u + 16 * 64);
  expectRace(kOneLane + split(add, kRead), 2);
  expectRace(kOneLane + split(kWrite, add), 2);
  expectRace(kOneLane + split(kRead, add), 2);
}

TEST(GlobalRacesTest, SpinLock) {
  auto text = [](const std::string &enter, const std::string &leave) {
    return kOneLane + "again:\natom" + enter +
           "setp.ne.u32 %q, %w, 0;\n@%q bra again;\n" +
           "ld.global.u32 %v, [%data];\nadd.u32 %v, %v, 1;\n"
           "st.global.u32 [%data], %v;\n" +
           leave;
  };
  std::string fence = "membar.gl;\n";
  std::string exchange = "atom.global.exch.b32 %w, [%flag], 0;\n";
  for (const std::string &good :
       {text(".acquire.gpu.global.cas.b32 %w, [%flag], 0, 1;\n",
             "st.release.gpu.global.u32 [%flag], 0;\n"),
        text(".global.exch.b32 %w, [%flag], 1;\n" + fence, fence + exchange)}) {
    expectClean(good, 8);
    EXPECT_EQ(run(good, 8).data[0], 108u);
  }
  expectRace(text(".global.cas.b32 %w, [%flag], 0, 1;\n",
                  "st.release.gpu.global.u32 [%flag], 0;\n"),
             8);
  expectRace(text(".acquire.gpu.global.cas.b32 %w, [%flag], 0, 1;\n", exchange),
             8);
}

TEST(GlobalRacesTest, WarpsOfOneCta) {
  // Warp 0 writes, warp 1 reads.
  auto text = [](const std::string &between) {
    return "setp.ge.u32 %q, %t, 32;\nand.b32 %w, %t, 31;\n"
           "mad.wide.u32 %x, %w, 4, %data;\n@!%q st.global.u32 [%x], %w;\n" +
           between + "@%q ld.global.u32 %v, [%x];\n";
  };
  expectClean(text("bar.sync 0;\n"), 1, 64);
  expectRace(text(""), 1, 64, "races with the write at line ");
}

TEST(GlobalRacesTest, FlagsInSharedMemory) {
  // Warp 0 hands data in both memories to warp 1.
  auto text = [](const std::string &beforeFlag, const std::string &raise,
                 const std::string &poll, const std::string &afterPoll) {
    return "setp.ne.u32 %p, %t, 0;\n@!%p st.shared.u32 [%smem+4], 0;\n"
           "bar.sync 0;\nsetp.ge.u32 %q, %t, 32;\nand.b32 %w, %t, 31;\n"
           "setp.ne.u32 %p, %w, 0;\n@%p bra end;\n@%q bra other;\n" +
           kWrite + "st.shared.u32 [%smem], %v;\n" + beforeFlag + raise +
           "bra end;\nother:\nloop:\n" + poll +
           "setp.eq.u32 %r, %w, 0;\n@%r bra loop;\n" + afterPoll + kRead +
           "ld.shared.u32 %w, [%smem];\n";
  };
  std::string release = "st.release.cta.shared.u32 [%smem+4], 1;\n";
  std::string acquire = "ld.acquire.cta.shared.u32 %w, [%smem+4];\n";
  std::string set = "st.volatile.shared.u32 [%smem+4], 1;\n";
  std::string get = "ld.volatile.shared.u32 %w, [%smem+4];\n";
  expectClean(text("", release, acquire, ""), 1, 64);
  expectClean(text("membar.cta;\n", set, get, "membar.cta;\n"), 1, 64);
  expectClean(text("fence.sc.gpu;\n",
                   "atom.shared.exch.b32 %v, [%smem+4], 1;\n", acquire, ""),
              1, 64);
  expectRace(text("", set, acquire, ""), 1, 64);
  expectRace(text("", release, get, ""), 1, 64);
  expectRace(text("membar.cta;\n", set, get, ""), 1, 64);
}

TEST(GlobalRacesTest, GenericAddressesAreTheSameLocations) {
  std::string release = "cvta.shared.u64 %x, %smem;\n"
                        "st.release.cta.u32 [%x+4], 1;\n";
  auto text = [&](const std::string &raise) {
    return "setp.ne.u32 %p, %t, 0;\n@!%p st.shared.u32 [%smem+4], 0;\n"
           "bar.sync 0;\nsetp.ge.u32 %q, %t, 32;\nand.b32 %w, %t, 31;\n"
           "setp.ne.u32 %p, %w, 0;\n@%p bra end;\n@%q bra other;\n" +
           kWrite + raise +
           "bra end;\nother:\nloop:\nld.acquire.cta.shared.u32 %w, [%smem+4];\n"
           "setp.eq.u32 %r, %w, 0;\n@%r bra loop;\n" +
           kRead;
  };
  expectClean(text(release), 1, 64);
}

TEST(GlobalRacesTest, LanesOfOneStore) {
  auto text = [](const std::string &value, const std::string &type) {
    return "shr.u32 %w, %t, 1;\nmad.wide.u32 %x, %w, 4, %data;\n" + value +
           "st.global." + type + " [%x], %v;\n";
  };
  // Two lanes each write one word: the same value, then different ones.
  expectClean(text("mov.b32 %v, %w;\n", "u32"), 1);
  expectRace(text("mov.b32 %v, %t;\n", "u32"), 1, 32,
             "lanes 0 and 1 write different values to one address");
  // Only the bits that are written count.
  expectClean(text("shl.b32 %v, %t, 8;\n", "u8"), 1);
  // Shared memory, lanes in no order.
  auto shared = [](const std::string &value) {
    return "xor.b32 %w, %t, 21;\nand.b32 %w, %w, 15;\n"
           "mad.wide.u32 %x, %w, 16, %smem;\n" +
           value + "st.shared.v2.u32 [%x], {%w, %v};\n";
  };
  expectClean(shared("mov.b32 %v, %w;\n"), 1);
  expectRace(shared("mov.b32 %v, %t;\n"), 1, 32,
             "lanes 5 and 21 write different values");
  // Local memory is each lane's own.
  expectClean(".local .align 4 .b8 mine[4];\nst.local.u32 [mine], %t;\n"
              "ld.local.u32 %v, [mine];\n",
              1);
}

} // namespace
