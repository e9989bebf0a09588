//===- Atomics.cpp - Read, change and write in one ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.13.5] atom, [9.7.13.6] red. The lanes of a warp take their turns from
// the lowest on. Between warps and CTAs the order is that of the schedule and
// of the host threads: sums of floats may differ in their last bits from one
// launch to the next, as they do on a GPU.
//
//===----------------------------------------------------------------------===//
#include "Addresses.h"
#include "Extremes.h"
#include "Families.h"
#include "Operands.h"
#include "Ordering.h"

#include <algorithm>
#include <mutex>

using namespace ptxsim;

namespace {

/// The new value from the old one and the operands, all zero-extended.
using Update = uint64_t (*)(uint64_t old, uint64_t b, uint64_t c);

struct AtomicData : InstData {
  Space space = Space::Generic;
  Order order = Order::Relaxed;
  Scope scope = Scope::Device;
  unsigned bytes = 4, count = 1;
  Update update = nullptr;
  /// The same on shared memory, where f32 keeps subnormal numbers.
  Update updateShared = nullptr;
  /// cas; cas and exch.
  bool isCompare = false, isExchange = false;
};

/// Most elements: .v8 of halves.
constexpr unsigned kMaxCount = 8;

struct Add {
  template <class T> T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      return T(std::make_unsigned_t<T>(a) + std::make_unsigned_t<T>(b));
    } else if constexpr (sizeof(T) == 2) {
      return nearest<T>(toFloat(a) + toFloat(b));
    } else {
      return canonical(a + b);
    }
  }
};
struct AddFlushed {
  float operator()(float a, float b) const {
    return flush(canonical(flush(a) + flush(b)));
  }
};
template <bool isMax> struct MinMax {
  template <class T> T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      return isMax ? std::max(a, b) : std::min(a, b);
    } else {
      return nearest<T>(Extreme<isMax>()(toFloat(a), toFloat(b)));
    }
  }
};
/// To 0 behind the bound; from 0, or from beyond the bound, to the bound.
struct Inc {
  uint32_t operator()(uint32_t a, uint32_t b) const {
    return a >= b ? 0 : a + 1;
  }
};
struct Dec {
  uint32_t operator()(uint32_t a, uint32_t b) const {
    return a == 0 || a > b ? b : a - 1;
  }
};
struct And {
  template <class T> T operator()(T a, T b) const { return a & b; }
};
struct Or {
  template <class T> T operator()(T a, T b) const { return a | b; }
};
struct Xor {
  template <class T> T operator()(T a, T b) const { return a ^ b; }
};
template <class F> struct OfPair {
  template <class T> Pair<T> operator()(Pair<T> a, Pair<T> b) const {
    return {F()(a.low, b.low), F()(a.high, b.high)};
  }
};

template <class F, class T>
uint64_t update(uint64_t old, uint64_t b, uint64_t) {
  T result = F()(fromLane<T>(LaneOf<T>(old)), fromLane<T>(LaneOf<T>(b)));
  return toLane<T>(result);
}
uint64_t exchange(uint64_t, uint64_t b, uint64_t) { return b; }
uint64_t compareAndSwap(uint64_t old, uint64_t b, uint64_t c) {
  return old == b ? c : old;
}

} // namespace

//===--- Atomics ----------------------------------------------------------===//

/// True if memory has changed.
static bool updateLane(Warp &w, const Inst &in, const AtomicData &data,
                       const Access &access, unsigned l) {
  bool hasChanged = false;
  bool isShared = access.resolved[l] == Space::Shared;
  Update update = isShared ? data.updateShared : data.update;
  uint64_t old[kMaxCount];
  for (unsigned i = 0; i < data.count; ++i) {
    std::byte *host = access.host[l] + i * data.bytes;
    old[i] = 0;
    std::memcpy(&old[i], host, data.bytes);
    uint64_t c = data.isCompare ? w.lane(in.s[1 + data.count + i], l) : 0;
    uint64_t value = update(old[i], w.lane(in.s[1 + i], l), c);
    hasChanged |= std::memcmp(host, &value, data.bytes) != 0;
    std::memcpy(host, &value, data.bytes);
  }
  // Behind all sources: a destination may be one of them.
  for (size_t i = 0; i < in.d.size(); ++i) {
    w.setLane(in.d[i], l, old[i]);
  }
  return hasChanged;
}

