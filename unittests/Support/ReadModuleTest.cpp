//===- ReadModuleTest.cpp - Text that is too deep is refused --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/ReadModule.h"

#include <gtest/gtest.h>

using namespace attn;

static std::string repeat(StringRef text, unsigned times) {
  std::string all;
  for (unsigned i = 0; i < times; ++i) {
    all += text;
  }
  return all;
}

/// "" or where and what.
static std::string scan(const std::string &text) {
  auto error = findTooDeep(text);
  return error ? std::to_string(error->line) + ":" +
                     std::to_string(error->column) + ": " + error->message
               : "";
}

TEST(ReadModule, BracketsAtTheLimit) {
  for (StringRef bracket : {"(", "[", "{", "<"}) {
    EXPECT_EQ("", scan(repeat(bracket, 256)));
    EXPECT_EQ("1:257: expects brackets nested at most 256 deep, but this '" +
                  bracket.str() + "' is at depth 257",
              scan(repeat(bracket, 257)));
  }
  EXPECT_EQ("2:129: expects brackets nested at most 256 deep, but this '{' is "
            "at depth 257",
            scan(repeat("([", 64) + "\n" + repeat("{(", 100)));
}

TEST(ReadModule, BracketsThatCloseAreNotCounted) {
  EXPECT_EQ("", scan(repeat("()[]{}<>", 1000)));
  EXPECT_EQ("", scan(repeat("([{<x>}])", 1000)));
  // Comparisons open nothing that lasts.
  EXPECT_EQ("", scan("where (" + repeat("m < 3 and ", 1000)));
  EXPECT_EQ("", scan(repeat("(m < 3) or ", 1000)));
  EXPECT_EQ("", scan(repeat("m <= 3, m >= 3, () -> ()", 1000)));
}

TEST(ReadModule, StringsAndCommentsHideBrackets) {
  EXPECT_EQ("", scan("\"" + repeat("[", 1000) + "\""));
  EXPECT_EQ("", scan("\"\\\"" + repeat("[", 1000) + "\""));
  EXPECT_EQ("", scan("// " + repeat("[", 1000) + "\n["));
  EXPECT_NE("", scan("\"\\\\\"" + repeat("[", 257)));
  EXPECT_NE("", scan("// \n" + repeat("[", 257)));
  // A string that does not end hides its own line only.
  EXPECT_NE("", scan("\"\n" + repeat("[", 257)));
  EXPECT_EQ("", scan("\"" + repeat("[", 257)));
  EXPECT_EQ("", scan("\"\\"));
}

TEST(ReadModule, OperatorsAtTheLimit) {
  EXPECT_EQ("", scan("1" + repeat("+1", 256)));
  EXPECT_EQ("1:514: expects at most 256 operators in an expression, but this "
            "'+' is number 257",
            scan("1" + repeat("+1", 257)));
  EXPECT_NE("", scan(repeat("-", 257)));
  EXPECT_NE("", scan("m" + repeat(" floordiv 3", 100) + " * " +
                     repeat("(2 ceildiv ", 157)));
  // What a bracket holds belongs to the expression around it.
  EXPECT_NE("", scan(repeat("(m+1)*", 129)));
  EXPECT_NE("", scan(repeat("(", 129) + repeat("+1)+1", 129)));
}

TEST(ReadModule, DivisionsAtTheLimit) {
  EXPECT_EQ("", scan("m" + repeat(" mod 3", 16)));
  EXPECT_EQ("1:99: expects at most 16 divisions inside of one another, but "
            "this 'mod' is number 17",
            scan("m" + repeat(" mod 3", 17)));
  EXPECT_EQ("", scan(repeat("(", 16) + "m" + repeat(" ceildiv 3)", 16)));
  EXPECT_NE("", scan(repeat("(", 17) + "m" + repeat(" floordiv 3)", 17)));
  EXPECT_NE("", scan(repeat("(2 * ", 17) + "m" + repeat(" + 1) mod 7", 17)));
  EXPECT_NE("", scan(repeat("2 ceildiv (1 + ", 17) + "m" + repeat(")", 17)));
  EXPECT_NE("", scan(repeat("(m + ", 17) + "m" + repeat(") mod 7", 17)));
  // Side by side they are not inside of one another.
  EXPECT_EQ("", scan(repeat("(m mod 3) + ", 100)));
  EXPECT_EQ("", scan(repeat("m mod 3 - ", 100)));
  EXPECT_EQ("", scan(repeat("(2 * (m mod 3) + n mod 4) mod 5 + ", 30)));
  EXPECT_EQ("", scan(repeat("m mod 3 - 1 >= 0 and ", 100)));
}

TEST(ReadModule, ManyExpressionsAreNotOne) {
  EXPECT_EQ("", scan(repeat("m + 1 - n * 2, ", 1000)));
  EXPECT_EQ("", scan(repeat("m + 1 <= 3 and ", 1000)));
  EXPECT_EQ("", scan(repeat("%a = arith.constant -1 : i32\n", 1000)));
  EXPECT_EQ("", scan("dense<[" + repeat("[-1, -2], ", 1000) + "]>"));
  EXPECT_EQ("", scan(repeat("%a[m + 1], ", 1000)));
}

TEST(ReadModule, AliasesAreAsDeepAsWhatTheyStandFor) {
  auto chain = [](StringRef form, unsigned count) {
    std::string text =
        form.front() == '!' ? "!a0 = tuple<i1>\n" : "#a0 = [1]\n";
    for (unsigned i = 1; i < count; ++i) {
      std::string line = form.str();
      for (auto [mark, number] : {std::pair('A', i), std::pair('B', i - 1)}) {
        line.replace(line.find(mark), 1, "a" + std::to_string(number));
      }
      text += line + "\n";
    }
    return text;
  };
  EXPECT_EQ("", scan(chain("#A = [#B]", 100)));
  for (StringRef form :
       {"#A = [#B]", "#A =\n[\n#B]", "!A = tuple<!B>", "!A = tuple\n<!B>",
        "!A = () -> !B", "!A = ()\n-> !B", "!A = () -> // x\n !B"}) {
    EXPECT_NE("", scan(chain(form, 300))) << form.str();
  }
  // What stands behind a definition is not of it, and equal depths side by side
  // do not add up.
  EXPECT_EQ("", scan("#a = [[1]]\n" + repeat("func @f {[#a]}\n", 1000)));
  EXPECT_EQ("", scan("#a = [[1]]\n#b = [" + repeat("#a, ", 1000) + "]\n"));
}
