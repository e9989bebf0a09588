//===- Bits.cpp - Logic, shifts and bit fields --------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.8] Logic and shifts, prmt, and the bit fields of [9.7.1].
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "Lanewise.h"
#include "Operands.h"

#include <algorithm>

using namespace ptxsim;

namespace {

struct And {
  template <class T> T operator()(T a, T b) const { return T(a & b); }
};
struct Or {
  template <class T> T operator()(T a, T b) const { return T(a | b); }
};
struct Xor {
  template <class T> T operator()(T a, T b) const { return T(a ^ b); }
};
struct Not {
  template <class T> T operator()(T a) const { return T(~a); }
};
struct CNot {
  template <class T> T operator()(T a) const { return a == 0; }
};

/// Shifts by the width or more give 0 or the sign.
struct Shl {
  template <class T> T operator()(T a, uint32_t n) const {
    constexpr unsigned width = 8 * sizeof(T);
    return n < width ? T(uint64_t(a) << n) : T(0);
  }
};
struct Shr {
  template <class T> T operator()(T a, uint32_t n) const {
    constexpr unsigned width = 8 * sizeof(T);
    if (std::is_signed_v<T>) {
      return T(a >> std::min(n, width - 1));
    }
    return n < width ? T(a >> n) : T(0);
  }
};

template <bool isLeft, bool wraps> struct Funnel {
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    unsigned n = wraps ? c & 31 : std::min(c, 32u);
    uint64_t both = uint64_t(b) << 32 | a;
    return isLeft ? uint32_t((both << n) >> 32) : uint32_t(both >> n);
  }
};

struct Popc {
  template <class T> uint32_t operator()(T a) const {
    return uint32_t(std::popcount(a));
  }
};
struct Clz {
  template <class T> uint32_t operator()(T a) const {
    return uint32_t(std::countl_zero(a));
  }
};
/// The highest bit that is not the sign; all ones if there is none.
template <bool asShift> struct Bfind {
  template <class T> uint32_t operator()(T a) const {
    using U = std::make_unsigned_t<T>;
    U value = a < 0 ? U(~U(a)) : U(a);
    if (value == 0) {
      return ~0u;
    }
    unsigned zeros = unsigned(std::countl_zero(value));
    return asShift ? zeros : unsigned(8 * sizeof(T)) - 1 - zeros;
  }
};
struct Brev {
  template <class T> T operator()(T a) const {
    T result = 0;
    for (unsigned i = 0; i < 8 * sizeof(T); ++i) {
      result = T(result << 1 | (a >> i & 1));
    }
    return result;
  }
};

/// Bits up to `n`, of which there may be all.
template <class U> U lowBits(unsigned n) {
  return n >= 8 * sizeof(U) ? U(~U(0)) : U((U(1) << n) - 1);
}

struct Bfe {
  template <class T> T operator()(T a, uint32_t b, uint32_t c) const {
    using U = std::make_unsigned_t<T>;
    constexpr unsigned width = 8 * sizeof(T);
    unsigned pos = b & 0xFF, len = c & 0xFF;
    if (len == 0) {
      return 0;
    }
    U field = pos < width ? U(U(a) >> pos) & lowBits<U>(len) : U(0);
    U sign = U(a) >> std::min(pos + len - 1, width - 1) & 1;
    // Where the field runs over the end there is only the sign.
    unsigned have = pos >= width ? 0 : std::min(len, width - pos);
    if (std::is_signed_v<T> && sign) {
      field |= U(~lowBits<U>(have));
    }
    return T(field);
  }
};
struct Bfi {
  template <class U> U operator()(U a, U b, uint32_t c, uint32_t d) const {
    constexpr unsigned width = 8 * sizeof(U);
    unsigned pos = c & 0xFF, len = d & 0xFF;
    U mask = pos < width ? U(lowBits<U>(len) << pos) : U(0);
    return U((b & ~mask) | (pos < width ? (a << pos) & mask : U(0)));
  }
};

template <bool wraps, bool isSigned> struct Extend {
  uint32_t operator()(uint32_t a, uint32_t n) const {
    n = wraps ? n & 31 : std::min(n, 32u);
    if (n == 0 || n == 32) {
      return n == 0 ? 0 : a;
    }
    uint32_t top = a << (32 - n);
    return isSigned ? uint32_t(int32_t(top) >> (32 - n)) : top >> (32 - n);
  }
};
template <bool wraps> struct BitMask {
  uint32_t operator()(uint32_t pos, uint32_t n) const {
    pos = wraps ? pos & 31 : std::min(pos, 32u);
    n = wraps ? n & 31 : std::min(n, 32u);
    return pos == 32 ? 0 : lowBits<uint32_t>(n) << pos;
  }
};

