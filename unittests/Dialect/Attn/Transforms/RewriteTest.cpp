//===- RewriteTest.cpp - Rewrites keep what a program means ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Textbook programs are run as written and as rewritten, in f64, folds in
// random parts joined in random trees. Every row has to agree to 1e-12 of its
// largest value. The ablations take one safeguard away at a time and have to be
// noticed.
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/CascadeInfo.h"
#include "attn/Dialect/Attn/Transforms/Transforms.h"
#include "attn/Reference/Interpreter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include "gtest/gtest.h"

#include <cmath>
#include <map>
#include <random>

using namespace attn;

namespace {

struct Setting {
  int64_t tile = 8;
  unsigned seed = 1;
  double scale = 1;
  bool splitSums = true, defer = true, partition = true;
};

class RewriteTest : public ::testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<AttnDialect, arith::ArithDialect, func::FuncDialect,
                        math::MathDialect, memref::MemRefDialect,
                        tensor::TensorDialect>();
    context.allowUnregisteredDialects();
    // Remarks are not what is tested here.
    context.getDiagEngine().registerHandler([this](Diagnostic &diagnostic) {
      if (diagnostic.getSeverity() == DiagnosticSeverity::Error) {
        errors += diagnostic.str() + "\n";
      }
    });
  }

  OwningOpRef<ModuleOp> load(StringRef path) {
    auto module = parseSourceFile<ModuleOp>(path, &context);
    EXPECT_TRUE(module) << errors;
    return module;
  }
  OwningOpRef<ModuleOp> loadPrograms() { return load(ATTN_PROGRAMS); }

  /// Arguments as the attributes say, the rest drawn.
  SmallVector<HostArray> draw(func::FuncOp function, const Setting &setting);
  /// All rewrites on every cascade; how many folds there are.
  unsigned rewrite(func::FuncOp function, const Setting &setting);
  SmallVector<HostArray> run(func::FuncOp function, ArrayRef<HostArray> args,
                             InterpreterOptions options = {});
  /// Largest error of a row over its largest value; infinite if a NaN or an
  /// infinity is not on both sides.
  double compare(ArrayRef<HostArray> got, ArrayRef<HostArray> expected);
  /// Largest error of `name` over random partitions under `setting`.
  double check(func::FuncOp text, const Setting &setting,
               llvm::function_ref<void(func::FuncOp)> damage = {});
  double check(StringRef name, const Setting &setting,
               llvm::function_ref<void(func::FuncOp)> damage = {}) {
    auto programs = loadPrograms();
    return check(programs->lookupSymbol<func::FuncOp>(name), setting, damage);
  }

  MLIRContext context;
  std::string errors;
  unsigned folds = 0;
};

} // namespace

SmallVector<HostArray> RewriteTest::draw(func::FuncOp function,
                                         const Setting &setting) {
  std::mt19937 engine(setting.seed);
  std::normal_distribution<double> normal;
  SmallVector<HostArray> args;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    Type type = function.getArgument(i).getType();
    DType dtype = *dtypeOf(getElementTypeOrSelf(type));
    SmallVector<int64_t> shape;
    if (auto shaped = dyn_cast<ShapedType>(type)) {
      shape.assign(shaped.getShape().begin(), shaped.getShape().end());
      for (int64_t &extent : shape) {
        // Of the catalogue; no multiple of the tiles.
        extent = ShapedType::isDynamic(extent) ? 53 : extent;
      }
    }
    if (auto given =
            function.getArgAttrOfType<DenseI64ArrayAttr>(i, "test.shape")) {
      shape.assign(given.asArrayRef().begin(), given.asArrayRef().end());
    }
    HostArray array = HostArray::zeros(dtype, shape);
    auto values =
        function.getArgAttrOfType<DenseI64ArrayAttr>(i, "test.values");
    auto value = function.getArgAttrOfType<IntegerAttr>(i, "test.value");
    for (int64_t k = 0; k < array.numElements(); ++k) {
      if (!isFloat(dtype)) {
        array.setInt(k, values ? values[k] : value ? value.getInt() : 0);
      } else if (shape.empty()) {
        array.setDouble(k, setting.scale);
      } else {
        array.setDouble(k, normal(engine));
      }
    }
    args.push_back(array);
  }
  return args;
}

unsigned RewriteTest::rewrite(func::FuncOp function, const Setting &setting) {
  SmallVector<CascadeOp> cascades;
  function.walk([&](CascadeOp cascade) { cascades.push_back(cascade); });
  unsigned count = 0;
  for (CascadeOp cascade : cascades) {
    std::optional<int64_t> rank = chooseRank(cascade);
    if (!rank) {
      continue;
    }
    if (setting.splitSums) {
      (void)splitSums(cascade, *rank);
    }
    if (setting.defer) {
      (void)deferFactors(cascade, *rank);
    }
    if (setting.partition) {
      (void)partitionRank(cascade, *rank, setting.tile);
    }
    count += succeeded(makeFold(cascade, *rank));
  }
  EXPECT_TRUE(succeeded(verify(function))) << errors;
  return count;
}

