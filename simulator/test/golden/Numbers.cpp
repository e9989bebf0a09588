//===- Numbers.cpp - Formats of numbers and probes' inputs ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Numbers.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <map>

using namespace ptxsim;
using namespace ptxsim::golden;

Result<NumberType> ptxsim::golden::numberType(std::string_view name) {
  static const std::pair<const char *, NumberType> kTypes[] = {
      {"u8", {"u8", 8, 0, false}},    {"u16", {"u16", 16, 0, false}},
      {"u32", {"u32", 32, 0, false}}, {"u64", {"u64", 64, 0, false}},
      {"s8", {"s8", 8, 0, true}},     {"s16", {"s16", 16, 0, true}},
      {"s32", {"s32", 32, 0, true}},  {"s64", {"s64", 64, 0, true}},
      {"f16", {"f16", 16, 5, true}},  {"bf16", {"bf16", 16, 8, true}},
      {"f32", {"f32", 32, 8, true}},  {"f64", {"f64", 64, 11, true}}};
  for (const auto &[known, type] : kTypes) {
    if (name == known) {
      return type;
    }
  }
  return Error{"expects a type (u8 .. u64, s8 .. s64, f16, bf16, f32, f64), "
               "but got '" +
               std::string(name) + "'"};
}

double NumberType::toDouble(uint64_t code) const {
  code &= mask();
  if (!isFloat()) {
    return isSigned ? double(int64_t(code << (64 - bits)) >> (64 - bits))
                    : double(code);
  }
  if (bits == 64) {
    return std::bit_cast<double>(code);
  }
  double sign = code & signBit() ? -1.0 : 1.0;
  uint64_t magnitude = code & ~signBit();
  if (magnitude > infinity()) {
    return std::nan("");
  }
  if (magnitude == infinity()) {
    return sign * HUGE_VAL;
  }
  int bias = (1 << (exponentBits - 1)) - 1;
  auto exponent = int(magnitude >> mantissaBits());
  uint64_t mantissa = magnitude & ((uint64_t(1) << mantissaBits()) - 1);
  if (exponent) {
    mantissa |= uint64_t(1) << mantissaBits();
  }
  int power = (exponent ? exponent : 1) - bias - int(mantissaBits());
  return sign * std::ldexp(double(mantissa), power);
}

uint64_t NumberType::fromDouble(double value) const {
  if (!isFloat()) {
    return (value < 0 ? uint64_t(int64_t(value)) : uint64_t(value)) & mask();
  }
  if (bits == 64) {
    return std::bit_cast<uint64_t>(value);
  }
  uint64_t sign = std::signbit(value) ? signBit() : 0;
  if (std::isnan(value)) {
    return mask() & ~signBit();
  }
  value = std::fabs(value);
  int bias = (1 << (exponentBits - 1)) - 1;
  int lowest = 1 - bias;
  int exponent = value > 0 && std::isfinite(value)
                     ? std::max(std::ilogb(value), lowest)
                     : lowest;
  if (std::isinf(value) || exponent > bias) {
    return sign | infinity();
  }
  // nearbyint rounds to even; a carry moves into the exponent.
  double units =
      std::nearbyint(std::ldexp(value, int(mantissaBits()) - exponent));
  uint64_t code =
      uint64_t(units) + (uint64_t(exponent - lowest) << mantissaBits());
  return sign | std::min(code, infinity());
}

int64_t NumberType::rank(uint64_t code) const {
  code &= mask();
  if (!isFloat()) {
    return isSigned ? int64_t(code << (64 - bits)) >> (64 - bits)
                    : int64_t(code);
  }
  auto magnitude = int64_t(code & ~signBit());
  return code & signBit() ? -magnitude : magnitude;
}

