//===- RandomMasksTest.cpp - Compiled attention under drawn masks ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A mask is drawn as a structure: a union of affine sets over p and m with two
// symbols per request, and now and then a data term. It is printed into a
// program and also evaluated here, point by point, by code that knows nothing
// of the compiler. The compiled program must give the rows of the reference,
// split or not, see no key or query that the mask hides, and have counted as
// many empty, partial and full tiles as there are.
//
// ATTN_TEST_SEED draws other masks; ATTN_TEST_LONG draws more. (Two of the
// first masks made LLVM abort.)
//
//===----------------------------------------------------------------------===//
#include "attn/Analysis/FoldIntervals.h"
#include "attn/Analysis/TileGrid.h"
#include "attn/JIT/Executable.h"
#include "attn/Reference/Interpreter.h"
#include "attn/Support/RowCompare.h"

#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <random>

using namespace attn;

namespace {

constexpr int64_t kChannels = 16, kHeads = 2, kRows = 8, kCols = 16, kPage = 4;

/// a p + b m + c s + d t + e >= 0, with m or p once more under floordiv or mod.
struct Constraint {
  int64_t p, m, s, t, constant;
  enum { Plain, FloorDiv, Mod } kind = Plain;
  int64_t divisor = 1;

  bool holds(int64_t pv, int64_t mv, int64_t sv, int64_t tv) const {
    int64_t extra = kind == FloorDiv ? mv / divisor
                    : kind == Mod    ? mv % divisor
                                     : 0;
    return p * pv + m * mv + s * sv + t * tv + constant + extra >= 0;
  }
  std::string print() const {
    std::string text;
    auto add = [&](int64_t factor, const char *name) {
      if (factor) {
        text += (text.empty() ? "" : " + ") + std::string(name) + " * " +
                std::to_string(factor);
      }
    };
    add(p, "p");
    add(m, "m");
    add(s, "s");
    add(t, "t");
    if (kind != Plain) {
      text += (text.empty() ? "" : " + ") +
              std::string(kind == Mod ? "m mod " : "m floordiv ") +
              std::to_string(divisor);
    }
    text += (text.empty() ? "" : " + ") + std::to_string(constant);
    return text + " >= 0";
  }
};

using Conjunct = SmallVector<Constraint>;

/// One drawn program with its data.
struct Problem {
  SmallVector<Conjunct> mask;
  bool hasFlags = false, isPaged = false;
  int64_t batch, rows, cols;
  SmallVector<int64_t> s, t, length;
  std::vector<bool> flags; // [batch, cols]

