//===- Floats.cpp - f32 and f64 -----------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.3] Floating point but for the functions of the MUFU pipe (Special.cpp).
// The host computes in the same formats; for .rz, .rm and .rp it is told to
// round as the instruction says.
//
//===----------------------------------------------------------------------===//
#include "Extremes.h"
#include "Families.h"
#include "Operands.h"

#include <cfenv>

using namespace ptxsim;

namespace {

struct Add {
  template <class T> PTXSIM_INLINE T operator()(T a, T b) const {
    return a + b;
  }
};
struct Sub {
  template <class T> PTXSIM_INLINE T operator()(T a, T b) const {
    return a - b;
  }
};
struct Mul {
  template <class T> PTXSIM_INLINE T operator()(T a, T b) const {
    return a * b;
  }
};
struct Fma {
  template <class T> PTXSIM_INLINE T operator()(T a, T b, T c) const {
    return std::fma(a, b, c);
  }
};
struct Div {
  template <class T> PTXSIM_INLINE T operator()(T a, T b) const {
    return a / b;
  }
};
/// a * (1 / b), where 1 / b vanishes for the largest b.
struct DivApprox {
  PTXSIM_INLINE float operator()(float a, float b) const {
    float inverse = std::fabs(b) > 0x1p126f ? std::copysign(0.0f, b) : 1.0f;
    return inverse == 0.0f ? a * inverse : a / b;
  }
};
struct Rcp {
  template <class T> PTXSIM_INLINE T operator()(T a) const { return T(1) / a; }
};
struct Sqrt {
  template <class T> PTXSIM_INLINE T operator()(T a) const {
    return std::sqrt(a);
  }
};
struct Neg {
  template <class T> PTXSIM_INLINE T operator()(T a) const { return -a; }
};
struct Abs {
  template <class T> PTXSIM_INLINE T operator()(T a) const {
    return std::fabs(a);
  }
};
/// The sign of a with the value of b.
struct CopySign {
  template <class T> PTXSIM_INLINE T operator()(T a, T b) const {
    return std::copysign(b, a);
  }
};

/// F between .ftz of its sources and .ftz and .sat of its result.
template <class F, bool isFtz, bool isSat> struct Modified {
  template <class T> PTXSIM_INLINE static T flushed(T value) {
    if constexpr (isFtz) {
      return flush(value);
    } else {
      return value;
    }
  }
  template <class... T> PTXSIM_INLINE auto operator()(T... s) const {
    auto result = canonical(flushed(F()(flushed(s)...)));
    return isSat ? clampToUnit(result) : result;
  }
};

/// Keeps NaNs as they are: neg, abs and copysign work on the sign alone.
template <class F, bool isFtz> struct OnSign {
  template <class... T> PTXSIM_INLINE auto operator()(T... s) const {
    return F()(Modified<F, isFtz, false>::flushed(s)...);
  }
};

/// inst.flags: how to round. The operands are read and the results written
/// between the calls, so that no operation can leave them.
template <class F, class D, class... S>
Step runDirected(Warp &w, const Inst &in) {
  std::fesetround(int(in.flags));
  Step step = handler<F, D, S...>(w, in);
  std::fesetround(FE_TONEAREST);
  return step;
}

/// What a family's words say beside the type.
struct Modifiers {
  Type type;
  bool isFtz = false, isSat = false;
  int rounding = FE_TONEAREST;
};

enum class Test { Finite, Infinite, Number, NotANumber, Normal, Subnormal };

template <Test test> struct Testp {
  template <class T> bool operator()(T a) const {
    switch (test) {
    case Test::Finite:
      return std::isfinite(a);
    case Test::Infinite:
      return std::isinf(a);
    case Test::Number:
      return !std::isnan(a);
    case Test::NotANumber:
      return std::isnan(a);
    case Test::Normal:
      return std::isnormal(a);
    case Test::Subnormal:
      return std::fpclassify(a) == FP_SUBNORMAL;
    }
    return false;
  }
};
template <class F, class T> Step runTest(Warp &w, const Inst &in) {
  w.setPredicate(in.d[0], testLanes<F, T>(w, in));
  return Step::Next;
}

} // namespace

static bool isFloat(const Type &type) {
  return type.isFloat() && type.packed == 1 && type.bits >= 32;
}

/// The handler of F over `numSources` numbers of type T.
template <class F, class T, size_t numSources>
static Handler floatHandler(int rounding) {
  bool isNearest = rounding == FE_TONEAREST;
  if constexpr (numSources == 1) {
    return isNearest ? lanewise<F, T, T>() : runDirected<F, T, T>;
  } else if constexpr (numSources == 2) {
    return isNearest ? lanewise<F, T, T, T>() : runDirected<F, T, T, T>;
  } else {
    return isNearest ? lanewise<F, T, T, T, T>() : runDirected<F, T, T, T, T>;
  }
}

template <class F, size_t numSources>
static void setHandler(const Instruction &text, Builder &builder, Inst &inst,
                       const Modifiers &m) {
  if constexpr (numSources == 1) {
    setPlain(text, builder, inst, m.type, {m.type});
  } else if constexpr (numSources == 2) {
    setPlain(text, builder, inst, m.type, {m.type, m.type});
  } else {
    setPlain(text, builder, inst, m.type, {m.type, m.type, m.type});
  }
  inst.kind = InstClass::Float;
  inst.flags = uint32_t(m.rounding);
  if (m.type.bits == 64) {
    inst.run =
        floatHandler<Modified<F, false, false>, double, numSources>(m.rounding);
  } else if (m.isFtz) {
    inst.run = m.isSat
                   ? floatHandler<Modified<F, true, true>, float, numSources>(
                         m.rounding)
                   : floatHandler<Modified<F, true, false>, float, numSources>(
                         m.rounding);
  } else {
    inst.run = m.isSat
                   ? floatHandler<Modified<F, false, true>, float, numSources>(
                         m.rounding)
                   : floatHandler<Modified<F, false, false>, float, numSources>(
                         m.rounding);
  }
}

