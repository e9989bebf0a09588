//===- Conversions.cpp - cvt --------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// [9.7.9.21] cvt, [9.7.9.22] cvt.pack. One exact conversion serves every pair
// of types and modifiers (Rounding.h); the pairs that kernels use most have
// handlers of their own in FastConversions.cpp.
//
// Registers may be wider than the types here, on either side: results of signed
// types are sign-extended, others zero-extended.
//
//===----------------------------------------------------------------------===//
#include "Families.h"
#include "FastConversions.h"
#include "Operands.h"
#include "exec/Warp.h"

#include <algorithm>

using namespace ptxsim;

static uint64_t lowBits(unsigned n) {
  return n >= 64 ? ~uint64_t(0) : (uint64_t(1) << n) - 1;
}

/// .ftz: a subnormal f32 becomes zero.
static uint64_t flushBits(uint64_t bits) {
  return (bits & 0x7F80'0000) == 0 ? bits & 0x8000'0000 : bits;
}

static uint64_t clampInteger(const Exact &value, const Type &type) {
  return toIntegerBits(value, type, Rounding::Zero, false);
}

/// One element; the result has the low type.bits bits and for integers of a
/// sign all others too.
static uint64_t convertOne(const ConvertData &c, uint64_t bits) {
  bits &= lowBits(c.from.bits);
  if (!c.fromFormat && !c.toFormat) {
    Exact value = fromInteger(bits, c.from);
    uint64_t wrapped = value.isNegative ? 0 - value.magnitude : value.magnitude;
    return c.isSat ? clampInteger(value, c.to) : wrapped;
  }
  bool isFrom32 = c.from.isFloat() && c.from.bits == 32;
  bool isTo32 = c.to.isFloat() && c.to.bits == 32;
  if (c.isFtz && isFrom32) {
    bits = flushBits(bits);
  }
  Exact value =
      c.fromFormat ? fromFloat(bits, *c.fromFormat) : fromInteger(bits, c.from);
  if (!c.toFormat) {
    return toIntegerBits(value, c.to, c.rounding,
                         c.from.bits == 64 || c.to.bits == 64);
  }
  bool isNan = value.kind == Exact::Kind::NotANumber;
  if (c.isWhole) {
    value = roundToInteger(value, c.rounding);
  }
  if ((c.isRelu || c.isSat) && value.isNegative && !isNan) {
    value = Exact();
  }
  if (c.isSat && isNan) {
    value = Exact();
  }
  uint64_t result =
      toFloatBits(value, *c.toFormat,
                  c.isWhole ? Rounding::Nearest : c.rounding, c.isFinite);
  if (c.isSat) {
    Exact one;
    one.magnitude = 1;
    // Positive numbers are ordered as their bits.
    result = std::min(result,
                      toFloatBits(one, *c.toFormat, Rounding::Nearest, false));
  }
  return c.isFtz && isTo32 ? flushBits(result) : result;
}

static uint64_t extend(uint64_t bits, const Type &type) {
  if (!type.isSigned() || type.bits == 64) {
    return bits & lowBits(type.bits);
  }
  unsigned shift = 64 - type.bits;
  return uint64_t(int64_t(bits << shift) >> shift);
}

static Step runConvert(Warp &w, const Inst &in) {
  const auto &c = *static_cast<const ConvertData *>(in.data);
  forEachLane(w.exec, [&](unsigned l) {
    w.setLane(in.d[0], l, extend(convertOne(c, w.lane(in.s[0], l)), c.to));
  });
  return Step::Next;
}

/// Two numbers to one word: the first goes to the upper half.
static Step runConvertTwo(Warp &w, const Inst &in) {
  const auto &c = *static_cast<const ConvertData *>(in.data);
  forEachLane(w.exec, [&](unsigned l) {
    uint64_t high = convertOne(c, w.lane(in.s[0], l));
    uint64_t low = convertOne(c, w.lane(in.s[1], l));
    w.setLane(in.d[0], l, high << c.to.bits | low);
  });
  return Step::Next;
}

/// Element by element.
static Step runConvertPacked(Warp &w, const Inst &in) {
  const auto &c = *static_cast<const ConvertData *>(in.data);
  forEachLane(w.exec, [&](unsigned l) {
    uint64_t bits = w.lane(in.s[0], l);
    uint64_t high = convertOne(c, bits >> c.from.bits);
    uint64_t low = convertOne(c, bits);
    w.setLane(in.d[0], l, high << c.to.bits | low);
  });
  return Step::Next;
}

/// cvt.pack: c goes above the two.
static Step runPack(Warp &w, const Inst &in) {
  const auto &c = *static_cast<const ConvertData *>(in.data);
  unsigned bits = c.to.bits;
  forEachLane(w.exec, [&](unsigned l) {
    auto part = [&](size_t i) {
      return clampInteger(fromInteger(w.lane(in.s[i], l), c.from), c.to) &
             lowBits(bits);
    };
    uint64_t result = part(0) << bits | part(1);
    if (in.s.size() > 2) {
      result |= w.lane(in.s[2], l) << 2 * bits;
    }
    w.setLane(in.d[0], l, result & 0xFFFF'FFFF);
  });
  return Step::Next;
}

/// cvt.pack.sat.{u16,s16}.s32 d, a, b; .{u2,s2,u4,s4,u8,s8}.s32.b32 d, a, b, c.
static bool decodePack(const Instruction &text, Builder &builder, Inst &inst) {
  Words words(text);
  if (!words.take("pack")) {
    return false;
  }
  words.take("sat");
  auto &c = builder.makeData<ConvertData>(inst);
  std::string_view narrow = words.take({"u2", "s2", "u4", "s4"});
  if (narrow.empty()) {
    c.to = words.takeType();
  } else {
    c.to.kind = narrow[0] == 's' ? Type::Kind::Signed : Type::Kind::Unsigned;
    c.to.bits = uint8_t(narrow[1] - '0');
  }
  c.from = words.takeType();
  if (c.to.bits > 16 || c.to.packed != 1 || formatOf(c.to) ||
      c.from != Type{Type::Kind::Signed, 32, 1}) {
    failType(text);
  }
  if (c.to.bits == 16) {
    setPlain(text, builder, inst, kB32, {c.from, c.from});
  } else {
    words.takeType();
    setPlain(text, builder, inst, kB32, {c.from, c.from, kB32});
  }
  words.done();
  inst.kind = InstClass::Convert;
  inst.run = runPack;
  return true;
}

static void takeRounding(const Instruction &text, Words &words,
                         ConvertData &c) {
  std::string_view word =
      words.take({"rni", "rzi", "rmi", "rpi", "rn", "rz", "rm", "rp", "rna"});
  c.isWhole = word.ends_with('i');
  c.hasRounding = !word.empty();
  c.rounding = word == "rna"            ? Rounding::Away
               : word.starts_with("rz") ? Rounding::Zero
               : word.starts_with("rm") ? Rounding::Down
               : word.starts_with("rp") ? Rounding::Up
                                        : Rounding::Nearest;
  if (word == "rna" && !text.has("tf32")) {
    failType(text);
  }
}

static bool isNumber(const Type &type) {
  return type.kind != Type::Kind::Pred && type.kind != Type::Kind::Bits &&
         type.bits <= 64;
}

/// Refuses what no GPU has, where a wrong reading would go unnoticed.
static void checkConversion(const Instruction &text, const ConvertData &c) {
  bool isEight = c.to.kind == Type::Kind::E4M3 || c.to.kind == Type::Kind::E5M2;
  bool isInteger = !c.toFormat;
  if (!isNumber(c.from) || !isNumber(c.to) ||
      (isEight && (!c.isFinite || c.to.packed != 2)) ||
      (isInteger && c.fromFormat && !(c.isWhole && c.hasRounding)) ||
      (isInteger && !c.fromFormat && c.hasRounding) ||
      (isInteger && (c.isRelu || c.isFinite)) ||
      (c.isWhole && c.toFormat && c.toFormat != c.fromFormat) ||
      (c.isRelu && !c.hasRounding)) {
    failType(text);
  }
  // What loses bits must say how; f16 and bf16 are of one size, so that between
  // them it is to nearest unless told.
  bool isLossy =
      c.toFormat && (!c.fromFormat || c.from.bits > 16 || c.to.bits < 16) &&
      (!c.fromFormat || c.fromFormat->mantissaBits > c.toFormat->mantissaBits ||
       c.fromFormat->exponentBits > c.toFormat->exponentBits);
  if (isLossy && !c.hasRounding) {
    Builder::fail("expects a rounding in '" + text.name() + "'");
  }
}

static bool decodeConvert(const Instruction &text, Builder &builder,
                          Inst &inst) {
  Words words(text);
  if (text.has("pack")) {
    return false;
  }
  auto &c = builder.makeData<ConvertData>(inst);
  takeRounding(text, words, c);
  c.isFtz = words.take("ftz");
  c.isFinite = words.take("satfinite");
  c.isSat = words.take("sat");
  c.isRelu = words.take("relu");
  c.to = words.takeType();
  c.from = words.takeType();
  words.done();
  c.toFormat = formatOf(c.to);
  c.fromFormat = formatOf(c.from);
  checkConversion(text, c);
  inst.kind = InstClass::Convert;
  if (c.to.packed == 2 && c.from == Type{Type::Kind::Float, 32, 1}) {
    setPlain(text, builder, inst, c.to, {c.from, c.from});
    inst.run = fastPackedConversion(c);
    inst.run = inst.run ? inst.run : runConvertTwo;
    return true;
  }
  if (c.to.packed != c.from.packed || c.to.packed > 2) {
    failType(text);
  }
  if (c.to.packed == 2) {
    setPlain(text, builder, inst, c.to, {c.from});
    inst.run = fastPackedConversion(c);
    inst.run = inst.run ? inst.run : runConvertPacked;
    return true;
  }
  Builder::expectOperands(text, 2, 2);
  Ref d = builder.dst(text.operands[0], c.to.bits);
  Ref s = builder.src(text.operands[1], c.from);
  builder.setOperands(inst, {d}, {s});
  bool isExact = d.laneBytes == (c.to.bits == 64 ? 8 : 4) &&
                 s.laneBytes == (c.from.bits == 64 ? 8 : 4);
  inst.run = isExact ? fastConversion(c) : nullptr;
  inst.run = inst.run ? inst.run : runConvert;
  return true;
}

void ptxsim::addConversions(DecoderTable &table) {
  table["cvt"].push_back(decodePack);
  table["cvt"].push_back(decodeConvert);
}
