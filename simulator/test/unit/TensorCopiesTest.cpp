//===- TensorCopiesTest.cpp - cp.async.bulk.tensor moves what it should ---===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TensorKit.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

using E = TensorMapDesc::Element;
using Mode = TensorMapDesc::Swizzle;
using Fill = TensorMapDesc::Fill;

const Mode kSwizzles[] = {Mode::None, Mode::B32, Mode::B64, Mode::B128};
/// Of 1, 2, 4 and 8 bytes.
const E kElements[] = {E::U8, E::BF16, E::S32, E::F64};

} // namespace

//===--- Loads ------------------------------------------------------------===//

TEST(TensorCopiesTest, LoadsOfEveryRankElementAndSwizzle) {
  for (unsigned rank = 1; rank <= 5; ++rank) {
    for (E element : kElements) {
      for (Mode swizzle : kSwizzles) {
        TensorMapDesc map = makeTensor(rank, element, swizzle);
        expectLoad(loadOf(map, {2, 1, 1, 1, 1}));
        std::vector<int32_t> corner;
        for (unsigned d = 0; d < rank; ++d) {
          corner.push_back(d % 2 ? -1 : int32_t(map.dim[d]) - 2);
        }
        expectLoad(loadOf(map, corner, 128), 128);
      }
    }
  }
}

TEST(TensorCopiesTest, LoadsOverEachEdge) {
  for (unsigned rank = 1; rank <= 5; ++rank) {
    TensorMapDesc map =
        makeTensor(rank, rank % 2 ? E::BF16 : E::F32, kSwizzles[rank % 4]);
    for (const std::vector<int32_t> &at : placesOf(map, true)) {
      expectLoad(loadOf(map, at), 0, {Options()});
    }
  }
}

TEST(TensorCopiesTest, NaNOutsideOfTheTensor) {
  for (E element : {E::F16, E::BF16, E::F32, E::F64, E::TF32}) {
    TensorMapDesc map = makeTensor(3, element, Mode::B64);
    map.fill = Fill::NaN;
    for (const std::vector<int32_t> &at : placesOf(map, true)) {
      CopyJob job = loadOf(map, at);
      if (element == E::TF32) {
        // Numbers of its precision.
        for (size_t i = 0; i + 4 <= job.global.size(); i += 4) {
          job.global[i] = 0;
          job.global[i + 1] &= 0xE0;
        }
      }
      expectLoad(job, 0, {Options()});
    }
  }
}

/// Every line of a picture may be the first.
TEST(TensorCopiesTest, LoadsToEveryLine) {
  for (Mode swizzle : kSwizzles) {
    for (uint32_t line = 0; line < 9; ++line) {
      TensorMapDesc map = makeTensor(2, E::BF16, swizzle);
      expectLoad(loadOf(map, {0, -2}, 128 * line), 128 * line, {Options()});
      TensorMapDesc flat = makeTensor(1, E::BF16, swizzle);
      expectLoad(loadOf(flat, {3}, 128 * line), 128 * line, {Options()});
    }
  }
}

/// Rows that are shorter than the span of the swizzle lie side by side.
TEST(TensorCopiesTest, RowsShorterThanTheSwizzle) {
  for (Mode swizzle : {Mode::B32, Mode::B64, Mode::B128}) {
    for (uint32_t inner = 16; inner < spanOf(swizzle); inner += 16) {
      for (E element : kElements) {
        TensorMapDesc map = makeTensor(2, element, swizzle, inner);
        map.box[1] = 8;
        expectLoad(loadOf(map, {1, 2}), 0, {Options()});
        expectStore(storeOf(map, {1, 2}), 0, {Options()});
      }
    }
  }
}

/// Without a swizzle, rows may be as long as a box.
TEST(TensorCopiesTest, LongRows) {
  for (E element : kElements) {
    TensorMapDesc map =
        makeTensor(2, element, Mode::None, 256 * elementBytes(element));
    map.box[1] = 2;
    expectLoad(loadOf(map, {-5, 3}));
    expectStore(storeOf(map, {7, 8}));
  }
}

