//===- BitsTest.cpp - Logic, shifts and fields against formulas ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Formulas go bit by bit.
//
//===----------------------------------------------------------------------===//
#include "Cases.h"

#include <gtest/gtest.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

bool bitOf(uint64_t value, unsigned i) { return i < 64 && value >> i & 1; }

/// A word made of the bits that `bit(i)` gives.
template <class F> uint64_t build(unsigned bits, F bit) {
  uint64_t result = 0;
  for (unsigned i = 0; i < bits; ++i) {
    result |= uint64_t(bit(i)) << i;
  }
  return result;
}

std::string suffix(char kind, unsigned bits) {
  return "." + std::string(1, kind) + std::to_string(bits);
}

} // namespace

TEST(Bits, Logic) {
  for (unsigned n : {16u, 32u, 64u}) {
    std::string type = suffix('b', n);
    auto two = [&](const std::string &op, auto formula) {
      expectCase({op + type + " %d0, %a0, %a1;",
                  {n, n},
                  {n},
                  [=](const Lane &a) -> Lane {
                    return {build(n, [&](unsigned i) {
                      return formula(bitOf(a[0], i), bitOf(a[1], i));
                    })};
                  }});
    };
    two("and", [](bool a, bool b) { return a && b; });
    two("or", [](bool a, bool b) { return a || b; });
    two("xor", [](bool a, bool b) { return a != b; });
    expectCase(
        {"not" + type + " %d0, %a0;", {n}, {n}, [=](const Lane &a) -> Lane {
           return {build(n, [&](unsigned i) { return !bitOf(a[0], i); })};
         }});
    expectCase(
        {"cnot" + type + " %d0, %a0;", {n}, {n}, [](const Lane &a) -> Lane {
           return {a[0] == 0 ? 1u : 0u};
         }});
  }
}

TEST(Bits, PredicateLogic) {
  auto two = [](const std::string &op, auto formula) {
    expectCase(
        {op + ".pred %d0, %a0, %a1;", {1, 1}, {1}, [=](const Lane &a) -> Lane {
           return {uint64_t(formula(a[0] != 0, a[1] != 0))};
         }});
  };
  two("and", [](bool a, bool b) { return a && b; });
  two("or", [](bool a, bool b) { return a || b; });
  two("xor", [](bool a, bool b) { return a != b; });
  auto isOdd = [](const Lane &a) -> Lane { return {a[0] % 2 ? 0u : 1u}; };
  expectCase({"not.pred %d0, %a0;", {1}, {1}, isOdd});
}

TEST(Bits, Lop3) {
  for (unsigned table : {0x00u, 0xFFu, 0xF0u, 0xCCu, 0xAAu, 0x96u, 0xE8u, 0x3Eu,
                         0x80u, 0x01u, 0x1Bu, 0x78u}) {
    auto formula = [=](const Lane &a) {
      return build(32, [&](unsigned i) {
        unsigned row = bitOf(a[0], i) * 4 + bitOf(a[1], i) * 2 + bitOf(a[2], i);
        return bitOf(table, row);
      });
    };
    std::string end = ", %a0, %a1, %a2, " + std::to_string(table);
    expectCase({"lop3.b32 %d0" + end + ";",
                {32, 32, 32},
                {32},
                [=](const Lane &a) -> Lane { return {formula(a)}; }});
    for (bool isOr : {false, true}) {
      expectCase({std::string(isOr ? "lop3.or" : "lop3.and") + ".b32 %d0|%d1" +
                      end + ", %a3;",
                  {32, 32, 32, 1},
                  {32, 1},
                  [=](const Lane &a) -> Lane {
                    uint64_t d = formula(a);
                    bool p = d != 0, q = a[3] != 0;
                    return {d, uint64_t(isOr ? p || q : p && q)};
                  }});
    }
  }
}

TEST(Bits, Shifts) {
  for (unsigned n : {16u, 32u, 64u}) {
    expectCase({"shl" + suffix('b', n) + " %d0, %a0, %a1;",
                {n, 32},
                {n},
                [=](const Lane &a) -> Lane {
                  return {build(n, [&](unsigned i) {
                    return i >= a[1] && bitOf(a[0], unsigned(i - a[1]));
                  })};
                }});
    for (char kind : {'b', 'u', 's'}) {
      expectCase({"shr" + suffix(kind, n) + " %d0, %a0, %a1;",
                  {n, 32},
                  {n},
                  [=](const Lane &a) -> Lane {
                    bool fill = kind == 's' && bitOf(a[0], n - 1);
                    return {build(n, [&](unsigned i) {
                      return i + a[1] < n ? bitOf(a[0], unsigned(i + a[1]))
                                          : fill;
                    })};
                  }});
    }
  }
}

