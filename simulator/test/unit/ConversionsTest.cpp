//===- ConversionsTest.cpp - cvt against the neighbours -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Cases.h"
#include "Reference.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

struct FloatType {
  const char *name;
  const Format &format;
  unsigned bits;
  /// Low bits that are not part of the format.
  unsigned padding = 0;
};
const FloatType f16{"f16", kF16, 16}, bf16{"bf16", kBF16, 16},
    f32{"f32", kF32, 32}, f64{"f64", kF64, 64}, tf32{"tf32", kTF32, 32, 13},
    e4m3{"e4m3", kE4M3, 8}, e5m2{"e5m2", kE5M2, 8};

struct Word {
  const char *text;
  Mode mode;
};
constexpr Word kFloatWords[] = {{".rn", Mode::Nearest},
                                {".rz", Mode::Zero},
                                {".rm", Mode::Down},
                                {".rp", Mode::Up}};
constexpr Word kIntWords[] = {{".rni", Mode::Nearest},
                              {".rzi", Mode::Zero},
                              {".rmi", Mode::Down},
                              {".rpi", Mode::Up}};

double valueOf(const FloatType &type, uint64_t code) {
  return type.bits == 64 ? std::bit_cast<double>(code)
                         : toDouble(type.format, code);
}

/// A number to a format: what cvt shall give.
uint64_t toFormat(const FloatType &type, Mode mode, bool saturates,
                  double value) {
  const Format &f = type.format;
  uint64_t code;
  if (std::isinf(value) && saturates) {
    code = f.largest | (value < 0 ? f.signBit() : 0);
  } else if (!std::isfinite(value) || value == 0) {
    code = specialCode(f, value);
  } else {
    code = roundQuad(f, mode, saturates, Quad(value));
  }
  // The one NaN of tf32 is that of f32.
  return isNan(f, code) && type.padding ? 0x7FFF'FFFF : code << type.padding;
}

/// Codes of the source: every one of 8 or 16 bits; else those of the target and
/// what lies halfway and beside, corners and random ones.
std::vector<uint64_t> sourcesOf(const FloatType &from, const FloatType &to) {
  std::vector<uint64_t> codes;
  if (from.bits <= 16) {
    for (uint64_t code = 0; code < uint64_t(1) << from.bits; ++code) {
      codes.push_back(code);
    }
    return codes;
  }
  std::mt19937_64 random(9);
  const Format &f = from.format, &g = to.format;
  auto addAround = [&](Quad value) {
    if (value == 0) {
      return;
    }
    uint64_t code = roundQuad(f, Mode::Nearest, true, value);
    for (uint64_t c : {code - 1, code, code + 1}) {
      codes.push_back(c);
    }
  };
  uint64_t numCodes = g.largest + 2;
  uint64_t step = std::max<uint64_t>(1, numCodes / 1200);
  for (uint64_t code = 0; code < numCodes; code += 1 + random() % step) {
    Quad here = g.decode(code), next = g.decode(code + 1);
    Quad sign = random() % 2 ? -1 : 1;
    addAround(sign * here);
    addAround(sign * (here + (next - here) / 2));
  }
  for (uint64_t code : {uint64_t(0), uint64_t(1), f.largest, f.largest + 1,
                        f.nan, uint64_t(1) << f.mantissa}) {
    codes.push_back(code);
    codes.push_back(code | f.signBit());
  }
  for (unsigned k = 0; k < 1000; ++k) {
    codes.push_back(cut(random(), from.bits));
  }
  return codes;
}

std::string cvt(const std::string &words, const std::string &to,
                const std::string &from) {
  return "cvt" + words + "." + to + "." + from + " %d0, %a0;";
}

/// A NaN of f64 may carry anything.
const char *const kOneNan =
    "\n.reg .pred %isNan; setp.nan.f64 %isNan, %d0, %d0;\n"
    "@%isNan mov.b64 %d0, 0x7FF8000000000000;";

void expectFloats(const std::string &words, const FloatType &to,
                  const FloatType &from,
                  const std::function<uint64_t(uint64_t)> &formula) {
  expectCase({cvt(words, to.name, from.name) + (to.bits == 64 ? kOneNan : ""),
              {from.bits},
              {to.bits},
              [&](const Lane &a) -> Lane { return {formula(a[0])}; }},
             {sourcesOf(from, to)});
}

