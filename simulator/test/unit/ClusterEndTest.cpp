//===- ClusterEndTest.cpp - Shared memory of CTAs that have ended ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A CTA must not end before others are done with its shared memory [3.2]. Each
// access of rank 1 to that of rank 0 is clean if both meet behind it, and has a
// finding if rank 0 may have gone, whoever was first.
//
//===----------------------------------------------------------------------===//
#include "ClusterKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

/// `access` is what rank 1 does with [%v2], a word of rank 0; %x3 is an
/// mbarrier of its own, and %v5 one of rank 0, for one arrival each.
Launch visit(const std::string &access, const std::string &behind,
             uint32_t threads = 1) {
  Launch launch(".shared .align 16 .b32 words[4];\n"
                "  .shared .align 8 .b64 full;\n",
                "  setp.eq.u32 %p0, %thread, 0;\n  setp.eq.u32 %p1, %rank, 1;\n"
                "  mov.u32 %v3, words;\n  mov.u64 %x3, full;\n"
                "  cvt.u32.u64 %v4, %x3;\n"
                "  @%p0 st.shared.v4.b32 [words], {7, 7, 7, 7};\n"
                "  @%p0 mbarrier.init.shared::cta.b64 [%x3], 1;\n"
                "  fence.mbarrier_init.release.cluster;\n"
                "  fence.proxy.async;\n" +
                    kMeet +
                    "  mapa.shared::cluster.u32 %v2, %v3, 0;\n"
                    "  mapa.shared::cluster.u32 %v5, %v4, 0;\n"
                    "  and.pred %p1, %p1, %p0;\n  @!%p1 bra behind;\n" +
                    access + "behind:\n" + behind);
  launch.config.grid.x = launch.config.cluster.x = 2;
  launch.config.block.x = threads;
  launch.words = 2 * threads;
  return launch;
}

const char *const kAccesses[] = {
    "  ld.shared::cluster.b32 %v0, [%v2]; // @it\n",
    "  st.shared::cluster.b32 [%v2], 1; // @it\n",
    "  red.relaxed.cluster.shared::cluster.add.u32 [%v2], 1; // @it\n",
    "  mbarrier.arrive.shared::cluster.b64 _, [%v5]; // @it\n"};

std::vector<uint32_t> untouched(const Launch &launch) {
  return std::vector<uint32_t>(launch.words, kUnwritten);
}

TEST(ClusterEndTest, WhoMeetsBehindItIsInTime) {
  for (const char *access : kAccesses) {
    Launch launch = visit(access, kMeet);
    expectClean(launch, untouched(launch));
  }
}

TEST(ClusterEndTest, WhoDoesNotMayBeLate) {
  for (const char *access : kAccesses) {
    Launch launch = visit(access, "");
    expectFinding(launch, {"it"}, {"races", "bounds"});
    // Each of both comes up in some order.
    for (const char *check : {"races", "bounds"}) {
      expectFindingOnce(launch, {"it"}, {check});
    }
  }
}

TEST(ClusterEndTest, Messages) {
  Launch launch = visit(kAccesses[0], "");
  std::string all;
  for (const Options &options : everySchedule()) {
    all += launch.run(options).describe();
  }
  for (const char *message :
       {"read of cta rank 0 shared+0 (words+0) by cta 1 warp 0 races with the "
        "end of that CTA",
        "reads 4 bytes at cta rank 0 shared+0 (words+0), but cta rank 0 has "
        "ended"}) {
    EXPECT_NE(all.find(message), std::string::npos) << message << all;
  }
}

TEST(ClusterEndTest, AddressesOutsideNameWhatThereIs) {
  Launch launch(".shared .align 4 .b32 words[3];",
                "  mov.u32 %v0, 0xFF000010;\n  ld.shared.u32 %v1, [%v0];\n"
                "  ld.shared.u32 %v1, [words+12];\n");
  std::string all = launch.run(Options()).describe();
  for (const char *message :
       {"reads 4 bytes at shared+4278190096 (outside of the cluster)",
        "reads 4 bytes at shared+12 (words+12), which is outside of the 12 "
        "bytes of the CTA"}) {
    EXPECT_NE(all.find(message), std::string::npos) << message << all;
  }
}

/// A CTA is there for as long as one of its warps.
TEST(ClusterEndTest, OneWarpIsEnough) {
  Launch launch = visit(kAccesses[0],
                        "  setp.ne.u32 %p2, %warp, 0;\n"
                        "  @%p2 exit;\n" +
                            kMeet,
                        96);
  expectClean(launch, untouched(launch));
}

/// To send bytes is to read them, up to when they have come.
TEST(ClusterEndTest, CopiesOutOfIt) {
  std::string send =
      "  mapa.shared::cluster.u32 %v6, %v4, 1;\n"
      "  mapa.shared::cluster.u32 %v7, %v3, 1;\n"
      "  setp.eq.u32 %p3, %rank, 0;\n  @!%p3 bra receive;\n"
      "  cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes"
      " [%v7], [%v3], 16, [%v6]; // @it\n"
      "  bra sent;\nreceive:\n"
      "  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%x3], 16;\n" +
      waitText("mbarrier.try_wait.parity.shared::cta.b64", "[%x3], 0", "wait") +
      "sent:\n";
  Launch met = visit("", send + kMeet);
  expectClean(met, untouched(met));
  expectFinding(visit("", send), {"it"}, {"races"});
}

} // namespace