TEST(TensorCopiesTest, EveryFewElements) {
  for (uint32_t step : {2u, 3u, 8u}) {
    for (unsigned rank = 2; rank <= 5; ++rank) {
      TensorMapDesc map = makeTensor(rank, E::BF16, Mode::B32);
      for (unsigned d = 0; d < rank; ++d) {
        map.elementStride[d] = d == 0 || d % 2 == step % 2 ? step : 1;
      }
      std::vector<int32_t> at(rank, 1);
      expectLoad(loadOf(map, at), 0, {Options()});
      at[rank - 1] = -1;
      expectLoad(loadOf(map, at), 0, {Options()});
      at[rank - 1] = 1;
      expectStore(storeOf(map, at), 0, {Options()});
    }
  }
}

TEST(TensorCopiesTest, LoadsUnderEverySchedule) {
  TensorMapDesc map = makeTensor(3, E::BF16, Mode::B128);
  for (const std::vector<int32_t> &at : placesOf(map, true)) {
    expectLoad(loadOf(map, at), 0, everyOptions());
  }
}

/// Shared addresses have 32 or 64 bits, or are names, all with offsets.
TEST(TensorCopiesTest, AddressesOfShared) {
  TensorMapDesc map = makeTensor(2, E::F32, Mode::B128);
  struct Form {
    const char *to, *barrier, *space;
    uint32_t offset;
  };
  for (const Form &form : {
           Form{"%smem", "%bar", "cta", 0},
           Form{"%smem64", "%bar64", "cta", 0},
           Form{"%smem+256", "%bar64+0", "cluster", 256},
           Form{"%smem64+384", "%bar+0", "cluster", 384},
           Form{"%smem64+1024", "bars+0", "cta", 1024},
           Form{"smem", "bars", "cluster", 0},
           Form{"smem+128", "bars", "cta", 128},
       }) {
    CopyJob job = loadOf(map, {1, 1}, form.offset);
    job.source =
        CopyJob(loadText(tensorLoad(2, form.to, form.barrier, form.space)))
            .source;
    expectLoad(job, form.offset);
  }
  // A negative offset.
  CopyJob job = loadOf(map, {1, 1}, 128);
  job.source = CopyJob("  add.u32 %to, %smem, 1152;\n" +
                       loadText(tensorLoad(2, "%to+-1024", "%bar", "cta")))
                   .source;
  expectLoad(job, 128);
  // Another barrier than the first.
  job = loadOf(map, {1, 1});
  std::string text = loadText(tensorLoad(2, "%smem", "%bar64+16"));
  for (size_t at; (at = text.find("[bars]")) != std::string::npos;) {
    text.replace(at, 6, "[bars+16]");
  }
  job.source = CopyJob(text).source;
  expectLoad(job);
}

TEST(TensorCopiesTest, CachePolicies) {
  std::string policy =
      "  createpolicy.fractional.L2::evict_last.b64 %policy, 1.0;\n";
  TensorMapDesc map = makeTensor(2, E::BF16, Mode::B64);
  CopyJob job = loadOf(map, {1, 1});
  job.source =
      CopyJob(policy + loadText(tensorLoad(2, "%smem", "bars", "cluster",
                                           ".L2::cache_hint", ", %policy")))
          .source;
  expectLoad(job);
  job.source =
      CopyJob(policy + storeText(tensorStore(2, "%smem", ".L2::cache_hint",
                                             ", %policy")))
          .source;
  expectStore(job);
}

/// `.tile` is the default, and may stand on either side of the mechanism.
TEST(TensorCopiesTest, LoadModes) {
  TensorMapDesc map = makeTensor(2, E::BF16, Mode::B64);
  for (const char *name :
       {"cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::"
        "complete_tx::bytes",
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::"
        "complete_tx::bytes"}) {
    CopyJob job = loadOf(map, {1, 1});
    job.source = CopyJob(loadText(std::string(name) +
                                  " [%smem], [%map, {%c0, %c1}], [bars]"))
                     .source;
    expectLoad(job);
  }
  CopyJob job = loadOf(map, {1, 1});
  job.source = CopyJob(storeText("cp.async.bulk.tensor.2d.global.shared::cta."
                                 "bulk_group [%map, {%c0, %c1}], [%smem]"))
                   .source;
  expectStore(job);
}

