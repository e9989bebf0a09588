//===- TensorMapTest.cpp - Which tensor maps there are --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The rules are those of cuTensorMapEncodeTiled without an interleaved layout.
//
//===----------------------------------------------------------------------===//
#include "ptxsim/TensorMap.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

using namespace ptxsim;

namespace {

using E = TensorMapDesc::Element;
using Swizzle = TensorMapDesc::Swizzle;
using Fill = TensorMapDesc::Fill;

const E kElements[] = {E::U8,  E::U16, E::U32, E::S32,  E::U64, E::S64,
                       E::F16, E::F32, E::F64, E::BF16, E::TF32};
const Swizzle kSwizzles[] = {Swizzle::None, Swizzle::B32, Swizzle::B64,
                             Swizzle::B128};

bool isFloat(E e) {
  return e == E::F16 || e == E::F32 || e == E::F64 || e == E::BF16 ||
         e == E::TF32;
}

/// Of rank 3, with nothing wrong.
TensorMapDesc good() {
  TensorMapDesc map;
  map.rank = 3;
  map.base = 0x10000;
  map.dim[0] = 100, map.dim[1] = 10, map.dim[2] = 7;
  map.stride[1] = 208, map.stride[2] = 2080;
  map.box[0] = 64, map.box[1] = 8, map.box[2] = 2;
  map.swizzle = Swizzle::B128;
  return map;
}

void expectAccepted(const TensorMapDesc &map) {
  Result<TensorMap> encoded = encodeTensorMap(map);
  EXPECT_TRUE(bool(encoded)) << encoded.message();
}

/// With a message on one line that names the field and the value.
void expectRefused(const TensorMapDesc &map, const std::string &field,
                   const std::string &value) {
  Result<TensorMap> encoded = encodeTensorMap(map);
  ASSERT_FALSE(bool(encoded)) << field << " " << value;
  const std::string &message = encoded.message();
  EXPECT_NE(message.find(field), std::string::npos) << message;
  EXPECT_NE(message.find(value), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

/// In the words of the description: base, rank, dim, stride, box, ...
template <class Change>
void expectRefused(Change change, const std::string &field,
                   const std::string &value) {
  TensorMapDesc map = good();
  change(map);
  expectRefused(map, field, value);
}

template <class Change> void expectAccepted(Change change) {
  TensorMapDesc map = good();
  change(map);
  expectAccepted(map);
}

void expectEqual(const TensorMapDesc &a, const TensorMapDesc &b) {
  EXPECT_EQ(a.element, b.element);
  ASSERT_EQ(a.rank, b.rank);
  EXPECT_EQ(a.base, b.base);
  EXPECT_EQ(a.swizzle, b.swizzle);
  EXPECT_EQ(a.fill, b.fill);
  for (unsigned d = 0; d < a.rank; ++d) {
    EXPECT_EQ(a.dim[d], b.dim[d]) << d;
    EXPECT_EQ(a.box[d], b.box[d]) << d;
    if (d > 0) {
      EXPECT_EQ(a.stride[d], b.stride[d]) << d;
      EXPECT_EQ(a.elementStride[d], b.elementStride[d]) << d;
    }
  }
}

TensorMapDesc draw(std::mt19937_64 &random) {
  auto below = [&](uint64_t n) { return random() % n; };
  TensorMapDesc map;
  map.element = kElements[below(std::size(kElements))];
  map.rank = uint32_t(1 + below(5));
  map.base = random() >> 16 << 4;
  map.swizzle = kSwizzles[below(4)];
  map.fill = isFloat(map.element) && below(2) ? Fill::NaN : Fill::Zero;
  uint32_t bytes = elementBytes(map.element);
  uint32_t cells =
      map.swizzle == Swizzle::None ? 16 * bytes : 1u << unsigned(map.swizzle);
  for (unsigned d = 0; d < map.rank; ++d) {
    map.dim[d] =
        below(8) ? 1 + below(uint64_t(1) << below(33)) : uint64_t(1) << 32;
    map.box[d] = uint32_t(1 + below(256));
    map.stride[d] = below(uint64_t(1) << (1 + below(36))) << 4;
    map.elementStride[d] = uint32_t(1 + below(8));
  }
  map.box[0] = uint32_t(1 + below(cells)) * 16 / bytes;
  return map;
}

} // namespace

TEST(TensorMapTest, BytesOfElements) {
  const unsigned bytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4};
  for (size_t i = 0; i < std::size(kElements); ++i) {
    EXPECT_EQ(elementBytes(kElements[i]), bytes[i]) << i;
  }
}

TEST(TensorMapTest, DecodesWhatWasEncoded) {
  expectAccepted(good());
  std::mt19937_64 random(3);
  for (int i = 0; i < 2000; ++i) {
    TensorMapDesc map = draw(random);
    Result<TensorMap> encoded = encodeTensorMap(map);
    ASSERT_TRUE(bool(encoded)) << encoded.message();
    Result<TensorMapDesc> decoded = decodeTensorMap(*encoded);
    ASSERT_TRUE(bool(decoded)) << decoded.message();
    expectEqual(*decoded, map);
  }
}

TEST(TensorMapTest, OtherBytes) {
  TensorMap map;
  for (int value : {0, 1, 0xCD, 0xFF}) {
    std::memset(map.bytes, value, sizeof map.bytes);
    EXPECT_FALSE(bool(decodeTensorMap(map))) << value;
  }
  std::mt19937 random(5);
  for (int i = 0; i < 1000; ++i) {
    for (std::byte &byte : map.bytes) {
      byte = std::byte(random() >> 9);
    }
    EXPECT_FALSE(bool(decodeTensorMap(map)));
  }
}

/// A map of which a byte was changed is another map, or none.
TEST(TensorMapTest, EveryRuleHoldsForDecodedMaps) {
  TensorMap map = *encodeTensorMap(good());
  for (size_t i = 0; i < sizeof map.bytes; ++i) {
    for (int flip : {1, 0x80, 0xFF}) {
      TensorMap changed = map;
      changed.bytes[i] ^= std::byte(flip);
      Result<TensorMapDesc> decoded = decodeTensorMap(changed);
      if (decoded) {
        Result<TensorMap> again = encodeTensorMap(*decoded);
        EXPECT_TRUE(bool(again)) << i << ": " << again.message();
      }
    }
  }
}

TEST(TensorMapTest, Base) {
  using D = TensorMapDesc;
  for (uint64_t off : {1, 2, 4, 8, 15}) {
    uint64_t base = 0x10000 + off;
    expectRefused([&](D &m) { m.base = base; }, "base", "");
  }
  expectAccepted([](D &m) { m.base = 0x10010; });
}

TEST(TensorMapTest, Rank) {
  using D = TensorMapDesc;
  expectRefused([](D &m) { m.rank = 0; }, "rank", "0");
  expectRefused([](D &m) { m.rank = 6; }, "rank", "6");
  expectRefused([](D &m) { m.rank = 77; }, "rank", "77");
  for (uint32_t rank = 1; rank <= 5; ++rank) {
    expectAccepted([&](D &m) {
      m.rank = rank;
      for (unsigned d = 3; d < 5; ++d) {
        m.dim[d] = 2, m.box[d] = 1, m.stride[d] = 32768;
      }
    });
  }
}

TEST(TensorMapTest, Dimensions) {
  using D = TensorMapDesc;
  const uint64_t most = uint64_t(1) << 32;
  for (unsigned d = 0; d < 3; ++d) {
    expectRefused([&](D &m) { m.dim[d] = 0; }, "dim", "0");
    expectRefused([&](D &m) { m.dim[d] = most + 1; }, "dim", "4294967297");
    expectAccepted([&](D &m) { m.dim[d] = most; });
    expectAccepted([&](D &m) { m.dim[d] = 1; });
  }
  // Of other dimensions than there are.
  expectAccepted([](D &m) { m.dim[3] = 0, m.box[4] = 0, m.stride[3] = 1; });
}

TEST(TensorMapTest, Strides) {
  using D = TensorMapDesc;
  const uint64_t most = uint64_t(1) << 40;
  for (unsigned d = 1; d < 3; ++d) {
    for (uint64_t off : {1, 2, 4, 8}) {
      uint64_t stride = 4096 + off;
      expectRefused([&](D &m) { m.stride[d] = stride; }, "stride",
                    std::to_string(stride));
    }
    expectRefused([&](D &m) { m.stride[d] = most; }, "stride", "1099511627776");
    expectAccepted([&](D &m) { m.stride[d] = most - 16; });
  }
  expectAccepted([](D &m) { m.stride[0] = 3; });
}

TEST(TensorMapTest, Boxes) {
  using D = TensorMapDesc;
  for (unsigned d = 0; d < 3; ++d) {
    expectRefused([&](D &m) { m.box[d] = 0; }, "box", "0");
    expectRefused([&](D &m) { m.box[d] = 257, m.swizzle = Swizzle::None; },
                  "box", "257");
  }
  for (unsigned d = 1; d < 3; ++d) {
    expectAccepted([&](D &m) { m.box[d] = 256; });
    expectAccepted([&](D &m) { m.box[d] = 1; });
  }
  expectAccepted([](D &m) { m.box[0] = 256, m.swizzle = Swizzle::None; });
}

TEST(TensorMapTest, ElementStrides) {
  using D = TensorMapDesc;
  for (unsigned d = 1; d < 3; ++d) {
    expectRefused([&](D &m) { m.elementStride[d] = 0; }, "tride", "0");
    expectRefused([&](D &m) { m.elementStride[d] = 9; }, "tride", "9");
    expectAccepted([&](D &m) { m.elementStride[d] = 8; });
  }
}

TEST(TensorMapTest, RowsOfBoxes) {
  for (E element : kElements) {
    uint32_t bytes = elementBytes(element);
    for (uint32_t n = 1; n <= 64; ++n) {
      TensorMapDesc map = good();
      map.element = element;
      map.swizzle = Swizzle::None;
      map.box[0] = n;
      if (n * bytes % 16 == 0) {
        expectAccepted(map);
      } else {
        expectRefused(map, "box[0]", std::to_string(n * bytes));
      }
    }
  }
}

TEST(TensorMapTest, RowsAndSwizzles) {
  for (E element : kElements) {
    uint32_t bytes = elementBytes(element);
    for (Swizzle swizzle : {Swizzle::B32, Swizzle::B64, Swizzle::B128}) {
      uint32_t span = 16u << unsigned(swizzle);
      for (uint32_t row = 16; row <= 256; row += 16) {
        TensorMapDesc map = good();
        map.element = element;
        map.swizzle = swizzle;
        map.box[0] = row / bytes;
        if (row <= span) {
          expectAccepted(map);
        } else {
          expectRefused(map, "swizzle", std::to_string(row));
        }
      }
    }
  }
}

TEST(TensorMapTest, NaNs) {
  for (E element : kElements) {
    TensorMapDesc map = good();
    map.element = element;
    map.box[0] = 16;
    map.fill = Fill::NaN;
    if (isFloat(element)) {
      expectAccepted(map);
    } else {
      expectRefused(map, "fill", "NaN");
    }
  }
}

TEST(TensorMapTest, NumbersOfTheDriver) {
  const uint64_t dim[] = {100, 10, 7}, stride[] = {208, 2080};
  const uint32_t box[] = {64, 8, 2}, step[] = {1, 2, 3};
  auto describe = [&](int type, uint32_t rank, int interleave, int swizzle,
                      int fill) {
    return describeTiled(type, rank, 0x10000, dim, stride, box, step,
                         interleave, swizzle, fill);
  };
  auto map = describe(9, 3, 0, 3, 1);
  ASSERT_TRUE(bool(map)) << map.message();
  EXPECT_EQ(E::BF16, map->element);
  EXPECT_EQ(0x10000u, map->base);
  EXPECT_EQ(7u, map->dim[2]);
  EXPECT_EQ(208u, map->stride[1]);
  EXPECT_EQ(2080u, map->stride[2]);
  EXPECT_EQ(8u, map->box[1]);
  EXPECT_EQ(3u, map->elementStride[2]);
  EXPECT_EQ(Swizzle::B128, map->swizzle);
  EXPECT_EQ(Fill::NaN, map->fill);
  // 10 and 12 are kinds that flush subnormals.
  EXPECT_EQ(E::TF32, describe(11, 3, 0, 0, 0)->element);
  for (auto [type, rank, interleave, swizzle, fill] :
       {std::array{10, 3, 0, 0, 0},
        {12, 3, 0, 0, 0},
        {-1, 3, 0, 0, 0},
        {9, 0, 0, 0, 0},
        {9, 6, 0, 0, 0},
        {9, 3, 1, 0, 0},
        {9, 3, 0, 4, 0},
        {9, 3, 0, 0, 2}}) {
    EXPECT_FALSE(
        bool(describe(type, uint32_t(rank), interleave, swizzle, fill)));
  }
}