/// The |offset|-th set bit from `base` on, upwards or downwards; 0: the bit at
/// `base` itself.
struct FindNth {
  uint32_t operator()(uint32_t mask, uint32_t base, int32_t offset) const {
    if (base > 31) {
      return ~0u;
    }
    if (offset == 0) {
      return mask >> base & 1 ? base : ~0u;
    }
    int step = offset > 0 ? 1 : -1;
    int64_t left = offset > 0 ? int64_t(offset) : -int64_t(offset);
    for (int i = int(base); i >= 0 && i < 32; i += step) {
      if (mask >> i & 1 && --left == 0) {
        return uint32_t(i);
      }
    }
    return ~0u;
  }
};

enum class Permute { General, F4e, B4e, Rc8, Ecl, Ecr, Rc16 };

template <Permute mode> struct Prmt {
  static unsigned pick(unsigned i, uint32_t c) {
    unsigned n = c & 3;
    switch (mode) {
    case Permute::General:
      return c >> 4 * i & 15;
    case Permute::F4e:
      return n + i;
    case Permute::B4e:
      return (8 + n - i) & 7;
    case Permute::Rc8:
      return n;
    case Permute::Ecl:
      return std::max(i, n);
    case Permute::Ecr:
      return std::min(i, n);
    case Permute::Rc16:
      return 2 * (n & 1) + (i & 1);
    }
    return 0;
  }
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    uint64_t both = uint64_t(b) << 32 | a;
    uint32_t result = 0;
    for (unsigned i = 0; i < 4; ++i) {
      unsigned p = pick(i, c);
      uint8_t byte = uint8_t(both >> 8 * (p & 7));
      // Bit 3 asks for the sign of the byte instead.
      if (p & 8) {
        byte = byte & 0x80 ? 0xFF : 0;
      }
      result |= uint32_t(byte) << 8 * i;
    }
    return result;
  }
};

/// Any function of three bits: bit abc of the table.
PTXSIM_INLINE Step runLop3Lanes(Warp &w, const Inst &in) {
  uint32_t *d = w.out<uint32_t>(in.d[0]);
  const uint32_t *a = w.in<uint32_t>(in.s[0]);
  const uint32_t *b = w.in<uint32_t>(in.s[1]);
  const uint32_t *c = w.in<uint32_t>(in.s[2]);
  unsigned table = unsigned(in.imm);
  Mask exec = w.exec, isSet = 0;
  uint32_t use[8];
  for (unsigned i = 0; i < 8; ++i) {
    use[i] = table >> i & 1 ? ~0u : 0;
  }
  PTXSIM_LANES
  for (unsigned l = 0; l < kLanes; ++l) {
    uint32_t x = a[l], y = b[l], z = c[l];
    uint32_t value = (~x & ((~y & ((~z & use[0]) | (z & use[1]))) |
                            (y & ((~z & use[2]) | (z & use[3]))))) |
                     (x & ((~y & ((~z & use[4]) | (z & use[5]))) |
                           (y & ((~z & use[6]) | (z & use[7])))));
    d[l] = exec & kLaneBits<uint32_t>.bit[l] ? value : d[l];
  }
  if (in.d.size() > 1) {
    for (unsigned l = 0; l < kLanes; ++l) {
      isSet |= d[l] ? kLaneBits<uint32_t>.bit[l] : 0;
    }
    Mask q = w.predicate(in.s[3]);
    w.setPredicate(in.d[1], in.flags ? isSet & q : isSet | q);
  }
  return Step::Next;
}
Step runLop3(Warp &w, const Inst &in) { return runLop3Lanes(w, in); }
PTXSIM_WIDE Step runLop3Wide(Warp &w, const Inst &in) {
  return runLop3Lanes(w, in);
}

template <class F> Step runPredicates(Warp &w, const Inst &in) {
  if (in.s.size() == 1) {
    w.setPredicate(in.d[0], ~w.predicate(in.s[0]));
  } else {
    w.setPredicate(in.d[0], F()(w.predicate(in.s[0]), w.predicate(in.s[1])));
  }
  return Step::Next;
}

} // namespace

