//===- Integers.cpp - Integer arithmetic --------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.1] Integer arithmetic but for bit fields (Bits.cpp) and the carry
// (Carry.cpp). Sums and products are made without a sign, where wrapping is
// defined.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "Lanewise.h"
#include "Operands.h"

#include <algorithm>
#include <limits>

using namespace ptxsim;

namespace {

struct Add {
  template <class T> T operator()(T a, T b) const { return T(a + b); }
};
struct Sub {
  template <class T> T operator()(T a, T b) const { return T(a - b); }
};
int32_t saturate(int64_t value) {
  return int32_t(std::clamp<int64_t>(value, INT32_MIN, INT32_MAX));
}
struct AddSat {
  int32_t operator()(int32_t a, int32_t b) const {
    return saturate(int64_t(a) + b);
  }
};
struct SubSat {
  int32_t operator()(int32_t a, int32_t b) const {
    return saturate(int64_t(a) - b);
  }
};

/// The type of twice the width.
template <class T> struct Twice;
template <> struct Twice<uint16_t> {
  using type = uint32_t;
};
template <> struct Twice<int16_t> {
  using type = int32_t;
};
template <> struct Twice<uint32_t> {
  using type = uint64_t;
};
template <> struct Twice<int32_t> {
  using type = int64_t;
};
template <> struct Twice<uint64_t> {
  using type = unsigned __int128;
};
template <> struct Twice<int64_t> {
  using type = __int128;
};
template <class T> using TwiceOf = typename Twice<T>::type;

struct MulLo {
  // Narrow types are promoted to int, whose products may overflow.
  template <class T> T operator()(T a, T b) const {
    return T(std::common_type_t<T, uint32_t>(a) *
             std::common_type_t<T, uint32_t>(b));
  }
};
struct MulHi {
  template <class T> T operator()(T a, T b) const {
    return T((TwiceOf<T>(a) * TwiceOf<T>(b)) >> (8 * sizeof(T)));
  }
};
struct MulWide {
  template <class T> TwiceOf<T> operator()(T a, T b) const {
    return TwiceOf<T>(a) * TwiceOf<T>(b);
  }
};
struct MadLo {
  template <class T> T operator()(T a, T b, T c) const {
    return T(MulLo()(a, b) + c);
  }
};
struct MadHi {
  template <class T> T operator()(T a, T b, T c) const {
    using U = std::make_unsigned_t<T>;
    return T(U(MulHi()(a, b)) + U(c));
  }
};
struct MadHiSat {
  int32_t operator()(int32_t a, int32_t b, int32_t c) const {
    return saturate(int64_t(MulHi()(a, b)) + c);
  }
};
struct MadWide {
  template <class T> TwiceOf<T> operator()(T a, T b, TwiceOf<T> c) const {
    using U = std::make_unsigned_t<TwiceOf<T>>;
    return TwiceOf<T>(U(MulWide()(a, b)) + U(c));
  }
};

/// The low 24 bits with the type's sign; products have 48.
template <class T> int64_t low24(T value) {
  return std::is_signed_v<T> ? int32_t(uint32_t(value) << 8) >> 8
                             : int64_t(uint32_t(value) & 0xFFFFFF);
}
struct Mul24Lo {
  template <class T> T operator()(T a, T b) const {
    return T(low24(a) * low24(b));
  }
};
struct Mul24Hi {
  template <class T> T operator()(T a, T b) const {
    return T((low24(a) * low24(b)) >> 16);
  }
};
struct Mad24Lo {
  template <class T> T operator()(T a, T b, T c) const {
    return T(uint32_t(Mul24Lo()(a, b)) + uint32_t(c));
  }
};
struct Mad24Hi {
  template <class T> T operator()(T a, T b, T c) const {
    return T(uint32_t(Mul24Hi()(a, b)) + uint32_t(c));
  }
};
struct Mad24HiSat {
  int32_t operator()(int32_t a, int32_t b, int32_t c) const {
    return saturate(int64_t(Mul24Hi()(a, b)) + c);
  }
};

/// A division by zero has no defined value: all ones, and the dividend as the
/// remainder.
struct Div {
  template <class T> T operator()(T a, T b) const {
    if (b == 0) {
      return T(-1);
    }
    if (std::is_signed_v<T> && b == T(-1)) {
      return T(0 - std::make_unsigned_t<T>(a));
    }
    return T(a / b);
  }
};
struct Rem {
  template <class T> T operator()(T a, T b) const {
    if (b == 0) {
      return a;
    }
    if (std::is_signed_v<T> && b == T(-1)) {
      return 0;
    }
    return T(a % b);
  }
};
struct Abs {
  template <class T> T operator()(T a) const {
    using U = std::make_unsigned_t<T>;
    return a < 0 ? T(U(0) - U(a)) : a;
  }
};
struct Neg {
  template <class T> T operator()(T a) const {
    using U = std::make_unsigned_t<T>;
    return T(U(0) - U(a));
  }
};
struct Min {
  template <class T> T operator()(T a, T b) const { return a < b ? a : b; }
};
struct Max {
  template <class T> T operator()(T a, T b) const { return a > b ? a : b; }
};
template <class F> struct Relu {
  template <class T> T operator()(T a, T b) const {
    return std::max<T>(F()(a, b), 0);
  }
};
struct Sad {
  template <class T> T operator()(T a, T b, T c) const {
    using U = std::make_unsigned_t<T>;
    return T(U(c) + (a < b ? U(U(b) - U(a)) : U(U(a) - U(b))));
  }
};

template <class F> struct Halves {
  template <class T> Pair<T> operator()(Pair<T> a, Pair<T> b) const {
    return {F()(a.low, b.low), F()(a.high, b.high)};
  }
};

/// Products of four bytes, or of two halves with two bytes, onto a sum. Flags
/// 1, 2: a, b have a sign.
template <bool aSigned, bool bSigned> struct Dp4a {
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    for (unsigned i = 0; i < 32; i += 8) {
      int32_t x = aSigned ? int8_t(a >> i) : uint8_t(a >> i);
      int32_t y = bSigned ? int8_t(b >> i) : uint8_t(b >> i);
      c += uint32_t(x * y);
    }
    return c;
  }
};
template <bool aSigned, bool bSigned, unsigned shift> struct Dp2a {
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    for (unsigned i = 0; i < 2; ++i) {
      int32_t x = aSigned ? int16_t(a >> 16 * i) : uint16_t(a >> 16 * i);
      int32_t y = bSigned ? int8_t(b >> (8 * i + shift))
                          : uint8_t(b >> (8 * i + shift));
      c += uint32_t(x * y);
    }
    return c;
  }
};

} // namespace

