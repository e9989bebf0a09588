//===- FuzzTest.cpp - Any text is safe to give ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Damaged kernels and hand-made texts through what the fuzzer does to a text.
// ATTN_TEST_SEED draws other damage, ATTN_TEST_LONG more of it. With
// PTXSIM_FUZZ_KEEP=file each text stands in that file before it is tried: after
// a crash, it holds the culprit.
//
//===----------------------------------------------------------------------===//
#include "fuzz/Mutator.h"
#include "fuzz/Target.h"
#include "ptxsim/Device.h"
#include "ptxsim/File.h"
#include "ptxsim/Parser.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace ptxsim;
using namespace ptxsim::test;

namespace {

const std::string kHead = ".version 8.3\n.target sm_80\n.address_size 64\n";
constexpr size_t kMostBytes = 1 << 20;

unsigned baseSeed() {
  const char *given = std::getenv("ATTN_TEST_SEED");
  return given ? unsigned(std::strtoul(given, nullptr, 10)) : 1;
}

/// How often more than in the short run.
unsigned factor() { return std::getenv("ATTN_TEST_LONG") ? 10 : 1; }

std::string repeat(const std::string &text, size_t count) {
  std::string all;
  all.reserve(text.size() * count);
  for (size_t i = 0; i < count; ++i) {
    all += text;
  }
  return all;
}

std::string inKernel(const std::string &body) {
  return kHead + ".visible .entry k(.param .u64 p)\n{\n" + body + "\n}\n";
}

/// Why the text or its kernel `k` is refused.
std::string errorOf(const std::string &text) {
  auto device = Device::create();
  auto module = device->loadModule(text);
  if (!module) {
    return module.message();
  }
  auto kernel = (*module)->kernel("k");
  return kernel ? "no error" : kernel.message();
}

class FuzzTest : public testing::Test {
protected:
  // What hangs ends by SIGALRM: a failure, and not a run for hours.
  void SetUp() override { alarm(300 * factor()); }
  void TearDown() override { alarm(0); }

  /// `what` says in a failure how to get at the text again.
  void tryOne(const std::string &text, const std::string &what) {
    if (const char *file = std::getenv("PTXSIM_FUZZ_KEEP")) {
      std::ofstream(file, std::ios::binary) << text;
    }
    Outcome outcome = tryText(text);
    EXPECT_EQ(outcome.complaint, "") << what;
    numParsed += outcome.isParsed;
    numDecoded += outcome.numDecoded;
    numRefused += outcome.numRefused;
  }

