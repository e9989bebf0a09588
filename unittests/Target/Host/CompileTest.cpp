//===- CompileTest.cpp - Code for this machine ----------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Target/Host/Host.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace attn;

namespace {

class CompileTest : public ::testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<arith::ArithDialect, func::FuncDialect,
                        LLVM::LLVMDialect>();
  }

  std::unique_ptr<HostLibrary> load(const char *text) {
    auto module = parseSourceString<ModuleOp>(text, &context);
    if (!module) {
      return nullptr;
    }
    auto library = HostLibrary::create(*module);
    return succeeded(library) ? std::move(*library) : nullptr;
  }

  MLIRContext context;
};

using Unary = int64_t (*)(int64_t);

// Functions that refer to each other, or to one variable, must stay in one
// object; constants may be copied.
const char *const kProgram = R"(
  llvm.mlir.global internal constant @three(3 : i64) : i64
  func.func @addThree(%x: i64) -> i64 {
    %p = llvm.mlir.addressof @three : !llvm.ptr
    %c = llvm.load %p : !llvm.ptr -> i64
    %y = arith.addi %x, %c : i64
    return %y : i64
  }
  func.func @timesThree(%x: i64) -> i64 {
    %p = llvm.mlir.addressof @three : !llvm.ptr
    %c = llvm.load %p : !llvm.ptr -> i64
    %y = arith.muli %x, %c : i64
    return %y : i64
  }
  func.func @both(%x: i64) -> i64 {
    %y = func.call @addThree(%x) : (i64) -> i64
    %z = func.call @helper(%y) : (i64) -> i64
    return %z : i64
  }
  func.func private @helper(%x: i64) -> i64 {
    %y = arith.addi %x, %x : i64
    return %y : i64
  }
  func.func @same(%x: i64) -> i64 { return %x : i64 }
  func.func @same2(%x: i64) -> i64 { return %x : i64 }
  func.func @same3(%x: i64) -> i64 { return %x : i64 }
)";

TEST_F(CompileTest, FunctionsAreCompiledSideBySide) {
  auto library = load(kProgram);
  ASSERT_TRUE(library);
  auto call = [&](const char *name, int64_t x) {
    auto f = reinterpret_cast<Unary>(library->lookup(name));
    return f ? f(x) : -1;
  };
  EXPECT_EQ(call("addThree", 4), 7);
  EXPECT_EQ(call("timesThree", 4), 12);
  EXPECT_EQ(call("both", 4), 14);
  EXPECT_EQ(call("same3", 9), 9);
  EXPECT_EQ(library->lookup("three"), nullptr);
}

TEST_F(CompileTest, VariablesAreNotCopied) {
  auto library = load(R"(
    llvm.mlir.global internal @state(1 : i64) : i64
    func.func @set(%x: i64) -> i64 {
      %p = llvm.mlir.addressof @state : !llvm.ptr
      llvm.store %x, %p : i64, !llvm.ptr
      return %x : i64
    }
    func.func @get(%x: i64) -> i64 {
      %p = llvm.mlir.addressof @state : !llvm.ptr
      %y = llvm.load %p : !llvm.ptr -> i64
      return %y : i64
    }
  )");
  ASSERT_TRUE(library);
  auto set = reinterpret_cast<Unary>(library->lookup("set"));
  auto get = reinterpret_cast<Unary>(library->lookup("get"));
  ASSERT_TRUE(set && get);
  EXPECT_EQ(get(0), 1);
  set(42);
  EXPECT_EQ(get(0), 42);
}

TEST_F(CompileTest, BytesDoNotDependOnThreads) {
  auto module = parseSourceString<ModuleOp>(kProgram, &context);
  ASSERT_TRUE(module);
  auto many = compileForHost(*module);
  context.disableMultithreading();
  auto one = compileForHost(*module);
  ASSERT_TRUE(succeeded(many) && succeeded(one));
  EXPECT_EQ(ArrayRef<char>(*many), ArrayRef<char>(*one));
}

TEST_F(CompileTest, CallsOfOthersAreRefusedByName) {
  std::string text;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &d) {
    text += d.str();
    return success();
  });
  EXPECT_FALSE(load(R"(
    func.func private @elsewhere(i64) -> i64
    func.func @caller(%x: i64) -> i64 {
      %y = func.call @elsewhere(%x) : (i64) -> i64
      return %y : i64
    }
  )"));
  EXPECT_NE(text.find("but got calls of elsewhere"), std::string::npos) << text;
}

} // namespace
