//===- Products.h - Sums of products of small tiles -------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What mma and wgmma share: elements of every type as f32, and the product of 8
// rows of A with 8 columns of B. With g = lane / 4 and t = lane % 4, a register
// of A holds row g and one of B column g; both hold along k the word t of 16
// bytes (a block). Registers of sums hold row g, columns 2t or 2t + 1.
//
// Products are exact and sums are of f32, in ascending order of k [9.7.14.5
// leaves order and rounding open].
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_PRODUCTS_H
#define PTXSIM_OPS_PRODUCTS_H

#include "Formats.h"
#include "Operands.h"

#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ptxsim {

//===--- Elements ---------------------------------------------------------===//

struct F16 {
  static constexpr unsigned kPerWord = 2;
  PTXSIM_INLINE static float get(uint32_t word, unsigned i) {
    return toFloat(Half{uint16_t(word >> 16 * i)});
  }
};
struct Bf16 {
  static constexpr unsigned kPerWord = 2;
  PTXSIM_INLINE static float get(uint32_t word, unsigned i) {
    return std::bit_cast<float>(i ? word & 0xFFFF'0000 : word << 16);
  }
};
struct Tf32 {
  static constexpr unsigned kPerWord = 1;
  PTXSIM_INLINE static float get(uint32_t word, unsigned) {
    // The 13 low bits are no part of the number.
    return std::bit_cast<float>(word & 0xFFFF'E000);
  }
};
struct S8 {
  static constexpr unsigned kPerWord = 4;
  PTXSIM_INLINE static float get(uint32_t word, unsigned i) {
    return float(int32_t(word << (24 - 8 * i)) >> 24);
  }
};
struct U8 {
  static constexpr unsigned kPerWord = 4;
  PTXSIM_INLINE static float get(uint32_t word, unsigned i) {
    return float(int32_t(word >> 8 * i & 0xFF));
  }
};
struct E4M3 {
  static constexpr unsigned kPerWord = 4;
  PTXSIM_INLINE static float get(uint32_t word, unsigned i) {
    uint32_t magnitude = word >> 8 * i & 0x7F, sign = word >> 8 * i & 0x80;
    // The exponent in its new place, then 2^(127 - 7): exact.
    float scaled = std::bit_cast<float>(magnitude << 20) * 0x1p120f;
    uint32_t bits = std::bit_cast<uint32_t>(scaled) | sign << 24;
    bits |= magnitude == 0x7F ? 0x7F80'0000u : 0;
    return std::bit_cast<float>(bits);
  }
};
struct E5M2 {
  static constexpr unsigned kPerWord = 4;
  PTXSIM_INLINE static float get(uint32_t word, unsigned i) {
    // The upper half of an f16.
    return toFloat(Half{uint16_t((word >> 8 * i & 0xFF) << 8)});
  }
};

//===--- Fragments to rows ------------------------------------------------===//

/// Most elements along k.
constexpr unsigned kMostK = 32;
constexpr unsigned kTile = 8;

/// Columns in the order of the registers of C: even ones, then odd ones.
constexpr unsigned placeOf(unsigned n) { return n / 2 + n % 2 * 4; }

/// A register as numbers: [element of the word][word].
template <class E> PTXSIM_INLINE void load(const uint32_t *words, float *to) {
  for (unsigned e = 0; e < E::kPerWord; ++e) {
    for (unsigned l = 0; l < kLanes; ++l) {
      to[e * kLanes + l] = E::get(words[l], e);
    }
  }
}
using Load = void (*)(const uint32_t *, float *);
template <class E> void loadAnywhere(const uint32_t *words, float *to) {
  load<E>(words, to);
}
template <class E> PTXSIM_WIDE void loadWide(const uint32_t *words, float *to) {
  load<E>(words, to);
}

/// What an instruction knows of A or B.
struct Elements {
  unsigned perWord;
  Load load;
};
template <class E> Elements elementsOf() {
  return {E::kPerWord, hasWideLanes() ? loadWide<E> : loadAnywhere<E>};
}

enum class Sums : uint8_t { F32, F16, S32 };

/// How much of k an instruction covers.
struct Depth {
  /// Of 16 bytes each; as many registers has B, and A twice as many.
  unsigned blocks = 0;
  unsigned perWord = 0;

  unsigned k() const { return 4 * perWord * blocks; }
  /// Elements of a register.
  size_t tile() const { return size_t(perWord) * kLanes; }
};

/// A register of B: [t][place of the column].
PTXSIM_INLINE void turn(const uint32_t *words, uint32_t *to) {
  for (unsigned n = 0; n < kTile; ++n) {
    for (unsigned t = 0; t < 4; ++t) {
      to[t * kTile + placeOf(n)] = words[4 * n + t];
    }
  }
}

#if defined(__x86_64__)
PTXSIM_WIDE inline void turnWide(const uint32_t *words, uint32_t *to) {
  // Low halves hold even columns, high ones odd: as their places are.
  static_assert(placeOf(2) == 1 && placeOf(1) == 4);
  auto load = [&](unsigned pair) PTXSIM_WIDE {
    return _mm256_loadu_si256(
        reinterpret_cast<const __m256i *>(words + 8 * pair));
  };
  __m256i p0 = load(0), p1 = load(1), p2 = load(2), p3 = load(3);
  __m256i low01 = _mm256_unpacklo_epi32(p0, p1);
  __m256i low23 = _mm256_unpacklo_epi32(p2, p3);
  __m256i high01 = _mm256_unpackhi_epi32(p0, p1);
  __m256i high23 = _mm256_unpackhi_epi32(p2, p3);
  auto store = [&](unsigned t, __m256i row) PTXSIM_WIDE {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + t * kTile), row);
  };
  store(0, _mm256_unpacklo_epi64(low01, low23));
  store(1, _mm256_unpackhi_epi64(low01, low23));
  store(2, _mm256_unpacklo_epi64(high01, high23));
  store(3, _mm256_unpackhi_epi64(high01, high23));
}
#endif