  unsigned numParsed = 0, numDecoded = 0, numRefused = 0;
};

TEST_F(FuzzTest, KernelsWithDamage) {
  std::vector<std::filesystem::path> paths;
  for (const auto &entry :
       std::filesystem::directory_iterator(PTXSIM_KERNELS)) {
    if (entry.path().extension() == ".ptx") {
      paths.push_back(entry.path());
    }
  }
  ASSERT_FALSE(paths.empty());
  for (const auto &path : paths) {
    std::string whole = *readFile(path.string());
    Outcome undamaged = tryText(whole);
    ASSERT_TRUE(undamaged.isParsed) << path;
    ASSERT_GT(undamaged.numDecoded, 0u) << path;
    ASSERT_EQ(undamaged.numRefused, 0u) << path;
    // Long texts take their time.
    size_t count = std::clamp<size_t>((4 << 20) / whole.size(), 8, 300);
    for (size_t i = 0; i < count * factor(); ++i) {
      unsigned seed = unsigned(baseSeed() * 100'000 + i);
      std::mt19937 random(seed);
      tryOne(mutate(whole, random, kMostBytes),
             path.filename().string() + ", seed " + std::to_string(seed));
    }
  }
  EXPECT_GT(numDecoded, 0u);
}

/// Some instructions at a time, so that the others do not hide behind the first
/// that is wrong.
TEST_F(FuzzTest, InstructionsWithDamage) {
  std::string whole = *readFile(PTXSIM_FUZZ "/instructions.ptx");
  Outcome undamaged = tryText(whole);
  ASSERT_EQ(undamaged.complaint, "");
  ASSERT_EQ(undamaged.numDecoded, 1u) << errorOf(whole);
  const std::string mark = "// instructions\n";
  size_t at = whole.find(mark) + mark.size();
  std::string head = whole.substr(0, at);
  std::vector<std::string> lines;
  for (size_t end; (end = whole.find('\n', at)) != std::string::npos;
       at = end + 1) {
    lines.push_back(whole.substr(at, end + 1 - at));
  }
  ASSERT_GT(lines.size(), 100u);
  lines.pop_back(); // the brace
  for (unsigned i = 0; i < 3000 * factor(); ++i) {
    unsigned seed = baseSeed() * 100'000 + i;
    std::mt19937 random(seed);
    std::string body;
    for (int n = 0; n < 4; ++n) {
      body += lines[random() % lines.size()];
    }
    tryOne(head + mutate(body, random, 1 << 16) + "}\n",
           "seed " + std::to_string(seed));
  }
  // Damage that nothing sees, and damage that only decoders see.
  EXPECT_GT(numDecoded, 100u);
  EXPECT_GT(numRefused, 100u);
}

TEST_F(FuzzTest, EachDamageAlone) {
  std::string whole = *readFile(PTXSIM_FUZZ "/instructions.ptx");
  for (unsigned kind = 0; kind < unsigned(Damage::Count); ++kind) {
    unsigned numChanged = 0;
    for (unsigned seed = 0; seed < 10; ++seed) {
      std::mt19937 random(seed), same(seed);
      std::string text = damage(whole, Damage(kind), random, kMostBytes);
      EXPECT_EQ(text, damage(whole, Damage(kind), same, kMostBytes));
      numChanged += text != whole;
      tryOne(text, "damage " + std::to_string(kind) + ", seed " +
                       std::to_string(seed));
      EXPECT_LE(damage(whole, Damage(kind), random, 100).size(), 100u);
      damage("", Damage(kind), random, 100);
    }
    EXPECT_GE(numChanged, 5u) << "damage " << kind;
  }
}

/// Sizes at which recursion or a square of the length would show.
TEST_F(FuzzTest, Extremes) {
  constexpr size_t many = 50'000;
  for (const std::string mark : {"{", "[", "(", "<", "-", "!", "@", "|", "{ ; ",
                                 "\"", "/*", "//", ".", "::", "}", "%", "+1"}) {
    std::string marks = repeat(mark, many);
    for (const std::string &text :
         {marks, inKernel(marks), inKernel("mov.b32 " + marks + ";"),
          inKernel("bra [p" + marks + "];"), inKernel(".reg .b32 " + marks),
          inKernel(".shared .b8 a" + marks + ";"),
          kHead + ".global .b8 a[4] = " + marks,
          kHead + ".global .b8 a" + marks, kHead + ".section a " + marks,
          kHead + ".entry k" + marks}) {
      tryOne(text, "many '" + mark + "' in " + text.substr(0, 100));
    }
  }
  std::string functions, labels = ".reg .pred %p;", scopes, names;
  for (size_t i = 0; i < 5'000; ++i) {
    std::string n = std::to_string(i);
    functions += ".func f" + n + ";\n";
    labels += "L" + n + ": @%p bra L" + n + ";\n";
    scopes += "{ .reg .b32 %r" + n + "; }\n";
    names += ".reg .b32 %r" + n + ";\n";
  }
  tryOne(kHead + functions, "functions");
  EXPECT_EQ(errorOf(inKernel(labels)), "no error");
  EXPECT_EQ(errorOf(inKernel(scopes)), "no error");
  EXPECT_EQ(errorOf(inKernel(names)), "no error");
  tryOne(inKernel(repeat("{\n", 64) + repeat("%a ", many)), "scopes");
  tryOne(repeat("x", 1 << 20), "a long word");
  tryOne(inKernel(".reg .b32 %r; " + repeat("ld.", many) + "b32 %r, %r;"),
         "modifiers");
  // Few of these texts are PTX.
  EXPECT_LT(numDecoded, 10u);
}

/// Control flow without an end, with several, and around nothing.
TEST_F(FuzzTest, Shapes) {
  for (const std::string body :
       {"", "A:", "A: bra A;", "bra A; A:", "A: @%p bra A;", "@%p ret;",
        "@%p bra A; ret; A: ret;", "@%p bra A; B: bra B; A: ret;",
        "@%p bra B; A: bra C; B: bra C; C: @%p bra A; bra B;",
        "A: bra B; B: bra A; C: bra C;", "@%p bra A; trap; A: exit; A1: ret;",
        "{ A: bra B; } B: { A: @%p bra A; }"}) {
    tryOne(inKernel(".reg .pred %p;\n" + body), body);
  }
  EXPECT_EQ(numDecoded, 12u);
}

/// What was wrong once, as small as it can be.
TEST_F(FuzzTest, Regressions) {
  for (const std::string text : {"",
                                 "\n",
                                 "\0",
                                 "/",
                                 "/*",
                                 "/*/",
                                 "\"",
                                 ".",
                                 "::",
                                 "0",
                                 "0x",
                                 "1e",
                                 ".version",
                                 ".version 8.",
                                 ".target",
                                 ".target sm_",
                                 ".entry",
                                 ".file 1",
                                 ".loc 1 1",
                                 ".pragma",
                                 ".section",
                                 ".section a",
                                 "\xFF\xFE",
                                 ".global",
                                 ".global .v4",
                                 ".func (",
                                 ".entry k(.param",
                                 "k:"}) {
    tryOne(text, "'" + text + "'");
  }
  tryOne(std::string(1, '\0'), "a zero");
  tryOne(inKernel(std::string("mov.b32 %a\0b, 1;", 17)), "a zero inside");
  // Offsets that add up to more than 64 bits.
  std::string large = "+4611686018427387904";
  EXPECT_EQ(errorOf(inKernel(".reg .b32 %r; ld.global.u32 %r, [0" +
                             repeat(large, 3) + "];")),
            "no error");
  EXPECT_EQ(errorOf(inKernel(".reg .b64 %r; .shared .b8 s[4];\nmov.u64 %r, s" +
                             repeat(large, 3) + ";")),
            "no error");
  // Scopes within scopes, which each name is looked for in.
  EXPECT_EQ(errorOf(inKernel(repeat("{", 63) + repeat("}", 63))), "no error");
  EXPECT_EQ(errorOf(inKernel(repeat("{", 100))),
            "line 6, column 65: expects braces that are nested less deeply");
  // Memory that a short text asks for.
  std::string registers = ".reg .b32 %r<60000>;\n";
  EXPECT_EQ(errorOf(inKernel(registers)), "no error");
  std::string kernels = kHead;
  for (int i = 0; i < 3; ++i) {
    kernels += ".entry k" + std::to_string(i) + "() {\n" + registers + "}\n";
  }
  EXPECT_EQ(errorOf(kernels), "line 8, column 20: expects at most " +
                                  std::to_string(65536 + kernels.size()) +
                                  " registers in a module of this length");
  EXPECT_EQ(errorOf(kHead + repeat(".global .b8 a[536870912];\n", 3)),
            "line 6, column 13: expects at most 1073741824 bytes of variables "
            "in a module");
  EXPECT_EQ(errorOf(inKernel(".shared .b8 s[268435456] = {1};")),
            "line 6, column 26: expects initial values for .global and .const "
            "only");
  // Sizes that do not fit their place.
  EXPECT_EQ(errorOf(inKernel(".shared .b8 s[4294967296];")),
            "line 4: expects at most 1073741824 bytes of shared memory, but "
            "got 4294967296");
  EXPECT_EQ(errorOf(inKernel(".local .b8 s[4294967312];")),
            "line 4: expects at most 524288 bytes of local memory, but got "
            "4294967312");
  EXPECT_EQ(errorOf(kHead + ".entry k(.param .b8 a[4294967296]) { ret; }"),
            "line 4: expects at most 32764 bytes of parameters, but got "
            "4294967296");
  // Names as long as the text.
  std::string longName = errorOf(inKernel(repeat("x", 5000) + ";"));
  EXPECT_EQ(longName.size(), std::string("line 6: ").size() + 303);
  EXPECT_TRUE(longName.starts_with("line 6: does not know the instruction 'xx"))
      << longName;
  // A special register of 32 bits where 64 are read.
  EXPECT_EQ(errorOf(inKernel(".reg .b32 %r; mbarrier.pending_count.b64 %r, "
                             "%laneid;")),
            "line 6: expects a register of 64 bits, but got '%laneid'");
  // A register of an inner scope with a name of the machine's.
  EXPECT_EQ(errorOf(inKernel(".reg .b32 %a; mov.u32 %a, %laneid;\n"
                             "{ .reg .pred %laneid;\n"
                             "setp.eq.u32 %laneid, %a, 0; }")),
            "no error");
  // Names that no program can use.
  EXPECT_EQ(errorOf(inKernel(".reg .b32 %tid.x;")),
            "line 6, column 11: expects a name, but got '%tid.x'");
  EXPECT_EQ(errorOf(inKernel("a.b: ret;")),
            "line 6, column 1: expects a label, but got 'a.b'");
  EXPECT_EQ(errorOf(inKernel(".generic .b8 a;")),
            "line 6, column 10: expects a variable of .shared, .local or "
            ".param inside of a function");
}

TEST_F(FuzzTest, MessagesAreHeldToTheirForm) {
  const std::string text = "a\nb\n";
  for (const std::string good :
       {"line 1: expects a name", "line 3, column 1: expects a name",
        "cannot allocate 8 bytes for 'a'"}) {
    EXPECT_EQ(checkMessage(good, text), "");
  }
  for (const std::string bad :
       {"", "expects a name", "line 0: expects a name",
        "line 4: expects a name", "line : expects a name",
        "line 1: ", "line 1, column 2:", "line 1: Expects a name",
        "line 1: expects\na name", "line 1: expects \x80 name",
        "line 1, row 2: expects a name"}) {
    EXPECT_NE(checkMessage(bad, text), "") << bad;
  }
  EXPECT_NE(checkMessage("line 1: " + repeat("x", 1000), text), "");
}

} // namespace
