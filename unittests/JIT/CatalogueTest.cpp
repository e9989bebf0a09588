//===- CatalogueTest.cpp - The catalogue, compiled ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every program of test/Catalogue, with and without a one-pass form, compiled
// and run in 1, 2, 3 and 7 parts, equals the reference row by row.
//
//===----------------------------------------------------------------------===//
#include "attn/JIT/Executable.h"
#include "attn/Reference/Interpreter.h"
#include "attn/Support/RowCompare.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstdlib>
#include <random>

using namespace attn;

namespace {

std::vector<std::string> findPrograms() {
  std::vector<std::string> files;
  std::error_code code;
  for (llvm::sys::fs::directory_iterator it(ATTN_CATALOGUE, code), end;
       !code && it != end; it.increment(code)) {
    if (llvm::sys::path::extension(it->path()) == ".mlir") {
      files.push_back(it->path());
    }
  }
  llvm::sort(files);
  return files;
}

class CatalogueTest : public ::testing::TestWithParam<std::string> {
protected:
  CatalogueTest() : context(makeRegistry()) {
    const char *given = std::getenv("ATTN_TEST_SEED");
    seed = given ? std::strtoull(given, nullptr, 10) : 1;
  }
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerCompilerDialects(registry);
    return registry;
  }

  /// Every `?` is `length`; integers are `offset`.
  SmallVector<HostArray> draw(func::FuncOp entry, int64_t length,
                              int64_t offset);
  void check(Executable &executable, func::FuncOp entry, int64_t length,
             int64_t offset);

  MLIRContext context;
  uint64_t seed;
  bool hasHalves = false;
  int64_t numCompared = 0;
};

SmallVector<HostArray> CatalogueTest::draw(func::FuncOp entry, int64_t length,
                                           int64_t offset) {
  std::mt19937_64 random(seed + uint64_t(length));
  std::normal_distribution<double> normal;
  SmallVector<HostArray> args;
  for (Type type : entry.getArgumentTypes()) {
    DType dtype = *dtypeOf(getElementTypeOrSelf(type));
    hasHalves |= dtype == DType::F16;
    SmallVector<int64_t> shape;
    if (auto shaped = dyn_cast<ShapedType>(type)) {
      for (int64_t extent : shaped.getShape()) {
        shape.push_back(ShapedType::isDynamic(extent) ? length : extent);
      }
    }
    HostArray array = HostArray::zeros(dtype, shape);
    for (int64_t i = 0; i < array.numElements(); ++i) {
      if (!isFloat(dtype)) {
        array.setInt(i, offset);
      } else {
        // Small enough for 1 / n of a mean, and scores of about 1.
        array.setDouble(i, shape.empty() ? 1.0 / 64 : 4 * normal(random));
      }
    }
    args.push_back(array);
  }
  return args;
}

bool hasNaN(const HostArray &array) {
  for (int64_t i = 0; i < array.numElements(); ++i) {
    if (std::isnan(array.getDouble(i))) {
      return true;
    }
  }
  return false;
}

void CatalogueTest::check(Executable &executable, func::FuncOp entry,
                          int64_t length, int64_t offset) {
  SCOPED_TRACE("length " + std::to_string(length) + ", offset " +
               std::to_string(offset));
  std::string error;
  SmallVector<HostArray> args = draw(entry, length, offset);
  auto expected = interpret(entry, args, {}, error);
  ASSERT_TRUE(succeeded(expected)) << error;
  for (int split : {1, 2, 3, 7}) {
    RunOptions options;
    options.split = split;
    options.workers = 2;
    SmallVector<HostArray> results;
    ASSERT_TRUE(succeeded(executable.run(args, options, results, error)))
        << error;
    ASSERT_EQ(results.size(), expected->size());
    for (auto [i, got] : llvm::enumerate(results)) {
      // Means over no point are NaN as written; there is nothing to compare.
      if (length == 0 && hasNaN((*expected)[i])) {
        continue;
      }
      RowComparison rows =
          compareRows(got, (*expected)[i], hasHalves ? 2e-3 : 1e-5);
      EXPECT_TRUE(rows.ok) << "result " << i << ", split " << split << ": "
                           << rows.message;
      ++numCompared;
    }
  }
}

TEST_P(CatalogueTest, CompiledEqualsReference) {
  auto module = parseSourceFile<ModuleOp>(GetParam(), &context);
  ASSERT_TRUE(module);
  for (auto entry : module->getOps<func::FuncOp>()) {
    SCOPED_TRACE(entry.getName().str());
    std::string error;
    auto executable = Executable::compile(*module, entry.getName(), {}, error);
    ASSERT_TRUE(executable) << error;
    for (int64_t length : {0, 1, 15, 64, 129}) {
      check(*executable, entry, length, /*offset=*/0);
      // Rows in front of the first key: masked as a whole.
      check(*executable, entry, length, /*offset=*/-3);
    }
  }
  EXPECT_GT(numCompared, 0);
}

INSTANTIATE_TEST_SUITE_P(All, CatalogueTest,
                         ::testing::ValuesIn(findPrograms()),
                         [](const ::testing::TestParamInfo<std::string> &info) {
                           return llvm::sys::path::stem(info.param).str();
                         });

} // namespace