static Step runAtomic(Warp &w, const Inst &in) {
  const auto &data = *static_cast<const AtomicData *>(in.data);
  Group &group = w.cta.group;
  Access access;
  access.space = data.space;
  access.kind = Access::Kind::Atomic;
  access.lanes = w.exec;
  access.bytes = data.bytes * data.count;
  access.order = data.order;
  access.scope = data.scope;
  setAddresses(w, in.s[0], in.imm, access);
  Mask good = w.access(in, access);
  bool hasChanged = false, isGlobal = false;
  uint64_t seen = 0;
  forEachLane(good, [&](unsigned l) {
    // red gives nothing back through which it could acquire.
    runStrong(w, access, l, !in.d.empty(),
              [&] { hasChanged |= updateLane(w, in, data, access, l); });
    isGlobal |= access.resolved[l] == Space::Global;
    seen = (seen ^ access.address[l]) * 0x100000001B3;
  });
  group.progress += hasChanged;
  // It may be the poll of a lock that another warp holds.
  return hasChanged ? Step::Yield : w.afterPoll(in, seen, isGlobal);
}

//===--- Their decoder ----------------------------------------------------===//

template <class F>
static Update updateOfInteger(const Instruction &text, const Type &type) {
  Update result = nullptr;
  if (type.packed != 1 || type.bits < 32) {
    failType(text);
  }
  withInteger(text, type, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (sizeof(T) >= 4) {
      result = update<F, T>;
    }
  });
  return result;
}

template <class F> static Update updateOfHalves(const Type &type) {
  if (type.kind == Type::Kind::BFloat) {
    return type.packed == 2 ? update<OfPair<F>, Pair<BFloat>>
                            : update<F, BFloat>;
  }
  return type.packed == 2 ? update<OfPair<F>, Pair<Half>> : update<F, Half>;
}

static bool isHalf(const Type &type) {
  return type.bits == 16 && type.packed <= 2 &&
         (type.kind == Type::Kind::Float || type.kind == Type::Kind::BFloat);
}
static bool isNumber(const Type &type) {
  return isInteger(type) && type.kind != Type::Kind::Bits;
}

/// add, min and max of halves know no flushing and have to say so.
static void expectNoFlush(const Instruction &text, Words &words) {
  if (!words.take("noftz")) {
    Builder::fail("expects .noftz in '" + text.name() + "'");
  }
}

static void setAdd(const Instruction &text, Words &words, const Type &type,
                   AtomicData &data) {
  if (isHalf(type)) {
    expectNoFlush(text, words);
    data.update = updateOfHalves<Add>(type);
  } else if (type == Type{Type::Kind::Float, 32, 1}) {
    // [9.7.13.5] Global memory flushes, shared memory does not.
    data.update = update<AddFlushed, float>;
    data.updateShared = update<Add, float>;
  } else if (type == Type{Type::Kind::Float, 64, 1}) {
    data.update = update<Add, double>;
  } else if (isNumber(type)) {
    data.update = updateOfInteger<Add>(text, type);
  } else {
    failType(text);
  }
}

template <bool isMax>
static void setMinMax(const Instruction &text, Words &words, const Type &type,
                      AtomicData &data) {
  // [9.7.13.5] Halves have them in vectors alone.
  if (isHalf(type) && data.count > 1) {
    expectNoFlush(text, words);
    data.update = updateOfHalves<MinMax<isMax>>(type);
  } else if (isNumber(type)) {
    data.update = updateOfInteger<MinMax<isMax>>(text, type);
  } else {
    failType(text);
  }
}

template <class F>
static void setBitwise(const Instruction &text, Words &, const Type &type,
                       AtomicData &data) {
  if (type.kind != Type::Kind::Bits) {
    failType(text);
  }
  data.update = updateOfInteger<F>(text, type);
}

template <class F>
static void setBounded(const Instruction &text, Words &, const Type &type,
                       AtomicData &data) {
  if (!(type == kU32)) {
    failType(text);
  }
  data.update = update<F, uint32_t>;
}

template <bool isCompare>
static void setExchange(const Instruction &text, Words &, const Type &type,
                        AtomicData &data) {
  bool isWidth =
      type.bits == 32 || type.bits == 64 || (isCompare && type.bits == 16);
  if (type.kind != Type::Kind::Bits || type.packed != 1 || !isWidth ||
      text.opcode == "red") {
    failType(text);
  }
  data.isCompare = isCompare;
  data.isExchange = true;
  data.update = isCompare ? compareAndSwap : exchange;
}

