//===- Float8Test.cpp - What 8-bit floats mean on this machine ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
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

TEST(Float8Test, E4M3) {
  expectAllCodes("f8E4M3FN", llvm::APFloat::Float8E4M3FN());
}

TEST(Float8Test, E5M2) {
  expectAllCodes("f8E5M2", llvm::APFloat::Float8E5M2());
}

} // namespace
