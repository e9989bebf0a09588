//===- EmitTest.cpp - PTX text from modules -------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Target/PTX/PTX.h"
#include "attn/Target/PTX/Ptxas.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <thread>

using namespace attn;

namespace {

// One op is expanded to inline assembly, by a pass that changes its module.
const char *const kKernel = R"(
  llvm.func @k(%p: !llvm.ptr<1>, %a: f32) attributes {nvvm.kernel} {
    %b = llvm.fmul %a, %a : f32
    %c = llvm.fadd %b, %a : f32
    %n = llvm.mlir.constant(64 : i32) : i32
    nvvm.barrier.arrive number_of_threads = %n
    llvm.store %c, %p : f32, !llvm.ptr<1>
    llvm.return
  }
)";

class EmitTest : public ::testing::Test {
protected:
  EmitTest() {
    DialectRegistry registry;
    registry.insert<LLVM::LLVMDialect, NVVM::NVVMDialect>();
    registerPtxTranslations(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }
  MLIRContext context;
};

TEST_F(EmitTest, TheTextDoesNotDependOnThem) {
  constexpr int kThreads = 4;
  std::vector<OwningOpRef<ModuleOp>> modules;
  for (int i = 0; i < kThreads; ++i) {
    modules.push_back(parseSourceString<ModuleOp>(kKernel, &context));
    ASSERT_TRUE(modules.back());
  }
  PtxOptions options;
  options.chip = "sm_80";
  FailureOr<std::string> expected = emitPtx(*modules[0], options);
  ASSERT_TRUE(succeeded(expected));
  std::vector<std::string> texts(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 5; ++repeat) {
        FailureOr<std::string> text = emitPtx(*modules[i], options);
        texts[i] = succeeded(text) ? *text : "failed";
      }
    });
  }
  for (std::thread &thread : threads) {
    thread.join();
  }
  for (const std::string &text : texts) {
    EXPECT_EQ(text, *expected);
  }
}

TEST_F(EmitTest, TheModuleKeepsItsForm) {
  auto module = parseSourceString<ModuleOp>(kKernel, &context);
  ASSERT_TRUE(module);
  auto print = [&] {
    std::string text;
    llvm::raw_string_ostream os(text);
    module->print(os);
    return text;
  };
  std::string before = print();
  PtxOptions options;
  options.chip = "sm_90a";
  ASSERT_TRUE(succeeded(emitPtx(*module, options)));
  EXPECT_EQ(print(), before);
}

TEST_F(EmitTest, OptionsAreRefusedAtTheModule) {
  auto module = parseSourceString<ModuleOp>(kKernel, &context);
  ASSERT_TRUE(module);
  std::string said;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    said += diagnostic.str();
    return success();
  });
  PtxOptions options;
  options.chip = "sm_90a";
  options.level = 78;
  EXPECT_TRUE(failed(emitPtx(*module, options)));
  EXPECT_EQ(said, "expects PTX level 80 or higher for sm_90a, but got 78");
  said.clear();
  EXPECT_TRUE(failed(assemblePtx("", "sm_1", module->getLoc())));
  EXPECT_EQ(said.rfind("expects a chip of sm_80, ", 0), 0u) << said;
}

} // namespace
