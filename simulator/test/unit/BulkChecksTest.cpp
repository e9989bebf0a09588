//===- BulkChecksTest.cpp - What is wrong with a bulk copy ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One defect each in a kernel that is otherwise right.
//
//===----------------------------------------------------------------------===//
#include "BulkKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

TEST(BulkChecksTest, NothingIsWrong) {
  for (const std::string &copy : loads()) {
    expectNoFinding(make(loadText(copy)));
  }
  for (const std::string &copy : stores()) {
    expectNoFinding(make(storeText(copy)));
  }
}

//===--- Order ------------------------------------------------------------===//

TEST(BulkChecksTest, LoadIsNotWaitedFor) {
  for (const std::string &copy : loads()) {
    CopyJob job = make("  @!%one bra issued;\n"
                       "  mbarrier.arrive.expect_tx.shared::cta.b64 %state, "
                       "[bars], %tx;\n  " +
                       copy + "; // @copy\nissued:\n  bar.sync 0;\n");
    expectRace(job, "read", "copy");
  }
}

/// The copy is on its way while it is read.
TEST(BulkChecksTest, LoadIsNotWaitedForAndRacesAreNotLookedFor) {
  for (const std::string &copy : loads()) {
    CopyJob job = make("  @!%one bra issued;\n"
                       "  mbarrier.arrive.expect_tx.shared::cta.b64 %state, "
                       "[bars], %tx;\n  " +
                       copy + "; // @copy\nissued:\n  bar.sync 0;\n");
    Options options;
    options.checks.races = false;
    CopyOutcome got = job.run(options);
    EXPECT_TRUE(got.has({job.source.line("read")}, {"async"}))
        << got.describe();
  }
}

/// A wait of thread 0 alone orders nothing for the others.
TEST(BulkChecksTest, LoadIsWaitedForByOne) {
  for (const std::string &copy : loads()) {
    std::string text =
        "  @!%one bra over;\n"
        "  mbarrier.arrive.expect_tx.shared::cta.b64 %state, [bars], %tx;\n"
        "  " +
        copy + "; // @copy\n" + waitForCopies("bars", "0", "wait") + "over:\n";
    expectRace(make(text), "read", "copy");
    expectNoFinding(make(text + "  bar.sync 0;\n"));
  }
}

/// A second copy to where others still read the first.
TEST(BulkChecksTest, DestinationIsCopiedToWhileItIsRead) {
  for (const std::string &copy : loads()) {
    std::string text = loadText(copy) +
                       "  shl.b32 %at, %thread, 2;\n"
                       "  add.u32 %to, %smem, %at;\n"
                       "  ld.shared.b32 %x, [%to]; // @use\n"
                       "  // between\n"
                       "  @!%one bra poll_again;\n"
                       "  mbarrier.arrive.expect_tx.shared::cta.b64 %state, "
                       "[bars+8], %tx;\n  " +
                       with(copy, "[bars]", "[bars+8]") + "; // @second\n" +
                       waitForCopies("bars+8", "0", "again");
    CopyJob job = make(text);
    expectRace(job, "use", "second");
    expectNoFinding(make(with(text, "  // between\n", "  bar.sync 0;\n")));
  }
}

TEST(BulkChecksTest, TwoCopiesToOnePlace) {
  for (const std::string &copy : loads()) {
    CopyJob job = make(loadText(copy + "; // @one\n  " + copy));
    job.tx = 2048;
    for (const Options &options : everyOptions()) {
      CopyOutcome got = job.run(options);
      EXPECT_TRUE(
          got.has({job.source.line("one"), job.source.line("copy")}, {"races"}))
          << wayOf(options) << got.describe();
    }
  }
}

TEST(BulkChecksTest, ProxyFenceIsMissing) {
  for (const std::string &copy : stores()) {
    CopyJob job = make(storeText(copy));
    job.source.drop("proxy");
    expectFinding(job, "copy", "races");
  }
  // What the threads wrote, and the copy overwrites.
  for (const std::string &copy : loads()) {
    CopyJob job = make(loadText(copy));
    job.source.drop("proxy");
    expectFinding(job, "copy", "races");
  }
}

/// Before the barrier, or behind it in the thread that copies: the manual has
/// it anywhere between.
TEST(BulkChecksTest, ProxyFenceOfTheIssuer) {
  for (const std::string &copy : stores()) {
    CopyJob job = make(storeText("fence.proxy.async;\n  " + copy));
    job.source.drop("proxy");
    expectNoFinding(job);
    job = make(storeText("fence.proxy.async.shared::cta;\n  " + copy));
    job.source.drop("proxy");
    expectNoFinding(job);
  }
}

TEST(BulkChecksTest, BarrierBeforeAStoreIsMissing) {
  for (const std::string &copy : stores()) {
    CopyJob job = make(storeText(copy));
    job.source.drop("ready");
    expectRace(job, "fill", "copy");
  }
}

TEST(BulkChecksTest, StoreIsNotCommittedOrNotWaitedFor) {
  for (const std::string &copy : stores()) {
    CopyJob job = make(storeText(copy));
    job.source.drop("commit");
    expectFinding(job, "copy", "async");
    job = make(storeText(copy));
    job.source.drop("done");
    expectFinding(job, "copy", "async");
    // One is left.
    job = make(storeText(copy));
    job.source.replace("done", "  cp.async.bulk.wait_group 1;");
    expectFinding(job, "copy", "async");
    // Its source has been read: the CTA may end.
    job = make(storeText(copy));
    job.source.replace("done", "  cp.async.bulk.wait_group.read 0;");
    expectNoFinding(job);
  }
}

TEST(BulkChecksTest, SourceIsWrittenBeforeItIsRead) {
  std::string touch = "  st.shared.b32 [%smem+1020], %x; // @touch\n";
  for (const std::string &copy : stores()) {
    for (const char *where : {"copy", "commit"}) {
      CopyJob job = make(storeText(copy) + "  bar.sync 0;\n");
      job.source.after(where, touch);
      expectRace(job, "touch", "copy");
    }
    CopyJob job = make(storeText(copy) + "  bar.sync 0;\n");
    job.source.after("done", touch);
    expectNoFinding(job);
    job.source.replace("done", "  cp.async.bulk.wait_group.read 0;");
    expectNoFinding(job);
    // Another warp, before thread 0 has waited.
    std::string other = "  setp.eq.u32 %done, %thread, 40;\n  @%done" +
                        touch.substr(1) + "  bar.sync 0;\n";
    job = make(storeText(copy) + other);
    expectRace(job, "touch", "copy");
    expectNoFinding(make(storeText(copy) + "  bar.sync 0;\n" + other));
  }
}
