//===- TensorMap.cpp - What a tensor copy knows of its tensor -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ptxsim/TensorMap.h"

#include <cstring>
#include <optional>

using namespace ptxsim;

using Element = TensorMapDesc::Element;
using Swizzle = TensorMapDesc::Swizzle;

/// Marks maps of this device: a map that the driver made says nothing here.
static constexpr char kMagic[8] = {'p', 't', 'x', 's', 'i', 'm', '.', '1'};

namespace {

/// The fields of a description in 128 bytes.
struct Packed {
  char magic[8];
  uint64_t base;
  uint64_t stride[4];     // of dimensions 1 to 4
  uint32_t lessOneDim[5]; // dim - 1
  uint8_t lessOneBox[5];  // box - 1
  uint8_t elementStride[5];
  uint8_t rank, element, swizzle, fill;
};
static_assert(sizeof(Packed) <= sizeof(TensorMap));

} // namespace

unsigned ptxsim::elementBytes(Element element) {
  switch (element) {
  case Element::U8:
    return 1;
  case Element::U16:
  case Element::F16:
  case Element::BF16:
    return 2;
  case Element::U32:
  case Element::S32:
  case Element::F32:
  case Element::TF32:
    return 4;
  case Element::U64:
  case Element::S64:
  case Element::F64:
    return 8;
  }
  return 0;
}

/// Bytes after which a row's swizzle begins anew; 0: any.
static uint64_t spanOf(Swizzle swizzle) {
  return swizzle == Swizzle::None ? 0 : uint64_t(16) << unsigned(swizzle);
}

static Error refuse(const std::string &what, uint64_t value) {
  return Error{"tensor map: expects " + what + ", but got " +
               std::to_string(value)};
}

static std::optional<Error> check(const TensorMapDesc &map) {
  auto ofDim = [](const char *name, uint32_t d) {
    return std::string(name) + "[" + std::to_string(d) + "]";
  };
  if (map.rank < 1 || map.rank > 5) {
    return refuse("a rank from 1 to 5", map.rank);
  }
  if (map.base % 16) {
    return refuse("a base that is a multiple of 16", map.base);
  }
  uint64_t bytes = elementBytes(map.element);
  for (uint32_t d = 0; d < map.rank; ++d) {
    if (map.dim[d] < 1 || map.dim[d] > uint64_t(1) << 32) {
      return refuse(ofDim("dim", d) + " from 1 to 2^32", map.dim[d]);
    }
    if (map.box[d] < 1 || map.box[d] > 256) {
      return refuse(ofDim("box", d) + " from 1 to 256", map.box[d]);
    }
    if (d == 0) {
      continue;
    }
    if (map.elementStride[d] < 1 || map.elementStride[d] > 8) {
      return refuse(ofDim("elementStride", d) + " from 1 to 8",
                    map.elementStride[d]);
    }
    if (map.stride[d] % 16 || map.stride[d] >> 40) {
      return refuse(ofDim("stride", d) + " to be a multiple of 16 below 2^40",
                    map.stride[d]);
    }
  }
  uint64_t row = map.box[0] * bytes;
  if (row % 16) {
    return refuse("box[0] to be a multiple of 16 bytes", row);
  }
  uint64_t span = spanOf(map.swizzle);
  if (span && row > span) {
    return refuse("box[0] of at most " + std::to_string(span) +
                      " bytes, the span of the swizzle",
                  row);
  }
  bool isFloat = map.element >= Element::F16;
  if (map.fill == TensorMapDesc::Fill::NaN && !isFloat) {
    return Error{"tensor map: expects fill Zero of elements that are integers, "
                 "but got NaN"};
  }
  return std::nullopt;
}

Result<TensorMapDesc>
ptxsim::describeTiled(int type, uint32_t rank, uint64_t base,
                      const uint64_t *dim, const uint64_t *stride,
                      const uint32_t *box, const uint32_t *elementStride,
                      int interleave, int swizzle, int fill) {
  // 10 and 12 are kinds of f32 and tf32 that flush, 11 is tf32.
  if (type < 0 || type == 10 || type > 11) {
    return refuse("a type from 0 to 9, or 11", uint64_t(type));
  }
  if (interleave != 0) {
    return refuse("no interleaved layout (0)", uint64_t(interleave));
  }
  if (swizzle < 0 || swizzle > 3) {
    return refuse("a swizzle from 0 to 3", uint64_t(swizzle));
  }
  if (fill < 0 || fill > 1) {
    return refuse("a fill of 0 or 1", uint64_t(fill));
  }
  if (rank < 1 || rank > 5) {
    return refuse("a rank from 1 to 5", rank);
  }
  TensorMapDesc map;
  map.element = type == 11 ? Element::TF32 : Element(type);
  map.rank = rank;
  map.base = base;
  for (uint32_t d = 0; d < rank; ++d) {
    map.dim[d] = dim[d];
    map.stride[d] = d ? stride[d - 1] : 0;
    map.box[d] = box[d];
    map.elementStride[d] = elementStride[d];
  }
  map.swizzle = Swizzle(swizzle);
  map.fill = TensorMapDesc::Fill(fill);
  return map;
}

Result<TensorMap> ptxsim::encodeTensorMap(const TensorMapDesc &map) {
  if (std::optional<Error> error = check(map)) {
    return *error;
  }
  Packed packed{};
  std::memcpy(packed.magic, kMagic, sizeof kMagic);
  packed.base = map.base;
  for (unsigned d = 0; d < map.rank; ++d) {
    packed.lessOneDim[d] = uint32_t(map.dim[d] - 1);
    packed.lessOneBox[d] = uint8_t(map.box[d] - 1);
    packed.elementStride[d] = uint8_t(d ? map.elementStride[d] : 1);
    if (d) {
      packed.stride[d - 1] = map.stride[d];
    }
  }
  packed.rank = uint8_t(map.rank);
  packed.element = uint8_t(map.element);
  packed.swizzle = uint8_t(map.swizzle);
  packed.fill = uint8_t(map.fill);
  TensorMap result{};
  std::memcpy(result.bytes, &packed, sizeof packed);
  return result;
}

Result<TensorMapDesc> ptxsim::decodeTensorMap(const TensorMap &map) {
  Packed packed;
  std::memcpy(&packed, map.bytes, sizeof packed);
  if (std::memcmp(packed.magic, kMagic, sizeof kMagic) != 0) {
    return Error{"expects a tensor map made by encodeTensorMap, but got other "
                 "bytes"};
  }
  TensorMapDesc result;
  result.rank = packed.rank;
  result.base = packed.base;
  result.element = Element(packed.element);
  result.swizzle = Swizzle(packed.swizzle);
  result.fill = TensorMapDesc::Fill(packed.fill);
  bool isKnown = packed.element <= uint8_t(Element::TF32) &&
                 packed.swizzle <= uint8_t(Swizzle::B128) &&
                 packed.fill <= uint8_t(TensorMapDesc::Fill::NaN);
  for (unsigned d = 0; isKnown && d < packed.rank && d < 5; ++d) {
    result.dim[d] = uint64_t(packed.lessOneDim[d]) + 1;
    result.box[d] = uint32_t(packed.lessOneBox[d]) + 1;
    result.elementStride[d] = packed.elementStride[d];
    result.stride[d] = d ? packed.stride[d - 1] : 0;
  }
  // A kernel may have written over it.
  if (!isKnown || check(result)) {
    return Error{"expects a tensor map made by encodeTensorMap, but its fields "
                 "were changed"};
  }
  return result;
}