static void setUpdate(const Instruction &text, Words &words, AtomicData &data,
                      const Type &type) {
  using Setter =
      void (*)(const Instruction &, Words &, const Type &, AtomicData &);
  static const std::pair<std::string_view, Setter> setters[] = {
      {"add", setAdd},
      {"min", setMinMax<false>},
      {"max", setMinMax<true>},
      {"inc", setBounded<Inc>},
      {"dec", setBounded<Dec>},
      {"and", setBitwise<And>},
      {"or", setBitwise<Or>},
      {"xor", setBitwise<Xor>},
      {"cas", setExchange<true>},
      {"exch", setExchange<false>}};
  for (const auto &[name, set] : setters) {
    if (words.take(name)) {
      set(text, words, type, data);
      if (!data.updateShared) {
        data.updateShared = data.update;
      }
      return;
    }
  }
  Builder::fail("expects an operation in '" + text.name() + "'");
}

/// [9.7.13.5] .v2, .v4 of f32, and of halves up to 16 bytes, in global memory.
static void checkVector(const Instruction &text, const AtomicData &data,
                        const Type &type) {
  bool isType = isHalf(type) || type == Type{Type::Kind::Float, 32, 1};
  if (!isType || data.bytes * data.count > 16) {
    failType(text);
  }
  if (data.space != Space::Global && data.space != Space::Generic) {
    Builder::fail("expects global memory for the vector of '" + text.name() +
                  "'");
  }
}

static std::vector<Operand> takeElements(const Instruction &text,
                                         Builder &builder,
                                         const Operand &operand,
                                         unsigned count) {
  std::span<const Operand> elements = builder.elements(operand);
  if (elements.size() != count) {
    Builder::fail("expects " + std::to_string(count) + " registers for '" +
                  text.name() + "', but got " +
                  std::to_string(elements.size()));
  }
  return {elements.begin(), elements.end()};
}

/// atom.op.type d, [a], b{, c}{, policy}; red without d.
static bool decodeAtomic(const Instruction &text, Builder &builder,
                         Inst &inst) {
  bool hasResult = text.opcode == "atom";
  Words words(text);
  if (words.take("async")) {
    return false;
  }
  auto &data = builder.makeData<AtomicData>(inst);
  data.order = takeOrder(words, Order::Relaxed);
  data.scope = takeScope(words);
  data.space = takeSpace(words);
  bool isPlace = data.space == Space::Generic || data.space == Space::Global ||
                 data.space == Space::Shared;
  if (!isPlace) {
    Builder::fail("expects global or shared memory in '" + text.name() + "'");
  }
  if (data.order == Order::Weak || (!hasResult && acquires(data.order))) {
    Builder::fail("expects another order in '" + text.name() + "'");
  }
  data.count = words.takeVector();
  Type type = words.takeType();
  data.bytes = type.totalBits() / 8;
  setUpdate(text, words, data, type);
  if (data.count > 1) {
    checkVector(text, data, type);
  }
  bool hasPolicy = words.take("L2::cache_hint");
  words.done();

  size_t first = hasResult ? 1 : 0;
  size_t sources = data.isCompare ? 2 : 1;
  size_t count = first + 1 + sources + (hasPolicy ? 1 : 0);
  Builder::expectOperands(text, count, count);
  std::vector<Ref> d, s{builder.address(text.operands[first], inst.imm)};
  if (hasResult) {
    for (const Operand &element :
         takeElements(text, builder, text.operands[0], data.count)) {
      d.push_back(exactDst(builder, element, type));
    }
  }
  for (size_t i = 0; i < sources; ++i) {
    const Operand &operand = text.operands[first + 1 + i];
    for (const Operand &element :
         takeElements(text, builder, operand, data.count)) {
      s.push_back(exactSrc(builder, element, type));
    }
  }
  builder.setOperands(inst, std::move(d), std::move(s));
  inst.run = runAtomic;
  inst.kind = InstClass::Atomic;
  return true;
}

void ptxsim::addAtomics(DecoderTable &table) {
  table["atom"].push_back(decodeAtomic);
  table["red"].push_back(decodeAtomic);
}
