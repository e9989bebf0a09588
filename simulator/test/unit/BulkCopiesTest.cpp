//===- BulkCopiesTest.cpp - cp.async.bulk, multicast and groups -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Copies without a tensor map, copies between the CTAs of a cluster, copies to
// several of them, and groups of stores.
//
//===----------------------------------------------------------------------===//
#include "BulkKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

std::string number(uint64_t i) { return std::to_string(i); }

const char *const kBytes = ".mbarrier::complete_tx::bytes";

const char *const kPolicy =
    "  createpolicy.fractional.L2::evict_first.b64 %policy, 1.0;\n";

/// Under every schedule: no finding, and memory as it should be.
void expectMemory(const CopyJob &job, const std::vector<Bytes> &shared,
                  const Bytes &global) {
  for (const Options &options : everyOptions()) {
    SCOPED_TRACE(wayOf(options));
    CopyOutcome got = job.run(options);
    ASSERT_EQ(got.error, "") << got.describe() << job.source.text;
    EXPECT_TRUE(got.findings.empty()) << got.describe() << job.source.text;
    ASSERT_EQ(got.shared.size(), shared.size());
    for (size_t cta = 0; cta < shared.size(); ++cta) {
      EXPECT_EQ(firstDifference(got.shared[cta], shared[cta]), "")
          << "CTA " << cta << "\n"
          << job.source.text;
    }
    EXPECT_EQ(firstDifference(got.global, global), "") << job.source.text;
  }
}

void copy(Bytes &to, size_t at, const Bytes &from, size_t begin, size_t n) {
  std::copy_n(from.begin() + begin, n, to.begin() + at);
}

/// Thread 0 of each CTA in the mask expects %tx bytes, thread 0 of one CTA
/// issues the copy, and each CTA in the mask waits. Lines: expect, copy, wait.
std::string multicastText(const std::string &instruction, unsigned issuer) {
  return "  cvt.u32.u16 %x, %mask;\n  shr.u32 %x, %x, %rank;\n"
         "  and.b32 %x, %x, 1;\n"
         "  setp.ne.u32 %done, %x, 0;\n  and.pred %first, %one, %done;\n"
         "  @%first mbarrier.arrive.expect_tx.shared::cta.b64 %state, [bars], "
         "%tx; // @expect\n"
         "  setp.eq.u32 %first, %rank, " +
         number(issuer) +
         ";\n  and.pred %first, %first, %one;\n"
         "  @%first " +
         instruction +
         "; // @copy\n"
         "  @!%done bra over;\n" +
         waitForCopies("bars", "0", "wait") + "over:\n";
}

/// The same with mbarriers of another CTA: `from` sends to `to`, which waits.
std::string sendText(const std::string &instruction, unsigned from,
                     unsigned to) {
  return "  mapa.shared::cluster.u32 %far, %smem, " + number(to) +
         ";\n  mapa.shared::cluster.u64 %far64, %smem64, " + number(to) +
         ";\n  mapa.shared::cluster.u32 %farbar, %bar, " + number(to) +
         ";\n  setp.eq.u32 %done, %rank, " + number(to) +
         ";\n  and.pred %first, %one, %done;\n"
         "  @%first mbarrier.arrive.expect_tx.shared::cta.b64 %state, [bars], "
         "%tx; // @expect\n"
         "  setp.eq.u32 %first, %rank, " +
         number(from) +
         ";\n  and.pred %first, %first, %one;\n"
         "  @%first " +
         instruction +
         "; // @copy\n"
         "  @!%done bra over;\n" +
         waitForCopies("bars", "0", "wait") + "over:\n";
}

} // namespace

//===--- Plain copies -----------------------------------------------------===//