SmallVector<HostArray> RewriteTest::run(func::FuncOp function,
                                        ArrayRef<HostArray> args,
                                        InterpreterOptions options) {
  std::string error;
  auto results = interpret(function, args, options, error);
  EXPECT_TRUE(succeeded(results)) << error;
  return succeeded(results) ? *results : SmallVector<HostArray>();
}

double RewriteTest::compare(ArrayRef<HostArray> got,
                            ArrayRef<HostArray> expected) {
  double inf = std::numeric_limits<double>::infinity(), worst = 0;
  if (got.size() != expected.size() || got.empty()) {
    return inf;
  }
  for (auto [a, b] : llvm::zip(got, expected)) {
    int64_t width = b.rank() ? b.shape().back() : 1;
    for (int64_t row = 0; row + width <= b.numElements(); row += width) {
      double largest = 0, error = 0;
      for (int64_t k = row; k < row + width; ++k) {
        double x = a.getDouble(k), y = b.getDouble(k);
        if (std::isfinite(x) && std::isfinite(y)) {
          largest = std::max(largest, std::abs(y));
          error = std::max(error, std::abs(x - y));
        } else if (!(std::isnan(x) && std::isnan(y)) && x != y) {
          return inf;
        }
      }
      if (error > 0) {
        worst = std::max(worst, largest > 0 ? error / largest : inf);
      }
    }
  }
  return worst;
}

