//===- TensorKit.cpp - Boxes of tensors that are copied -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TensorKit.h"

#include <gtest/gtest.h>

#include <climits>

using namespace ptxsim;
using namespace ptxsim::test;

using E = TensorMapDesc::Element;
using Mode = TensorMapDesc::Swizzle;

uint32_t test::spanOf(Mode swizzle) {
  return swizzle == Mode::None ? 48 : 16u << unsigned(swizzle);
}

TensorMapDesc test::makeTensor(unsigned rank, E element, Mode swizzle,
                               uint32_t innerBytes) {
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

static uint64_t tensorBytes(const TensorMapDesc &map) {
  uint64_t bytes = map.dim[0] * elementBytes(map.element);
  for (unsigned d = 1; d < map.rank; ++d) {
    bytes += (map.dim[d] - 1) * map.stride[d];
  }
  return bytes;
}

CopyJob test::loadOf(const TensorMapDesc &map, std::vector<int32_t> at,
                     uint32_t offset) {
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

CopyJob test::storeOf(const TensorMapDesc &map, std::vector<int32_t> at,
                      uint32_t offset) {
  CopyJob job = loadOf(map, at, offset);
  job.source =
      CopyJob(
          storeText(tensorStore(map.rank, "%smem+" + std::to_string(offset))))
          .source;
  return job;
}

static std::string describe(const CopyJob &job) {
  std::string text = "rank " + std::to_string(job.map.rank) + ", element " +
                     std::to_string(unsigned(job.map.element)) + ", swizzle " +
                     std::to_string(unsigned(job.map.swizzle)) + ", at";
  for (unsigned d = 0; d < job.map.rank; ++d) {
    text += " " + std::to_string(job.at[d]);
  }
  return text;
}

void test::expectClean(const CopyJob &job, const CopyOutcome &got) {
  ASSERT_EQ(got.error, "") << got.describe() << job.source.text;
  EXPECT_TRUE(got.findings.empty()) << got.describe();
}

void test::expectLoad(const CopyJob &job, uint32_t offset,
                      const std::vector<Options> &all) {
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

void test::expectStore(const CopyJob &job, uint32_t offset,
                       const std::vector<Options> &all) {
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

std::vector<std::vector<int32_t>> test::placesOf(const TensorMapDesc &map,
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