struct IntType {
  char kind;
  unsigned bits;
  std::string name() const { return kind + std::to_string(bits); }
  Quad least() const {
    return kind == 's' ? Quad(asSigned(uint64_t(1) << (bits - 1), bits)) : 0;
  }
  Quad most() const {
    uint64_t ones = cut(~uint64_t(0), bits);
    return Quad(kind == 's' ? ones >> 1 : ones);
  }
  /// Registers have 16 bits at least.
  unsigned registerBits() const { return std::max(bits, 16u); }
  Quad value(uint64_t code) const {
    return kind == 's' ? Quad(asSigned(code, bits)) : Quad(cut(code, bits));
  }
};
const IntType kInts[] = {{'u', 8},  {'s', 8},  {'u', 16}, {'s', 16},
                         {'u', 32}, {'s', 32}, {'u', 64}, {'s', 64}};

/// As a register of the type has it: extended by its sign.
uint64_t inRegister(const IntType &type, uint64_t code, unsigned bits) {
  uint64_t wide = type.kind == 's' ? uint64_t(asSigned(code, type.bits))
                                   : cut(code, type.bits);
  return cut(wide, bits);
}

} // namespace

TEST(Conversions, NarrowFloats) {
  struct Row {
    const FloatType &to, &from;
  };
  for (const Row &row :
       {Row{f16, f32}, Row{bf16, f32}, Row{f32, f64}, Row{f16, f64}}) {
    for (auto [word, mode] : kFloatWords) {
      if (&row.to == &bf16 && mode != Mode::Nearest && mode != Mode::Zero) {
        continue;
      }
      Mode m = mode;
      expectFloats(word, row.to, row.from, [&](uint64_t code) {
        return toFormat(row.to, m, false, valueOf(row.from, code));
      });
    }
  }
}

TEST(Conversions, WidenFloats) {
  struct Row {
    const FloatType &to, &from;
  };
  for (const Row &row :
       {Row{f32, f16}, Row{f32, bf16}, Row{f64, f32}, Row{f64, f16}}) {
    expectFloats("", row.to, row.from, [&](uint64_t code) -> uint64_t {
      double value = valueOf(row.from, code);
      return row.to.bits == 64 && !std::isnan(value)
                 ? std::bit_cast<uint64_t>(value)
                 : toFormat(row.to, Mode::Nearest, false, value);
    });
  }
}

TEST(Conversions, SixteenBits) {
  struct Row {
    const FloatType &to, &from;
  };
  constexpr Word words[] = {
      {"", Mode::Nearest}, {".rn", Mode::Nearest}, {".rz", Mode::Zero}};
  for (const Row &row : {Row{bf16, f16}, Row{f16, bf16}}) {
    for (auto [word, mode] : words) {
      Mode m = mode;
      expectFloats(word, row.to, row.from, [&](uint64_t code) {
        return toFormat(row.to, m, false, valueOf(row.from, code));
      });
    }
  }
}

TEST(Conversions, Tf32) {
  for (bool saturates : {false, true}) {
    std::string end = saturates ? ".satfinite" : "";
    expectFloats(".rna" + end, tf32, f32, [&](uint64_t code) {
      return toFormat(tf32, Mode::Away, saturates, valueOf(f32, code));
    });
    expectFloats(".rn" + end, tf32, f32, [&](uint64_t code) {
      return toFormat(tf32, Mode::Nearest, saturates, valueOf(f32, code));
    });
    expectFloats(".rz" + end + ".relu", tf32, f32, [&](uint64_t code) {
      double value = valueOf(f32, code);
      return toFormat(tf32, Mode::Zero, saturates, value <= 0 ? 0.0 : value);
    });
  }
}