TEST(BulkCopiesTest, GlobalToShared) {
  struct Form {
    std::string space, to, from, size, barrier, options, last;
  };
  for (uint32_t bytes : {16u, 48u, 128u, 1024u, 2064u, 3984u}) {
    std::string n = number(bytes);
    for (const Form &f : {
             Form{"cluster", "%smem+112", "%global+80", n, "bars", "", ""},
             Form{"cta", "%smem64+112", "%global+80", n, "%bar", "", ""},
             Form{"cta", "smem+112", "%p", "%tx", "%bar64", "", ""},
             Form{"cluster", "%to", "%p", "%tx", "%bar64+0", ".L2::cache_hint",
                  ", %policy"},
         }) {
      CopyJob job(kPolicy +
                  std::string("  add.u64 %p, %global, 80;\n"
                              "  add.u32 %to, %smem, 112;\n") +
                  loadText("cp.async.bulk.shared::" + f.space + ".global" +
                           kBytes + f.options + " [" + f.to + "], [" + f.from +
                           "], " + f.size + ", [" + f.barrier + "]" + f.last));
      job.tx = bytes;
      Bytes want = job.filled();
      copy(want, 112, job.global, 80, bytes);
      expectMemory(job, {want}, job.global);
    }
  }
}

TEST(BulkCopiesTest, BytesOfATransaction) {
  for (int32_t more : {16, -16, 1, -1}) {
    CopyJob job(loadText(std::string("cp.async.bulk.shared::cluster.global") +
                         kBytes + " [%smem], [%global], 512, [bars]"));
    job.tx = uint32_t(512 + more);
    expectDeadlock(job, "wait");
  }
}

TEST(BulkCopiesTest, SharedToGlobal) {
  for (uint32_t bytes : {16u, 48u, 128u, 1024u, 2064u, 3968u}) {
    std::string n = number(bytes);
    for (std::string operands :
         {" [%global+80], [%smem+112], " + n, " [%p], [%smem64+112], " + n,
          std::string(" [%p], [smem+112], %tx")}) {
      for (bool hasPolicy : {false, true}) {
        CopyJob job(kPolicy + std::string("  add.u64 %p, %global, 80;\n") +
                    storeText(std::string("cp.async.bulk.global.shared::cta."
                                          "bulk_group") +
                              (hasPolicy ? ".L2::cache_hint" : "") + operands +
                              (hasPolicy ? ", %policy" : "")));
        job.tx = bytes;
        Bytes want = job.global;
        copy(want, 80, job.filled(), 112, bytes);
        expectMemory(job, {job.filled()}, want);
      }
    }
  }
}

TEST(BulkCopiesTest, PrefetchesDoNothing) {
  for (std::string text :
       {std::string("  cp.async.bulk.prefetch.L2.global [%global+16], 256;\n"),
        kPolicy + std::string("  cp.async.bulk.prefetch.L2.global.L2::"
                              "cache_hint [%global], 16, %policy;\n")}) {
    CopyJob job(text);
    expectMemory(job, {job.filled()}, job.global);
  }
}

/// Each lane copies for itself.
TEST(BulkCopiesTest, EveryLane) {
  std::string text = "  shl.b32 %at, %thread, 5;\n"
                     "  add.u32 %to, %smem, %at;\n"
                     "  cvt.u64.u32 %p, %at;\n  add.u64 %p, %global, %p;\n"
                     "  @!%one bra sent;\n"
                     "  mbarrier.arrive.expect_tx.shared::cta.b64 %state, "
                     "[bars], %tx;\n"
                     "sent:\n";
  CopyJob in(text + "  cp.async.bulk.shared::cluster.global" + kBytes +
             " [%to], [%p+64], 16, [bars]; // @copy\n" +
             waitForCopies("bars", "0", "wait") + "  bar.sync 0;\n");
  in.tx = 64 * 16;
  Bytes want = in.filled();
  for (unsigned t = 0; t < 64; ++t) {
    copy(want, 32 * t, in.global, 32 * t + 64, 16);
  }
  expectMemory(in, {want}, in.global);

  CopyJob out(text + "  cp.async.bulk.global.shared::cta.bulk_group [%p+64], "
                     "[%to], 16;\n"
                     "  cp.async.bulk.commit_group;\n"
                     "  cp.async.bulk.wait_group 0;\n");
  want = out.global;
  for (unsigned t = 0; t < 64; ++t) {
    copy(want, 32 * t + 64, out.filled(), 32 * t, 16);
  }
  expectMemory(out, {out.filled()}, want);
}

//===--- Clusters ---------------------------------------------------------===//