static bool isPacked16(const Type &type) {
  return type.packed == 2 && type.bits == 16 &&
         (type.kind == Type::Kind::Signed || type.kind == Type::Kind::Unsigned);
}

template <class F>
static Handler pairHandler(const Type &type, bool isRelu = false) {
  using U = Pair<uint16_t>;
  using S = Pair<int16_t>;
  if (type.kind == Type::Kind::Unsigned) {
    return lanewise<Halves<F>, U, U, U>();
  }
  return isRelu ? lanewise<Halves<Relu<F>>, S, S, S>()
                : lanewise<Halves<F>, S, S, S>();
}

/// add, sub without a carry.
static bool decodeAddSub(const Instruction &text, Builder &builder,
                         Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  bool isAdd = text.opcode == "add";
  if (words.take("cc") || (!isInteger(type) && !isPacked16(type))) {
    return false;
  }
  bool isSat = words.take("sat");
  words.done();
  setPlain(text, builder, inst, type, {type, type});
  if (isPacked16(type)) {
    Type plain{Type::Kind::Unsigned, 16, 2};
    inst.run = isAdd ? pairHandler<Add>(plain) : pairHandler<Sub>(plain);
  } else if (isSat) {
    if (type != Type{Type::Kind::Signed, 32, 1}) {
      failType(text);
    }
    inst.run = isAdd ? lanewise<AddSat, int32_t, int32_t, int32_t>()
                     : lanewise<SubSat, int32_t, int32_t, int32_t>();
  } else {
    withUnsigned(text, type, [&](auto zero) {
      using T = decltype(zero);
      inst.run = isAdd ? lanewise<Add, T, T, T>() : lanewise<Sub, T, T, T>();
    });
  }
  return true;
}

