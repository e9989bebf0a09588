//===- Words.cpp - Words and types of an opcode -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Decode.h"

#include <algorithm>
#include <charconv>

using namespace ptxsim;

std::optional<Type> ptxsim::parseType(std::string_view word) {
  using Kind = Type::Kind;
  auto parsePlain = [](std::string_view w) -> std::optional<Type> {
    static const std::pair<std::string_view, Type> named[] = {
        {"pred", {Kind::Pred, 1, 1}},  {"tf32", {Kind::Tf32, 32, 1}},
        {"e4m3", {Kind::E4M3, 8, 1}},  {"e5m2", {Kind::E5M2, 8, 1}},
        {"f16", {Kind::Float, 16, 1}}, {"bf16", {Kind::BFloat, 16, 1}}};
    for (const auto &[name, type] : named) {
      if (w == name) {
        return type;
      }
    }
    if (w.size() < 2) {
      return std::nullopt;
    }
    unsigned bits = 0;
    auto [end, code] = std::from_chars(w.data() + 1, w.data() + w.size(), bits);
    bool isWidth = bits == 8 || bits == 16 || bits == 32 || bits == 64 ||
                   (bits == 128 && w[0] == 'b');
    if (code != std::errc() || end != w.data() + w.size() || !isWidth) {
      return std::nullopt;
    }
    switch (w[0]) {
    case 'u':
      return Type{Kind::Unsigned, uint8_t(bits), 1};
    case 's':
      return Type{Kind::Signed, uint8_t(bits), 1};
    case 'b':
      return Type{Kind::Bits, uint8_t(bits), 1};
    case 'f':
      return bits >= 16 ? std::optional(Type{Kind::Float, uint8_t(bits), 1})
                        : std::nullopt;
    default:
      return std::nullopt;
    }
  };
  if (std::optional<Type> plain = parsePlain(word)) {
    return plain;
  }
  // f16x2, e4m3x2, u8x4
  size_t x = word.rfind('x');
  if (x == std::string_view::npos || x == 0 || x + 2 != word.size()) {
    return std::nullopt;
  }
  std::optional<Type> plain = parsePlain(word.substr(0, x));
  char count = word.back();
  if (!plain || (count != '2' && count != '4')) {
    return std::nullopt;
  }
  plain->packed = uint8_t(count - '0');
  return plain;
}

Words::Words(const Instruction &instruction) : instruction(instruction) {
  for (const std::string &word : instruction.modifiers) {
    left.push_back(word);
  }
}

std::string_view Words::take(std::initializer_list<std::string_view> options) {
  for (auto it = left.begin(); it != left.end(); ++it) {
    if (std::find(options.begin(), options.end(), *it) != options.end()) {
      std::string_view word = *it;
      left.erase(it);
      return word;
    }
  }
  return {};
}

std::optional<Type> Words::tryType() {
  for (auto it = left.begin(); it != left.end(); ++it) {
    if (std::optional<Type> type = parseType(*it)) {
      left.erase(it);
      return type;
    }
  }
  return std::nullopt;
}

Type Words::takeType() {
  if (std::optional<Type> type = tryType()) {
    return *type;
  }
  throw DecodeError{"expects a type in '" + instruction.name() + "'"};
}

unsigned Words::takeVector() {
  std::string_view word = take({"v2", "v4", "v8"});
  return word.empty() ? 1 : unsigned(word[1] - '0');
}

void Words::done() const {
  if (!left.empty()) {
    throw DecodeError{"does not know '." + std::string(left.front()) +
                      "' in '" + instruction.name() + "'"};
  }
}
