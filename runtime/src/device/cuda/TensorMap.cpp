//===- TensorMap.cpp - What the driver is told of a tensor ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attnrt/tensor_map.h"

#include "../../Guard.h"

#include <algorithm>

using namespace attnrt;

namespace {
/// CUtensorMapDataType, and the bytes of an element.
struct Element {
  int32_t type;
  uint64_t bytes;
};
} // namespace

static Element elementOf(uint32_t dtype) {
  switch (dtype) {
  case ATTNRT_F8E4M3FN:
  case ATTNRT_F8E5M2:
  case ATTNRT_I8:
  case ATTNRT_U8:
    return {0, 1};
  case ATTNRT_F16:
    return {6, 2};
  case ATTNRT_BF16:
    return {9, 2};
  }
  raise(ATTNRT_INVALID_ARGUMENT,
        "expects elements of 8 or 16 bits in a tensor map, but got dtype %u",
        dtype);
}

/// CUtensorMapSwizzle of a span: 16, 32, 64, 128 to 0..3. A promotion of as
/// many bytes has the same number from 64 on, less one.
static int32_t swizzleOf(uint32_t span) {
  for (int32_t code = 0; code < 4; ++code) {
    if (span == 16u << code) {
      return code;
    }
  }
  raise(ATTNRT_INVALID_ARGUMENT,
        "expects a swizzle of 16, 32, 64 or 128 bytes, but got %u", span);
}

/// Axis `axis` of the tensor becomes dimension `d` of the map.
static void describeAxis(const attnrt_map_recipe &recipe,
                         const attnrt_tensor &tensor, uint32_t axis, uint32_t d,
                         uint64_t bytes, attnrt_map &map) {
  long long size = tensor.shape[axis], stride = tensor.stride[axis];
  uint32_t box = recipe.box[axis];
  if (size < 1 || size > 1ll << 32) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects 1 to 2^32 elements along axis %u of a tensor map, but got "
          "%lld",
          axis, size);
  }
  if (box < 1 || box > 256) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects a box of 1 to 256 elements along axis %u, but got %u", axis,
          box);
  }
  map.dim[d] = uint64_t(size);
  map.box[d] = box;
  if (d == 0) {
    if (stride != 1 && size != 1) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects elements of the last axis side by side, but got a stride "
            "of %lld",
            stride);
    }
    if (box * bytes % 16 || box * bytes > recipe.swizzle) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a multiple of 16 bytes, at most %u, along the last axis "
            "of a box, but got %llu",
            recipe.swizzle, static_cast<unsigned long long>(box * bytes));
    }
    return;
  }
  if (size == 1) {
    // Any will do, and what the tensor has may not: one that others have.
    map.stride[d - 1] =
        d > 1 ? map.stride[d - 2] : (map.dim[0] * bytes + 15) / 16 * 16;
    return;
  }
  // 2^40 bytes and more do not fit either.
  if (stride < 0 || stride >= 1ll << 40 || stride * bytes % 16 ||
      stride * bytes >> 40) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects a stride of a multiple of 16 bytes below 2^40 along axis "
          "%u, but got %lld elements of %llu bytes",
          axis, stride, static_cast<unsigned long long>(bytes));
  }
  map.stride[d - 1] = uint64_t(stride) * bytes;
}

attnrt_status attnrt_describe_map(const attnrt_map_recipe *recipe,
                                  const attnrt_tensor *tensor,
                                  attnrt_map *out) {
  return guard([&] {
    if (!recipe || !tensor || !out) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a recipe, a tensor and a place for the map, but got null");
    }
    Element element = elementOf(recipe->dtype);
    if (tensor->rank < 1 || tensor->rank > ATTNRT_MAP_RANK) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a tensor of 1 to 5 axes for a tensor map, but got %u",
            tensor->rank);
    }
    attnrt_map map{};
    map.type = element.type;
    map.rank = tensor->rank;
    map.base = reinterpret_cast<uintptr_t>(tensor->data);
    map.swizzle = swizzleOf(recipe->swizzle);
    map.promotion = std::max(0, map.swizzle - 1);
    if (map.base % 16) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a tensor at a multiple of 16 bytes for a tensor map, but "
            "got address 0x%llx",
            static_cast<unsigned long long>(map.base));
    }
    for (uint32_t d = 0; d < ATTNRT_MAP_RANK; ++d) {
      map.dim[d] = map.box[d] = map.step[d] = 1;
    }
    for (uint32_t d = 0; d < map.rank; ++d) {
      describeAxis(*recipe, *tensor, map.rank - 1 - d, d, element.bytes, map);
    }
    *out = map;
  });
}
