//===- Compare.cpp - Comparisons ----------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.6] set, setp. A comparison gives a mask; a boolean operation joins a
// predicate to it; setp stores the mask, set ones or 1.0.
//
// A comparison of a number with a NaN is false, for `ne` as well, and true with
// a `u` at the end.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "Formats.h"
#include "Operands.h"

using namespace ptxsim;

namespace {

enum class Cmp {
  Eq,
  Ne,
  Lt,
  Le,
  Gt,
  Ge,
  Equ,
  Neu,
  Ltu,
  Leu,
  Gtu,
  Geu,
  Num,
  Nan
};
enum class Join { None, And, Or, Xor };

template <Cmp c> struct Compare {
  template <class T> PTXSIM_INLINE bool operator()(T a, T b) const {
    bool isOrdered = a == a && b == b;
    switch (c) {
    case Cmp::Eq:
      return a == b;
    case Cmp::Ne:
      return a != b && isOrdered;
    case Cmp::Lt:
      return a < b;
    case Cmp::Le:
      return a <= b;
    case Cmp::Gt:
      return a > b;
    case Cmp::Ge:
      return a >= b;
    case Cmp::Equ:
      return a == b || !isOrdered;
    case Cmp::Neu:
      return a != b;
    case Cmp::Ltu:
      return !(a >= b);
    case Cmp::Leu:
      return !(a > b);
    case Cmp::Gtu:
      return !(a <= b);
    case Cmp::Geu:
      return !(a < b);
    case Cmp::Num:
      return isOrdered;
    case Cmp::Nan:
      return !isOrdered;
    }
    return false;
  }
};

/// F of the operands as floats.
template <class F, bool isFtz> struct OfFloats {
  template <class T> PTXSIM_INLINE bool operator()(T a, T b) const {
    if constexpr (isFtz) {
      a = flush(a);
      b = flush(b);
    }
    return F()(toFloat(a), toFloat(b));
  }
};
/// F of one half of a packed pair.
template <class F, bool isHigh> struct OfHalf {
  template <class T> PTXSIM_INLINE bool operator()(T a, T b) const {
    return isHigh ? F()(a.high, b.high) : F()(a.low, b.low);
  }
};

/// What a decoded comparison does with its masks.
struct CompareData : InstData {
  using Test = Mask (*)(Warp &, const Inst &);
  /// Packed types have a test for each half.
  Test test[2] = {nullptr, nullptr};
  Join join = Join::None;
  /// set: the value that says "true", one for each test.
  uint32_t truth[2] = {0, 0};
};

template <class F, class T> Mask runTest(Warp &w, const Inst &in) {
  return testLanes<F, T, T>(w, in);
}
template <class F, class T>
PTXSIM_WIDE Mask runTestWide(Warp &w, const Inst &in) {
  return testLanes<F, T, T>(w, in);
}
template <class F, class T> CompareData::Test testOf() {
  return hasWideLanes() ? runTestWide<F, T> : runTest<F, T>;
}

Mask join(Join how, Mask result, Mask p) {
  switch (how) {
  case Join::None:
    return result;
  case Join::And:
    return result & p;
  case Join::Or:
    return result | p;
  case Join::Xor:
    return result ^ p;
  }
  return result;
}

Step runSetp(Warp &w, const Inst &in) {
  const auto &data = *static_cast<const CompareData *>(in.data);
  Mask first = data.test[0](w, in), second = ~first;
  if (data.test[1]) {
    second = data.test[1](w, in);
  }
  if (data.join != Join::None) {
    Mask p = w.predicate(in.s[2]);
    first = join(data.join, first, p);
    second = join(data.join, second, p);
  }
  w.setPredicate(in.d[0], first);
  if (in.d.size() > 1) {
    w.setPredicate(in.d[1], second);
  }
  return Step::Next;
}

/// The plainest and most frequent form.
template <class F, class T> Step runPlain(Warp &w, const Inst &in) {
  w.setPredicate(in.d[0], testLanes<F, T, T>(w, in));
  return Step::Next;
}
template <class F, class T>
PTXSIM_WIDE Step runPlainWide(Warp &w, const Inst &in) {
  w.setPredicate(in.d[0], testLanes<F, T, T>(w, in));
  return Step::Next;
}

Step runSet(Warp &w, const Inst &in) {
  const auto &data = *static_cast<const CompareData *>(in.data);
  Mask p = data.join == Join::None ? 0 : w.predicate(in.s[2]);
  Mask low = join(data.join, data.test[0](w, in), p), high = 0;
  if (data.test[1]) {
    high = join(data.join, data.test[1](w, in), p);
  }
  forEachLane(w.exec, [&](unsigned l) {
    uint32_t value = (low >> l & 1 ? data.truth[0] : 0) |
                     (high >> l & 1 ? data.truth[1] : 0);
    w.setLane(in.d[0], l, value);
  });
  return Step::Next;
}

std::optional<Cmp> parseCmp(std::string_view word, const Type &type) {
  using Kind = Type::Kind;
  if (type.kind == Kind::Float || type.kind == Kind::BFloat) {
    static const std::pair<std::string_view, Cmp> names[] = {
        {"eq", Cmp::Eq},   {"ne", Cmp::Ne},   {"lt", Cmp::Lt},
        {"le", Cmp::Le},   {"gt", Cmp::Gt},   {"ge", Cmp::Ge},
        {"equ", Cmp::Equ}, {"neu", Cmp::Neu}, {"ltu", Cmp::Ltu},
        {"leu", Cmp::Leu}, {"gtu", Cmp::Gtu}, {"geu", Cmp::Geu},
        {"num", Cmp::Num}, {"nan", Cmp::Nan}};
    for (const auto &[name, cmp] : names) {
      if (name == word) {
        return cmp;
      }
    }
    return std::nullopt;
  }
  static const std::pair<std::string_view, Cmp> names[] = {
      {"eq", Cmp::Eq}, {"ne", Cmp::Ne}, {"lt", Cmp::Lt}, {"le", Cmp::Le},
      {"gt", Cmp::Gt}, {"ge", Cmp::Ge}, {"lo", Cmp::Lt}, {"ls", Cmp::Le},
      {"hi", Cmp::Gt}, {"hs", Cmp::Ge}};
  for (const auto &[name, cmp] : names) {
    bool isUnsigned =
        name == "lo" || name == "ls" || name == "hi" || name == "hs";
    if (name == word && !(isUnsigned && type.isSigned())) {
      return cmp;
    }
  }
  return std::nullopt;
}

/// f(Compare<c>()) for the comparison; integers have only the first six.
template <bool isFloat, class F> void withCmp(Cmp cmp, F f) {
  switch (cmp) {
  case Cmp::Eq:
    return f(Compare<Cmp::Eq>());
  case Cmp::Ne:
    return f(Compare<Cmp::Ne>());
  case Cmp::Lt:
    return f(Compare<Cmp::Lt>());
  case Cmp::Le:
    return f(Compare<Cmp::Le>());
  case Cmp::Gt:
    return f(Compare<Cmp::Gt>());
  case Cmp::Ge:
    return f(Compare<Cmp::Ge>());
  default:
    break;
  }
  if constexpr (isFloat) {
    switch (cmp) {
    case Cmp::Equ:
      return f(Compare<Cmp::Equ>());
    case Cmp::Neu:
      return f(Compare<Cmp::Neu>());
    case Cmp::Ltu:
      return f(Compare<Cmp::Ltu>());
    case Cmp::Leu:
      return f(Compare<Cmp::Leu>());
    case Cmp::Gtu:
      return f(Compare<Cmp::Gtu>());
    case Cmp::Geu:
      return f(Compare<Cmp::Geu>());
    case Cmp::Num:
      return f(Compare<Cmp::Num>());
    default:
      return f(Compare<Cmp::Nan>());
    }
  }
}

} // namespace

