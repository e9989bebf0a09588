//===- Float8Test.cpp - What 8-bit floats mean on this machine ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Support/FloatFormats.h"
#include "attn/Target/Host/Host.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/APFloat.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace attn;

namespace {

/// Every byte through `arith.extf` to f32, directly and by way of f16, is the
/// number that LLVM's own formats say.
void expectAllCodes(StringRef type, const llvm::fltSemantics &semantics) {
  MLIRContext context;
  context
      .loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect>();
  std::string text = R"(
    func.func @direct(%code: i8) -> f32 {
      %x = arith.bitcast %code : i8 to TYPE
      %y = arith.extf %x : TYPE to f32
      return %y : f32
    }
    func.func @half(%code: i8) -> f32 {
      %x = arith.bitcast %code : i8 to TYPE
      %h = arith.extf %x : TYPE to f16
      %y = arith.extf %h : f16 to f32
      return %y : f32
    })";
  for (size_t at; (at = text.find("TYPE")) != std::string::npos;) {
    text.replace(at, 4, type.str());
  }
  auto module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module);
  auto library = HostLibrary::create(*module);
  ASSERT_TRUE(succeeded(library));
  for (const char *name : {"direct", "half"}) {
    auto *extend =
        reinterpret_cast<float (*)(int8_t)>((*library)->lookup(name));
    ASSERT_TRUE(extend) << name;
    for (unsigned code = 0; code < 256; ++code) {
      llvm::APFloat exact(semantics, llvm::APInt(8, code));
      float got = extend(int8_t(code));
      if (exact.isNaN()) {
        EXPECT_TRUE(std::isnan(got)) << name << " of " << code << " is " << got;
        continue;
      }
      EXPECT_EQ(got, exact.convertToFloat()) << name << " of " << code;
      EXPECT_EQ(std::signbit(got), exact.isNegative()) << name << " " << code;
    }
  }
}

/// Numbers at, between and next to those of a type are rounded as the tables of
/// FloatFormats.h say, from f32 and from f16.
void expectRounding(StringRef type, FloatFormat format) {
  MLIRContext context;
  context
      .loadDialect<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect>();
  std::string text = R"(
    func.func @single(%x: f32) -> i8 {
      %y = arith.truncf %x : f32 to TYPE
      %code = arith.bitcast %y : TYPE to i8
      return %code : i8
    }
    func.func @half(%bits: i16) -> i8 {
      %x = arith.bitcast %bits : i16 to f16
      %y = arith.truncf %x : f16 to TYPE
      %code = arith.bitcast %y : TYPE to i8
      return %code : i8
    })";
  for (size_t at; (at = text.find("TYPE")) != std::string::npos;) {
    text.replace(at, 4, type.str());
  }
  auto module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module);
  auto library = HostLibrary::create(*module);
  ASSERT_TRUE(succeeded(library));
  auto *single =
      reinterpret_cast<int8_t (*)(float)>((*library)->lookup("single"));
  auto *half =
      reinterpret_cast<int8_t (*)(int16_t)>((*library)->lookup("half"));
  ASSERT_TRUE(single && half);
  auto isNaN = [&](unsigned code) {
    return std::isnan(decodeFloat(code & 0xff, format));
  };
  auto expect = [&](unsigned got, double value) {
    unsigned wanted = encodeFloat(value, format);
    EXPECT_TRUE(isNaN(wanted) ? isNaN(got) : (got & 0xff) == wanted)
        << value << " is " << (got & 0xff) << ", not " << wanted;
  };
  for (unsigned code = 0; code < 128; ++code) {
    float low = float(decodeFloat(code, format)),
          high = float(decodeFloat(code + 1, format));
    float middle = std::isfinite(high) ? (low + high) / 2 : low * 1.0625f;
    for (float x : {low, middle}) {
      for (float y :
           {x, std::nextafterf(x, 1e30f), std::nextafterf(x, -1e30f)}) {
        expect(uint8_t(single(y)), y);
        expect(uint8_t(single(-y)), -y);
      }
    }
  }
  for (float x : {61440.f, 61439.f, 464.f, 464.5f, 1e30f, 1e-30f, HUGE_VALF}) {
    expect(uint8_t(single(x)), x);
    expect(uint8_t(single(-x)), -x);
  }
  for (unsigned bits = 0; bits < 1 << 16; bits += 7) {
    expect(uint8_t(half(int16_t(bits))), decodeFloat(bits, kHalf));
  }
}

TEST(Float8Test, E4M3) {
  expectAllCodes("f8E4M3FN", llvm::APFloat::Float8E4M3FN());
  expectRounding("f8E4M3FN", kFloat8E4M3FN);
}

TEST(Float8Test, E5M2) {
  expectAllCodes("f8E5M2", llvm::APFloat::Float8E5M2());
  expectRounding("f8E5M2", kFloat8E5M2);
}

} // namespace
