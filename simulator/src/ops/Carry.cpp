//===- Carry.cpp - Sums of more words than one --------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.2] Extended precision: each lane has one carry, written by .cc and read
// by addc, subc (as a borrow) and madc.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "Lanewise.h"
#include "Operands.h"

using namespace ptxsim;

namespace {

constexpr uint32_t kReads = 1, kWrites = 2;

/// Each gives the result and turns `carry` from the one that comes in to the
/// one that goes out.
struct AddCarry {
  template <class T> T operator()(T a, T b, bool &carry) const {
    T sum = T(a + b), result = T(sum + carry);
    carry = sum < a || result < sum;
    return result;
  }
};
struct SubBorrow {
  template <class T> T operator()(T a, T b, bool &carry) const {
    T difference = T(a - b), result = T(difference - carry);
    carry = a < b || difference < carry;
    return result;
  }
};

template <class F, class T> Step runSum(Warp &w, const Inst &in) {
  T *d = w.out<T>(in.d[0]);
  const T *a = w.in<T>(in.s[0]), *b = w.in<T>(in.s[1]);
  Mask after = 0;
  forEachLane(w.exec, [&](unsigned l) {
    bool carry = in.flags & kReads && w.carry >> l & 1;
    d[l] = F()(a[l], b[l], carry);
    after |= Mask(carry) << l;
  });
  if (in.flags & kWrites) {
    w.carry = (w.carry & ~w.exec) | after;
  }
  return Step::Next;
}

template <class T, class Wide, bool isHigh>
Step runProduct(Warp &w, const Inst &in) {
  using U = std::make_unsigned_t<T>;
  U *d = w.out<U>(in.d[0]);
  const T *a = w.in<T>(in.s[0]), *b = w.in<T>(in.s[1]);
  const U *c = w.in<U>(in.s[2]);
  Mask after = 0;
  forEachLane(w.exec, [&](unsigned l) {
    bool carry = in.flags & kReads && w.carry >> l & 1;
    Wide product = Wide(a[l]) * Wide(b[l]);
    U part = U(isHigh ? product >> 8 * sizeof(T) : product);
    d[l] = AddCarry()(part, c[l], carry);
    after |= Mask(carry) << l;
  });
  if (in.flags & kWrites) {
    w.carry = (w.carry & ~w.exec) | after;
  }
  return Step::Next;
}

} // namespace

/// Takes `cc`; false if the instruction has nothing to do with the carry.
static bool takeCarry(const Instruction &text, Words &words, Inst &inst) {
  bool reads = text.opcode.ends_with('c');
  bool writes = words.take("cc");
  inst.flags = (reads ? kReads : 0) | (writes ? kWrites : 0);
  return reads || writes;
}

static bool decodeSum(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  if (!takeCarry(text, words, inst)) {
    return false;
  }
  Type type = words.takeType();
  words.done();
  if (!isInteger(type) || type.bits < 32) {
    failType(text);
  }
  setPlain(text, builder, inst, type, {type, type});
  bool isAdd = text.opcode.starts_with("add");
  inst.run =
      type.bits == 32
          ? (isAdd ? runSum<AddCarry, uint32_t> : runSum<SubBorrow, uint32_t>)
          : (isAdd ? runSum<AddCarry, uint64_t> : runSum<SubBorrow, uint64_t>);
  return true;
}

static bool decodeProduct(const Instruction &text, Builder &builder,
                          Inst &inst) {
  Words words(text);
  if (!takeCarry(text, words, inst)) {
    return false;
  }
  Type type = words.takeType();
  bool isHigh = words.take("hi");
  if (!isHigh && !words.take("lo")) {
    Builder::fail("expects lo or hi in '" + text.name() + "'");
  }
  words.done();
  if (!isInteger(type) || type.bits < 32) {
    failType(text);
  }
  setPlain(text, builder, inst, type, {type, type, type});
  auto pick = [&]<class T, class Wide>(T, Wide) {
    inst.run = isHigh ? runProduct<T, Wide, true> : runProduct<T, Wide, false>;
  };
  if (type.isSigned()) {
    type.bits == 32 ? pick(int32_t(), int64_t()) : pick(int64_t(), __int128());
  } else {
    using U128 = unsigned __int128;
    type.bits == 32 ? pick(uint32_t(), uint64_t()) : pick(uint64_t(), U128());
  }
  return true;
}

void ptxsim::addCarries(DecoderTable &table) {
  for (const char *opcode : {"add", "addc", "sub", "subc"}) {
    table[opcode].push_back(decodeSum);
  }
  table["mad"].push_back(decodeProduct);
  table["madc"].push_back(decodeProduct);
}