/// mul, mad: .lo, .hi, .wide.
static bool decodeMul(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  if (!isInteger(type) || words.take("cc")) {
    return false;
  }
  bool isMad = text.opcode == "mad";
  std::string_view part = words.take({"lo", "hi", "wide"});
  bool isSat = words.take("sat");
  words.done();
  if (part.empty()) {
    Builder::fail("expects lo, hi or wide in '" + text.name() + "'");
  }
  Type wide = type;
  wide.bits = uint8_t(type.bits * (part == "wide" ? 2 : 1));
  if (wide.bits > 64 || (isSat && (part != "hi" || !isMad || !type.isSigned() ||
                                   type.bits != 32))) {
    failType(text);
  }
  if (isMad) {
    setPlain(text, builder, inst, wide, {type, type, wide});
  } else {
    setPlain(text, builder, inst, wide, {type, type});
  }
  if (isSat) {
    inst.run = lanewise<MadHiSat, int32_t, int32_t, int32_t, int32_t>();
    return true;
  }
  if (part == "lo") {
    withUnsigned(text, type, [&](auto zero) {
      using T = decltype(zero);
      inst.run =
          isMad ? lanewise<MadLo, T, T, T, T>() : lanewise<MulLo, T, T, T>();
    });
    return true;
  }
  withInteger(text, type, [&](auto zero) {
    using T = decltype(zero);
    if (part == "hi") {
      inst.run =
          isMad ? lanewise<MadHi, T, T, T, T>() : lanewise<MulHi, T, T, T>();
    } else if constexpr (sizeof(T) < 8) {
      using W = TwiceOf<T>;
      inst.run = isMad ? lanewise<MadWide, W, T, T, W>()
                       : lanewise<MulWide, W, T, T>();
    }
  });
  return true;
}

static bool decodeMul24(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  bool isMad = text.opcode == "mad24", isHigh = words.take("hi");
  if (!isHigh && !words.take("lo")) {
    Builder::fail("expects lo or hi in '" + text.name() + "'");
  }
  bool isSat = words.take("sat");
  words.done();
  if (!isInteger(type) || type.bits != 32 ||
      (isSat && (!isMad || !isHigh || !type.isSigned()))) {
    failType(text);
  }
  if (isMad) {
    setPlain(text, builder, inst, type, {type, type, type});
  } else {
    setPlain(text, builder, inst, type, {type, type});
  }
  auto pick = [&](auto zero) {
    using T = decltype(zero);
    if (isMad) {
      inst.run = isHigh ? lanewise<Mad24Hi, T, T, T, T>()
                        : lanewise<Mad24Lo, T, T, T, T>();
    } else {
      inst.run =
          isHigh ? lanewise<Mul24Hi, T, T, T>() : lanewise<Mul24Lo, T, T, T>();
    }
  };
  if (isSat) {
    inst.run = lanewise<Mad24HiSat, int32_t, int32_t, int32_t, int32_t>();
  } else if (type.isSigned()) {
    pick(int32_t());
  } else {
    pick(uint32_t());
  }
  return true;
}

template <class F>
static bool decodeBinary(const Instruction &text, Builder &builder,
                         Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  if (!isInteger(type)) {
    return false;
  }
  words.done();
  setPlain(text, builder, inst, type, {type, type});
  withInteger(text, type, [&](auto zero) {
    using T = decltype(zero);
    inst.run = lanewise<F, T, T, T>();
  });
  return true;
}

