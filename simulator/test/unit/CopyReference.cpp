//===- CopyReference.cpp - What a tensor copy moves -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Element by element, from the manual's words on boxes and from its pictures of
// swizzles.
//
//===----------------------------------------------------------------------===//
#include "CopyKit.h"

using namespace ptxsim;
using namespace ptxsim::test;

using Mode = TensorMapDesc::Swizzle;

uint64_t ptxsim::test::boxCount(const TensorMapDesc &map, unsigned d) {
  if (d >= map.rank) {
    return 1;
  }
  uint32_t step = d == 0 ? 1 : map.elementStride[d];
  uint64_t count = 0;
  for (uint32_t i = 0; i < map.box[d]; i += step) {
    ++count;
  }
  return count;
}

uint64_t ptxsim::test::boxBytes(const TensorMapDesc &map) {
  uint64_t bytes = elementBytes(map.element);
  for (unsigned d = 0; d < map.rank; ++d) {
    bytes *= boxCount(map, d);
  }
  return bytes;
}

//===--- Swizzles ---------------------------------------------------------===//

/// The pictures [5.5.7]: a row is a line of 128 bytes, at each place stands
/// which cell of 16 bytes of that line's data lies there. Rows repeat, from
/// addresses on that are a multiple of the picture's size.
static const char *const kNone[] = {"01234567"};
static const char *const k32[] = {"01234567", "10325476"};
static const char *const k64[] = {"01234567", "10325476", "23016745",
                                  "32107654"};
static const char *const k128[] = {"01234567", "10325476", "23016745",
                                   "32107654", "45670123", "54761032",
                                   "67452301", "76543210"};

static std::string pictureRow(Mode swizzle, uint64_t line) {
  switch (swizzle) {
  case Mode::None:
    return kNone[0];
  case Mode::B32:
    return k32[line % 2];
  case Mode::B64:
    return k64[line % 4];
  case Mode::B128:
    return k128[line % 8];
  }
  return "";
}

uint64_t ptxsim::test::swizzled(Mode swizzle, uint64_t address) {
  uint64_t line = address / 128, cell = address % 128 / 16;
  uint64_t place = pictureRow(swizzle, line).find(char('0' + cell));
  return line * 128 + place * 16 + address % 16;
}

//===--- Boxes ------------------------------------------------------------===//

std::vector<Element> ptxsim::test::elementsOf(const TensorMapDesc &map,
                                              const int32_t *at,
                                              uint64_t sharedOffset) {
  std::vector<Element> elements;
  uint64_t bytes = elementBytes(map.element);
  uint64_t n[5];
  for (unsigned d = 0; d < 5; ++d) {
    n[d] = boxCount(map, d);
  }
  // Dense, dimension 0 fastest.
  uint64_t next = sharedOffset;
  for (uint64_t i4 = 0; i4 < n[4]; ++i4) {
    for (uint64_t i3 = 0; i3 < n[3]; ++i3) {
      for (uint64_t i2 = 0; i2 < n[2]; ++i2) {
        for (uint64_t i1 = 0; i1 < n[1]; ++i1) {
          for (uint64_t i0 = 0; i0 < n[0]; ++i0, next += bytes) {
            uint64_t index[5] = {i0, i1, i2, i3, i4};
            Element element{true, map.base, swizzled(map.swizzle, next)};
            for (unsigned d = 0; d < map.rank; ++d) {
              uint64_t step = d == 0 ? 1 : map.elementStride[d];
              int64_t place = int64_t(at[d]) + int64_t(index[d] * step);
              element.isInside &= place >= 0 && place < int64_t(map.dim[d]);
              element.global +=
                  uint64_t(place) * (d == 0 ? bytes : map.stride[d]);
            }
            elements.push_back(element);
          }
        }
      }
    }
  }
  return elements;
}

void ptxsim::test::applyLoad(const CopyJob &job, uint64_t sharedOffset,
                             Bytes &shared, std::vector<uint64_t> *nans) {
  unsigned bytes = elementBytes(job.map.element);
  for (const Element &e : elementsOf(job.map, job.at, sharedOffset)) {
    for (unsigned i = 0; i < bytes; ++i) {
      shared.at(e.shared + i) = e.isInside ? job.global.at(e.global + i) : 0;
    }
    if (!e.isInside && job.map.fill == TensorMapDesc::Fill::NaN && nans) {
      nans->push_back(e.shared);
    }
  }
}

void ptxsim::test::applyStore(const CopyJob &job, uint64_t sharedOffset,
                              const Bytes &shared, Bytes &global) {
  unsigned bytes = elementBytes(job.map.element);
  for (const Element &e : elementsOf(job.map, job.at, sharedOffset)) {
    for (unsigned i = 0; e.isInside && i < bytes; ++i) {
      global.at(e.global + i) = shared.at(e.shared + i);
    }
  }
}

//===--- Comparing --------------------------------------------------------===//

std::string ptxsim::test::firstDifference(const Bytes &got, const Bytes &want) {
  if (got.size() != want.size()) {
    return "expects " + std::to_string(want.size()) + " bytes, but got " +
           std::to_string(got.size());
  }
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] != want[i]) {
      return "byte " + std::to_string(i) + ": expects " +
             std::to_string(want[i]) + ", but got " + std::to_string(got[i]);
    }
  }
  return "";
}

bool ptxsim::test::isNaN(TensorMapDesc::Element element, const uint8_t *bytes) {
  using E = TensorMapDesc::Element;
  uint64_t bits = 0;
  std::memcpy(&bits, bytes, elementBytes(element));
  // A NaN is above infinity without its sign.
  switch (element) {
  case E::F16:
    return (bits & 0x7FFF) > 0x7C00;
  case E::BF16:
    return (bits & 0x7FFF) > 0x7F80;
  case E::F32:
  case E::TF32:
    return (bits & 0x7FFFFFFF) > 0x7F800000;
  case E::F64:
    return (bits & ~(uint64_t(1) << 63)) > 0x7FF0000000000000;
  default:
    return false;
  }
}