double RewriteTest::check(func::FuncOp text, const Setting &setting,
                          llvm::function_ref<void(func::FuncOp)> damage) {
  SmallVector<HostArray> args = draw(text, setting);
  SmallVector<HostArray> expected = run(text, args);
  OwningOpRef<func::FuncOp> copy(text.clone());
  folds = rewrite(*copy, setting);
  if (damage) {
    damage(*copy);
  }
  double worst = 0;
  for (int64_t splits : {1, 2, 7, 30}) {
    InterpreterOptions options;
    options.splits = splits;
    worst = std::max(worst, compare(run(*copy, args, options), expected));
    options.randomSeed = setting.seed * 1000 + splits;
    worst = std::max(worst, compare(run(*copy, args, options), expected));
  }
  return worst;
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

TEST_F(RewriteTest, ProgramsInRandomPartitions) {
  auto programs = loadPrograms();
  for (auto text : programs->getOps<func::FuncOp>()) {
    for (int64_t tile : {1, 2, 3, 8, 20}) {
      for (unsigned seed : {1, 2, 3}) {
        Setting setting;
        setting.tile = tile;
        setting.seed = seed;
        setting.scale = seed == 3 ? 30 : 0.5;
        double error = check(text, setting);
        EXPECT_LE(error, 1e-12)
            << text.getName().str() << " tile " << tile << " seed " << seed;
        EXPECT_EQ(folds, 1u) << text.getName().str();
      }
    }
  }
}

TEST_F(RewriteTest, EachRewriteMayBeLeftOut) {
  auto programs = loadPrograms();
  for (auto text : programs->getOps<func::FuncOp>()) {
    for (int left : {0, 1, 2}) {
      Setting setting;
      setting.splitSums = left != 0;
      setting.defer = left != 1;
      setting.partition = left != 2;
      EXPECT_LE(check(text, setting), 1e-12)
          << text.getName().str() << " without rewrite " << left;
    }
  }
}

TEST_F(RewriteTest, Catalogue) {
  // Names of the cascades without a law.
  std::map<std::string, unsigned> noLaw = {{"entropy", 0},
                                           {"layernorm", 0},
                                           {"softcap_after_max", 0},
                                           {"sparsemax_given_tau", 0}};
  std::error_code code;
  unsigned files = 0;
  for (llvm::sys::fs::directory_iterator it(ATTN_CATALOGUE, code), end;
       it != end && !code; it.increment(code)) {
    auto module = load(it->path());
    std::string name = llvm::sys::path::stem(it->path()).str();
    auto text = module->lookupSymbol<func::FuncOp>(name);
    ASSERT_TRUE(text) << name;
    ++files;
    for (int64_t tile : {8, 64}) {
      Setting setting;
      setting.tile = tile;
      setting.scale = 0.1;
      EXPECT_LE(check(text, setting), 1e-12) << name << " tile " << tile;
      EXPECT_EQ(folds, noLaw.count(name) ? 0u : 1u) << name;
    }
  }
  EXPECT_EQ(files, 16u);
}

//===----------------------------------------------------------------------===//
// Ablations: without the safeguard the result is wrong and it shows.
//===----------------------------------------------------------------------===//

/// Takes the guards out of the folds (or of what is around them).
static void dropSelects(func::FuncOp function, bool inFolds) {
  function.walk([&](arith::SelectOp select) {
    bool inside = bool(select->getParentOfType<FoldOp>());
    if (inside == inFolds) {
      select.getResult().replaceAllUsesWith(select.getFalseValue());
    }
  });
}

TEST_F(RewriteTest, GuardsOfCorrectionsAreNeeded) {
  for (StringRef name : {"lse", "ninf_bias", "window", "documents", "listed"}) {
    bool needed = name != "window";
    double error = check(name, Setting(), [](func::FuncOp function) {
      dropSelects(function, /*inFolds=*/true);
    });
    // A finite sink makes the guard unnecessary.
    EXPECT_EQ(error > 1e-3, needed) << name.str();
  }
}

TEST_F(RewriteTest, ThreeWaySelectIsNeeded) {
  // Only the factor guarded, as 0 where the old reference has no point.
  auto guardFactor = [](func::FuncOp function) {
    function.walk([](arith::SelectOp select) {
      if (!select->getParentOfType<FoldOp>()) {
        return;
      }
      auto inner = select.getFalseValue().getDefiningOp<arith::SelectOp>();
      if (inner) {
        // c == c' ? t : (c == unit ? 0 : t * f) becomes the inner select.
        select.getResult().replaceAllUsesWith(inner.getResult());
      }
    });
  };
  // Rows of nothing but -inf scores: the text is NaN, this is not.
  EXPECT_GT(check(
                "ninf_bias",
                [] {
                  Setting setting;
                  setting.tile = 3;
                  return setting;
                }(),
                [&](func::FuncOp function) {
                  guardFactor(function);
                  // What is left guards the factor alone.
                  function.walk([](arith::SelectOp select) {
                    if (!select->getParentOfType<FoldOp>()) {
                      return;
                    }
                    auto mul =
                        select.getFalseValue().getDefiningOp<arith::MulFOp>();
                    if (!mul) {
                      return;
                    }
                    OpBuilder b(select);
                    Value factor = arith::SelectOp::create(
                        b, select.getLoc(), select.getCondition(),
                        select.getTrueValue(), mul.getRhs());
                    Value product = arith::MulFOp::create(b, select.getLoc(),
                                                          mul.getLhs(), factor);
                    select.getResult().replaceAllUsesWith(product);
                  });
                }),
            1e-3);
}

TEST_F(RewriteTest, GuardOfADeferredDivisionIsNeeded) {
  for (StringRef name : {"lse", "reciprocal", "documents"}) {
    EXPECT_GT(check(name, Setting(),
                    [](func::FuncOp function) {
                      dropSelects(function, /*inFolds=*/false);
                    }),
              1e-3)
        << name.str();
  }
}

TEST_F(RewriteTest, TakenOverPresenceIsNeeded) {
  auto dropWhere = [](func::FuncOp function) {
    function.walk([](EinsumOp op) {
      bool readsScores = llvm::any_of(op.getInputs(), [](Value x) {
        auto producer = x.getDefiningOp<EinsumOp>();
        return producer && !producer.getReduceActions().empty();
      });
      // Sums over weights: those that took over a clause.
      if (op.getWhere() && !op.getReduceActions().empty() && !readsScores &&
          op.getInputs()[0].getDefiningOp<EinsumOp>()) {
        op.removeWhereAttr();
      }
    });
  };
  EXPECT_GT(check("differential_masks", Setting(), dropWhere), 1e-3);
}

TEST_F(RewriteTest, TailIsNeeded) {
  // Points past the end as if they were present: an address outside of the
  // tensor, which the interpreter reports.
  auto programs = loadPrograms();
  auto text = programs->lookupSymbol<func::FuncOp>("dense");
  Setting setting;
  SmallVector<HostArray> args = draw(text, setting);
  OwningOpRef<func::FuncOp> copy(text.clone());
  rewrite(*copy, setting);
  copy->walk([](EinsumOp op) { op.removeWhereAttr(); });
  std::string error;
  EXPECT_TRUE(failed(interpret(*copy, args, InterpreterOptions(), error)));
  EXPECT_NE(error, "");
}

TEST_F(RewriteTest, MergeIsNeeded) {
  // A merge that keeps the left state.
  auto keepLeft = [](func::FuncOp function) {
    function.walk([](FoldOp fold) {
      Block &merge = fold.getMerge().front();
      Operation *yield = merge.getTerminator();
      for (unsigned i = 0; i < fold.getNumStates(); ++i) {
        yield->setOperand(i, merge.getArgument(i));
      }
    });
  };
  EXPECT_GT(check("dense", Setting(), keepLeft), 1e-3);
}