TEST(Bits, Funnel) {
  for (bool isLeft : {false, true}) {
    for (bool wraps : {false, true}) {
      std::string op = std::string("shf.") + (isLeft ? "l." : "r.") +
                       (wraps ? "wrap" : "clamp") + ".b32";
      expectCase({op + " %d0, %a0, %a1, %a2;",
                  {32, 32, 32},
                  {32},
                  [=](const Lane &a) -> Lane {
                    uint64_t both = a[1] << 32 | a[0];
                    unsigned k = unsigned(wraps ? a[2] % 32
                                                : std::min<uint64_t>(a[2], 32));
                    unsigned start = isLeft ? 32 - k : k;
                    return {build(32, [&](unsigned i) {
                      return bitOf(both, start + i);
                    })};
                  }});
    }
  }
}

TEST(Bits, Counts) {
  for (unsigned n : {32u, 64u}) {
    expectCase({"popc" + suffix('b', n) + " %d0, %a0;",
                {n},
                {32},
                [=](const Lane &a) -> Lane {
                  uint64_t count = 0;
                  for (unsigned i = 0; i < n; ++i) {
                    count += bitOf(a[0], i);
                  }
                  return {count};
                }});
    expectCase({"clz" + suffix('b', n) + " %d0, %a0;",
                {n},
                {32},
                [=](const Lane &a) -> Lane {
                  uint64_t count = 0;
                  while (count < n && !bitOf(a[0], unsigned(n - 1 - count))) {
                    ++count;
                  }
                  return {count};
                }});
    expectCase({"brev" + suffix('b', n) + " %d0, %a0;",
                {n},
                {n},
                [=](const Lane &a) -> Lane {
                  return {build(
                      n, [&](unsigned i) { return bitOf(a[0], n - 1 - i); })};
                }});
    for (char kind : {'u', 's'}) {
      for (bool asShift : {false, true}) {
        expectCase({std::string("bfind") + (asShift ? ".shiftamt" : "") +
                        suffix(kind, n) + " %d0, %a0;",
                    {n},
                    {32},
                    [=](const Lane &a) -> Lane {
                      bool sign = kind == 's' && bitOf(a[0], n - 1);
                      for (unsigned i = n; i-- > 0;) {
                        if (bitOf(a[0], i) != sign) {
                          return {asShift ? n - 1 - i : i};
                        }
                      }
                      return {0xFFFF'FFFF};
                    }});
      }
    }
  }
}

TEST(Bits, Fields) {
  // Every position and length of a byte, over a few words.
  for (unsigned n : {32u, 64u}) {
    std::vector<uint64_t> words{corners(n)}, places;
    for (unsigned i : {0u, 1u, 5u, 8u, 31u, 32u, 33u, 62u, 63u, 64u, 65u, 200u,
                       255u, 256u, 263u}) {
      places.push_back(i);
    }
    for (char kind : {'u', 's'}) {
      expectCase({"bfe" + suffix(kind, n) + " %d0, %a0, %a1, %a2;",
                  {n, 32, 32},
                  {n},
                  [=](const Lane &a) -> Lane {
                    unsigned pos = a[1] & 255, len = a[2] & 255;
                    bool fill = kind == 's' && len > 0 &&
                                bitOf(a[0], std::min(pos + len - 1, n - 1));
                    return {build(n, [&](unsigned i) {
                      return i < len && pos + i < n ? bitOf(a[0], pos + i)
                                                    : fill;
                    })};
                  }},
                 combine({words, places, places}));
    }
    expectCase({"bfi" + suffix('b', n) + " %d0, %a0, %a1, %a2, %a3;",
                {n, n, 32, 32},
                {n},
                [=](const Lane &a) -> Lane {
                  unsigned pos = a[2] & 255, len = a[3] & 255;
                  return {build(n, [&](unsigned i) {
                    return i >= pos && i < pos + len ? bitOf(a[0], i - pos)
                                                     : bitOf(a[1], i);
                  })};
                }},
               combine({words, {0, cut(~0ull, n), words[12]}, places, places}));
  }
}

TEST(Bits, ExtendAndMask) {
  std::vector<uint64_t> counts{0,  1,  2,  7,  8,  16,
                               31, 32, 33, 40, 64, 0xFFFFFFFF};
  for (bool wraps : {false, true}) {
    std::string mode = wraps ? ".wrap" : ".clamp";
    auto limit = [=](uint64_t n) {
      return unsigned(wraps ? n % 32 : std::min<uint64_t>(n, 32));
    };
    for (char kind : {'u', 's'}) {
      expectCase({"szext" + mode + suffix(kind, 32) + " %d0, %a0, %a1;",
                  {32, 32},
                  {32},
                  [=](const Lane &a) -> Lane {
                    unsigned n = limit(a[1]);
                    bool fill = kind == 's' && n > 0 && bitOf(a[0], n - 1);
                    return {build(32, [&](unsigned i) {
                      return i < n ? bitOf(a[0], i) : fill;
                    })};
                  }},
                 combine({corners(32), counts}));
    }
    expectCase({"bmsk" + mode + ".b32 %d0, %a0, %a1;",
                {32, 32},
                {32},
                [=](const Lane &a) -> Lane {
                  unsigned pos = limit(a[0]), n = limit(a[1]);
                  return {build(
                      32, [&](unsigned i) { return i >= pos && i < pos + n; })};
                }},
               combine({counts, counts}));
  }
}

TEST(Bits, FindNth) {
  std::vector<uint64_t> bases, offsets;
  for (unsigned i : {0u, 1u, 7u, 15u, 30u, 31u}) {
    bases.push_back(i);
  }
  for (int i : {0, 1, 2, 3, 8, 32, 33, -1, -2, -8, -33}) {
    offsets.push_back(uint32_t(i));
  }
  expectCase({"fns.b32 %d0, %a0, %a1, %a2;",
              {32, 32, 32},
              {32},
              [](const Lane &a) -> Lane {
                int base = int(a[1]), offset = int32_t(a[2]);
                if (offset == 0) {
                  return {bitOf(a[0], unsigned(base)) ? a[1] : 0xFFFF'FFFF};
                }
                // Positions of set bits in the order of the search.
                std::vector<unsigned> found;
                for (int i = base; i >= 0 && i < 32; i += offset > 0 ? 1 : -1) {
                  if (bitOf(a[0], unsigned(i))) {
                    found.push_back(unsigned(i));
                  }
                }
                size_t nth = size_t(std::abs(offset)) - 1;
                return {nth < found.size() ? found[nth] : 0xFFFF'FFFF};
              }},
             combine({corners(32), bases, offsets}));
}

TEST(Bits, Permute) {
  auto byteOf = [](const Lane &a, unsigned k) {
    return (k < 4 ? a[0] >> 8 * k : a[1] >> 8 * (k - 4)) & 0xFF;
  };
  expectCase({"prmt.b32 %d0, %a0, %a1, %a2;",
              {32, 32, 32},
              {32},
              [=](const Lane &a) -> Lane {
                uint64_t result = 0;
                for (unsigned i = 0; i < 4; ++i) {
                  unsigned select = a[2] >> 4 * i & 15;
                  uint64_t byte = byteOf(a, select & 7);
                  if (select & 8) {
                    byte = byte >> 7 ? 0xFF : 0;
                  }
                  result |= byte << 8 * i;
                }
                return {result};
              }});
  // The manual's table: the byte for each place, highest first.
  struct Row {
    const char *mode;
    unsigned picks[4];
  };
  const Row rows[] = {{"f4e", {0x3210, 0x4321, 0x5432, 0x6543}},
                      {"b4e", {0x5670, 0x6701, 0x7012, 0x0123}},
                      {"rc8", {0x0000, 0x1111, 0x2222, 0x3333}},
                      {"ecl", {0x3210, 0x3211, 0x3222, 0x3333}},
                      {"ecr", {0x0000, 0x1110, 0x2210, 0x3210}},
                      {"rc16", {0x1010, 0x3232, 0x1010, 0x3232}}};
  for (const Row &row : rows) {
    expectCase({std::string("prmt.b32.") + row.mode + " %d0, %a0, %a1, %a2;",
                {32, 32, 32},
                {32},
                [=](const Lane &a) -> Lane {
                  uint64_t result = 0;
                  for (unsigned i = 0; i < 4; ++i) {
                    unsigned pick = row.picks[a[2] & 3] >> 4 * i & 15;
                    result |= byteOf(a, pick) << 8 * i;
                  }
                  return {result};
                }});
  }
}

TEST(Bits, Refuses) {
  expectRefused("and.f32 %d0, %a0, %a1;", {32, 32}, {32},
                "does not know the type of 'and.f32'");
  expectRefused("shf.l.b32 %d0, %a0, %a1, %a2;", {32, 32, 32}, {32},
                "does not know the type of 'shf.l.b32'");
  expectRefused("lop3.b32 %d0, %a0, %a1, %a2, %a2;", {32, 32, 32}, {32},
                "expects an immediate integer");
  expectRefused("shl.b64 %d0, %a0, %a1;", {64, 64}, {64},
                "expects a register of 32 bits, but got '%a1'");
}