  bool sees(int64_t b, int64_t p, int64_t m) const {
    if ((isPaged && m >= length[b]) || (hasFlags && !flags[b * cols + m])) {
      return false;
    }
    return inSets(b, p, m);
  }
  bool inSets(int64_t b, int64_t p, int64_t m) const {
    return llvm::any_of(mask, [&](const Conjunct &set) {
      return llvm::all_of(
          set, [&](const Constraint &c) { return c.holds(p, m, s[b], t[b]); });
    });
  }
  /// Without the data term, as tiles are classified.
  bool inTile(int64_t b, int64_t p, int64_t m) const {
    return (!isPaged || m < length[b]) && inSets(b, p, m);
  }
  std::string print() const;
};

std::string Problem::print() const {
  std::string where;
  for (const Conjunct &set : mask) {
    std::string text;
    for (const Constraint &c : set) {
      text += (text.empty() ? "" : " and ") + c.print();
    }
    where += (where.empty() ? "(" : " or (") + text + ")";
  }
  std::string flagged = hasFlags ? " and %flag[b, m]" : "";
  std::string flagType = hasFlags ? ", tensor<?x?xi1>" : "";
  std::string storage =
      isPaged ? "memref<?x4x2x16xf32>" : "tensor<?x?x2x16xf32>";
  std::string text = "func.func @f(%q: tensor<?x?x2x16xf32>, %kp: " + storage +
                     ", %vp: " + storage +
                     ", %s: tensor<?xi32>, %t: tensor<?xi32>" +
                     (isPaged ? ", %table: memref<?x?xi32>, %len: "
                                "tensor<?xi32>"
                              : "") +
                     (hasFlags ? ", %flag: tensor<?x?xi1>" : "") +
                     ") -> tensor<?x?x2x16xf32> {\n";
  for (const char *name : {"k", "v"}) {
    std::string n = name;
    if (isPaged) {
      text += "  %" + n +
              " = attn.view (b, m, g, e) symbols(pg = %table[b, m floordiv 4], "
              "len = %len[b]) where (m < len) of %" +
              n +
              "p[pg, m mod 4, g, e] : (memref<?x4x2x16xf32>, memref<?x?xi32>, "
              "tensor<?xi32>) -> tensor<?x?x2x16xf32>\n";
    }
  }
  std::string k = isPaged ? "%k" : "%kp", v = isPaged ? "%v" : "%vp";
  text +=
      R"(  %o = attn.cascade ranks(b, g, p, m, e, f) -> tensor<?x?x2x16xf32> {
    %x = attn.einsum %q[b, p, g, e], )" +
      k + R"([b, m, g, e] -> [b, g, p, m] reduce add(e)
        symbols(s = %s[b], t = %t[b]) where )" +
      where + flagged + R"(
        : (tensor<?x?x2x16xf32>, tensor<?x?x2x16xf32>, tensor<?xi32>, tensor<?xi32>)" +
      flagType + R"() -> tensor<?x2x?x?xf32>
    %gm = attn.einsum %x[b, g, p, m] -> [b, g, p] reduce max(m)
        : (tensor<?x2x?x?xf32>) -> tensor<?x2x?xf32>
    %sn = attn.einsum %x[b, g, p, m], %gm[b, g, p] -> [b, g, p, m]
        : (tensor<?x2x?x?xf32>, tensor<?x2x?xf32>) -> tensor<?x2x?x?xf32> {
    ^bb0(%a: f32, %c: f32):
      %d = arith.subf %a, %c : f32
      %y = math.exp %d : f32
      attn.yield %y : f32
    }
    %sd = attn.einsum %sn[b, g, p, m] -> [b, g, p] reduce add(m)
        : (tensor<?x2x?x?xf32>) -> tensor<?x2x?xf32>
    %w = attn.einsum %sn[b, g, p, m], %sd[b, g, p] -> [b, g, p, m]
        : (tensor<?x2x?x?xf32>, tensor<?x2x?xf32>) -> tensor<?x2x?x?xf32> {
    ^bb0(%n: f32, %d: f32):
      %y = arith.divf %n, %d : f32
      attn.yield %y : f32
    }
    %av = attn.einsum %w[b, g, p, m], )" +
      v + R"([b, m, g, f] -> [b, p, g, f] reduce add(m)
        : (tensor<?x2x?x?xf32>, tensor<?x?x2x16xf32>) -> tensor<?x?x2x16xf32>
    attn.yield %av : tensor<?x?x2x16xf32>
  }
  return %o : tensor<?x?x2x16xf32>
}
)";
  return text;
}

class Drawer {
public:
  explicit Drawer(uint64_t seed) : random(seed) {}

  int64_t below(int64_t n) { return int64_t(random() % uint64_t(n)); }
  int64_t between(int64_t a, int64_t b) { return a + below(b - a + 1); }
  bool oneIn(int64_t n) { return below(n) == 0; }

  Constraint drawConstraint() {
    Constraint c{between(-2, 2), between(-2, 2), between(-1, 1), between(-1, 1),
                 between(-20, 60)};
    if (c.p == 0 && c.m == 0) {
      c.m = oneIn(2) ? 1 : -1;
    }
    if (oneIn(6)) {
      c.kind = oneIn(2) ? Constraint::FloorDiv : Constraint::Mod;
      c.divisor = between(2, 9);
    }
    return c;
  }

  Problem draw() {
    Problem problem;
    for (int64_t i = between(1, 3); i > 0; --i) {
      Conjunct &set = problem.mask.emplace_back();
      for (int64_t j = between(1, 3); j > 0; --j) {
        set.push_back(drawConstraint());
      }
    }
    problem.hasFlags = oneIn(4);
    problem.isPaged = oneIn(2);
    problem.batch = between(1, 3);
    problem.rows = between(1, 21);
    problem.cols = between(1, 70);
    for (int64_t b = 0; b < problem.batch; ++b) {
      problem.s.push_back(between(-10, 70));
      problem.t.push_back(between(-10, 70));
      problem.length.push_back(between(0, problem.cols));
    }
    problem.length[below(problem.batch)] = problem.cols;
    for (int64_t i = 0; i < problem.batch * problem.cols; ++i) {
      problem.flags.push_back(oneIn(2));
    }
    return problem;
  }

