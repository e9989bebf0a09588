//===- ParserTest.cpp - PTX text as data ----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ptxsim/Parser.h"
#include "ptxsim/File.h"

#include <filesystem>
#include <gtest/gtest.h>
#include <random>

using namespace ptxsim;

namespace {

const std::string kHead = ".version 8.3\n.target sm_80\n.address_size 64\n";

/// The body of a kernel `k`.
Result<Module> parseBody(const std::string &body) {
  return parseModule(kHead + ".visible .entry k(.param .u64 p)\n{\n" + body +
                     "\n}\n");
}

Function bodyOf(const std::string &body) {
  Result<Module> module = parseBody(body);
  EXPECT_TRUE(module) << (module ? "" : module.message());
  return module && !module->functions.empty() ? module->functions[0]
                                              : Function();
}

std::string errorOf(const std::string &body) {
  Result<Module> module = parseBody(body);
  return module ? "no error" : module.message();
}

TEST(ParserTest, Head) {
  Result<Module> module =
      parseModule(".version 8.6\n.target sm_90a, debug\n.address_size 64\n"
                  ".file 1 \"a.cu\", 12, 34\n");
  ASSERT_TRUE(module) << module.message();
  EXPECT_EQ(module->versionMajor, 8u);
  EXPECT_EQ(module->versionMinor, 6u);
  EXPECT_EQ(module->target, "sm_90a");
  EXPECT_EQ(module->chip, 90u);
  EXPECT_EQ(module->files.at(1), "a.cu");
}

TEST(ParserTest, Parameters) {
  Result<Module> module = parseModule(
      kHead + ".visible .entry k(.param .u64 .ptr .global .align 16 a,\n"
              ".param .align 64 .b8 map[128], .param .f32 x)\n"
              ".maxntid 128, 2, 1 .minnctapersm 2 .reqntid 64 { ret; }");
  ASSERT_TRUE(module) << module.message();
  const Function &f = module->functions[0];
  ASSERT_EQ(f.parameters.size(), 3u);
  EXPECT_EQ(f.parameters[0].bytes, 8u);
  EXPECT_EQ(f.parameters[0].pointerSpace, Space::Global);
  EXPECT_EQ(f.parameters[0].align, 8u);
  EXPECT_EQ(f.parameters[1].bytes, 128u);
  EXPECT_EQ(f.parameters[1].align, 64u);
  EXPECT_EQ(f.parameters[2].bytes, 4u);
  EXPECT_EQ(f.maxThreads[1], 2u);
  EXPECT_EQ(f.requiredThreads[0], 64u);
  EXPECT_EQ(f.requiredThreads[2], 1u);
  EXPECT_EQ(f.minCtasPerSm, 2u);
}

TEST(ParserTest, Variables) {
  Result<Module> module = parseModule(
      kHead + ".extern .shared .align 128 .b8 dynamic[];\n"
              ".global .align 4 .u16 table[2][3] = {{1, 2, 3}, {0xFF, -1}};\n"
              ".const .f32 one = 0f3F800000;\n");
  ASSERT_TRUE(module) << module.message();
  EXPECT_TRUE(module->variables[0].isExternal);
  EXPECT_EQ(module->variables[0].bytes, 0u);
  EXPECT_EQ(module->variables[0].align, 128u);
  EXPECT_EQ(module->variables[1].bytes, 12u);
  EXPECT_EQ(module->variables[1].initial,
            (std::vector<uint8_t>{1, 0, 2, 0, 3, 0, 255, 0, 255, 255, 0, 0}));
  EXPECT_EQ(module->variables[2].initial,
            (std::vector<uint8_t>{0, 0, 0x80, 0x3F}));
}

TEST(ParserTest, RegistersAndScopes) {
  Function f = bodyOf(".reg .b32 %r<3>;\n.reg .pred p, %q;\n"
                      "{ .reg .b64 %r1; mov.b64 %r1, 0; }\n"
                      "mov.b32 %r1, %r2;");
  EXPECT_EQ(f.registers.at("%r1"), RegisterWidth::B32);
  EXPECT_EQ(f.registers.at("p"), RegisterWidth::Pred);
  ASSERT_EQ(f.body.size(), 2u);
  // The inner one is another register.
  std::string inner = f.body[0].operands[0].name;
  EXPECT_NE(inner, "%r1");
  EXPECT_EQ(f.registers.at(inner), RegisterWidth::B64);
  EXPECT_EQ(f.body[1].operands[0].name, "%r1");
}

TEST(ParserTest, OpcodesAndOperands) {
  Function f = bodyOf(
      ".reg .b32 %r<9>; .reg .b64 %rd<4>; .reg .pred %p<3>;\n"
      "@!%p1 ld.shared::cta.v2.f32 {%r1, _}, [%rd1+-8];\n"
      "setp.lt.and.s32 %p1|%p2, %r1, -5, !%p0;\n"
      "mov.u32 %r2, %tid.x;\n"
      "fma.rn.f32 %r3, %r1, 0fBF800000, 1.5;\n"
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx"
      "::bytes [%rd1], [%rd2, {%r1, %r2}], [%rd3];\n"
      "mov.b32 %r4, 0b101;\nmov.b32 %r4, 017;\nmov.b32 %r4, 0x1FU;\n");
  ASSERT_EQ(f.body.size(), 8u);
  const Instruction &load = f.body[0];
  EXPECT_EQ(load.opcode, "ld");
  EXPECT_EQ(load.modifiers,
            (std::vector<std::string>{"shared::cta", "v2", "f32"}));
  EXPECT_EQ(load.guard, "%p1");
  EXPECT_TRUE(load.guardIsNegated);
  EXPECT_EQ(load.operands[0].kind, Operand::Kind::Vector);
  EXPECT_EQ(load.operands[0].elements[1].kind, Operand::Kind::Sink);
  EXPECT_EQ(load.operands[1].kind, Operand::Kind::Address);
  EXPECT_EQ(load.operands[1].offset, -8);
  EXPECT_EQ(load.operands[1].elements[0].name, "%rd1");
  const Instruction &compare = f.body[1];
  EXPECT_EQ(compare.operands[0].kind, Operand::Kind::Pair);
  EXPECT_EQ(int64_t(compare.operands[2].bits), -5);
  EXPECT_TRUE(compare.operands[3].isNegated);
  EXPECT_EQ(f.body[2].operands[1].kind, Operand::Kind::Special);
  EXPECT_EQ(f.body[2].operands[1].name, "%tid.x");
  EXPECT_TRUE(f.body[3].operands[2].isSingle);
  EXPECT_EQ(f.body[3].operands[2].bits, 0xBF800000u);
  EXPECT_EQ(f.body[3].operands[3].bits, 0x3FF8000000000000u);
  EXPECT_EQ(f.body[4].modifiers.back(), "mbarrier::complete_tx::bytes");
  EXPECT_EQ(f.body[4].operands[1].elements[1].elements.size(), 2u);
  EXPECT_EQ(f.body[5].operands[1].bits, 5u);
  EXPECT_EQ(f.body[6].operands[1].bits, 15u);
  EXPECT_EQ(f.body[7].operands[1].bits, 31u);
}

TEST(ParserTest, Labels) {
  Function f = bodyOf(".reg .pred %p<2>; .reg .b32 %r<2>;\n"
                      "bra $END;\n"
                      "{ WAIT: @%p1 bra WAIT; }\n"
                      "{ WAIT: @%p1 bra WAIT; bra DONE; DONE: }\n"
                      "ts: .branchtargets $END, TOP;\nTOP: brx.idx %r1, ts;\n"
                      "$END: ret;\n");
  ASSERT_EQ(f.body.size(), 6u);
  EXPECT_EQ(f.labels.at(f.body[0].operands[0].name), 5u);
  EXPECT_EQ(f.labels.at(f.body[1].operands[0].name), 1u);
  // The label of the second scope, not of the first.
  EXPECT_EQ(f.labels.at(f.body[2].operands[0].name), 2u);
  EXPECT_EQ(f.labels.at(f.body[3].operands[0].name), 4u);
  EXPECT_EQ(f.branchTargets.at("ts"),
            (std::vector<std::string>{"$END", "TOP"}));
}

TEST(ParserTest, SourceLines) {
  Function f = bodyOf(".reg .b32 %r<2>;\n.loc 1 17 5\nmov.b32 %r1, 1;\n"
                      ".loc 2 3 4, function_name $L__info, inlined_at 1 18 7\n"
                      "mov.b32 %r1, 2;");
  EXPECT_EQ(f.body[0].source.line, 17u);
  EXPECT_EQ(f.body[1].source.file, 2u);
  EXPECT_EQ(f.body[1].location.line, 10u);
}

TEST(ParserTest, Errors) {
  EXPECT_EQ(errorOf("mov.b32 %r1 1;"),
            "line 6, column 13: expects ';', but got '1'");
  EXPECT_EQ(errorOf("@%p9 ret;"),
            "line 6, column 2: expects a declared predicate, but got '%p9'");
  EXPECT_EQ(errorOf(".reg .b33 %r;"),
            "line 6, column 6: expects a type of registers, but got '.b33'");
  EXPECT_EQ(errorOf(".reg .b32 %r<9999999>;"),
            "line 6, column 14: expects a number of registers of at most "
            "1048576, but got '9999999'");
  EXPECT_EQ(errorOf("A: ret;\nA: ret;"),
            "line 7, column 1: label 'A' is defined a second time");
  EXPECT_EQ(errorOf(".shared .align 3 .b8 x[4];"),
            "line 6, column 9: expects an alignment that is a power of two, "
            "but got 3");
  EXPECT_EQ(errorOf("mov.f32 %f1, 0f12;"),
            "line 6, column 14: expects 8 hexadecimal digits, but got '0f12'");
  EXPECT_EQ(errorOf("bra {{{{{{{{{{x}}}}}}}}}};"),
            "line 6, column 14: expects an operand that is nested less deeply");
  Result<Module> open = parseModule(kHead + ".entry k() { ret;");
  ASSERT_FALSE(open);
  EXPECT_EQ(open.message(), "line 4, column 18: expects '}', but got the end "
                            "of the text");
  EXPECT_FALSE(parseModule(kHead + "/* open"));
  EXPECT_FALSE(parseModule(".version eight"));
  EXPECT_FALSE(parseModule(".target gfx90a"));
}

/// Bytes and tokens of real kernels, changed in all ways: nothing crashes,
/// hangs or takes much memory.
TEST(ParserTest, SurvivesDamage) {
  std::vector<std::string> texts;
  for (const auto &entry :
       std::filesystem::directory_iterator(PTXSIM_KERNELS)) {
    if (entry.path().extension() == ".ptx") {
      texts.push_back(*readFile(entry.path().string()));
      Result<Module> module = parseModule(texts.back());
      EXPECT_TRUE(module) << entry.path() << ": "
                          << (module ? "" : module.message());
    }
  }
  ASSERT_FALSE(texts.empty());
  std::mt19937 random(1);
  size_t accepted = 0, refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string text = texts[random() % texts.size()];
    for (unsigned n = 1 + random() % 4; n > 0; --n) {
      size_t at = random() % text.size();
      switch (random() % 4) {
      case 0:
        text[at] = char(random());
        break;
      case 1:
        text.erase(at, 1 + random() % 40);
        break;
      case 2:
        text.insert(at, text.substr(random() % text.size(), random() % 40));
        break;
      default:
        text.insert(at, 1, "{}[]();:,.\"@!-0%|"[random() % 17]);
      }
    }
    (parseModule(text) ? accepted : refused) += 1;
  }
  EXPECT_GT(accepted, 0u);
  EXPECT_GT(refused, 0u);
}

} // namespace