/// and, or, xor, not of predicates: whole masks.
template <class F>
static void setPredicateOperands(const Instruction &text, Builder &builder,
                                 Inst &inst, size_t count) {
  Builder::expectOperands(text, count + 1, count + 1);
  std::vector<Ref> s;
  for (size_t i = 1; i <= count; ++i) {
    s.push_back(builder.predSrc(text.operands[i]));
  }
  builder.setOperands(inst, {builder.predDst(text.operands[0])}, std::move(s));
  inst.run = runPredicates<F>;
}

template <class F>
static bool decodeLogic(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  words.done();
  if (type.kind == Type::Kind::Pred) {
    setPredicateOperands<F>(text, builder, inst, 2);
    return true;
  }
  if (!isInteger(type)) {
    failType(text);
  }
  setPlain(text, builder, inst, type, {type, type});
  withUnsigned(text, type, [&](auto zero) {
    using T = decltype(zero);
    inst.run = lanewise<F, T, T, T>();
  });
  return true;
}

template <class F>
static bool decodeNot(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  words.done();
  if (type.kind == Type::Kind::Pred && text.opcode == "not") {
    setPredicateOperands<And>(text, builder, inst, 1);
    return true;
  }
  if (!isInteger(type)) {
    failType(text);
  }
  setPlain(text, builder, inst, type, {type});
  withUnsigned(text, type, [&](auto zero) {
    using T = decltype(zero);
    inst.run = lanewise<F, T, T>();
  });
  return true;
}

/// lop3.b32 d, a, b, c, table; lop3.op.b32 d|p, a, b, c, table, q.
static bool decodeLop3(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  std::string_view op = words.take({"or", "and"});
  Type type = words.takeType();
  words.done();
  if (!isInteger(type) || type.bits != 32) {
    failType(text);
  }
  size_t count = op.empty() ? 5 : 6;
  Builder::expectOperands(text, count, count);
  inst.imm = builder.immediate(text.operands[4]) & 0xFF;
  inst.flags = op == "and";
  std::vector<Ref> d, s;
  for (size_t i = 1; i <= 3; ++i) {
    s.push_back(exactSrc(builder, text.operands[i], kB32));
  }
  const Operand &result = text.operands[0];
  if (op.empty()) {
    d.push_back(exactDst(builder, result, kB32));
  } else {
    if (result.kind != Operand::Kind::Pair || result.elements.size() != 2) {
      Builder::fail("expects d|p as the destination of '" + text.name() + "'");
    }
    d.push_back(exactDst(builder, result.elements[0], kB32));
    d.push_back(builder.predDst(result.elements[1]));
    s.push_back(builder.predSrc(text.operands[5]));
  }
  builder.setOperands(inst, std::move(d), std::move(s));
  inst.run = hasWideLanes() ? runLop3Wide : runLop3;
  return true;
}

template <class F>
static bool decodeShift(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  words.done();
  if (!isInteger(type)) {
    failType(text);
  }
  setPlain(text, builder, inst, type, {type, kU32});
  withInteger(text, type, [&](auto zero) {
    using T = decltype(zero);
    inst.run = lanewise<F, T, T, uint32_t>();
  });
  return true;
}

/// Three words of 32 bits.
template <class F> static Handler threeWords() {
  return lanewise<F, uint32_t, uint32_t, uint32_t, uint32_t>();
}

static bool decodeFunnel(const Instruction &text, Builder &builder,
                         Inst &inst) {
  Words words(text);
  bool isLeft = words.take("l");
  bool isRight = !isLeft && words.take("r");
  bool wraps = words.take("wrap");
  bool clamps = !wraps && words.take("clamp");
  Type type = words.takeType();
  words.done();
  if (!isInteger(type) || type.bits != 32 || !(isLeft || isRight) ||
      !(wraps || clamps)) {
    failType(text);
  }
  setPlain(text, builder, inst, kB32, {kB32, kB32, kU32});
  if (isLeft) {
    inst.run = wraps ? threeWords<Funnel<true, true>>()
                     : threeWords<Funnel<true, false>>();
  } else {
    inst.run = wraps ? threeWords<Funnel<false, true>>()
                     : threeWords<Funnel<false, false>>();
  }
  return true;
}

/// popc, clz, bfind: a word of 32 bits from 32 or 64.
template <class F>
static bool decodeCount(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  words.done();
  if (!isInteger(type) || type.bits < 32) {
    failType(text);
  }
  setPlain(text, builder, inst, kU32, {type});
  inst.run = type.bits == 32 ? lanewise<F, uint32_t, uint32_t>()
                             : lanewise<F, uint32_t, uint64_t>();
  return true;
}