std::vector<std::string> ptxsim::golden::splitWords(std::string_view line) {
  std::vector<std::string> words;
  size_t at = 0;
  while ((at = line.find_first_not_of(" \t\r", at)) != line.npos) {
    size_t end = std::min(line.find_first_of(" \t\r", at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

Result<double> ptxsim::golden::parseNumber(const std::string &word) {
  char *end = nullptr;
  if (word.starts_with("2^")) {
    double power = std::strtod(word.c_str() + 2, &end);
    if (word.size() > 2 && !*end) {
      return std::exp2(power);
    }
  } else if (!word.empty()) {
    double value = std::strtod(word.c_str(), &end);
    if (!*end) {
      return value;
    }
  }
  return Error{"expects a number, but got '" + word + "'"};
}

Result<uint64_t> ptxsim::golden::parseCount(const std::string &word) {
  char *end = nullptr;
  errno = 0;
  uint64_t value = std::strtoull(word.c_str(), &end, 0);
  if (word.empty() || word[0] < '0' || word[0] > '9' || *end || errno) {
    return Error{"expects a whole number, but got '" + word + "'"};
  }
  return value;
}

/// splitmix64: one state word, the same numbers everywhere.
static uint64_t nextRandom(uint64_t &state) {
  uint64_t z = state += 0x9E37'79B9'7F4A'7C15;
  z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9;
  z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EB;
  return z ^ (z >> 31);
}

static std::vector<uint64_t> cornersOf(const NumberType &type) {
  uint64_t sign = type.signBit(), all = type.mask();
  if (!type.isFloat()) {
    unsigned n = type.bits;
    uint64_t half = uint64_t(1) << (n / 2);
    return {0,        1,    2,        3,        7,    n - 1,    n,       n + 1,
            half - 1, half, half + 1, sign - 1, sign, sign + 1, all - 1, all};
  }
  uint64_t one = type.infinity() / 2 & type.infinity();
  uint64_t least = uint64_t(1) << type.mantissaBits();
  // The largest subnormal, the number below one, and a NaN that signals.
  return {0,
          sign,
          one,
          one | sign,
          one + 1,
          one - 1,
          type.fromDouble(-3.140625),
          type.fromDouble(0.333),
          1,
          sign | (least - 1),
          least,
          type.infinity() - 1,
          sign | (type.infinity() - 1),
          type.infinity(),
          sign | type.infinity(),
          type.infinity() + 1};
}

namespace {

/// The words of a line: positions first, then key=value.
struct Line {
  std::vector<std::string> words;
  std::map<std::string, std::string> keys;

  Result<double> number(const std::string &key, double unless) const {
    auto it = keys.find(key);
    return it == keys.end() ? Result<double>(unless) : parseNumber(it->second);
  }
};

} // namespace

static void append(std::vector<uint8_t> &input, const NumberType &type,
                   uint64_t code) {
  for (unsigned byte = 0; byte < type.bits / 8; ++byte) {
    input.push_back(uint8_t(code >> (8 * byte)));
  }
}

static Result<bool> appendValues(const Line &line, const NumberType &type,
                                 std::vector<uint8_t> &input) {
  for (size_t i = 2; i < line.words.size(); ++i) {
    const std::string &word = line.words[i];
    if (word.starts_with("0x")) {
      Result<uint64_t> code = parseCount(word);
      if (!code) {
        return code.error();
      }
      append(input, type, *code);
      continue;
    }
    Result<double> value = parseNumber(word);
    if (!value) {
      return value.error();
    }
    append(input, type, type.fromDouble(*value));
  }
  return true;
}

Result<bool> ptxsim::golden::appendInput(const std::string &text,
                                         std::vector<uint8_t> &input) {
  Line line;
  for (const std::string &word : splitWords(text)) {
    size_t equals = word.find('=');
    if (equals == word.npos) {
      line.words.push_back(word);
    } else {
      line.keys[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
  if (line.words.size() < 3) {
    return Error{"expects a kind of input, a type and a count, but got '" +
                 text + "'"};
  }
  Result<NumberType> type = numberType(line.words[1]);
  if (!type) {
    return type.error();
  }
  static const std::map<std::string, std::vector<std::string>> kKinds = {
      {"values", {}},
      {"ramp", {"start", "step"}},
      {"random", {"seed"}},
      {"whole", {"from", "to", "seed"}},
      {"spread", {"from", "to"}},
      {"corners", {"slow"}}};
  const std::string &kind = line.words[0];
  auto known = kKinds.find(kind);
  if (known == kKinds.end()) {
    return Error{"expects values, ramp, random, whole, spread or corners, but "
                 "got '" +
                 kind + "'"};
  }
  std::map<std::string, double> keys;
  for (const auto &[key, word] : line.keys) {
    bool isKnown = false;
    for (const std::string &other : known->second) {
      isKnown |= other == key;
    }
    Result<double> value = parseNumber(word);
    if (!isKnown || !value) {
      return isKnown ? value.error()
                     : Error{"expects no '" + key + "' for " + kind};
    }
    keys[key] = *value;
  }
  if (kind == "values") {
    return appendValues(line, *type, input);
  }
  Result<uint64_t> count = parseCount(line.words[2]);
  if (!count || line.words.size() > 3) {
    return count
               ? Error{"expects nothing more, but got '" + line.words[3] + "'"}
               : count.error();
  }
  bool isRange = kind == "whole" || kind == "spread";
  if (isRange && !(keys.count("from") && keys.count("to"))) {
    return Error{"expects from= and to= for " + kind};
  }
  double step = keys.count("step") ? keys["step"] : 1;
  double from = keys["from"], to = keys["to"];
  uint64_t state = uint64_t(keys["seed"]) * 0x1'0000'0001 + 1;
  std::vector<uint64_t> corners = cornersOf(*type);
  unsigned shift = 4 * unsigned(keys["slow"]);
  for (uint64_t i = 0; i < *count; ++i) {
    uint64_t code = 0;
    if (kind == "ramp") {
      code = type->fromDouble(keys["start"] + step * double(i));
    } else if (kind == "random") {
      code = nextRandom(state) >> (64 - type->bits);
    } else if (kind == "whole") {
      auto range = uint64_t(to - from) + 1;
      code = type->fromDouble(from + double((nextRandom(state) >> 8) % range));
    } else if (kind == "spread") {
      double part = *count > 1 ? double(i) / double(*count - 1) : 0;
      code = type->fromDouble(from + (to - from) * part);
    } else {
      code = corners[(shift < 64 ? i >> shift : 0) % corners.size()];
    }
    append(input, *type, code);
  }
  return true;
}
