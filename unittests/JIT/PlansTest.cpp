//===- PlansTest.cpp - Random plans, executed by a compiled kernel --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Problems as an engine could pose them: any rows in any order, each with a
// list of segments, which are runs of any request's keys from any coordinate
// on, for all KV heads or one, at coordinates that may overlap; states that
// come from elsewhere and states that stay. The planner cuts them, the verifier
// accepts the plan, and the kernel's rows are those of attention over the union
// of their segments in f64. What no row sees is NaN.
//
//===----------------------------------------------------------------------===//
#include "SharedKeys.h"

#include "attn/Compiler/Compiler.h"
#include "attn/Dialect/Tile/IR/Tile.h"
#include "attn/Target/Host/Host.h"
#include "attnrt/cpu.h"
#include "attnrt/plan.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace attn;
using namespace attn::test;

namespace {

constexpr int64_t kTile = 32;

attnrt_tensor tensorOf(void *data, std::vector<int64_t> sizes) {
  attnrt_tensor t{};
  t.data = data;
  t.rank = uint32_t(sizes.size());
  int64_t stride = 1;
  for (size_t i = ATTNRT_MAX_RANK; i-- > 0;) {
    t.shape[i] = i < sizes.size() ? sizes[i] : 1;
    t.stride[i] = i < sizes.size() ? stride : 0;
    stride *= t.shape[i];
  }
  return t;
}

/// The kernels of makeProgram(shape) and what they are called with.
class Kernels {
public:
  explicit Kernels(const Shape &shape) {
    DialectRegistry registry;
    registerCompilerDialects(registry);
    context.appendDialectRegistry(registry);
    module = parseSourceString<ModuleOp>(makeProgram(shape), &context);
    HostOptions host;
    HostVectorUnit unit = hostVectorUnit(host);
    CompileOptions options;
    options.lanes = unit.lanes;
    options.registers = unit.registers;
    options.tile = kTile;
    options.rows = 24;
    EXPECT_TRUE(succeeded(compileToTile(*module, "attend", options)));
    std::string extentsName, itemName, mergeName;
    for (auto program : module->getOps<tile::ProgramOp>()) {
      extentsName = program.getExtents().str();
      for (Operation &op : program.getBody().front()) {
        if (auto buffer = dyn_cast<tile::BufferOp>(op)) {
          buffers.push_back({buffer.getKind(), buffer.getIndex()});
        } else if (isa<tile::ExtentOp>(op)) {
          ++numExtents;
        } else if (auto launch = dyn_cast<tile::LaunchOp>(op)) {
          itemName = launch.getKernel().str();
          mergeName = launch.getMerge()->str();
          shares = launch.getShares();
        }
      }
    }
    auto kernel = module->lookupSymbol<tile::KernelOp>(itemName);
    entry.struct_size = sizeof(entry);
    entry.max_packed_rows = int32_t(kernel.getRows());
    entry.kv_tile = int32_t(kernel.getCols());
    entry.states = 3;
    EXPECT_TRUE(succeeded(compileToVector(*module, options)));
    for (auto f : module->getOps<func::FuncOp>()) {
      if (auto bytes = f->getAttrOfType<IntegerAttr>("tile.scratch_bytes")) {
        scratch = std::max<uint64_t>(scratch, bytes.getInt());
      }
    }
    library = *HostLibrary::create(*module, host);
    extents = reinterpret_cast<void (*)(const attnrt_args *, int64_t *)>(
        library->lookup(extentsName));
    item = reinterpret_cast<attnrt_item_fn>(library->lookup(itemName));
    merge = reinterpret_cast<attnrt_merge_fn>(library->lookup(mergeName));
  }