/// The phase completes with the bytes of the whole box, and no other number.
TEST(TensorCopiesTest, BytesOfATransaction) {
  TensorMapDesc map = makeTensor(3, E::BF16, Mode::B64);
  for (std::vector<int32_t> at :
       {std::vector<int32_t>{1, 1, 1}, {-3, 7, -1}, {500, 1, 1}}) {
    for (int32_t more : {16, -16}) {
      CopyJob job = loadOf(map, at);
      job.tx += uint32_t(more);
      expectDeadlock(job, "wait", more > 0 ? "16 bytes" : "");
    }
  }
}

//===--- Stores -----------------------------------------------------------===//

TEST(TensorCopiesTest, StoresOfEveryRankElementAndSwizzle) {
  for (unsigned rank = 1; rank <= 5; ++rank) {
    for (E element : kElements) {
      for (Mode swizzle : kSwizzles) {
        TensorMapDesc map = makeTensor(rank, element, swizzle);
        expectStore(storeOf(map, {2, 1, 1, 1, 1}));
        std::vector<int32_t> corner;
        for (unsigned d = 0; d < rank; ++d) {
          corner.push_back(int32_t(map.dim[d]) - 2);
        }
        expectStore(storeOf(map, corner, 128), 128);
      }
    }
  }
}

TEST(TensorCopiesTest, StoresOverEachEdge) {
  for (unsigned rank = 1; rank <= 5; ++rank) {
    TensorMapDesc map =
        makeTensor(rank, rank % 2 ? E::BF16 : E::F32, kSwizzles[rank % 4]);
    for (const std::vector<int32_t> &at : placesOf(map, false)) {
      expectStore(storeOf(map, at), 0, {Options()});
    }
  }
}

TEST(TensorCopiesTest, StoresUnderEverySchedule) {
  TensorMapDesc map = makeTensor(3, E::BF16, Mode::B128);
  for (const std::vector<int32_t> &at : placesOf(map, false)) {
    expectStore(storeOf(map, at), 0, everyOptions());
  }
}

TEST(TensorCopiesTest, StoresFromEveryAddress) {
  TensorMapDesc map = makeTensor(2, E::BF16, Mode::B128);
  for (uint32_t line = 0; line < 9; ++line) {
    std::string offset = std::to_string(128 * line);
    for (std::string from : {"%smem", "%smem64", "smem"}) {
      CopyJob job = storeOf(map, {1, 1}, 128 * line);
      job.source =
          CopyJob(storeText(tensorStore(2, from + "+" + offset))).source;
      expectStore(job, 128 * line, {Options()});
    }
  }
}

//===--- Prefetches -------------------------------------------------------===//

TEST(TensorCopiesTest, PrefetchesDoNothing) {
  TensorMapDesc map = makeTensor(3, E::BF16, Mode::B128);
  for (std::string text :
       {"  cp.async.bulk.prefetch.tensor.3d.L2.global.tile [%map, {%c0, %c1, "
        "%c2}];\n",
        "  prefetch.tensormap [%map];\n",
        "  createpolicy.fractional.L2::evict_first.b64 %policy, 1.0;\n"
        "  cp.async.bulk.prefetch.tensor.3d.L2.global.L2::cache_hint [%map, "
        "{%c0, %c1, %c2}], %policy;\n"}) {
    for (const Options &options : everyOptions()) {
      CopyJob job = loadOf(map, {-1, 5, 1});
      job.source = CopyJob(text).source;
      CopyOutcome got = job.run(options);
      expectClean(job, got);
      EXPECT_EQ(firstDifference(got.shared.at(0), job.filled()), "");
      EXPECT_EQ(firstDifference(got.global, job.global), "");
    }
  }
}