TEST(BulkCopiesTest, Multicast) {
  for (unsigned ctas : {2u, 4u}) {
    for (uint32_t mask = 1; mask < 1u << ctas; ++mask) {
      for (unsigned issuer = 0; issuer < ctas; issuer += ctas - 1) {
        std::string text = std::string("cp.async.bulk.shared::cluster.global") +
                           kBytes +
                           ".multicast::cluster [%smem+64], [%global+32], 240, "
                           "[bars], %mask";
        CopyJob job(multicastText(text, issuer), ctas);
        job.mask = mask;
        job.tx = 240;
        std::vector<Bytes> want;
        for (unsigned cta = 0; cta < ctas; ++cta) {
          want.push_back(job.filled(cta));
          if (mask >> cta & 1) {
            copy(want[cta], 64, job.global, 32, 240);
          }
        }
        expectMemory(job, want, job.global);
      }
    }
  }
}

TEST(BulkCopiesTest, MulticastOfTensors) {
  for (unsigned ctas : {2u, 4u}) {
    for (uint32_t mask = 1; mask < 1u << ctas; ++mask) {
      for (bool hasPolicy : {false, true}) {
        std::string options = ".multicast::cluster", last = ", %mask";
        if (hasPolicy) {
          options += ".L2::cache_hint", last += ", %policy";
        }
        CopyJob job(kPolicy +
                        multicastText(tensorLoad(2, "%smem64+128", "%bar64",
                                                 "cluster", options, last),
                                      mask % ctas),
                    ctas);
        job.map = matrix();
        job.at[0] = 10, job.at[1] = -3;
        job.mask = mask;
        job.tx = uint32_t(boxBytes(job.map));
        std::vector<Bytes> want;
        for (unsigned cta = 0; cta < ctas; ++cta) {
          want.push_back(job.filled(cta));
          if (mask >> cta & 1) {
            applyLoad(job, 128, want[cta]);
          }
        }
        expectMemory(job, want, job.global);
      }
    }
  }
}

TEST(BulkCopiesTest, SharedToShared) {
  for (unsigned from : {0u, 1u}) {
    for (std::string operands :
         {" [%far+512], [%smem+64], 400, [%farbar]",
          " [%far64+512], [%smem64+64], %tx, [%farbar+0]"}) {
      CopyJob job(
          sendText(std::string("cp.async.bulk.shared::cluster.shared::cta") +
                       kBytes + operands,
                   from, 1 - from),
          2);
      job.tx = 400;
      std::vector<Bytes> want = {job.filled(0), job.filled(1)};
      copy(want[1 - from], 512, job.filled(from), 64, 400);
      expectMemory(job, want, job.global);
    }
  }
}

/// Without a mask, data and bytes go where the addresses say.
TEST(BulkCopiesTest, GlobalToSharedOfAnotherCTA) {
  for (unsigned to : {0u, 1u}) {
    CopyJob plain(sendText(std::string("cp.async.bulk.shared::cluster.global") +
                               kBytes +
                               " [%far+512], [%global+64], %tx, [%farbar]",
                           1 - to, to),
                  2);
    plain.tx = 400;
    std::vector<Bytes> want = {plain.filled(0), plain.filled(1)};
    copy(want[to], 512, plain.global, 64, 400);
    expectMemory(plain, want, plain.global);

    CopyJob tensor(sendText(tensorLoad(2, "%far+512", "%farbar"), 1 - to, to),
                   2);
    tensor.map = matrix();
    tensor.tx = uint32_t(boxBytes(tensor.map));
    want = {tensor.filled(0), tensor.filled(1)};
    applyLoad(tensor, 512, want[to]);
    expectMemory(tensor, want, tensor.global);
  }
}

//===--- Groups of stores -------------------------------------------------===//

namespace {

/// `groups` stores of 256 bytes, each in a group of its own, by thread 0.
std::string groupsText(unsigned groups) {
  std::string text = "  @!%one bra stored;\n";
  for (unsigned g = 0; g < groups; ++g) {
    text += "  cp.async.bulk.global.shared::cta.bulk_group [%global+" +
            number(256 * g) + "], [%smem+" + number(256 * g) +
            "], 256; // @copy" + number(g) +
            "\n  cp.async.bulk.commit_group; // @commit" + number(g) + "\n";
  }
  return text;
}

std::string touch(unsigned group) {
  return "  st.shared.b32 [%smem+" + number(256 * group + 252) +
         "], 0x12345678; // @touch" + number(group) + "\n";
}

const char *const kRest = "  cp.async.bulk.wait_group 0; // @rest\n"
                          "stored:\n  bar.sync 0;\n";

} // namespace