/// abs, neg: signed types.
template <class F>
static bool decodeUnary(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  if (!isInteger(type) || !type.isSigned()) {
    return false;
  }
  words.done();
  setPlain(text, builder, inst, type, {type});
  withInteger(text, type, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_signed_v<T>) {
      inst.run = lanewise<F, T, T>();
    }
  });
  return true;
}

template <class F>
static bool decodeMinMax(const Instruction &text, Builder &builder,
                         Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  if (!isInteger(type) && !isPacked16(type)) {
    return false;
  }
  bool isRelu = words.take("relu");
  words.done();
  if (isRelu && (!type.isSigned() || (!isPacked16(type) && type.bits != 32))) {
    failType(text);
  }
  setPlain(text, builder, inst, type, {type, type});
  if (isPacked16(type)) {
    inst.run = pairHandler<F>(type, isRelu);
  } else if (isRelu) {
    inst.run = lanewise<Relu<F>, int32_t, int32_t, int32_t>();
  } else {
    withInteger(text, type, [&](auto zero) {
      using T = decltype(zero);
      inst.run = lanewise<F, T, T, T>();
    });
  }
  return true;
}

static bool decodeSad(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  words.done();
  if (!isInteger(type)) {
    failType(text);
  }
  setPlain(text, builder, inst, type, {type, type, type});
  withInteger(text, type, [&](auto zero) {
    using T = decltype(zero);
    inst.run = lanewise<Sad, T, T, T, T>();
  });
  return true;
}

template <template <bool, bool> class F>
static Handler signsHandler(const Type &a, const Type &b) {
  using U = uint32_t;
  if (a.isSigned()) {
    return b.isSigned() ? lanewise<F<true, true>, U, U, U, U>()
                        : lanewise<F<true, false>, U, U, U, U>();
  }
  return b.isSigned() ? lanewise<F<false, true>, U, U, U, U>()
                      : lanewise<F<false, false>, U, U, U, U>();
}
template <bool a, bool b> using Dp2aLow = Dp2a<a, b, 0>;
template <bool a, bool b> using Dp2aHigh = Dp2a<a, b, 16>;

static bool decodeDotProduct(const Instruction &text, Builder &builder,
                             Inst &inst) {
  Words words(text);
  Type a = words.takeType(), b = words.takeType();
  std::string_view part =
      text.opcode == "dp2a" ? words.take({"lo", "hi"}) : "all";
  words.done();
  if (part.empty() || a.bits != 32 || b.bits != 32) {
    failType(text);
  }
  setPlain(text, builder, inst, kU32, {a, b, kU32});
  inst.run = part == "all"  ? signsHandler<Dp4a>(a, b)
             : part == "lo" ? signsHandler<Dp2aLow>(a, b)
                            : signsHandler<Dp2aHigh>(a, b);
  return true;
}

void ptxsim::addIntegers(DecoderTable &table) {
  table["add"].push_back(decodeAddSub);
  table["sub"].push_back(decodeAddSub);
  table["mul"].push_back(decodeMul);
  table["mad"].push_back(decodeMul);
  table["mul24"].push_back(decodeMul24);
  table["mad24"].push_back(decodeMul24);
  table["div"].push_back(decodeBinary<Div>);
  table["rem"].push_back(decodeBinary<Rem>);
  table["abs"].push_back(decodeUnary<Abs>);
  table["neg"].push_back(decodeUnary<Neg>);
  table["min"].push_back(decodeMinMax<Min>);
  table["max"].push_back(decodeMinMax<Max>);
  table["sad"].push_back(decodeSad);
  table["dp4a"].push_back(decodeDotProduct);
  table["dp2a"].push_back(decodeDotProduct);
  addCarries(table);
  addBits(table);
}