  /// Normal numbers, NaN where `isHidden`.
  void fill(HostArray &array, function_ref<bool(int64_t row)> isHidden) {
    std::normal_distribution<double> normal;
    int64_t width = kHeads * kChannels;
    for (int64_t i = 0; i < array.numElements(); ++i) {
      double x = normal(random);
      array.setDouble(i, isHidden(i / width) ? NAN : x);
    }
  }

  std::mt19937_64 random;
};

SmallVector<HostArray> drawArguments(const Problem &problem, Drawer &drawer) {
  auto ints = [&](ArrayRef<int64_t> values) {
    HostArray array = HostArray::zeros(DType::I32, {int64_t(values.size())});
    for (auto [i, x] : llvm::enumerate(values)) {
      array.setInt(i, x);
    }
    return array;
  };
  HostArray q = HostArray::zeros(
      DType::F32, {problem.batch, problem.rows, kHeads, kChannels});
  drawer.fill(q, [&](int64_t row) {
    int64_t b = row / problem.rows, p = row % problem.rows;
    for (int64_t m = 0; m < problem.cols; ++m) {
      if (problem.sees(b, p, m)) {
        return false;
      }
    }
    return true;
  });
  int64_t width = (problem.cols + kPage - 1) / kPage;
  int64_t numPages = width * problem.batch + 3;
  SmallVector<int64_t> shape =
      problem.isPaged ? SmallVector<int64_t>{numPages, kPage, kHeads, kChannels}
                      : SmallVector<int64_t>{problem.batch, problem.cols,
                                             kHeads, kChannels};
  HostArray table = HostArray::zeros(DType::I32, {problem.batch, width});
  SmallVector<int64_t> order(numPages);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), drawer.random);
  // Whose token lies in a slot of the pool.
  std::vector<std::pair<int64_t, int64_t>> owner(numPages * kPage, {-1, -1});
  for (int64_t b = 0; b < problem.batch; ++b) {
    for (int64_t i = 0; i < width; ++i) {
      bool isUsed = i * kPage < problem.length[b];
      table.setInt(b * width + i, isUsed ? order[b * width + i] : -7);
      for (int64_t j = 0; isUsed && j < kPage; ++j) {
        if (i * kPage + j < problem.length[b]) {
          owner[order[b * width + i] * kPage + j] = {b, i * kPage + j};
        }
      }
    }
  }
  // What lies in the domain of a view is finite; a pool's other slots are not.
  auto isHidden = [&](int64_t row) {
    return problem.isPaged && owner[row].first < 0;
  };
  HostArray k = HostArray::zeros(DType::F32, shape);
  HostArray v = HostArray::zeros(DType::F32, shape);
  drawer.fill(k, isHidden);
  drawer.fill(v, isHidden);
  SmallVector<HostArray> args{q, k, v, ints(problem.s), ints(problem.t)};
  if (problem.isPaged) {
    args.push_back(table);
    args.push_back(ints(problem.length));
  }
  if (problem.hasFlags) {
    HostArray flags =
        HostArray::zeros(DType::I1, {problem.batch, problem.cols});
    for (auto [i, flag] : llvm::enumerate(problem.flags)) {
      flags.setInt(i, flag);
    }
    args.push_back(flags);
  }
  return args;
}

struct Tiles {
  int64_t empty = 0, partial = 0, full = 0;
};

/// Tiles of the work there is: rows that see a key, next to each other, up to
/// kRows in a run.
Tiles countTiles(const Problem &problem) {
  Tiles tiles;
  auto seesAny = [&](int64_t b, int64_t p) {
    for (int64_t m = 0; m < problem.cols; ++m) {
      if (problem.inTile(b, p, m)) {
        return true;
      }
    }
    return false;
  };
  for (int64_t b = 0; b < problem.batch; ++b) {
    for (int64_t p0 = 0, p1; p0 < problem.rows; p0 = p1) {
      p1 = p0 + 1;
      if (!seesAny(b, p0)) {
        continue;
      }
      while (p1 < problem.rows && p1 < p0 + kRows && seesAny(b, p1)) {
        ++p1;
      }
      for (int64_t m0 = 0; m0 < problem.cols; m0 += kCols) {
        // The mask also ends where the keys do.
        bool any = false, all = m0 + kCols <= problem.cols;
        for (int64_t p = p0; p < p1; ++p) {
          for (int64_t m = m0; m < std::min(m0 + kCols, problem.cols); ++m) {
            bool in = problem.inTile(b, p, m);
            any |= in;
            all &= in;
          }
        }
        all &= !problem.hasFlags;
        (!any ? tiles.empty : all ? tiles.full : tiles.partial) += kHeads;
      }
    }
  }
  return tiles;
}

