//===- TestProgram.cpp - Programs as bundles for the tests ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TestProgram.h"

#include "attn/Compiler/Compiler.h"
#include "attn/JIT/Bundle.h"
#include "attnrt/sim.h"

#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace attn;

rt::Bundle attn::test::loadProgram(const rt::Context &context,
                                   const std::string &text,
                                   const ProgramOptions &given) {
  DialectRegistry registry;
  registerCompilerDialects(registry);
  MLIRContext mlir(registry);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &mlir);
  BundleOptions options;
  options.targets = {"x86-64-v2"};
  options.tiles.rows = given.rows;
  options.tiles.tile = given.tile;
  if (given.withPtx) {
    options.targets.push_back("sm_80");
    rt::throwIfFailed(attnrt_sim_enable(nullptr));
  }
  auto bytes = makeBundle(*module, options);
  EXPECT_TRUE(succeeded(bytes));
  return rt::Bundle(context, bytes->data(), bytes->size());
}

uint64_t attn::test::testSeed() {
  const char *given = std::getenv("ATTN_TEST_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 1;
}