/// {.rnd}{.ftz}{.sat}.f32 or {.rnd}.f64.
static bool takeModifiers(const Instruction &text, Words &words, Modifiers &m) {
  std::optional<Type> type = words.tryType();
  if (!type || !isFloat(*type)) {
    return false;
  }
  m.type = *type;
  std::string_view rounding = words.take({"rn", "rz", "rm", "rp"});
  m.rounding = rounding == "rz"   ? FE_TOWARDZERO
               : rounding == "rm" ? FE_DOWNWARD
               : rounding == "rp" ? FE_UPWARD
                                  : FE_TONEAREST;
  m.isFtz = words.take("ftz");
  m.isSat = words.take("sat");
  if ((m.isFtz || m.isSat) && m.type.bits == 64) {
    failType(text);
  }
  return true;
}

/// add, sub, mul, fma, mad.
template <class F, size_t numSources>
static bool decodeArithmetic(const Instruction &text, Builder &builder,
                             Inst &inst) {
  Words words(text);
  Modifiers m;
  if (!takeModifiers(text, words, m)) {
    return false;
  }
  words.done();
  setHandler<F, numSources>(text, builder, inst, m);
  return true;
}

/// div: .approx and .full are f32's own.
static bool decodeDiv(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Modifiers m;
  if (!takeModifiers(text, words, m)) {
    return false;
  }
  std::string_view how = words.take({"approx", "full"});
  words.done();
  if (m.isSat || (!how.empty() && m.type.bits == 64)) {
    failType(text);
  }
  if (how == "approx") {
    setHandler<DivApprox, 2>(text, builder, inst, m);
  } else {
    setHandler<Div, 2>(text, builder, inst, m);
  }
  return true;
}

/// rcp, sqrt with a rounding; Special.cpp has .approx.
template <class F>
static bool decodeRooted(const Instruction &text, Builder &builder,
                         Inst &inst) {
  Words words(text);
  if (text.has("approx")) {
    return false;
  }
  Modifiers m;
  if (!takeModifiers(text, words, m)) {
    return false;
  }
  words.done();
  setHandler<F, 1>(text, builder, inst, m);
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
  inst.kind = InstClass::Float;
  if constexpr (std::is_same_v<F, CopySign>) {
    setPlain(text, builder, inst, m.type, {m.type, m.type});
    inst.run = m.type.bits == 64 ? lanewise<CopySign, double, double, double>()
                                 : lanewise<CopySign, float, float, float>();
  } else {
    setPlain(text, builder, inst, m.type, {m.type});
    inst.run = m.type.bits == 64 ? lanewise<OnSign<F, false>, double, double>()
               : m.isFtz         ? lanewise<OnSign<F, true>, float, float>()
                                 : lanewise<OnSign<F, false>, float, float>();
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
  if (m.type.bits == 64 && (propagates || isXor)) {
    failType(text);
  }
  using Plain = Extreme<isMax>;
  using WithNan = ExtremeNan<isMax>;
  if (m.type.bits == 64) {
    setHandler<Plain, 2>(text, builder, inst, m);
  } else if (isXor) {
    propagates ? setHandler<XorSign<WithNan>, 2>(text, builder, inst, m)
               : setHandler<XorSign<Plain>, 2>(text, builder, inst, m);
  } else {
    propagates ? setHandler<WithNan, 2>(text, builder, inst, m)
               : setHandler<Plain, 2>(text, builder, inst, m);
  }
  return true;
}

template <Test test> static Handler testHandler(const Type &type) {
  return type.bits == 64 ? runTest<Testp<test>, double>
                         : runTest<Testp<test>, float>;
}

static bool decodeTestp(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  std::string_view what = words.take(
      {"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
  words.done();
  if (!isFloat(type)) {
    failType(text);
  }
  Builder::expectOperands(text, 2, 2);
  builder.setOperands(inst, {builder.predDst(text.operands[0])},
                      {exactSrc(builder, text.operands[1], type)});
  inst.kind = InstClass::Float;
  inst.run = what == "finite"       ? testHandler<Test::Finite>(type)
             : what == "infinite"   ? testHandler<Test::Infinite>(type)
             : what == "number"     ? testHandler<Test::Number>(type)
             : what == "notanumber" ? testHandler<Test::NotANumber>(type)
             : what == "normal"     ? testHandler<Test::Normal>(type)
             : what == "subnormal"  ? testHandler<Test::Subnormal>(type)
                                    : nullptr;
  if (!inst.run) {
    Builder::fail("expects what to test for in '" + text.name() + "'");
  }
  return true;
}

void ptxsim::addFloats(DecoderTable &table) {
  table["add"].push_back(decodeArithmetic<Add, 2>);
  table["sub"].push_back(decodeArithmetic<Sub, 2>);
  table["mul"].push_back(decodeArithmetic<Mul, 2>);
  table["fma"].push_back(decodeArithmetic<Fma, 3>);
  table["mad"].push_back(decodeArithmetic<Fma, 3>);
  table["div"].push_back(decodeDiv);
  table["rcp"].push_back(decodeRooted<Rcp>);
  table["sqrt"].push_back(decodeRooted<Sqrt>);
  table["neg"].push_back(decodeSign<Neg>);
  table["abs"].push_back(decodeSign<Abs>);
  table["copysign"].push_back(decodeSign<CopySign>);
  table["min"].push_back(decodeMinMax<false>);
  table["max"].push_back(decodeMinMax<true>);
  table["testp"].push_back(decodeTestp);
  addSpecials(table);
}
