//===- TensorCopiesTest.cpp - cp.async.bulk.tensor moves what it should ---===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All of shared memory, or all of the buffer, is compared: what a copy should
// not touch as well.
//
//===----------------------------------------------------------------------===//
#include "CopyKit.h"

#include <gtest/gtest.h>

#include <climits>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

using E = TensorMapDesc::Element;
using Mode = TensorMapDesc::Swizzle;
using Fill = TensorMapDesc::Fill;

const Mode kSwizzles[] = {Mode::None, Mode::B32, Mode::B64, Mode::B128};
/// Of 1, 2, 4 and 8 bytes.
const E kElements[] = {E::U8, E::BF16, E::S32, E::F64};

uint32_t spanOf(Mode swizzle) {
  return swizzle == Mode::None ? 48 : 16u << unsigned(swizzle);
}

/// A tensor that lies 64 bytes behind the begin of the buffer, with padding in
/// each dimension; its rows are no multiple of 16 bytes unless they must.
TensorMapDesc tensor(unsigned rank, E element, Mode swizzle,
                     uint32_t innerBytes = 0) {
  TensorMapDesc map;
  map.element = element;
  map.rank = rank;
  map.swizzle = swizzle;
  map.base = 64;
  uint32_t bytes = elementBytes(element);
  uint32_t inner = innerBytes ? innerBytes : spanOf(swizzle);
  const uint64_t dims[] = {inner / bytes + 3, 9, 4, 3, 3};
  const uint32_t box[] = {inner / bytes, 5, 3, 2, 2};
  uint64_t stride = (dims[0] * bytes + 15) / 16 * 16 + 16;
  for (unsigned d = 0; d < rank; ++d) {
    map.dim[d] = dims[d];
    map.box[d] = box[d];
    if (d > 0) {
      map.stride[d] = stride;
      stride = stride * dims[d] + 16;
    }
  }
  return map;
}

uint64_t tensorBytes(const TensorMapDesc &map) {
  uint64_t bytes = map.dim[0] * elementBytes(map.element);
  for (unsigned d = 1; d < map.rank; ++d) {
    bytes += (map.dim[d] - 1) * map.stride[d];
  }
  return bytes;
}

CopyJob load(const TensorMapDesc &map, std::vector<int32_t> at,
             uint32_t offset = 0) {
  CopyJob job(
      loadText(tensorLoad(map.rank, "%smem+" + std::to_string(offset))));
  job.map = map;
  std::copy(at.begin(), at.end(), job.at);
  job.tx = uint32_t(boxBytes(map));
  // Rows of half a line may be swizzled into the whole of it.
  job.sharedBytes = offset + (job.tx + 127) / 128 * 128 + 256;
  job.global = noise(map.base + tensorBytes(map) + 64);
  return job;
}

CopyJob store(const TensorMapDesc &map, std::vector<int32_t> at,
              uint32_t offset = 0) {
  CopyJob job = load(map, at, offset);
  job.source =
      CopyJob(
          storeText(tensorStore(map.rank, "%smem+" + std::to_string(offset))))
          .source;
  return job;
}

std::string describe(const CopyJob &job) {
  std::string text = "rank " + std::to_string(job.map.rank) + ", element " +
                     std::to_string(unsigned(job.map.element)) + ", swizzle " +
                     std::to_string(unsigned(job.map.swizzle)) + ", at";
  for (unsigned d = 0; d < job.map.rank; ++d) {
    text += " " + std::to_string(job.at[d]);
  }
  return text;
}

void expectClean(const CopyJob &job, const CopyOutcome &got) {
  ASSERT_EQ(got.error, "") << got.describe() << job.source.text;
  EXPECT_TRUE(got.findings.empty()) << got.describe();
}

void expectLoad(const CopyJob &job, uint32_t offset = 0,
                const std::vector<Options> &all = everyCompletion()) {
  for (const Options &options : all) {
    SCOPED_TRACE(describe(job) + ", " + wayOf(options));
    CopyOutcome got = job.run(options);
    expectClean(job, got);
    if (got.shared.empty()) {
      return;
    }
    Bytes want = job.filled();
    std::vector<uint64_t> nans;
    applyLoad(job, offset, want, &nans);
    for (uint64_t place : nans) {
      EXPECT_TRUE(isNaN(job.map.element, &got.shared[0][place])) << place;
      for (unsigned i = 0; i < elementBytes(job.map.element); ++i) {
        want[place + i] = got.shared[0][place + i];
      }
    }
    EXPECT_EQ(firstDifference(got.shared[0], want), "");
    EXPECT_EQ(firstDifference(got.global, job.global), "");
  }
}

void expectStore(const CopyJob &job, uint32_t offset = 0,
                 const std::vector<Options> &all = everyCompletion()) {
  for (const Options &options : all) {
    SCOPED_TRACE(describe(job) + ", " + wayOf(options));
    CopyOutcome got = job.run(options);
    expectClean(job, got);
    if (got.shared.empty()) {
      return;
    }
    Bytes want = job.global;
    applyStore(job, offset, job.filled(), want);
    EXPECT_EQ(firstDifference(got.global, want), "");
    EXPECT_EQ(firstDifference(got.shared[0], job.filled()), "");
  }
}