  /// `states`: maximum, sum and weighted sum of `slots` states.
  void run(Batch &batch, const attnrt_plan *plan, std::vector<float> &out,
           std::vector<float> (&states)[3]) {
    const Shape &s = batch.shape;
    std::vector<int64_t> rows{batch.requests(), batch.mostQueries, s.heads,
                              s.group, s.width};
    std::vector<int64_t> cache{batch.pages, s.page, s.heads, s.width};
    const attnrt_tensor arguments[] = {
        tensorOf(batch.q.data(), rows),
        tensorOf(batch.k.data(), cache),
        tensorOf(batch.v.data(), cache),
        tensorOf(batch.table.data(), {batch.requests(), batch.tableWidth}),
        tensorOf(batch.lengths.data(), {batch.requests()}),
        tensorOf(batch.queries.data(), {batch.requests()})};
    std::vector<attnrt_tensor> tensors;
    std::vector<uint64_t> cells;
    std::vector<size_t> extentCells;
    for (auto [kind, index] : buffers) {
      switch (kind) {
      case tile::BufferKind::operand:
        tensors.push_back(arguments[index]);
        break;
      case tile::BufferKind::result:
        tensors.push_back(tensorOf(out.data(), rows));
        break;
      case tile::BufferKind::state:
        tensors.push_back(
            tensorOf(states[index].data(),
                     index < 2 ? std::vector<int64_t>{plan->slots}
                               : std::vector<int64_t>{plan->slots, s.width}));
        break;
      case tile::BufferKind::scalar:
        cells.push_back(0);
        std::memcpy(&cells.back(), &batch.scale, sizeof(float));
        break;
      default:
        extentCells.push_back(cells.size());
        cells.push_back(uint64_t(index));
      }
    }
    attnrt_args args{};
    args.tensors = tensors.data();
    args.scalars = cells.data();
    std::vector<int64_t> values(numExtents);
    extents(&args, values.data());
    for (size_t cell : extentCells) {
      cells[cell] = uint64_t(values[cells[cell]]);
    }
    rt::throwIfFailed(
        attnrt_cpu_run(plan, 0, item, merge, &args, nullptr, scratch));
  }

  attnrt_entry entry{};
  bool shares = false;

private:
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<HostLibrary> library;
  SmallVector<std::pair<tile::BufferKind, int64_t>> buffers;
  size_t numExtents = 0;
  uint64_t scratch = 0;
  void (*extents)(const attnrt_args *, int64_t *) = nullptr;
  attnrt_item_fn item = nullptr;
  attnrt_merge_fn merge = nullptr;
};

/// Softmax that is not divided yet: sums relative to exp(0).
struct Sums {
  double all = 0;
  std::vector<double> weighted;
};

/// A problem over a batch, and its rows in f64.
class World {
public:
  World(Kernels &kernels, Batch &batch, std::mt19937_64 &random)
      : kernels(kernels), batch(batch), random(random) {
    drawRows();
    drawSegments();
    drawStates();
    pose();
  }

  void check();

private:
  int64_t draw(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  }
  void drawRows();
  void drawSegments();
  void drawStates();
  void pose();
  Sums sumsOf(size_t row, int64_t head, int64_t sub);
  int64_t slotOf(int64_t number, int64_t head, int64_t sub) const {
    return (number * batch.shape.heads + head) * batch.shape.group + sub;
  }

