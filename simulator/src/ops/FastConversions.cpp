//===- FastConversions.cpp - The conversions used most ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FastConversions.h"
#include "Formats.h"

using namespace ptxsim;

namespace {

/// Integers to integers. What is narrower than a lane and has a sign keeps it
/// over the whole lane.
template <class D> struct Cast {
  using Lane =
      std::conditional_t<(sizeof(D) < 4 && std::is_signed_v<D>), int32_t, D>;
  template <class S> PTXSIM_INLINE Lane operator()(S a) const {
    return Lane(D(a));
  }
};

template <class D> struct Widen {
  template <class S> PTXSIM_INLINE D operator()(S a) const {
    return D(canonical(toFloat(a)));
  }
};
struct Narrow {
  PTXSIM_INLINE float operator()(double a) const { return canonical(float(a)); }
};
template <class D> struct ToHalf {
  PTXSIM_INLINE D operator()(float a) const { return nearest<D>(a); }
};
template <class D> struct ToHalves {
  PTXSIM_INLINE uint32_t operator()(float high, float low) const {
    return uint32_t(nearest<D>(high).bits) << 16 | nearest<D>(low).bits;
  }
};
/// Formats of 8 bits, .satfinite.
struct E4M3 {
  static constexpr unsigned kMantissa = 3, kBias = 7, kLargest = 0x7E;
};
struct E5M2 {
  static constexpr unsigned kMantissa = 2, kBias = 15, kLargest = 0x7B;
};
template <class F> PTXSIM_INLINE uint8_t nearestEight(float value) {
  constexpr unsigned drop = 23 - F::kMantissa;
  constexpr uint32_t least = (127 - F::kBias + 1) << 23;
  // A number whose last bit is that of the format's subnormal numbers.
  constexpr uint32_t unit = (127 - F::kBias + 1 + drop) << 23;
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t magnitude = bits & 0x7FFF'FFFF;
  float shifted = std::bit_cast<float>(magnitude) + std::bit_cast<float>(unit);
  uint32_t subnormal = std::bit_cast<uint32_t>(shifted) - unit;
  uint32_t normal = (magnitude + ((1u << (drop - 1)) - 1) +
                     (magnitude >> drop & 1) - ((127 - F::kBias) << 23)) >>
                    drop;
  uint32_t result = magnitude < least ? subnormal : normal;
  result = result > F::kLargest ? F::kLargest : result;
  result |= bits >> 24 & 0x80;
  return uint8_t(magnitude > 0x7F80'0000 ? 0x7F : result);
}
template <class F> struct ToEights {
  PTXSIM_INLINE uint16_t operator()(float high, float low) const {
    return uint16_t(nearestEight<F>(high) << 8 | nearestEight<F>(low));
  }
};
/// A half has room for the exponent and mantissa of both.
template <class F> PTXSIM_INLINE Half toHalf(uint32_t code) {
  uint32_t magnitude = (code & 0x7F) << (10 - F::kMantissa);
  float scale = F::kBias == 15 ? 1.0f : 256.0f;
  Half half = nearest<Half>(toFloat(Half{uint16_t(magnitude)}) * scale);
  bool isNan = (code & 0x7F) > F::kLargest + (F::kBias == 15);
  return {uint16_t(isNan ? 0x7FFF : half.bits | (code & 0x80) << 8)};
}
template <class F> struct FromEights {
  PTXSIM_INLINE Pair<Half> operator()(uint16_t codes) const {
    return {toHalf<F>(codes & 0xFF), toHalf<F>(codes >> 8)};
  }
};
template <class D> struct FromInteger {
  template <class S> PTXSIM_INLINE D operator()(S a) const { return D(a); }
};

template <Rounding rounding> PTXSIM_INLINE double whole(double a) {
  switch (rounding) {
  case Rounding::Zero:
    return std::trunc(a);
  case Rounding::Down:
    return std::floor(a);
  case Rounding::Up:
    return std::ceil(a);
  default:
    return std::nearbyint(a);
  }
}
/// f32 to 32 bits: f64 holds every whole number on the way.
template <class D, Rounding rounding> struct ToInteger {
  PTXSIM_INLINE D operator()(float a) const {
    constexpr double least = double(std::numeric_limits<D>::min());
    constexpr double most = double(std::numeric_limits<D>::max());
    double value = whole<rounding>(double(a));
    value = value < most ? value : most;
    value = value > least ? value : least;
    value = a == a ? value : 0.0;
    return D(int64_t(value));
  }
};
template <Rounding rounding> struct ToWhole {
  PTXSIM_INLINE float operator()(float a) const {
    return canonical(float(whole<rounding>(double(a))));
  }
};

/// The handler of F<rounding>.
template <template <Rounding> class F, class D>
Handler withRounding(Rounding rounding) {
  switch (rounding) {
  case Rounding::Nearest:
    return lanewise<F<Rounding::Nearest>, D, float>();
  case Rounding::Zero:
    return lanewise<F<Rounding::Zero>, D, float>();
  case Rounding::Down:
    return lanewise<F<Rounding::Down>, D, float>();
  case Rounding::Up:
    return lanewise<F<Rounding::Up>, D, float>();
  default:
    return nullptr;
  }
}
template <Rounding rounding> using ToS32 = ToInteger<int32_t, rounding>;
template <Rounding rounding> using ToU32 = ToInteger<uint32_t, rounding>;

template <class D, class S> Handler castTo() {
  return lanewise<Cast<D>, typename Cast<D>::Lane, S>();
}
template <class S> Handler castFrom(const Type &to) {
  bool isSigned = to.isSigned();
  switch (to.bits) {
  case 8:
    return isSigned ? castTo<int8_t, S>() : castTo<uint8_t, S>();
  case 16:
    return isSigned ? castTo<int16_t, S>() : castTo<uint16_t, S>();
  case 32:
    return castTo<uint32_t, S>();
  default:
    return castTo<uint64_t, S>();
  }
}
Handler cast(const Type &from, const Type &to) {
  bool isSigned = from.isSigned();
  switch (from.bits) {
  case 8:
    return isSigned ? castFrom<int8_t>(to) : castFrom<uint8_t>(to);
  case 16:
    return isSigned ? castFrom<int16_t>(to) : castFrom<uint16_t>(to);
  case 32:
    return isSigned ? castFrom<int32_t>(to) : castFrom<uint32_t>(to);
  default:
    return isSigned ? castFrom<int64_t>(to) : castFrom<uint64_t>(to);
  }
}

template <class D> Handler integerTo(const Type &from) {
  bool isSigned = from.isSigned();
  switch (from.bits) {
  case 8:
    return isSigned ? lanewise<FromInteger<D>, D, int8_t>()
                    : lanewise<FromInteger<D>, D, uint8_t>();
  case 16:
    return isSigned ? lanewise<FromInteger<D>, D, int16_t>()
                    : lanewise<FromInteger<D>, D, uint16_t>();
  case 32:
    return isSigned ? lanewise<FromInteger<D>, D, int32_t>()
                    : lanewise<FromInteger<D>, D, uint32_t>();
  default:
    return isSigned ? lanewise<FromInteger<D>, D, int64_t>()
                    : lanewise<FromInteger<D>, D, uint64_t>();
  }
}

} // namespace

Handler ptxsim::fastConversion(const ConvertData &c) {
  using Kind = Type::Kind;
  if (c.isFtz || c.isSat || c.isFinite || c.isRelu) {
    return nullptr;
  }
  auto is = [](const Type &type, Kind kind, unsigned bits) {
    return type.kind == kind && type.bits == bits;
  };
  if (!c.fromFormat && !c.toFormat) {
    return cast(c.from, c.to);
  }
  bool isNearest = c.rounding == Rounding::Nearest;
  if (!c.fromFormat) {
    return !isNearest                  ? nullptr
           : is(c.to, Kind::Float, 32) ? integerTo<float>(c.from)
           : is(c.to, Kind::Float, 64) ? integerTo<double>(c.from)
                                       : nullptr;
  }
  if (is(c.from, Kind::Float, 32)) {
    if (is(c.to, Kind::Signed, 32)) {
      return withRounding<ToS32, int32_t>(c.rounding);
    }
    if (is(c.to, Kind::Unsigned, 32)) {
      return withRounding<ToU32, uint32_t>(c.rounding);
    }
    if (is(c.to, Kind::Float, 32)) {
      return c.isWhole ? withRounding<ToWhole, float>(c.rounding) : nullptr;
    }
    if (is(c.to, Kind::Float, 64)) {
      return lanewise<Widen<double>, double, float>();
    }
    if (is(c.to, Kind::Float, 16) && isNearest) {
      return lanewise<ToHalf<Half>, Half, float>();
    }
    if (is(c.to, Kind::BFloat, 16) && isNearest) {
      return lanewise<ToHalf<BFloat>, BFloat, float>();
    }
    return nullptr;
  }
  if (is(c.to, Kind::Float, 32)) {
    return is(c.from, Kind::Float, 16) ? lanewise<Widen<float>, float, Half>()
           : is(c.from, Kind::BFloat, 16)
               ? lanewise<Widen<float>, float, BFloat>()
           : is(c.from, Kind::Float, 64) && isNearest
               ? lanewise<Narrow, float, double>()
               : nullptr;
  }
  return nullptr;
}

Handler ptxsim::fastPackedConversion(const ConvertData &c) {
  using Kind = Type::Kind;
  if (c.rounding != Rounding::Nearest || c.isFtz || c.isSat || c.isRelu) {
    return nullptr;
  }
  bool isFrom32 = c.from == Type{Kind::Float, 32, 1};
  bool isToHalves = c.to == Type{Kind::Float, 16, 2};
  if (c.from.kind == Kind::E4M3 && isToHalves) {
    return lanewise<FromEights<E4M3>, Pair<Half>, uint16_t>();
  }
  if (c.from.kind == Kind::E5M2 && isToHalves) {
    return lanewise<FromEights<E5M2>, Pair<Half>, uint16_t>();
  }
  if (!isFrom32) {
    return nullptr;
  }
  if (c.to.kind == Kind::E4M3) {
    return lanewise<ToEights<E4M3>, uint16_t, float, float>();
  }
  if (c.to.kind == Kind::E5M2) {
    return lanewise<ToEights<E5M2>, uint16_t, float, float>();
  }
  if (c.isFinite) {
    return nullptr;
  }
  return c.to.kind == Kind::Float
             ? lanewise<ToHalves<Half>, uint32_t, float, float>()
             : lanewise<ToHalves<BFloat>, uint32_t, float, float>();
}