template <class F, class T> static void setTest(CompareData &data, Inst &inst) {
  data.test[0] = testOf<F, T>();
  inst.run = hasWideLanes() ? runPlainWide<F, T> : runPlain<F, T>;
}

/// Fills data.test and, in inst.run, the handler of the plain setp.
static void setTests(const Instruction &text, const Type &type, Cmp cmp,
                     bool isFtz, CompareData &data, Inst &inst) {
  using Kind = Type::Kind;
  if (isInteger(type) && !isFtz) {
    withCmp<false>(cmp, [&](auto compare) {
      using C = decltype(compare);
      withInteger(text, type,
                  [&](auto zero) { setTest<C, decltype(zero)>(data, inst); });
    });
    return;
  }
  bool is16 = type.bits == 16;
  if ((type.kind != Kind::Float && type.kind != Kind::BFloat) ||
      type.packed == 4 || (isFtz && type.bits == 64) ||
      (isFtz && type.kind == Kind::BFloat)) {
    failType(text);
  }
  withCmp<true>(cmp, [&](auto compare) {
    using C = decltype(compare);
    auto of = [&]<class G, class T>(G, T) {
      if (type.packed == 2) {
        data.test[0] = testOf<OfHalf<G, false>, Pair<T>>();
        data.test[1] = testOf<OfHalf<G, true>, Pair<T>>();
      } else {
        setTest<G, T>(data, inst);
      }
    };
    if (is16 && type.kind == Kind::BFloat) {
      of(OfFloats<C, false>(), BFloat());
    } else if (is16) {
      isFtz ? of(OfFloats<C, true>(), Half())
            : of(OfFloats<C, false>(), Half());
    } else if (type.bits == 64) {
      setTest<C, double>(data, inst);
    } else if (isFtz) {
      setTest<OfFloats<C, true>, float>(data, inst);
    } else {
      setTest<C, float>(data, inst);
    }
  });
}