TEST(Conversions, FloatModifiers) {
  expectFloats(".rn.ftz", f16, f32, [](uint64_t code) {
    return toFormat(f16, Mode::Nearest, false,
                    valueOf(f32, flushed(kF32, code)));
  });
  expectFloats(".ftz", f32, f16, [](uint64_t code) {
    return toFormat(f32, Mode::Nearest, false, valueOf(f16, code));
  });
  expectFloats(".rn.ftz", f32, f64, [](uint64_t code) {
    return flushed(kF32,
                   toFormat(f32, Mode::Nearest, false, valueOf(f64, code)));
  });
  for (const FloatType *to : {&f16, &f32}) {
    const FloatType &from = to == &f16 ? f32 : f64;
    expectFloats(".rn.sat", *to, from, [&](uint64_t code) {
      double v = valueOf(from, code);
      return toFormat(*to, Mode::Nearest, false,
                      !(v > 0) ? 0.0
                      : v > 1  ? 1
                               : v);
    });
  }
  for (const FloatType *to : {&f16, &bf16}) {
    expectFloats(".rn.relu", *to, f32, [&](uint64_t code) {
      double v = valueOf(f32, code);
      return toFormat(*to, Mode::Nearest, false, v <= 0 ? 0.0 : v);
    });
    expectFloats(".rn.satfinite", *to, f32, [&](uint64_t code) {
      return toFormat(*to, Mode::Nearest, true, valueOf(f32, code));
    });
  }
}

TEST(Conversions, WholeFloats) {
  for (const FloatType *type : {&f16, &f32, &f64}) {
    // Codes around whole numbers and halves.
    std::vector<uint64_t> codes =
        sourcesOf(*type, type->bits == 16 ? f16 : f32);
    for (int k = -200; k < 200; ++k) {
      double value = k / 8.0;
      for (double v :
           {value, value * 4e5, value * 1e15, std::nextafter(value, 1e9)}) {
        codes.push_back(toFormat(*type, Mode::Nearest, true, v));
      }
    }
    for (auto [word, mode] : kIntWords) {
      Mode m = mode;
      expectCase({cvt(word, type->name, type->name) +
                      (type->bits == 64 ? kOneNan : ""),
                  {type->bits},
                  {type->bits},
                  [&](const Lane &a) -> Lane {
                    double v = valueOf(*type, a[0]);
                    double w = m == Mode::Nearest ? std::nearbyint(v)
                               : m == Mode::Zero  ? std::trunc(v)
                               : m == Mode::Down  ? std::floor(v)
                                                  : std::ceil(v);
                    return {toFormat(*type, Mode::Nearest, false, w)};
                  }},
                 {codes});
    }
  }
}

TEST(Conversions, PackedHalves) {
  for (const FloatType *to : {&f16, &bf16}) {
    std::vector<uint64_t> codes = sourcesOf(f32, *to), other = codes;
    std::shuffle(other.begin(), other.end(), std::mt19937(1));
    struct Row {
      const char *words;
      Mode mode;
      bool saturates, isRelu;
    };
    for (const Row &row : {Row{".rn", Mode::Nearest, false, false},
                           Row{".rz", Mode::Zero, false, false},
                           Row{".rn.relu", Mode::Nearest, false, true},
                           Row{".rn.satfinite", Mode::Nearest, true, false}}) {
      expectCase({std::string("cvt") + row.words + "." + to->name +
                      "x2.f32 %d0, %a0, %a1;",
                  {32, 32},
                  {32},
                  [&](const Lane &a) -> Lane {
                    auto one = [&](uint64_t code) {
                      double v = valueOf(f32, code);
                      return toFormat(*to, row.mode, row.saturates,
                                      row.isRelu && v <= 0 ? 0.0 : v);
                    };
                    return {one(a[0]) << 16 | one(a[1])};
                  }},
                 {codes, other});
    }
  }
}