/// Whether the analysis says that it knows the classes of all tiles and the
/// keys of each row.
bool hasExactClasses(func::FuncOp entry, const CompileOptions &options) {
  OwningOpRef<func::FuncOp> derived(entry.clone());
  bool isExact = succeeded(derive(*derived, options));
  derived->walk([&](CascadeOp cascade) {
    for (const TileGrid &grid : findTileGrids(cascade)) {
      auto classes = classifyGrid(grid, /*rows=*/0, /*cols=*/0);
      isExact &= succeeded(classes) && classes->classes.exact &&
                 foldIntervals(classes->classes, classes->colParam, 1).exact;
    }
  });
  return isExact;
}

class RandomMasksTest : public ::testing::Test {
protected:
  RandomMasksTest() : context(makeRegistry()) {
    const char *given = std::getenv("ATTN_TEST_SEED");
    seed = given ? std::strtoull(given, nullptr, 10) : 1;
    count = std::getenv("ATTN_TEST_LONG") ? 300 : 40;
  }
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerCompilerDialects(registry);
    return registry;
  }

  void check(const Problem &problem, Drawer &drawer);

  MLIRContext context;
  uint64_t seed;
  int64_t count, numExact = 0;
  Tiles seen;
};

void RandomMasksTest::check(const Problem &problem, Drawer &drawer) {
  std::string text = problem.print(), error;
  SCOPED_TRACE(text);
  auto module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module);
  auto entry = *module->getOps<func::FuncOp>().begin();
  SmallVector<HostArray> args = drawArguments(problem, drawer);
  ASSERT_TRUE(succeeded(checkArguments(entry, args, error))) << error;
  auto expected = interpret(entry, args, {}, error);
  ASSERT_TRUE(succeeded(expected)) << error;
  CompileOptions options;
  options.tile = kCols;
  options.rows = kRows;
  options.countTiles = true;
  auto executable = Executable::compile(*module, "f", options, error);
  ASSERT_TRUE(executable) << error;
  bool isExact = hasExactClasses(entry, options);
  numExact += isExact;
  for (int split : {1, 3}) {
    RunOptions runOptions;
    runOptions.split = split;
    RunStats stats;
    SmallVector<HostArray> results;
    ASSERT_TRUE(
        succeeded(executable->run(args, runOptions, results, error, &stats)))
        << error;
    EXPECT_EQ(stats.folds, 1) << "not the derived form";
    RowComparison rows = compareRows(results[0], (*expected)[0], 1e-5);
    EXPECT_TRUE(rows.ok) << "split " << split << ": " << rows.message;
    Tiles tiles = countTiles(problem);
    // Sets that are too large for code are cut: then a tile may count as
    // partial and a row as one that sees something.
    if (isExact) {
      EXPECT_EQ(stats.emptyTiles, tiles.empty);
      EXPECT_EQ(stats.partialTiles, tiles.partial);
      EXPECT_EQ(stats.fullTiles, tiles.full);
    }
    seen.empty += tiles.empty;
    seen.partial += tiles.partial;
    seen.full += tiles.full;
  }
}

TEST_F(RandomMasksTest, CompiledRowsAndTilesAreThoseOfTheMask) {
  for (int64_t i = 0; i < count && !HasFailure(); ++i) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", problem " +
                 std::to_string(i));
    Drawer drawer(seed * 1000003 + uint64_t(i));
    Problem problem = drawer.draw();
    check(problem, drawer);
  }
  // A draw without one kind of tile would prove nothing about it.
  EXPECT_GT(seen.empty, 0);
  EXPECT_GT(seen.partial, 0);
  EXPECT_GT(seen.full, 0);
  EXPECT_GT(2 * numExact, count) << "most masks are small enough";
}

} // namespace
