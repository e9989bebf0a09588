//===- Moves.cpp - Moves and selections ---------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.9] mov, cvta; [9.7.7] selp, slct. Comparisons are in Compare.cpp.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "Lanewise.h"
#include "Operands.h"

using namespace ptxsim;

namespace {

struct Move {
  template <class T> T operator()(T a) const { return a; }
};

Step runMovePredicate(Warp &w, const Inst &in) {
  w.setPredicate(in.d[0], w.predicate(in.s[0]));
  return Step::Next;
}

/// 16-byte lanes.
struct Wide {
  uint64_t low, high;
};
Step runMoveWide(Warp &w, const Inst &in) {
  Wide *d = w.out<Wide>(in.d[0]);
  const Wide *a = w.in<Wide>(in.s[0]);
  for (unsigned l = 0; l < kLanes; ++l) {
    d[l] = w.exec >> l & 1 ? a[l] : d[l];
  }
  return Step::Next;
}

/// inst.imm: bits of an element. The first element is the lowest. Elements may
/// be parts of what is written: all are read first.
Step runPack(Warp &w, const Inst &in) {
  unsigned bits = unsigned(in.imm);
  uint64_t mask = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  forEachLane(w.exec, [&](unsigned l) {
    if (bits == 64) {
      w.out<Wide>(in.d[0])[l] = {w.lane(in.s[0], l), w.lane(in.s[1], l)};
      return;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < in.s.size(); ++i) {
      value |= (w.lane(in.s[i], l) & mask) << (i * bits);
    }
    w.setLane(in.d[0], l, value);
  });
  return Step::Next;
}

Step runUnpack(Warp &w, const Inst &in) {
  unsigned bits = unsigned(in.imm);
  uint64_t mask = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  forEachLane(w.exec, [&](unsigned l) {
    if (bits == 64) {
      Wide value = w.in<Wide>(in.s[0])[l];
      w.setLane(in.d[0], l, value.low);
      w.setLane(in.d[1], l, value.high);
      return;
    }
    uint64_t value = w.lane(in.s[0], l);
    for (size_t i = 0; i < in.d.size(); ++i) {
      w.setLane(in.d[i], l, value >> (i * bits) & mask);
    }
  });
  return Step::Next;
}

/// Two halves of a word are the common case.
struct PackHalves {
  uint32_t operator()(uint16_t low, uint16_t high) const {
    return uint32_t(high) << 16 | low;
  }
};

/// A generic address is the window of its space plus the address there.
Step runConvertAddress(Warp &w, const Inst &in) {
  uint64_t *d = w.out<uint64_t>(in.d[0]);
  const uint64_t *a = w.in<uint64_t>(in.s[0]);
  forEachLane(w.exec, [&](unsigned l) { d[l] = a[l] + uint64_t(in.imm); });
  return Step::Next;
}

Step runIsSpace(Warp &w, const Inst &in) {
  const uint64_t *a = w.in<uint64_t>(in.s[0]);
  auto window = [](uint64_t address) -> uint64_t {
    for (uint64_t base : {kSharedWindow, kLocalWindow, kParamWindow}) {
      if (address - base < kWindowBytes) {
        return base;
      }
    }
    return 0;
  };
  Mask result = 0;
  for (unsigned l = 0; l < kLanes; ++l) {
    bool isIn = window(a[l]) == uint64_t(in.imm);
    result |= isIn ? kLaneBits<uint32_t>.bit[l] : 0;
  }
  w.setPredicate(in.d[0], result);
  return Step::Next;
}

template <class T> PTXSIM_INLINE Step runSelectLanes(Warp &w, const Inst &in) {
  T *d = w.out<T>(in.d[0]);
  const T *a = w.in<T>(in.s[0]), *b = w.in<T>(in.s[1]);
  Mask p = w.predicate(in.s[2]), exec = w.exec;
  PTXSIM_LANES
  for (unsigned l = 0; l < kLanes; ++l) {
    T bit = kLaneBits<T>.bit[l];
    T value = p & bit ? a[l] : b[l];
    d[l] = exec & bit ? value : d[l];
  }
  return Step::Next;
}
template <class T> Step runSelect(Warp &w, const Inst &in) {
  return runSelectLanes<T>(w, in);
}
template <class T> PTXSIM_WIDE Step runSelectWide(Warp &w, const Inst &in) {
  return runSelectLanes<T>(w, in);
}

/// slct: by the sign of c; a NaN chooses b.
struct SelectBySign {
  template <class T, class C> T operator()(T a, T b, C c) const {
    return c >= 0 ? a : b;
  }
};
struct SelectBySignFtz {
  template <class T> T operator()(T a, T b, float c) const {
    // A subnormal counts as zero.
    return c > -std::numeric_limits<float>::min() ? a : b;
  }
};

} // namespace

static void decodePack(const Instruction &text, Builder &builder, Inst &inst,
                       const Type &type) {
  const Operand &to = text.operands[0], &from = text.operands[1];
  bool isPack = from.kind == Operand::Kind::Vector;
  const Operand &vector = isPack ? from : to;
  size_t n = vector.elements.size();
  if ((n != 2 && n != 4) || type.totalBits() / n < 8 ||
      (isPack && to.kind == Operand::Kind::Vector)) {
    Builder::fail("expects 2 or 4 elements of a register, but got " +
                  std::to_string(n));
  }
  Type element{Type::Kind::Bits, uint8_t(type.totalBits() / n), 1};
  std::vector<Ref> refs;
  for (const Operand &operand : vector.elements) {
    refs.push_back(isPack ? exactSrc(builder, operand, element)
                          : exactDst(builder, operand, element));
  }
  inst.imm = element.bits;
  if (isPack) {
    builder.setOperands(inst, {exactDst(builder, to, type)}, std::move(refs));
    bool areHalves = n == 2 && element.bits == 16;
    inst.run = areHalves ? lanewise<PackHalves, uint32_t, uint16_t, uint16_t>()
                         : runPack;
  } else {
    builder.setOperands(inst, std::move(refs), {exactSrc(builder, from, type)});
    inst.run = runUnpack;
  }
}