TEST(Conversions, Eight) {
  for (const FloatType *type : {&e4m3, &e5m2}) {
    std::vector<uint64_t> codes = sourcesOf(f32, *type), other = codes;
    std::shuffle(other.begin(), other.end(), std::mt19937(1));
    std::string pair = std::string(type->name) + "x2";
    for (bool isRelu : {false, true}) {
      std::string words =
          isRelu ? "cvt.rn.satfinite.relu." : "cvt.rn.satfinite.";
      auto one = [=](double v) {
        return toFormat(*type, Mode::Nearest, true, isRelu && v <= 0 ? 0.0 : v);
      };
      expectCase({words + pair + ".f32 %d0, %a0, %a1;",
                  {32, 32},
                  {16},
                  [&](const Lane &a) -> Lane {
                    return {one(valueOf(f32, a[0])) << 8 |
                            one(valueOf(f32, a[1]))};
                  }},
                 {codes, other});
      // All halves in both places.
      Values halves{{}};
      for (uint64_t code = 0; code < 65536; ++code) {
        halves[0].push_back(code << 16 | ((code * 40503 + 7) & 0xFFFF));
      }
      expectCase({words + pair + ".f16x2 %d0, %a0;",
                  {32},
                  {16},
                  [&](const Lane &a) -> Lane {
                    return {one(valueOf(f16, a[0] >> 16)) << 8 |
                            one(valueOf(f16, a[0] & 0xFFFF))};
                  }},
                 halves);
    }
    Values all{{}};
    for (uint64_t code = 0; code < 65536; ++code) {
      all[0].push_back(code);
    }
    expectCase({"cvt.rn.f16x2." + pair + " %d0, %a0;",
                {16},
                {32},
                [&](const Lane &a) -> Lane {
                  auto one = [&](uint64_t code) {
                    return toFormat(f16, Mode::Nearest, false,
                                    valueOf(*type, code));
                  };
                  return {one(a[0] >> 8) << 16 | one(a[0] & 0xFF)};
                }},
               all);
  }
}

TEST(Conversions, Integers) {
  for (const IntType &from : kInts) {
    for (const IntType &to : kInts) {
      for (bool isSat : {false, true}) {
        unsigned in = from.registerBits(), out = to.registerBits();
        expectCase({cvt(isSat ? ".sat" : "", to.name(), from.name()),
                    {in},
                    {out},
                    [=](const Lane &a) -> Lane {
                      Quad v = from.value(a[0]);
                      if (isSat) {
                        v = v < to.least()  ? to.least()
                            : v > to.most() ? to.most()
                                            : v;
                      }
                      uint64_t code =
                          v < 0 ? uint64_t(int64_t(v)) : uint64_t(v);
                      return {inRegister(to, code, out)};
                    }});
      }
    }
  }
}

TEST(Conversions, WiderRegisters) {
  // The type's part of the source; the result over the whole destination.
  expectCase({"cvt.s8.s32 %d0, %a0;", {32}, {64}, [](const Lane &a) -> Lane {
                return {uint64_t(asSigned(a[0], 8))};
              }});
  expectCase({"cvt.u16.u32 %d0, %a0;", {64}, {32}, [](const Lane &a) -> Lane {
                return {cut(a[0], 16)};
              }});
  expectCase({"cvt.s16.s8 %d0, %a0;", {64}, {32}, [](const Lane &a) -> Lane {
                return {cut(uint64_t(asSigned(a[0], 8)), 32)};
              }});
  expectCase(
      {"cvt.rn.f32.u16 %d0, %a0;", {64}, {32}, [](const Lane &a) -> Lane {
         return {std::bit_cast<uint32_t>(float(a[0] & 0xFFFF))};
       }});
}

TEST(Conversions, FromIntegers) {
  for (const IntType &from : kInts) {
    for (const FloatType *to : {&f16, &bf16, &f32, &f64}) {
      Values values{corners(from.registerBits())};
      addRandom(values, {from.registerBits()}, 1000);
      for (auto [word, mode] : kFloatWords) {
        Mode m = mode;
        expectCase({cvt(word, to->name, from.name()),
                    {from.registerBits()},
                    {to->bits},
                    [&](const Lane &a) -> Lane {
                      Quad v = from.value(a[0]);
                      return {v == 0 ? 0 : roundQuad(to->format, m, false, v)};
                    }},
                   values);
      }
    }
  }
}