/// Boxes inside, over each edge, and beyond each edge, one dimension at a time
/// and all of them together.
std::vector<std::vector<int32_t>> places(const TensorMapDesc &map,
                                         bool withNegative) {
  std::vector<int32_t> inside;
  for (unsigned d = 0; d < map.rank; ++d) {
    inside.push_back(d == 0 ? 2 : 1);
  }
  std::vector<std::vector<int32_t>> all = {inside};
  std::vector<int32_t> below = inside, above = inside;
  for (unsigned d = 0; d < map.rank; ++d) {
    auto box = int32_t(map.box[d]), dim = int32_t(map.dim[d]);
    below[d] = -1;
    above[d] = dim - 1;
    for (int32_t c : {-1, 1 - box, -box, -box - 3, dim - 1, dim, dim + 7,
                      INT32_MAX, INT32_MIN}) {
      if (c >= 0 || withNegative) {
        all.push_back(inside);
        all.back()[d] = c;
      }
    }
  }
  if (withNegative) {
    all.push_back(below);
  }
  all.push_back(above);
  return all;
}

} // namespace

//===--- Loads ------------------------------------------------------------===//

TEST(TensorCopiesTest, LoadsOfEveryRankElementAndSwizzle) {
  for (unsigned rank = 1; rank <= 5; ++rank) {
    for (E element : kElements) {
      for (Mode swizzle : kSwizzles) {
        TensorMapDesc map = tensor(rank, element, swizzle);
        expectLoad(load(map, {2, 1, 1, 1, 1}));
        std::vector<int32_t> corner;
        for (unsigned d = 0; d < rank; ++d) {
          corner.push_back(d % 2 ? -1 : int32_t(map.dim[d]) - 2);
        }
        expectLoad(load(map, corner, 128), 128);
      }
    }
  }
}

TEST(TensorCopiesTest, LoadsOverEachEdge) {
  for (unsigned rank = 1; rank <= 5; ++rank) {
    TensorMapDesc map =
        tensor(rank, rank % 2 ? E::BF16 : E::F32, kSwizzles[rank % 4]);
    for (const std::vector<int32_t> &at : places(map, true)) {
      expectLoad(load(map, at), 0, {Options()});
    }
  }
}

TEST(TensorCopiesTest, NaNOutsideOfTheTensor) {
  for (E element : {E::F16, E::BF16, E::F32, E::F64, E::TF32}) {
    TensorMapDesc map = tensor(3, element, Mode::B64);
    map.fill = Fill::NaN;
    for (const std::vector<int32_t> &at : places(map, true)) {
      CopyJob job = load(map, at);
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
      TensorMapDesc map = tensor(2, E::BF16, swizzle);
      expectLoad(load(map, {0, -2}, 128 * line), 128 * line, {Options()});
      TensorMapDesc flat = tensor(1, E::BF16, swizzle);
      expectLoad(load(flat, {3}, 128 * line), 128 * line, {Options()});
    }
  }
}

/// Rows that are shorter than the span of the swizzle lie side by side.
TEST(TensorCopiesTest, RowsShorterThanTheSwizzle) {
  for (Mode swizzle : {Mode::B32, Mode::B64, Mode::B128}) {
    for (uint32_t inner = 16; inner < spanOf(swizzle); inner += 16) {
      for (E element : kElements) {
        TensorMapDesc map = tensor(2, element, swizzle, inner);
        map.box[1] = 8;
        expectLoad(load(map, {1, 2}), 0, {Options()});
        expectStore(store(map, {1, 2}), 0, {Options()});
      }
    }
  }
}

/// Without a swizzle, rows may be as long as a box.
TEST(TensorCopiesTest, LongRows) {
  for (E element : kElements) {
    TensorMapDesc map =
        tensor(2, element, Mode::None, 256 * elementBytes(element));
    map.box[1] = 2;
    expectLoad(load(map, {-5, 3}));
    expectStore(store(map, {7, 8}));
  }
}

TEST(TensorCopiesTest, EveryFewElements) {
  for (uint32_t step : {2u, 3u, 8u}) {
    for (unsigned rank = 2; rank <= 5; ++rank) {
      TensorMapDesc map = tensor(rank, E::BF16, Mode::B32);
      for (unsigned d = 0; d < rank; ++d) {
        map.elementStride[d] = d == 0 || d % 2 == step % 2 ? step : 1;
      }
      std::vector<int32_t> at(rank, 1);
      expectLoad(load(map, at), 0, {Options()});
      at[rank - 1] = -1;
      expectLoad(load(map, at), 0, {Options()});
      at[rank - 1] = 1;
      expectStore(store(map, at), 0, {Options()});
    }
  }
}

