//===- NeedTablesTest.cpp - Which instruction needs which chip ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "NeedTables.h"

#include "gtest/gtest.h"

using namespace attn;

namespace {

/// The lowest level at which a chip has it, 0 if it has not.
unsigned lowest(ArrayRef<Need> needs, StringRef chip) {
  unsigned level = 0;
  for (const Need &need : needs) {
    if (need.isMetBy(*findPtxChip(chip)) && (!level || need.level < level)) {
      level = need.level;
    }
  }
  return level;
}

TEST(NeedTables, AssemblyAsTheManualSays) {
  struct {
    const char *mnemonic, *chip;
    unsigned level;
  } cases[] = {
      {"wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16", "sm_90a", 80},
      {"wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16", "sm_90", 0},
      {"wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16", "sm_100a", 0},
      {"wgmma.wait_group.sync.aligned", "sm_120", 0},
      {"setmaxnreg.inc.sync.aligned.u32", "sm_100a", 80},
      {"setmaxnreg.inc.sync.aligned.u32", "sm_100", 0},
      {"mbarrier.try_wait.parity.shared.b64", "sm_90", 78},
      {"mbarrier.try_wait.parity.shared::cta.b64", "sm_90", 78},
      {"mbarrier.try_wait.parity.shared.b64", "sm_89", 0},
      {"mbarrier.arrive.expect_tx.shared.b64", "sm_90", 80},
      {"cp.async.bulk.tensor.2d.shared::cluster.global.tile", "sm_90", 80},
      {"cp.async.bulk.tensor.2d.shared::cta.global.tile", "sm_90", 86},
      {"cp.async.bulk.commit_group", "sm_80", 0},
      {"mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32", "sm_89", 84},
      {"mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32", "sm_86", 0},
      {"cvt.rn.satfinite.e4m3x2.f32", "sm_89", 81},
      {"cvt.rn.satfinite.e4m3x2.f32", "sm_90", 78},
      {"cvt.rn.f16x2.e5m2x2", "sm_80", 0},
      {"tcgen05.wait::ld.sync.aligned", "sm_103f", 86},
      {"tcgen05.wait::ld.sync.aligned", "sm_120a", 0},
      {"ld.shared::cta.u32", "sm_80", 78},
      {"st.shared::cluster.u32", "sm_89", 0},
      {"ld.global.L2::128B.u32", "sm_80", 74},
      {"fma.rn.ftz.f32x2", "sm_100", 86},
      {"fma.rn.ftz.f32x2", "sm_90a", 0},
  };
  for (const auto &c : cases) {
    ArrayRef<Need> needs = findAssemblyNeeds(c.mnemonic);
    ASSERT_FALSE(needs.empty()) << c.mnemonic;
    EXPECT_EQ(lowest(needs, c.chip), c.level) << c.mnemonic << ' ' << c.chip;
  }
}

TEST(NeedTables, PlainAssemblyNeedsNothing) {
  for (const char *mnemonic :
       {"", "bar.sync", "ld.shared.u32",
        "mma.sync.aligned.m16n8k16.row.col."
        "f32.bf16.bf16.f32",
        "cp.async.cg.shared.global", "fma.rn.ftz.f32", "ex2.approx.ftz.f32",
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16"}) {
    EXPECT_TRUE(findAssemblyNeeds(mnemonic).empty()) << mnemonic;
  }
}

TEST(NeedTables, SaysWhatFits) {
  EXPECT_EQ(findAssemblyNeeds("wgmma.x").front().describe(),
            "sm_90a with PTX level 80 or higher");
  EXPECT_EQ(findAssemblyNeeds("griddepcontrol.wait").front().describe(),
            "sm_90 or later with PTX level 78 or higher");
}

} // namespace