static bool decodeMove(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  words.done();
  Builder::expectOperands(text, 2, 2);
  const Operand &to = text.operands[0], &from = text.operands[1];
  if (type.kind == Type::Kind::Pred) {
    builder.setOperands(inst, {builder.predDst(to)}, {builder.predSrc(from)});
    inst.run = runMovePredicate;
    return true;
  }
  if (to.kind == Operand::Kind::Vector || from.kind == Operand::Kind::Vector) {
    decodePack(text, builder, inst, type);
    return true;
  }
  setPlain(text, builder, inst, type, {type});
  switch (type.totalBits()) {
  case 16:
    inst.run = lanewise<Move, uint16_t, uint16_t>();
    break;
  case 32:
    inst.run = lanewise<Move, uint32_t, uint32_t>();
    break;
  case 64:
    inst.run = lanewise<Move, uint64_t, uint64_t>();
    break;
  case 128:
    inst.run = runMoveWide;
    break;
  default:
    failType(text);
  }
  return true;
}

static std::string_view takeSpace(Words &words) {
  return words.take({"global", "shared", "shared::cta", "shared::cluster",
                     "local", "param", "param::entry", "const"});
}

/// Where the space's window starts; buffers and constants have no window.
static uint64_t windowOf(std::string_view space) {
  return space.starts_with("shared")  ? kSharedWindow
         : space == "local"           ? kLocalWindow
         : space.starts_with("param") ? kParamWindow
                                      : 0;
}

/// cvta{.to}.space.u64 d, a.
static bool decodeConvertAddress(const Instruction &text, Builder &builder,
                                 Inst &inst) {
  Words words(text);
  bool isTo = words.take("to");
  std::string_view space = takeSpace(words);
  Type type = words.takeType();
  words.done();
  if (space.empty() || !isInteger(type) || type.bits != 64) {
    Builder::fail("expects a space and u64 in '" + text.name() + "'");
  }
  setPlain(text, builder, inst, type, {type});
  uint64_t window = windowOf(space);
  inst.imm = int64_t(isTo ? uint64_t(0) - window : window);
  inst.run = window ? runConvertAddress : lanewise<Move, uint64_t, uint64_t>();
  return true;
}

static bool decodeIsSpace(const Instruction &text, Builder &builder,
                          Inst &inst) {
  Words words(text);
  std::string_view space = takeSpace(words);
  words.done();
  if (space.empty() || space == "const") {
    Builder::fail("expects global, shared, local or param in '" + text.name() +
                  "'");
  }
  Builder::expectOperands(text, 2, 2);
  builder.setOperands(inst, {builder.predDst(text.operands[0])},
                      {exactSrc(builder, text.operands[1], kB64)});
  inst.imm = int64_t(windowOf(space));
  inst.run = runIsSpace;
  return true;
}

static bool decodeSelect(const Instruction &text, Builder &builder,
                         Inst &inst) {
  Words words(text);
  Type type = words.takeType();
  words.done();
  Builder::expectOperands(text, 4, 4);
  if (type.totalBits() < 16 || type.totalBits() > 64) {
    failType(text);
  }
  builder.setOperands(inst, {exactDst(builder, text.operands[0], type)},
                      {exactSrc(builder, text.operands[1], type),
                       exactSrc(builder, text.operands[2], type),
                       builder.predSrc(text.operands[3])});
  bool isLong = type.totalBits() == 64;
  if (hasWideLanes()) {
    inst.run = isLong ? runSelectWide<uint64_t> : runSelectWide<uint32_t>;
  } else {
    inst.run = isLong ? runSelect<uint64_t> : runSelect<uint32_t>;
  }
  return true;
}

template <class C>
static Handler selectBySign(const Instruction &text, const Type &type) {
  Handler result = nullptr;
  withUnsigned(text, type, [&](auto zero) {
    using T = decltype(zero);
    result = lanewise<SelectBySign, T, T, T, C>();
  });
  return result;
}

static bool decodeSelectBySign(const Instruction &text, Builder &builder,
                               Inst &inst) {
  Words words(text);
  Type type = words.takeType(), by = words.takeType();
  bool isFtz = words.take("ftz");
  words.done();
  if (type.packed != 1 || by.packed != 1 || by.bits != 32) {
    failType(text);
  }
  setPlain(text, builder, inst, type, {type, type, by});
  if (by.isSigned()) {
    inst.run = selectBySign<int32_t>(text, type);
  } else if (by.isFloat() && !isFtz) {
    inst.run = selectBySign<float>(text, type);
  } else if (by.isFloat()) {
    withUnsigned(text, type, [&](auto zero) {
      using T = decltype(zero);
      inst.run = lanewise<SelectBySignFtz, T, T, T, float>();
    });
  } else {
    failType(text);
  }
  return true;
}

void ptxsim::addMoves(DecoderTable &table) {
  table["mov"].push_back(decodeMove);
  table["cvta"].push_back(decodeConvertAddress);
  table["isspacep"].push_back(decodeIsSpace);
  table["selp"].push_back(decodeSelect);
  table["slct"].push_back(decodeSelectBySign);
  addComparisons(table);
}