TEST(Conversions, ToIntegers) {
  for (const FloatType *from : {&f16, &bf16, &f32, &f64}) {
    std::vector<uint64_t> codes = sourcesOf(*from, f16);
    // Around the ends of every type, and halves.
    for (const IntType &to : kInts) {
      for (Quad end : {to.least(), to.most()}) {
        for (double offset : {-1.0, -0.5, 0.0, 0.5, 1.0}) {
          Quad v = end + offset;
          if (v == 0) {
            continue;
          }
          uint64_t code = roundQuad(from->format, Mode::Nearest, true, v);
          codes.insert(codes.end(), {code - 1, code, code + 1});
        }
      }
    }
    for (const IntType &to : kInts) {
      for (auto [word, mode] : kIntWords) {
        Mode m = mode;
        bool isLong = from->bits == 64 || to.bits == 64;
        unsigned out = to.registerBits();
        expectCase({cvt(word, to.name(), from->name),
                    {from->bits},
                    {out},
                    [&](const Lane &a) -> Lane {
                      double v = valueOf(*from, a[0]);
                      if (std::isnan(v)) {
                        uint64_t top = uint64_t(1) << (to.bits - 1);
                        return {inRegister(to, isLong ? top : 0, out)};
                      }
                      double w = m == Mode::Nearest ? std::nearbyint(v)
                                 : m == Mode::Zero  ? std::trunc(v)
                                 : m == Mode::Down  ? std::floor(v)
                                                    : std::ceil(v);
                      Quad held = Quad(w) < to.least()  ? to.least()
                                  : Quad(w) > to.most() ? to.most()
                                                        : Quad(w);
                      uint64_t code =
                          held < 0 ? uint64_t(int64_t(held)) : uint64_t(held);
                      return {inRegister(to, code, out)};
                    }},
                   {codes});
      }
    }
  }
}

TEST(Conversions, Pack) {
  struct Row {
    const char *type;
    unsigned bits;
    int least, most;
  };
  for (const Row &row :
       {Row{"u16", 16, 0, 65535}, Row{"s16", 16, -32768, 32767},
        Row{"u8", 8, 0, 255}, Row{"s8", 8, -128, 127}, Row{"u4", 4, 0, 15},
        Row{"s4", 4, -8, 7}, Row{"u2", 2, 0, 3}, Row{"s2", 2, -2, 1}}) {
    bool hasThird = row.bits < 16;
    std::string text =
        std::string("cvt.pack.sat.") + row.type + ".s32" +
        (hasThird ? ".b32 %d0, %a0, %a1, %a2;" : " %d0, %a0, %a1;");
    std::vector<unsigned> in(hasThird ? 3 : 2, 32);
    Values values = combine(std::vector<std::vector<uint64_t>>(
        in.size(),
        {0, 1, 2, 7, 8, 127, 128, 255, 32768, 65536, 0xFFFFFFFF, 0xFFFFFFF8,
         0xFFFFFF80, 0xFFFFFF7F, 0x80000000, 0x7FFFFFFF}));
    expectCase({text,
                in,
                {32},
                [=](const Lane &a) -> Lane {
                  auto part = [&](uint64_t code) {
                    int v = std::clamp(int(int32_t(code)), row.least, row.most);
                    return cut(uint64_t(int64_t(v)), row.bits);
                  };
                  uint64_t d = part(a[1]) + (part(a[0]) << row.bits);
                  if (hasThird) {
                    d += a[2] << 2 * row.bits;
                  }
                  return {cut(d, 32)};
                }},
               values);
  }
}

TEST(Conversions, Refuses) {
  expectRefused("cvt.f16.f32 %d0, %a0;", {32}, {16},
                "expects a rounding in 'cvt.f16.f32'");
  expectRefused("cvt.s32.f32 %d0, %a0;", {32}, {32},
                "does not know the type of 'cvt.s32.f32'");
  expectRefused("cvt.rn.s32.f32 %d0, %a0;", {32}, {32},
                "does not know the type of 'cvt.rn.s32.f32'");
  expectRefused("cvt.rna.f16.f32 %d0, %a0;", {32}, {16},
                "does not know the type of 'cvt.rna.f16.f32'");
  expectRefused("cvt.rn.e4m3x2.f32 %d0, %a0, %a1;", {32, 32}, {16},
                "does not know the type of 'cvt.rn.e4m3x2.f32'");
  expectRefused("cvt.rn.bf16x2.f32 %d0, %a0;", {32}, {32},
                "expects 3 operands of 'cvt.rn.bf16x2.f32', but got 2");
  expectRefused("cvt.rni.f16.f32 %d0, %a0;", {32}, {16},
                "does not know the type of 'cvt.rni.f16.f32'");
  expectRefused("cvt.u64.u32 %d0, %a0;", {32}, {32},
                "expects a register of 64 bits, but got '%d0'");
}
