//===- TargetModelTest.cpp - Models of CPUs and the cost of tiles ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/TargetModel/HostTargetModel.h"
#include "attn/TargetModel/TileCost.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

using namespace attn;

namespace {

TEST(TargetModelTest, NamedModelsAreValid) {
  for (const char *name : {"host", "avx2", "avx512", "amx", "neon"}) {
    auto model = getTargetModel(name);
    ASSERT_TRUE(model) << name;
    EXPECT_EQ(model->validate(), "") << name;
    EXPECT_EQ(model->name, name);
  }
  EXPECT_FALSE(getTargetModel("z80"));
}

TEST(TargetModelTest, RegisterBlocksFitTheRegisters) {
  EXPECT_EQ(getTargetModel("avx512")->getRegisterBlock().rows, 12u);
  EXPECT_EQ(getTargetModel("avx512")->getRegisterBlock().vectors, 2u);
  EXPECT_EQ(getTargetModel("avx2")->getRegisterBlock().rows, 12u);
  EXPECT_EQ(getTargetModel("avx2")->getRegisterBlock().vectors, 1u);
  for (unsigned registers = 4; registers <= 64; ++registers) {
    TargetModel model;
    model.numVectorRegisters = registers;
    RegisterBlock block = model.getRegisterBlock();
    EXPECT_LE(block.rows * block.vectors + block.vectors + 1, registers);
    EXPECT_GE(block.rows, 1u);
  }
}

TEST(TargetModelTest, ValidateNamesTheValue) {
  TargetModel model;
  EXPECT_EQ(model.validate(), "");
  model.vectorBits = 384;
  EXPECT_EQ(model.validate(), "expects vectors of a power of two of at least "
                              "64 bits, but got 384");
  model = TargetModel();
  model.l2Bytes = 1024;
  EXPECT_EQ(model.validate(),
            "expects a second-level cache no smaller than the first, but got "
            "1024");
  model = TargetModel();
  model.numCores = 0;
  EXPECT_EQ(model.validate(), "expects at least one core, but got 0");
  model = TargetModel();
  model.memoryBytesPerCycle = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(model.validate(), "");
}

/// A folder like the one in which Linux lists the caches of a core.
class CacheFolder {
public:
  CacheFolder() {
    EXPECT_FALSE(llvm::sys::fs::createUniqueDirectory("caches", root));
  }
  ~CacheFolder() { llvm::sys::fs::remove_directories(root); }
  void add(int index, StringRef level, StringRef type, StringRef size) {
    std::string folder = (root + "/index" + llvm::Twine(index)).str();
    EXPECT_FALSE(llvm::sys::fs::create_directory(folder));
    write(folder + "/level", level);
    write(folder + "/type", type);
    write(folder + "/size", size);
  }
  llvm::SmallString<128> root;

private:
  void write(const std::string &path, StringRef text) {
    std::error_code error;
    llvm::raw_fd_ostream os(path, error);
    EXPECT_FALSE(error);
    os << text << "\n";
  }
};

TEST(TargetModelTest, HostModelReadsFeaturesAndCaches) {
  CacheFolder caches;
  caches.add(0, "1", "Data", "40K");
  caches.add(1, "1", "Instruction", "8K");
  caches.add(2, "2", "Unified", "3M");
  caches.add(3, "3", "Unified", "98304K");
  llvm::StringMap<bool> features;
  features["avx512f"] = true;
  features["avx2"] = true;
  TargetModel model = makeHostModel(features, caches.root, 12);
  EXPECT_EQ(model.validate(), "");
  EXPECT_EQ(model.vectorBits, 512u);
  EXPECT_EQ(model.l1Bytes, 40 * 1024);
  EXPECT_EQ(model.l2Bytes, 3 * 1024 * 1024);
  EXPECT_EQ(model.l3Bytes, 96 * 1024 * 1024);
  EXPECT_EQ(model.numCores, 12u);
  EXPECT_EQ(model.matrixRate, 0);
  // Both are needed: what tiles do not divide is multiplied in pairs.
  features["amx-bf16"] = true;
  EXPECT_EQ(makeHostModel(features, caches.root, 12).matrixRate, 0);
  features["avx512bf16"] = true;
  EXPECT_GT(makeHostModel(features, caches.root, 12).matrixRate, 0);
}

TEST(TargetModelTest, HostModelFallsBack) {
  llvm::StringMap<bool> features;
  features["avx2"] = true;
  // Without fma a core of this kind has no fused multiply-add.
  EXPECT_EQ(makeHostModel(features, "/nowhere", 0).vectorBits, 128u);
  features["fma"] = true;
  TargetModel model = makeHostModel(features, "/nowhere", 0);
  EXPECT_EQ(model.vectorBits, 256u);
  EXPECT_EQ(model.l1Bytes, getTargetModel("avx2")->l1Bytes);
  EXPECT_EQ(model.numCores, 1u);
  // Nonsense is not taken over.
  CacheFolder caches;
  caches.add(0, "1", "Data", "huge");
  caches.add(2, "2", "Unified", "1K");
  model = makeHostModel(features, caches.root, 3);
  EXPECT_EQ(model.validate(), "");
  EXPECT_EQ(model.l2Bytes, getTargetModel("avx2")->l2Bytes);
  EXPECT_EQ(model.numCores, 3u);
}

TileProblem attention(int64_t packedRows) {
  TileProblem problem;
  problem.packedRows = packedRows;
  problem.scoreChannels = problem.valueChannels = 128;
  return problem;
}

TEST(TileCostTest, PrefillTakesManyRowsAndStaysInTheCache) {
  TargetModel model = *getTargetModel("avx512");
  TileSizes tile = chooseTiles(model, attention(0));
  EXPECT_GE(tile.rows, 48);
  EXPECT_GE(tile.cols, 32);
  EXPECT_EQ(tile.rows % model.getRegisterBlock().rows, 0);
  int64_t bytes = 4 * (256 * (tile.rows + tile.cols) + tile.rows * tile.cols);
  EXPECT_LE(bytes, model.l2Bytes / 2);
  // A smaller cache gives a smaller tile.
  TargetModel small = model;
  small.l2Bytes = 192 * 1024;
  EXPECT_EQ(small.validate(), "");
  TileSizes other = chooseTiles(small, attention(0));
  EXPECT_LT(other.rows * other.cols, tile.rows * tile.cols);
}

TEST(TileCostTest, DecodeTakesAllRowsThereAre) {
  TargetModel model = *getTargetModel("avx512");
  EXPECT_EQ(chooseTiles(model, attention(4)).rows, 4);
  EXPECT_EQ(chooseTiles(model, attention(8)).rows, 8);
  EXPECT_GE(chooseTiles(model, attention(4)).cols, 32);
}

TEST(TileCostTest, ColumnsAreTheGivenOnesOrFitTheFold) {
  TargetModel model = *getTargetModel("avx2");
  TileProblem problem = attention(0);
  problem.fixedCols = 24;
  EXPECT_EQ(chooseTiles(model, problem).cols, 24);
  problem.fixedCols = 0;
  problem.columns = 20;
  EXPECT_LE(chooseTiles(model, problem).cols, 32);
}

TEST(TileCostTest, MoreRowsAmortiseTheColumns) {
  TargetModel model = *getTargetModel("avx512");
  EXPECT_LT(getTileCost(model, attention(0), {48, 64}),
            getTileCost(model, attention(0), {6, 64}));
  // 128 rows are one tile of 128, but two of 126.
  EXPECT_EQ(chooseTiles(model, attention(128)).rows, 128);
  // Rows that are not there are paid for.
  EXPECT_GT(getTileCost(model, attention(4), {48, 64}),
            getTileCost(model, attention(4), {4, 64}));
}

TEST(TileCostTest, ItemsHoldRowsThatSelectTheSame) {
  TileProblem problem = attention(0);
  problem.masked = false;
  problem.rowBlock = 64;
  EXPECT_EQ(getVisitedPoints(problem, 64, 64), 1);
  EXPECT_EQ(getVisitedPoints(problem, 16, 64), 1);
  EXPECT_EQ(getVisitedPoints(problem, 128, 64), 2);
  // One in three items of 48 lies inside of a block, two cross a border.
  EXPECT_EQ(getVisitedPoints(problem, 48, 64), 1.5);
  for (const char *name : {"avx2", "avx512", "amx"}) {
    TargetModel model = *getTargetModel(name);
    problem.rowBlock = 64;
    EXPECT_EQ(chooseTiles(model, problem).rows, 64) << name;
    problem.rowBlock = 53;
    EXPECT_EQ(chooseTiles(model, problem).rows, 53) << name;
  }
  problem.rowBlock = -1;
  EXPECT_EQ(validate(problem), "expects no negative block of rows, but got -1");
}

TEST(TileCostTest, AMatrixUnitWantsMoreRows) {
  TargetModel model = *getTargetModel("amx");
  TileProblem problem = attention(0);
  TileSizes plain = chooseTiles(model, problem);
  problem.isBF16 = true;
  TileSizes tile = chooseTiles(model, problem);
  EXPECT_GE(tile.rows, 2 * plain.rows);
  EXPECT_EQ(tile.rows % 32, 0);
  EXPECT_EQ(tile.cols % 32, 0);
  EXPECT_LT(getTileCost(model, problem, tile),
            getTileCost(*getTargetModel("avx512"), problem, plain));
  problem.packedRows = 8;
  EXPECT_EQ(chooseTiles(model, problem).rows, 8);
  model.matrixRate = -1;
  EXPECT_EQ(model.validate(),
            "expects no negative rate of a matrix unit, but got -1.000000");
}

TEST(TileCostTest, ValidateNamesTheValue) {
  TileProblem problem;
  EXPECT_EQ(validate(problem), "");
  problem.elementBytes = 0;
  EXPECT_EQ(validate(problem),
            "expects elements of at least one byte, but got 0");
}

} // namespace