TEST(TensorCopiesTest, LoadsUnderEverySchedule) {
  TensorMapDesc map = tensor(3, E::BF16, Mode::B128);
  for (const std::vector<int32_t> &at : places(map, true)) {
    expectLoad(load(map, at), 0, everyOptions());
  }
}

/// Shared addresses have 32 or 64 bits, or are names, all with offsets.
TEST(TensorCopiesTest, AddressesOfShared) {
  TensorMapDesc map = tensor(2, E::F32, Mode::B128);
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
    CopyJob job = load(map, {1, 1}, form.offset);
    job.source =
        CopyJob(loadText(tensorLoad(2, form.to, form.barrier, form.space)))
            .source;
    expectLoad(job, form.offset);
  }
  // A negative offset.
  CopyJob job = load(map, {1, 1}, 128);
  job.source = CopyJob("  add.u32 %to, %smem, 1152;\n" +
                       loadText(tensorLoad(2, "%to+-1024", "%bar", "cta")))
                   .source;
  expectLoad(job, 128);
  // Another barrier than the first.
  job = load(map, {1, 1});
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
  TensorMapDesc map = tensor(2, E::BF16, Mode::B64);
  CopyJob job = load(map, {1, 1});
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
  TensorMapDesc map = tensor(2, E::BF16, Mode::B64);
  for (const char *name :
       {"cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::"
        "complete_tx::bytes",
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::"
        "complete_tx::bytes"}) {
    CopyJob job = load(map, {1, 1});
    job.source = CopyJob(loadText(std::string(name) +
                                  " [%smem], [%map, {%c0, %c1}], [bars]"))
                     .source;
    expectLoad(job);
  }
  CopyJob job = load(map, {1, 1});
  job.source = CopyJob(storeText("cp.async.bulk.tensor.2d.global.shared::cta."
                                 "bulk_group [%map, {%c0, %c1}], [%smem]"))
                   .source;
  expectStore(job);
}

/// The phase completes with the bytes of the whole box, and no other number.
TEST(TensorCopiesTest, BytesOfATransaction) {
  TensorMapDesc map = tensor(3, E::BF16, Mode::B64);
  for (std::vector<int32_t> at :
       {std::vector<int32_t>{1, 1, 1}, {-3, 7, -1}, {500, 1, 1}}) {
    for (int32_t more : {16, -16}) {
      CopyJob job = load(map, at);
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
        TensorMapDesc map = tensor(rank, element, swizzle);
        expectStore(store(map, {2, 1, 1, 1, 1}));
        std::vector<int32_t> corner;
        for (unsigned d = 0; d < rank; ++d) {
          corner.push_back(int32_t(map.dim[d]) - 2);
        }
        expectStore(store(map, corner, 128), 128);
      }
    }
  }
}

TEST(TensorCopiesTest, StoresOverEachEdge) {
  for (unsigned rank = 1; rank <= 5; ++rank) {
    TensorMapDesc map =
        tensor(rank, rank % 2 ? E::BF16 : E::F32, kSwizzles[rank % 4]);
    for (const std::vector<int32_t> &at : places(map, false)) {
      expectStore(store(map, at), 0, {Options()});
    }
  }
}

TEST(TensorCopiesTest, StoresUnderEverySchedule) {
  TensorMapDesc map = tensor(3, E::BF16, Mode::B128);
  for (const std::vector<int32_t> &at : places(map, false)) {
    expectStore(store(map, at), 0, everyOptions());
  }
}

TEST(TensorCopiesTest, StoresFromEveryAddress) {
  TensorMapDesc map = tensor(2, E::BF16, Mode::B128);
  for (uint32_t line = 0; line < 9; ++line) {
    std::string offset = std::to_string(128 * line);
    for (std::string from : {"%smem", "%smem64", "smem"}) {
      CopyJob job = store(map, {1, 1}, 128 * line);
      job.source =
          CopyJob(storeText(tensorStore(2, from + "+" + offset))).source;
      expectStore(job, 128 * line, {Options()});
    }
  }
}

//===--- Prefetches -------------------------------------------------------===//

TEST(TensorCopiesTest, PrefetchesDoNothing) {
  TensorMapDesc map = tensor(3, E::BF16, Mode::B128);
  for (std::string text :
       {"  cp.async.bulk.prefetch.tensor.3d.L2.global.tile [%map, {%c0, %c1, "
        "%c2}];\n",
        "  prefetch.tensormap [%map];\n",
        "  createpolicy.fractional.L2::evict_first.b64 %policy, 1.0;\n"
        "  cp.async.bulk.prefetch.tensor.3d.L2.global.L2::cache_hint [%map, "
        "{%c0, %c1, %c2}], %policy;\n"}) {
    for (const Options &options : everyOptions()) {
      CopyJob job = load(map, {-1, 5, 1});
      job.source = CopyJob(text).source;
      CopyOutcome got = job.run(options);
      expectClean(job, got);
      EXPECT_EQ(firstDifference(got.shared.at(0), job.filled()), "");
      EXPECT_EQ(firstDifference(got.global, job.global), "");
    }
  }
}