//===--- Products ---------------------------------------------------------===//

/// Adds 8 rows. `a` is their first register and every second one that follows
/// (mma and wgmma have the other 8 rows of A between), `b` all of B with its
/// columns in their place; `even` and `odd` are registers of sums.
inline void multiplyAnywhere(Depth depth, const float *a, const float *b,
                             float *even, float *odd) {
  for (unsigned block = 0; block < depth.blocks; ++block) {
    for (unsigned t = 0; t < 4; ++t) {
      for (unsigned e = 0; e < depth.perWord; ++e) {
        const float *column = b + e * kLanes + t * kTile;
        for (unsigned g = 0; g < kTile; ++g) {
          float factor = a[e * kLanes + 4 * g + t];
          for (unsigned n = 0; n < 4; ++n) {
            float &x = even[4 * g + n], &y = odd[4 * g + n];
            x = std::fma(factor, column[n], x);
            y = std::fma(factor, column[n + 4], y);
          }
        }
      }
    }
    a += 2 * depth.tile();
    b += depth.tile();
  }
}

#if defined(__x86_64__)
/// The same with a row of sums in a register each.
PTXSIM_WIDE inline void multiplyWide(Depth depth, const float *a,
                                     const float *b, float *even, float *odd) {
  static_assert(kTile == 8);
  __m256 row[kTile];
  for (unsigned g = 0; g < kTile; ++g) {
    row[g] = _mm256_loadu2_m128(odd + 4 * g, even + 4 * g);
  }
  for (unsigned block = 0; block < depth.blocks; ++block) {
    for (unsigned t = 0; t < 4; ++t) {
      for (unsigned e = 0; e < depth.perWord; ++e) {
        __m256 column = _mm256_load_ps(b + e * kLanes + t * kTile);
        const float *factor = a + e * kLanes + t;
        for (unsigned g = 0; g < kTile; ++g) {
          row[g] = _mm256_fmadd_ps(_mm256_broadcast_ss(factor + 4 * g), column,
                                   row[g]);
        }
      }
    }
    a += 2 * depth.tile();
    b += depth.tile();
  }
  for (unsigned g = 0; g < kTile; ++g) {
    _mm256_storeu2_m128(odd + 4 * g, even + 4 * g, row[g]);
  }
}
#endif

using Multiply = void (*)(Depth, const float *, const float *, float *,
                          float *);
inline Multiply getMultiply() {
#if defined(__x86_64__)
  if (hasWideLanes()) {
    return multiplyWide;
  }
#endif
  return multiplyAnywhere;
}

//===--- Types ------------------------------------------------------------===//

inline bool isByteFloat(const Type &type) {
  return type.kind == Type::Kind::E4M3 || type.kind == Type::Kind::E5M2;
}
inline bool isByteInteger(const Type &type) {
  return type.bits == 8 &&
         (type.kind == Type::Kind::Signed || type.kind == Type::Kind::Unsigned);
}

inline Elements getElements(const Instruction &text, const Type &type) {
  if (type.packed == 1) {
    switch (type.kind) {
    case Type::Kind::Float:
      if (type.bits == 16) {
        return elementsOf<F16>();
      }
      break;
    case Type::Kind::BFloat:
      return elementsOf<Bf16>();
    case Type::Kind::Tf32:
      return elementsOf<Tf32>();
    case Type::Kind::E4M3:
      return elementsOf<E4M3>();
    case Type::Kind::E5M2:
      return elementsOf<E5M2>();
    case Type::Kind::Signed:
      if (type.bits == 8) {
        return elementsOf<S8>();
      }
      break;
    case Type::Kind::Unsigned:
      if (type.bits == 8) {
        return elementsOf<U8>();
      }
      break;
    default:
      break;
    }
  }
  failType(text);
}

/// Types of sums that go with the elements.
inline Sums getSums(const Instruction &text, const Type &a, const Type &sums) {
  constexpr Type f16{Type::Kind::Float, 16, 1}, f32{Type::Kind::Float, 32, 1},
      s32{Type::Kind::Signed, 32, 1};
  if (isByteInteger(a)) {
    if (sums == s32) {
      return Sums::S32;
    }
  } else if (sums == f32) {
    return Sums::F32;
  } else if (sums == f16 && (a.kind == Type::Kind::Float || isByteFloat(a))) {
    return Sums::F16;
  }
  failType(text);
}

} // namespace ptxsim

#endif // PTXSIM_OPS_PRODUCTS_H