static bool decodeBfind(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  bool asShift = words.take("shiftamt");
  Type type = words.takeType();
  words.done();
  if (!isInteger(type) || type.bits < 32) {
    failType(text);
  }
  setPlain(text, builder, inst, kU32, {type});
  withInteger(text, type, [&](auto zero) {
    using T = decltype(zero);
    inst.run = asShift ? lanewise<Bfind<true>, uint32_t, T>()
                       : lanewise<Bfind<false>, uint32_t, T>();
  });
  return true;
}

static bool decodeField(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  words.done();
  if (!isInteger(type) || type.bits < 32) {
    failType(text);
  }
  if (text.opcode == "brev") {
    setPlain(text, builder, inst, type, {type});
  } else if (text.opcode == "bfe") {
    setPlain(text, builder, inst, type, {type, kU32, kU32});
  } else {
    setPlain(text, builder, inst, type, {type, type, kU32, kU32});
  }
  withInteger(text, type, [&](auto zero) {
    using T = decltype(zero);
    using U = std::make_unsigned_t<T>;
    inst.run = text.opcode == "brev" ? lanewise<Brev, U, U>()
               : text.opcode == "bfe"
                   ? lanewise<Bfe, T, T, uint32_t, uint32_t>()
                   : lanewise<Bfi, U, U, U, uint32_t, uint32_t>();
  });
  return true;
}

static bool decodeExtend(const Instruction &text, Builder &builder,
                         Inst &inst) {
  Words words(text);
  bool wraps = words.take("wrap");
  bool clamps = !wraps && words.take("clamp");
  Type type = words.takeType();
  words.done();
  if (!isInteger(type) || type.bits != 32 || !(wraps || clamps)) {
    failType(text);
  }
  setPlain(text, builder, inst, type, {type, kU32});
  using U = uint32_t;
  if (text.opcode == "bmsk") {
    inst.run = wraps ? lanewise<BitMask<true>, U, U, U>()
                     : lanewise<BitMask<false>, U, U, U>();
  } else if (type.isSigned()) {
    inst.run = wraps ? lanewise<Extend<true, true>, U, U, U>()
                     : lanewise<Extend<false, true>, U, U, U>();
  } else {
    inst.run = wraps ? lanewise<Extend<true, false>, U, U, U>()
                     : lanewise<Extend<false, false>, U, U, U>();
  }
  return true;
}

static bool decodeFns(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  words.done();
  if (!isInteger(type) || type.bits != 32) {
    failType(text);
  }
  setPlain(text, builder, inst, kB32, {kB32, kB32, kB32});
  inst.run = lanewise<FindNth, uint32_t, uint32_t, uint32_t, int32_t>();
  return true;
}

static bool decodePrmt(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  std::string_view mode =
      words.take({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"});
  words.done();
  if (!isInteger(type) || type.bits != 32) {
    failType(text);
  }
  setPlain(text, builder, inst, kB32, {kB32, kB32, kB32});
  inst.run = mode == "f4e"    ? threeWords<Prmt<Permute::F4e>>()
             : mode == "b4e"  ? threeWords<Prmt<Permute::B4e>>()
             : mode == "rc8"  ? threeWords<Prmt<Permute::Rc8>>()
             : mode == "ecl"  ? threeWords<Prmt<Permute::Ecl>>()
             : mode == "ecr"  ? threeWords<Prmt<Permute::Ecr>>()
             : mode == "rc16" ? threeWords<Prmt<Permute::Rc16>>()
                              : threeWords<Prmt<Permute::General>>();
  return true;
}

void ptxsim::addBits(DecoderTable &table) {
  table["and"].push_back(decodeLogic<And>);
  table["or"].push_back(decodeLogic<Or>);
  table["xor"].push_back(decodeLogic<Xor>);
  table["not"].push_back(decodeNot<Not>);
  table["cnot"].push_back(decodeNot<CNot>);
  table["lop3"].push_back(decodeLop3);
  table["shl"].push_back(decodeShift<Shl>);
  table["shr"].push_back(decodeShift<Shr>);
  table["shf"].push_back(decodeFunnel);
  table["popc"].push_back(decodeCount<Popc>);
  table["clz"].push_back(decodeCount<Clz>);
  table["bfind"].push_back(decodeBfind);
  table["brev"].push_back(decodeField);
  table["bfe"].push_back(decodeField);
  table["bfi"].push_back(decodeField);
  table["szext"].push_back(decodeExtend);
  table["bmsk"].push_back(decodeExtend);
  table["fns"].push_back(decodeFns);
  table["prmt"].push_back(decodePrmt);
}