  Kernels &kernels;
  Batch &batch;
  std::mt19937_64 &random;
  std::vector<int32_t> sym, coord, lo, limit, rowBegin, rowEnd, rowList;
  std::vector<attnrt_segment> segments;
  std::vector<int32_t> extBegin, ext, keep;
  int32_t extCount = 0, keepCount = 0;
  std::vector<float> given[3]; // external states
  attnrt_problem problem{};
};

/// Some of the queries, in order or not.
void World::drawRows() {
  for (int64_t b = 0; b < batch.requests(); ++b) {
    for (int32_t p = 0; p < batch.queries[b]; ++p) {
      if (draw(0, 9)) {
        sym.push_back(int32_t(b));
        coord.push_back(p);
      }
    }
  }
  if (draw(0, 1)) {
    std::vector<size_t> order(sym.size());
    for (size_t i = 0; i < order.size(); ++i) {
      order[i] = i;
    }
    std::shuffle(order.begin(), order.end(), random);
    std::vector<int32_t> syms = sym, coords = coord;
    for (size_t i = 0; i < order.size(); ++i) {
      sym[i] = syms[order[i]];
      coord[i] = coords[order[i]];
    }
  }
  for (size_t r = 0; r < sym.size(); ++r) {
    int32_t length = batch.lengths[sym[r]];
    int32_t last = coord[r] + length - batch.queries[sym[r]];
    bool isAll = batch.shape.mask == Mask::none;
    limit.push_back(isAll ? length : last + 1);
    lo.push_back(
        batch.shape.mask == Mask::window
            ? std::max<int32_t>(last + 1 - int32_t(batch.shape.window), 0)
            : 0);
  }
}

/// Runs of anybody's keys, each read by some rows.
void World::drawSegments() {
  int64_t count = draw(0, 6);
  for (int64_t s = 0; s < count; ++s) {
    int64_t b = draw(0, batch.requests() - 1);
    attnrt_segment segment{};
    segment.select = segment.len_ref = -1;
    segment.head = draw(0, 3) ? -1 : int32_t(draw(0, batch.shape.heads - 1));
    segment.param = int32_t(b);
    // Whole tiles: kernels know of no other border than those of masks.
    int64_t tiles = batch.lengths[b] / kTile, first = draw(0, tiles);
    segment.coord0 = int32_t(first * kTile);
    segment.count = int32_t(draw(0, tiles - first) * kTile);
    segments.push_back(segment);
    rowBegin.push_back(int32_t(rowList.size()));
    int64_t share = draw(0, 4);
    for (size_t r = 0; r < sym.size(); ++r) {
      if (draw(0, 4) <= share) {
        rowList.push_back(int32_t(r));
      }
    }
    rowEnd.push_back(int32_t(rowList.size()));
  }
}

void World::drawStates() {
  const Shape &shape = batch.shape;
  extBegin.push_back(0);
  for (size_t r = 0; r < sym.size(); ++r) {
    for (int64_t n = draw(0, 5) ? 0 : draw(1, 2); n > 0; --n) {
      ext.push_back(extCount++);
    }
    extBegin.push_back(int32_t(ext.size()));
    keep.push_back(draw(0, 5) ? -1 : keepCount++);
  }
  std::normal_distribution<float> normal;
  int64_t slots = slotOf(extCount, 0, 0);
  for (int64_t i = 0; i < slots; ++i) {
    given[0].push_back(normal(random));
    given[1].push_back(0.1f + std::abs(normal(random)));
    for (int64_t f = 0; f < shape.width; ++f) {
      given[2].push_back(normal(random));
    }
  }
}

void World::pose() {
  problem.struct_size = sizeof(problem);
  problem.heads = int32_t(batch.shape.heads);
  problem.group = int32_t(batch.shape.group);
  problem.segments = segments.data();
  problem.segment_count = int64_t(segments.size());
  rowBegin.reserve(1); // not null
  rowEnd.reserve(1);
  rowList.reserve(1);
  problem.row_begin = rowBegin.data();
  problem.row_end = rowEnd.data();
  problem.row_list = rowList.data();
  problem.row_list_size = int64_t(rowList.size());
  problem.row_count = int64_t(sym.size());
  problem.coord = coord.data();
  problem.lo = lo.data();
  problem.limit = limit.data();
  problem.sym = sym.data();
  problem.ext_begin = extBegin.data();
  problem.ext = ext.data();
  problem.ext_count = extCount;
  problem.keep = keep.data();
  problem.keep_count = keepCount;
}

Sums World::sumsOf(size_t row, int64_t head, int64_t sub) {
  const Shape &s = batch.shape;
  Sums sums;
  sums.weighted.assign(size_t(s.width), 0);
  for (int32_t e = extBegin[row]; e < extBegin[row + 1]; ++e) {
    size_t slot = size_t(slotOf(ext[size_t(e)], head, sub));
    double scale = std::exp(double(given[0][slot]));
    sums.all += scale * given[1][slot];
    for (int64_t f = 0; f < s.width; ++f) {
      sums.weighted[size_t(f)] += scale * given[2][slot * s.width + f];
    }
  }
  const float *q =
      batch.q.data() +
      (((sym[row] * batch.mostQueries + coord[row]) * s.heads + head) *
           s.group +
       sub) *
          s.width;
  for (size_t g = 0; g < segments.size(); ++g) {
    const attnrt_segment &segment = segments[g];
    bool reads = segment.head < 0 || segment.head == head;
    reads &=
        std::find(rowList.begin() + rowBegin[g], rowList.begin() + rowEnd[g],
                  int32_t(row)) != rowList.begin() + rowEnd[g];
    for (int32_t m = segment.coord0;
         reads && m < segment.coord0 + segment.count; ++m) {
      if (m < lo[row] || m >= limit[row]) {
        continue;
      }
      const float *key = batch.find(batch.k, segment.param, m, head);
      const float *value = batch.find(batch.v, segment.param, m, head);
      double score = 0;
      for (int64_t e = 0; e < s.width; ++e) {
        score += double(q[e]) * key[e];
      }
      double weight = std::exp(score * batch.scale);
      sums.all += weight;
      for (int64_t f = 0; f < s.width; ++f) {
        sums.weighted[size_t(f)] += weight * value[f];
      }
    }
  }
  return sums;
}

void World::check() {
  attnrt_planner *planner = nullptr;
  rt::throwIfFailed(attnrt_planner_create(&planner));
  attnrt_plan_options options{};
  options.struct_size = sizeof(options);
  options.workers = int32_t(draw(1, 5));
  options.strategy = int32_t(draw(0, 3));
  options.split = options.strategy % 3 ? 0 : int32_t(draw(0, 3));
  options.merge_rows = int32_t(draw(1, 40));
  attnrt_entry entry = kernels.entry;
  entry.max_packed_rows = int32_t(draw(1, entry.max_packed_rows));
  const attnrt_plan *plan = nullptr;
  rt::throwIfFailed(
      attnrt_planner_plan(planner, &problem, &entry, &options, &plan));
  rt::throwIfFailed(
      attnrt_plan_verify(plan, plan->bytes, &problem, &entry, &options));
  const Shape &s = batch.shape;
  std::vector<float> states[3], out(batch.q.size(), -1);
  for (int i = 0; i < 3; ++i) {
    states[i] = given[i];
    states[i].resize(plan->slots * (i < 2 ? 1 : size_t(s.width)), NAN);
  }
  kernels.run(batch, plan, out, states);
  int64_t written = 0;
  for (size_t r = 0; r < sym.size(); ++r) {
    for (int64_t h = 0; h < s.heads * s.group; ++h) {
      int64_t head = h / s.group, sub = h % s.group;
      Sums want = sumsOf(r, head, sub);
      const float *got =
          out.data() +
          ((sym[r] * batch.mostQueries + coord[r]) * s.heads * s.group + h) *
              s.width;
      double scale = 1, all = want.all;
      if (keep[r] >= 0) {
        size_t slot = size_t(slotOf(extCount + keep[r], head, sub));
        scale = std::exp(double(states[0][slot]));
        EXPECT_NEAR(scale * states[1][slot], want.all, 1e-4 * (1 + want.all));
        EXPECT_EQ(-1, got[0]) << "a row whose state stays has no output";
        got = states[2].data() + slot * s.width;
        all = 1;
      } else {
        written += s.width;
      }
      for (int64_t f = 0; f < s.width; ++f) {
        double x = all > 0 ? want.weighted[size_t(f)] / all : 0;
        ASSERT_NEAR(scale * got[f], x, 1e-4 * (1 + std::abs(x)))
            << "row " << r << " of request " << sym[r] << ", head " << head
            << ", " << sub;
      }
    }
  }
  // Nothing else was written.
  EXPECT_EQ(written,
            int64_t(out.size()) - std::count(out.begin(), out.end(), -1.0f));
  attnrt_planner_destroy(planner);
}

} // namespace

TEST(Plans, AnyPlanOnOneKernel) {
  const char *given = std::getenv("ATTN_TEST_SEED");
  uint64_t seed = given ? std::strtoull(given, nullptr, 10) : 1;
  std::mt19937_64 random(seed);
  int rounds = std::getenv("ATTN_TEST_LONG") ? 600 : 60;
  for (Mask mask : {Mask::none, Mask::causal, Mask::window}) {
    Shape shape;
    shape.mask = mask;
    shape.group = mask == Mask::none ? 7 : mask == Mask::causal ? 2 : 1;
    Kernels kernels(shape);
    ASSERT_TRUE(kernels.shares);
    for (int round = 0; round < rounds; ++round) {
      SCOPED_TRACE("mask " + std::to_string(int(mask)) + ", round " +
                   std::to_string(round) + " of seed " + std::to_string(seed));
      Batch batch = drawBatch(shape, 1 + int64_t(random() % 6), 150,
                              random() % 2 ? 2 : 9, random);
      World(kernels, batch, random).check();
    }
  }
}
