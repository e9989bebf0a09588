//===- Halves.cpp - f16, bf16 and pairs of them -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.4] Half precision. Sums are made in f32, which has more than twice the
// bits: rounding twice is rounding once (Figueroa, When is double rounding
// innocuous?, 1995). A fused multiply-add has no such luck and is rounded to
// odd on its way (Boldo and Melquiond, Emulation of FMA and correctly rounded
// sums, 2008).
//
//===----------------------------------------------------------------------===//
#include "Extremes.h"
#include "Families.h"
#include "Operands.h"
#include "Special.h"

using namespace ptxsim;

namespace {

struct Add {
  PTXSIM_INLINE float operator()(float a, float b) const { return a + b; }
};
struct Sub {
  PTXSIM_INLINE float operator()(float a, float b) const { return a - b; }
};
/// a * b + c, with the last bit set where f32 does not hold it all.
struct FmaToOdd {
  PTXSIM_INLINE float operator()(float a, float b, float c) const {
    // Exact: 11 or 8 bits each.
    double x = double(a) * double(b), y = c;
    double sum = x + y;
    double part = sum - x;
    double error = (x - (sum - part)) + (y - part);
    float result = float(sum);
    double rest = (sum - double(result)) + error;
    uint32_t bits = std::bit_cast<uint32_t>(result);
    bool isNegative = bits >> 31;
    uint32_t odd = (rest < 0) == isNegative ? bits + 1 : bits - 1;
    bool isInexact = (rest < 0 || rest > 0) && !(bits & 1);
    return std::bit_cast<float>(isInexact ? odd : bits);
  }
};
/// A product has 22 or 16 bits. f32 cuts it only where it is less than half of
/// the least bf16.
struct Mul {
  PTXSIM_INLINE float operator()(float a, float b) const { return a * b; }
};

/// .sat: to [0, 1]. .relu: at least 0, but a NaN stays one.
enum class Clamp { None, Sat, Relu };

/// F in f32 between halves.
template <class F, bool isFtz, Clamp clamp> struct OfHalves {
  template <class T> PTXSIM_INLINE static T flushed(T value) {
    if constexpr (isFtz) {
      return flush(value);
    } else {
      return value;
    }
  }
  template <class T, class... Rest>
  PTXSIM_INLINE T operator()(T first, Rest... rest) const {
    float exact = F()(toFloat(flushed(first)), toFloat(flushed(rest))...);
    if (clamp == Clamp::Sat) {
      exact = clampToUnit(exact);
    } else if (clamp == Clamp::Relu) {
      exact = exact < 0.0f ? 0.0f : exact;
      // -0 as well.
      exact = exact == 0.0f ? 0.0f : exact;
    }
    return flushed(nearest<T>(exact));
  }
};

struct Neg {
  template <class T> PTXSIM_INLINE T operator()(T a) const {
    return {uint16_t(a.bits ^ 0x8000)};
  }
};
struct Abs {
  template <class T> PTXSIM_INLINE T operator()(T a) const {
    return {uint16_t(a.bits & 0x7FFF)};
  }
};
template <class F> struct Flushed {
  PTXSIM_INLINE Half operator()(Half a) const { return F()(flush(a)); }
};

/// F of the halves of words. Shifts and not struct members: those would not
/// become vector instructions.
template <class F, class T> struct Packed {
  PTXSIM_INLINE static T low(uint32_t word) { return {uint16_t(word)}; }
  PTXSIM_INLINE static T high(uint32_t word) { return {uint16_t(word >> 16)}; }
  template <class... Words>
  PTXSIM_INLINE uint32_t operator()(Words... words) const {
    return uint32_t(F()(high(words)...).bits) << 16 | F()(low(words)...).bits;
  }
};

struct Modifiers {
  Type type;
  bool isFtz = false;
  Clamp clamp = Clamp::None;
};

template <class F, class T, size_t numSources> Handler handlerOfType() {
  if constexpr (numSources == 1) {
    return lanewise<F, T, T>();
  } else if constexpr (numSources == 2) {
    return lanewise<F, T, T, T>();
  } else {
    return lanewise<F, T, T, T, T>();
  }
}
template <class F, class T, size_t numSources>
Handler plainOrPacked(const Type &type) {
  return type.packed == 2 ? handlerOfType<Packed<F, T>, uint32_t, numSources>()
                          : handlerOfType<F, T, numSources>();
}

template <class F, size_t numSources, Clamp clamp>
Handler clampedHandler(const Modifiers &m) {
  if (m.type.kind == Type::Kind::BFloat) {
    return plainOrPacked<OfHalves<F, false, clamp>, BFloat, numSources>(m.type);
  }
  return m.isFtz
             ? plainOrPacked<OfHalves<F, true, clamp>, Half, numSources>(m.type)
             : plainOrPacked<OfHalves<F, false, clamp>, Half, numSources>(
                   m.type);
}

} // namespace

static bool isHalf(const Type &type) {
  return type.bits == 16 && type.packed <= 2 &&
         (type.kind == Type::Kind::Float || type.kind == Type::Kind::BFloat);
}

static bool takeModifiers(const Instruction &text, Words &words, Modifiers &m) {
  std::optional<Type> type = words.tryType();
  if (!type || !isHalf(*type)) {
    return false;
  }
  m.type = *type;
  words.take("rn");
  m.isFtz = words.take("ftz");
  m.clamp = words.take("sat")    ? Clamp::Sat
            : words.take("relu") ? Clamp::Relu
                                 : Clamp::None;
  bool isBFloat = m.type.kind == Type::Kind::BFloat;
  if (isBFloat &&
      (m.clamp == Clamp::Sat || (m.isFtz && text.opcode != "ex2"))) {
    failType(text);
  }
  return true;
}

