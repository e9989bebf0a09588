//===- Mutator.cpp - Damages PTX text -------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Mutator.h"

#include <algorithm>
#include <iterator>
#include <string_view>

using namespace ptxsim::test;

namespace {

/// Bytes [begin, end) of the text.
struct Range {
  size_t begin = 0, end = 0;
  size_t size() const { return end - begin; }
};

// std::uniform_int_distribution differs between libraries.
size_t below(std::mt19937 &random, size_t bound) {
  return bound ? random() % bound : 0;
}

bool isWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '_' || c == '$' || c == '%';
}

/// Around `at`: a word without its dots, so that modifiers of opcodes are
/// tokens of their own, or one mark.
Range tokenAt(const std::string &text, size_t at) {
  Range range{at, at};
  if (at == text.size()) {
    return range;
  }
  ++range.end;
  if (!isWord(text[at])) {
    return range;
  }
  while (range.begin > 0 && isWord(text[range.begin - 1])) {
    --range.begin;
  }
  while (range.end < text.size() && isWord(text[range.end])) {
    ++range.end;
  }
  return range;
}

Range drawToken(const std::string &text, std::mt19937 &random) {
  size_t at = below(random, text.size());
  while (at < text.size() && (text[at] == ' ' || text[at] == '\n')) {
    ++at;
  }
  return tokenAt(text, at);
}

/// With the end of line.
Range drawLine(const std::string &text, std::mt19937 &random) {
  size_t at = below(random, text.size());
  size_t before = at ? text.rfind('\n', at - 1) : std::string::npos;
  size_t behind = text.find('\n', at);
  return {before == std::string::npos ? 0 : before + 1,
          behind == std::string::npos ? text.size() : behind + 1};
}

std::string cut(const std::string &text, Range range) {
  return text.substr(range.begin, range.size());
}

void put(std::string &text, Range range, std::string_view by) {
  text.replace(range.begin, range.size(), by);
}

void swapTokens(std::string &text, std::mt19937 &random) {
  Range a = drawToken(text, random), b = drawToken(text, random);
  if (a.begin > b.begin) {
    std::swap(a, b);
  }
  if (a.end <= b.begin) {
    std::string first = cut(text, a), second = cut(text, b);
    put(text, b, first);
    put(text, a, second);
  }
}

void changeNumber(std::string &text, std::mt19937 &random) {
  static const std::string_view odd[] = {"0",
                                         "1",
                                         "-1",
                                         "3",
                                         "31",
                                         "32",
                                         "33",
                                         "63",
                                         "64",
                                         "255",
                                         "256",
                                         "65536",
                                         "1048576",
                                         "2147483647",
                                         "-2147483648",
                                         "4294967295",
                                         "4294967296",
                                         "0x7FFFFFFFFFFFFFFF",
                                         "-9223372036854775808",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "99999999999999999999999999",
                                         "0xFFFFFFFFFFFFFFFFF",
                                         "0f7FC00000",
                                         "0dFFF0000000000000",
                                         "1e999",
                                         "1.5e-3",
                                         "09",
                                         "0b2",
                                         "0x"};
  size_t start = below(random, text.size());
  size_t at = text.find_first_of("0123456789", start);
  if (at == std::string::npos) {
    at = text.find_first_of("0123456789");
  }
  if (at == std::string::npos) {
    return;
  }
  // The digits of %r12 as well: they count registers.
  Range range{at, at};
  while (range.end < text.size() && text[range.end] >= '0' &&
         text[range.end] <= '9') {
    ++range.end;
  }
  put(text, range, odd[below(random, std::size(odd))]);
}

void nest(std::string &text, std::mt19937 &random) {
  static const size_t depths[] = {1, 2, 8, 9, 100, 1000, 20000};
  char open = "{[(<"[below(random, 4)];
  std::string marks(depths[below(random, std::size(depths))], open);
  // Closed again, or not.
  std::string closed(below(random, 2) ? marks.size() : 0,
                     "}])>"[std::string_view("{[(<").find(open)]);
  text.insert(drawToken(text, random).end, marks + closed);
}

void insertLong(std::string &text, std::mt19937 &random) {
  static const size_t sizes[] = {41, 300, 5000, 100000};
  Range token = drawToken(text, random);
  std::string word = cut(text, token), longWord;
  size_t size = sizes[below(random, std::size(sizes))];
  while (longWord.size() < size) {
    longWord += word.empty() ? "x" : word;
  }
  put(text, token, longWord);
}

} // namespace

std::string ptxsim::test::damage(std::string text, Damage kind,
                                 std::mt19937 &random, size_t most) {
  static const std::string_view ends[] = {"/*",    "/", "//", "\"", "\"\\\"",
                                          "/*\n*", "@", "::", "."};
  if (text.empty()) {
    text = " ";
  }
  Range range;
  switch (kind) {
  case Damage::FlipByte:
    text[below(random, text.size())] ^= char(1 + below(random, 255));
    break;
  case Damage::DropToken:
    put(text, drawToken(text, random), "");
    break;
  case Damage::DropLine:
    put(text, drawLine(text, random), "");
    break;
  case Damage::RepeatToken:
    range = drawToken(text, random);
    text.insert(range.end, cut(text, range));
    break;
  case Damage::RepeatLine:
    range = drawLine(text, random);
    text.insert(drawLine(text, random).end, cut(text, range));
    break;
  case Damage::SwapTokens:
    swapTokens(text, random);
    break;
  case Damage::CopyToken:
    range = drawToken(text, random);
    put(text, drawToken(text, random), cut(text, range));
    break;
  case Damage::Truncate:
    text.resize(below(random, text.size()));
    break;
  case Damage::ChangeNumber:
    changeNumber(text, random);
    break;
  case Damage::Nest:
    nest(text, random);
    break;
  case Damage::LongToken:
    insertLong(text, random);
    break;
  case Damage::OpenEnd:
    text.insert(drawToken(text, random).end,
                ends[below(random, std::size(ends))]);
    break;
  case Damage::Count:
    break;
  }
  text.resize(std::min(text.size(), most));
  return text;
}

std::string ptxsim::test::mutate(std::string text, std::mt19937 &random,
                                 size_t most) {
  size_t first = below(random, 4);
  for (size_t n = 0; n <= first; ++n) {
    Damage kind = Damage(below(random, size_t(Damage::Count)));
    // What ends or buries the rest of the text comes less often.
    bool isHeavy = kind == Damage::Truncate || kind == Damage::Nest ||
                   kind == Damage::LongToken || kind == Damage::OpenEnd;
    if (isHeavy && below(random, 4)) {
      kind = Damage::SwapTokens;
    }
    text = damage(std::move(text), kind, random, most);
  }
  return text;
}