/// setp.cmp{.join}{.ftz}.type p{|q}, a, b{, {!}c};
/// set.cmp{.join}{.ftz}.dtype.type d, a, b{, {!}c};
static bool decodeCompare(const Instruction &text, Builder &builder,
                          Inst &inst) {
  bool isSet = text.opcode == "set";
  Words words(text);
  std::string_view joined = words.take({"and", "or", "xor"});
  bool isFtz = words.take("ftz");
  Type to = isSet ? words.takeType() : Type{Type::Kind::Pred, 1, 1};
  Type type = words.takeType();
  std::string_view word =
      words.take({"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs",
                  "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"});
  words.done();
  std::optional<Cmp> cmp = parseCmp(word, type);
  if (!cmp) {
    Builder::fail("expects a comparison of its type in '" + text.name() + "'");
  }
  auto &data = builder.makeData<CompareData>(inst);
  setTests(text, type, *cmp, isFtz, data, inst);
  data.join = joined.empty()    ? Join::None
              : joined == "and" ? Join::And
              : joined == "or"  ? Join::Or
                                : Join::Xor;
  size_t count = joined.empty() ? 3 : 4;
  Builder::expectOperands(text, count, count);
  std::vector<Ref> d, s{exactSrc(builder, text.operands[1], type),
                        exactSrc(builder, text.operands[2], type)};
  if (!joined.empty()) {
    s.push_back(builder.predSrc(text.operands[3]));
  }
  const Operand &result = text.operands[0];
  if (isSet) {
    using Kind = Type::Kind;
    bool isFloat = to.kind == Kind::Float || to.kind == Kind::BFloat;
    uint32_t one = to.kind == Kind::BFloat ? 0x3F80
                   : to.bits == 16         ? 0x3C00
                                           : 0x3F80'0000;
    uint32_t ones = to.bits == 16 ? 0xFFFF : 0xFFFF'FFFF;
    data.truth[0] = isFloat ? one : ones;
    data.truth[1] = type.packed == 2 ? data.truth[0] << 16 : 0;
    // Of packed operands, ones of 16 bits go to the halves of a word.
    if (type.packed == 2 && !isFloat) {
      data.truth[0] = 0xFFFF;
      data.truth[1] = 0xFFFF'0000;
    }
    if ((to.bits != 16 && to.bits != 32) ||
        (type.packed == 2 && to.totalBits() != 32) ||
        (type.packed == 1 && to.packed != 1)) {
      failType(text);
    }
    d.push_back(exactDst(builder, result, to));
    inst.run = runSet;
  } else {
    if (result.kind == Operand::Kind::Pair) {
      for (const Operand &element : result.elements) {
        d.push_back(builder.predDst(element));
      }
    } else {
      d.push_back(builder.predDst(result));
    }
    if (d.size() > 1 || data.join != Join::None || data.test[1]) {
      inst.run = runSetp;
    }
  }
  builder.setOperands(inst, std::move(d), std::move(s));
  return true;
}

void ptxsim::addComparisons(DecoderTable &table) {
  table["setp"].push_back(decodeCompare);
  table["set"].push_back(decodeCompare);
}