template <size_t numSources>
static void setSources(const Instruction &text, Builder &builder, Inst &inst,
                       const Type &type) {
  if constexpr (numSources == 1) {
    setPlain(text, builder, inst, type, {type});
  } else if constexpr (numSources == 2) {
    setPlain(text, builder, inst, type, {type, type});
  } else {
    setPlain(text, builder, inst, type, {type, type, type});
  }
}

/// add, sub, mul, fma; .relu is fma's.
template <class F, size_t numSources>
static bool decodeArithmetic(const Instruction &text, Builder &builder,
                             Inst &inst) {
  Words words(text);
  Modifiers m;
  if (!takeModifiers(text, words, m)) {
    return false;
  }
  words.done();
  setSources<numSources>(text, builder, inst, m.type);
  inst.kind = InstClass::Float;
  if (m.clamp == Clamp::Relu) {
    if constexpr (numSources == 3) {
      inst.run = clampedHandler<F, numSources, Clamp::Relu>(m);
    } else {
      failType(text);
    }
  } else {
    inst.run = m.clamp == Clamp::Sat
                   ? clampedHandler<F, numSources, Clamp::Sat>(m)
                   : clampedHandler<F, numSources, Clamp::None>(m);
  }
  return true;
}

template <bool isMax>
static bool decodeMinMax(const Instruction &text, Builder &builder,
                         Inst &inst) {
  Words words(text);
  Modifiers m;
  if (!takeModifiers(text, words, m)) {
    return false;
  }
  bool propagates = words.take("NaN");
  bool isXor = words.take("xorsign");
  if (isXor && !words.take("abs")) {
    Builder::fail("expects .xorsign.abs in '" + text.name() + "'");
  }
  words.done();
  if (m.clamp != Clamp::None) {
    failType(text);
  }
  setSources<2>(text, builder, inst, m.type);
  inst.kind = InstClass::Float;
  using Plain = Extreme<isMax>;
  using WithNan = ExtremeNan<isMax>;
  if (isXor) {
    inst.run = propagates ? clampedHandler<XorSign<WithNan>, 2, Clamp::None>(m)
                          : clampedHandler<XorSign<Plain>, 2, Clamp::None>(m);
  } else {
    inst.run = propagates ? clampedHandler<WithNan, 2, Clamp::None>(m)
                          : clampedHandler<Plain, 2, Clamp::None>(m);
  }
  return true;
}

template <class F>
static bool decodeSign(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Modifiers m;
  if (!takeModifiers(text, words, m)) {
    return false;
  }
  words.done();
  if (m.clamp != Clamp::None) {
    failType(text);
  }
  setSources<1>(text, builder, inst, m.type);
  inst.kind = InstClass::Float;
  inst.run = m.type.kind == Type::Kind::BFloat
                 ? plainOrPacked<F, BFloat, 1>(m.type)
             : m.isFtz ? plainOrPacked<Flushed<F>, Half, 1>(m.type)
                       : plainOrPacked<F, Half, 1>(m.type);
  return true;
}

namespace {

/// inst.data of ex2: the lanes are counted and the inner handler runs.
struct CountedData : InstData {
  Handler inner = nullptr;
};
Step runCounted(Warp &w, const Inst &in) {
  countExp2(w, in);
  return static_cast<const CountedData *>(in.data)->inner(w, in);
}

/// ex2 of bf16 flushes (.ftz is part of its name): f32's subnormal numbers are
/// those of bf16.
template <class F> struct FlushedFloat {
  PTXSIM_INLINE float operator()(float a) const { return flush(F()(flush(a))); }
};

} // namespace

/// ex2.approx, tanh.approx.
template <class F>
static bool decodeSpecial(const Instruction &text, Builder &builder,
                          Inst &inst) {
  Words words(text);
  Modifiers m;
  if (!takeModifiers(text, words, m)) {
    return false;
  }
  if (!words.take("approx") || m.clamp != Clamp::None) {
    failType(text);
  }
  words.done();
  setSources<1>(text, builder, inst, m.type);
  inst.kind = InstClass::Special;
  bool flushes = m.type.kind == Type::Kind::BFloat && m.isFtz;
  Handler run = flushes ? clampedHandler<FlushedFloat<F>, 1, Clamp::None>(m)
                        : clampedHandler<F, 1, Clamp::None>(m);
  if (text.opcode == "ex2") {
    builder.makeData<CountedData>(inst).inner = run;
    inst.run = runCounted;
  } else {
    inst.run = run;
  }
  return true;
}

void ptxsim::addHalves(DecoderTable &table) {
  table["add"].push_back(decodeArithmetic<Add, 2>);
  table["sub"].push_back(decodeArithmetic<Sub, 2>);
  table["mul"].push_back(decodeArithmetic<Mul, 2>);
  table["fma"].push_back(decodeArithmetic<FmaToOdd, 3>);
  table["min"].push_back(decodeMinMax<false>);
  table["max"].push_back(decodeMinMax<true>);
  table["neg"].push_back(decodeSign<Neg>);
  table["abs"].push_back(decodeSign<Abs>);
  table["ex2"].push_back(decodeSpecial<Exp2Approx>);
  table["tanh"].push_back(decodeSpecial<TanhApprox>);
}