/// Sources of all groups but the newest `n` may be written.
TEST(BulkCopiesTest, WaitsForReads) {
  for (const char *read : {"", ".read"}) {
    for (unsigned n = 0; n < 4; ++n) {
      std::string text = groupsText(4) + "  cp.async.bulk.wait_group" + read +
                         " " + number(n) + "; // @some\n";
      CopyJob job;
      Bytes shared = job.filled(), global = job.global;
      copy(global, 0, shared, 0, 1024);
      for (unsigned g = 0; g < 4 - n; ++g) {
        text += touch(g);
        const Bytes word = {0x78, 0x56, 0x34, 0x12};
        copy(shared, 256 * g + 252, word, 0, 4);
      }
      job.source = CopyJob(text + kRest).source;
      expectMemory(job, {shared}, global);
      if (n > 0) {
        CopyJob late(text + touch(4 - n) + kRest);
        expectRace(late, "touch" + number(4 - n), "copy" + number(4 - n));
      }
    }
  }
}

/// What all groups but the newest `n` have stored may be read.
TEST(BulkCopiesTest, WaitsForWrites) {
  for (unsigned n = 0; n < 4; ++n) {
    std::string text = groupsText(4) + "  cp.async.bulk.wait_group " +
                       number(n) + "; // @some\n";
    CopyJob job;
    Bytes shared = job.filled(), global = job.global;
    copy(global, 0, shared, 0, 1024);
    for (unsigned g = 0; g < 4 - n; ++g) {
      text += "  ld.global.b32 %x, [%global+" + number(256 * g + 128) +
              "];\n  st.shared.b32 [%smem+" + number(2048 + 4 * g) + "], %x;\n";
      copy(shared, 2048 + 4 * g, global, 256 * g + 128, 4);
    }
    job.source = CopyJob(text + kRest).source;
    expectMemory(job, {shared}, global);
  }
}

/// A group may be empty, and counts; several copies may be in one.
TEST(BulkCopiesTest, GroupsOfAnySize) {
  CopyJob job;
  Bytes shared = job.filled(), global = job.global;
  copy(global, 0, shared, 0, 512);
  const Bytes word = {0x78, 0x56, 0x34, 0x12};
  copy(shared, 252, word, 0, 4);
  copy(shared, 508, word, 0, 4);
  std::string both = groupsText(2);
  both.erase(both.find("  cp.async.bulk.commit_group; // @commit0\n"),
             sizeof("  cp.async.bulk.commit_group; // @commit0\n") - 1);
  job.source = CopyJob(both +
                       "  cp.async.bulk.commit_group;\n"
                       "  cp.async.bulk.wait_group.read 1;\n" +
                       touch(0) + touch(1) + kRest)
                   .source;
  expectMemory(job, {shared}, global);
  // Not if it is the newest.
  CopyJob late(both + "  cp.async.bulk.wait_group.read 1;\n" + touch(0) +
               kRest);
  expectRace(late, "touch0", "copy0");
  // What was not committed is in no group.
  CopyJob open(groupsText(2) +
               "  cp.async.bulk.global.shared::cta.bulk_group [%global+512], "
               "[%smem+512], 256; // @copy2\n"
               "  cp.async.bulk.wait_group.read 0;\n" +
               touch(1) + touch(2) + "  cp.async.bulk.commit_group;\n" + kRest);
  expectRace(open, "touch2", "copy2");
}

/// Groups are a thread's own.
TEST(BulkCopiesTest, GroupsOfOtherThreads) {
  std::string text = groupsText(1) + kRest;
  text.replace(text.find(kRest), std::string::npos,
               "stored:\n  setp.ne.u32 %done, %thread, 33;\n"
               "  @%done bra other;\n"
               "  cp.async.bulk.wait_group.read 0;\n" +
                   touch(0) +
                   "other:\n"
                   "  @%one cp.async.bulk.wait_group 0;\n  bar.sync 0;\n");
  expectRace(CopyJob(text), "touch0", "copy0");
}
