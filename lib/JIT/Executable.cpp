//===- Executable.cpp - A compiled function on the CPU ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/JIT/Executable.h"

#include "ProgramInfo.h"
#include "attn/Compiler/CompileToPtx.h"
#include "attnrt/cpu.h"
#include "attnrt/plan.h"
#include "attnrt/sim.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FormatVariadic.h"
#include <chrono>
#include <numeric>

using namespace attn;

namespace {
using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::milli>(Clock::now() - since)
      .count();
}

using ExtentsFn = void (*)(const attnrt_args *, int64_t *);
/// Classes of the tiles of `n` row runs: {segment, head, first row, rows} each;
/// adds to counts[3] = {empty, partial, full}.
using ClassesFn = void (*)(const attnrt_args *, const int32_t *, int64_t *,
                           int64_t);

/// A launch with its code.
struct Stage {
  LaunchInfo info;
  attnrt_item_fn item = nullptr;
  attnrt_merge_fn merge = nullptr;
  attnrt_range_fn range = nullptr;
  ClassesFn classes = nullptr;
  uint64_t scratch = 0;
};

attnrt_tensor tensorOf(const HostArray &array) {
  attnrt_tensor t{};
  t.data = array.data();
  t.dtype = runtimeType(array.dtype());
  t.rank = array.rank();
  t.bytes = array.numBytes();
  for (unsigned i = 0; i < ATTNRT_MAX_RANK; ++i) {
    t.shape[i] = i < array.rank() ? array.dim(i) : 1;
    t.stride[i] = i < array.rank() ? array.strides()[i] : 0;
  }
  return t;
}

/// The bits of a scalar in the low bytes of a cell.
uint64_t cellOf(const HostArray &scalar, DType dtype) {
  uint64_t cell = 0;
  HostArray value = HostArray::zeros(dtype, {});
  if (isFloat(dtype)) {
    value.setDouble(0, scalar.getDouble(0));
  } else {
    value.setInt(0, scalar.getInt(0));
  }
  std::memcpy(&cell, value.data(), std::min<size_t>(8, value.numBytes()));
  return cell;
}
} // namespace

struct Executable::Impl {
  ProgramInfo program;
  std::unique_ptr<HostLibrary> library;
  ExtentsFn extents = nullptr;
  std::vector<Stage> stages;
  CompileTimes times;
  /// Where folds run if not here.
  PtxCode ptx;
  attnrt_sim *sim = nullptr;

  ~Impl() { attnrt_sim_destroy(sim); }

  // One call of run().
  struct Call {
    Impl &impl;
    std::string &error;
    std::vector<HostArray> arrays;      // by memory buffer, in order
    std::vector<attnrt_tensor> tensors; // the same
    std::vector<uint64_t> scalars;
    SmallVector<int64_t> tensorOfBuffer; // buffer number -> tensor number
    SmallVector<int64_t> values;         // of the extents
    attnrt_args args{};
    attnrt_pool *pool = nullptr;
    RunStats stats;

    LogicalResult fail(const Twine &message) {
      error = message.str();
      return failure();
    }
    LogicalResult bind(ArrayRef<HostArray> given);
    LogicalResult findExtents();
    LogicalResult allocate();
    LogicalResult runFold(Stage &stage, const RunOptions &options);
    LogicalResult runFlat(Stage &stage, const RunOptions &options);
    LogicalResult runSimulatedFlat(Stage &stage, int64_t points,
                                   const RunOptions &options);
    LogicalResult
    withPlan(const attnrt_problem &problem, const attnrt_entry &entry,
             const attnrt_plan_options &planning,
             llvm::function_ref<LogicalResult(const attnrt_plan *)> body);
    LogicalResult runPlanned(Stage &stage, const attnrt_plan *plan);
    attnrt_status runSimulated(const Stage &stage, const attnrt_plan *plan);
    void recordPlan(const Stage &stage, const attnrt_plan &plan);
    int64_t product(ArrayRef<int64_t> extents) {
      int64_t n = 1;
      for (int64_t e : extents) {
        n *= values[e];
      }
      return n;
    }
  };
};

Executable::Executable() : impl(std::make_unique<Impl>()) {}
Executable::~Executable() = default;
const CompileTimes &Executable::times() const { return impl->times; }

//===----------------------------------------------------------------------===//
// Compile
//===----------------------------------------------------------------------===//

std::unique_ptr<Executable>
Executable::compile(ModuleOp original, StringRef entry, CompileOptions options,
                    const HostOptions &host, std::string &error,
                    const DeviceOptions &device) {
  MLIRContext *ctx = original.getContext();
  // The first error is the one a caller sees; remarks go to the caller's
  // handler.
  std::string first;
  ScopedDiagnosticHandler handler(ctx, [&](Diagnostic &d) {
    if (d.getSeverity() == DiagnosticSeverity::Error && first.empty()) {
      first = d.str();
    }
    return failure();
  });
  auto fail = [&](StringRef what) {
    error = first.empty() ? what.str() : first;
    return nullptr;
  };
  auto begin = Clock::now(), start = begin;
  OwningOpRef<ModuleOp> module(original.clone());
  std::unique_ptr<Executable> exe(new Executable);
  Impl &impl = *exe->impl;
  HostVectorUnit unit = hostVectorUnit(host);
  options.lanes = unit.lanes;
  options.registers = unit.registers;
  PtxCompileOptions toPtx;
  toPtx.chip = device.simulatedChip;
  toPtx.warps = device.warps;
  toPtx.stages = device.stages;
  if (failed(toPtx.chip.empty()
                 ? compileToTile(*module, entry, options)
                 : compileToPtxKernels(*module, entry, toPtx, options))) {
    return fail("cannot be compiled");
  }
  if (!device.simulatedChip.empty()) {
    FailureOr<PtxCode> code = compileToPtx(*module, toPtx);
    if (failed(code)) {
      return fail("cannot be compiled to PTX");
    }
    impl.ptx = std::move(*code);
    attnrt_sim_options how{};
    how.seed = device.seed;
    how.schedule = device.schedule;
    how.completion = device.completion;
    if (attnrt_sim_create(impl.ptx.text.c_str(), &how, &impl.sim) !=
        ATTNRT_OK) {
      return fail(attnrt_last_message());
    }
  }
  FailureOr<ProgramInfo> info = readProgram(*module);
  if (failed(info)) {
    return fail("the program cannot be read");
  }
  impl.program = std::move(*info);
  if (impl.sim) {
    // The host plans, and computes nothing itself.
    for (auto kernel :
         llvm::make_early_inc_range(module->getOps<tile::KernelOp>())) {
      if (kernel.getKind() != tile::KernelKind::host) {
        kernel.erase();
      }
    }
  }
  impl.times.tile = milliseconds(start);
  start = Clock::now();
  if (failed(compileToVector(*module, options))) {
    return fail("cannot be lowered to vectors");
  }
  impl.times.vector = milliseconds(start);
  DenseMap<StringAttr, uint64_t> scratch;
  for (auto f : module->getOps<func::FuncOp>()) {
    if (auto bytes = f->getAttrOfType<IntegerAttr>("tile.scratch_bytes")) {
      scratch[f.getSymNameAttr()] = bytes.getInt();
    }
  }
  FailureOr<std::unique_ptr<HostLibrary>> library =
      HostLibrary::create(*module, host, &impl.times.host);
  if (failed(library)) {
    return fail("no code for this host");
  }
  impl.library = std::move(*library);
  auto find = [&](StringRef name) { return impl.library->lookup(name); };
  auto bytesOf = [&](StringRef name) {
    return scratch.lookup(StringAttr::get(ctx, name));
  };
  impl.extents = reinterpret_cast<ExtentsFn>(find(impl.program.extentsKernel));
  bool complete = impl.extents;
  for (const LaunchInfo &l : impl.program.launches) {
    Stage s;
    s.info = l;
    if (impl.sim) {
      complete &= impl.ptx.kernels.contains(l.kernel) &&
                  (!l.isFold() || impl.ptx.kernels.contains(l.merge));
    } else {
      s.item = reinterpret_cast<attnrt_item_fn>(find(l.kernel));
      s.scratch = bytesOf(l.kernel);
      complete &= s.item != nullptr;
    }
    if (l.isFold()) {
      if (!impl.sim) {
        s.merge = reinterpret_cast<attnrt_merge_fn>(find(l.merge));
        s.scratch = std::max(s.scratch, bytesOf(l.merge));
        complete &= s.merge != nullptr;
      }
      s.range = reinterpret_cast<attnrt_range_fn>(find(l.range));
      complete &= s.range != nullptr;
      if (!l.classes.empty()) {
        s.classes = reinterpret_cast<ClassesFn>(find(l.classes));
      }
    }
    impl.stages.push_back(std::move(s));
  }
  if (!complete) {
    return fail("a kernel is missing from the generated code");
  }
  impl.times.total = milliseconds(begin);
  return exe;
}

//===----------------------------------------------------------------------===//
// Run
//===----------------------------------------------------------------------===//

LogicalResult Executable::Impl::Call::bind(ArrayRef<HostArray> given) {
  ProgramInfo &p = impl.program;
  if ((int64_t)given.size() != p.numArguments) {
    return fail(llvm::formatv("expects {0} arguments, but got {1}",
                              p.numArguments, given.size()));
  }
  for (const BufferInfo &b : p.buffers) {
    if (b.kind == tile::BufferKind::scalar) {
      scalars.push_back(cellOf(given[b.index], b.dtype));
    } else if (b.kind == tile::BufferKind::extent) {
      scalars.push_back(0);
    }
    if (!b.memory) {
      tensorOfBuffer.push_back(-1);
      continue;
    }
    tensorOfBuffer.push_back(arrays.size());
    if (b.kind != tile::BufferKind::operand) {
      arrays.emplace_back();
      tensors.emplace_back();
      continue;
    }
    const HostArray &a = given[b.index];
    bool fits = a.rank() == b.sizes.size() && a.rank() <= ATTNRT_MAX_RANK;
    for (unsigned i = 0; fits && i < a.rank(); ++i) {
      fits = ShapedType::isDynamic(b.sizes[i]) || a.dim(i) == b.sizes[i];
    }
    if (!fits || a.dtype() != b.dtype) {
      std::string want;
      for (int64_t s : b.sizes) {
        want += (ShapedType::isDynamic(s) ? "?" : std::to_string(s)) + "x";
      }
      return fail(llvm::formatv("argument {0} expects {1}{2}, but got {3}x{4}",
                                b.index, want, dtypeName(b.dtype),
                                formatShape(a.shape()), dtypeName(a.dtype())));
    }
    if (a.rank() && a.dim(a.rank() - 1) > 1 && a.strides().back() != 1) {
      return fail(
          llvm::formatv("argument {0} expects inner stride 1, but got {1}",
                        b.index, a.strides().back()));
    }
    arrays.push_back(a);
    tensors.push_back(tensorOf(a));
  }
  return success();
}

LogicalResult Executable::Impl::Call::findExtents() {
  ProgramInfo &p = impl.program;
  values.resize(p.extents.size());
  impl.extents(&args, values.data());
  DenseMap<int64_t, unsigned> first;
  for (auto [i, e] : llvm::enumerate(p.extents)) {
    if (values[i] < 0) {
      return fail(
          llvm::formatv("extent of {0} is negative: {1}", e.source, values[i]));
    }
    if (e.group < 0) {
      continue;
    }
    auto [it, fresh] = first.try_emplace(e.group, i);
    if (!fresh && values[it->second] != values[i]) {
      return fail(llvm::formatv(
          "extents of rank '{0}' disagree: {1} gives {2} but {3} gives {4}",
          e.rank, p.extents[it->second].source, values[it->second], e.source,
          values[i]));
    }
  }
  size_t cell = 0;
  for (const BufferInfo &b : p.buffers) {
    if (b.kind == tile::BufferKind::extent) {
      scalars[cell] = values[b.index];
    }
    cell += !b.memory;
  }
  return success();
}

LogicalResult Executable::Impl::Call::allocate() {
  ProgramInfo &p = impl.program;
  for (auto [n, b] : llvm::enumerate(p.buffers)) {
    if (b.kind != tile::BufferKind::result &&
        b.kind != tile::BufferKind::workspace) {
      continue;
    }
    SmallVector<int64_t> shape;
    for (int64_t e : b.shape) {
      shape.push_back(values[e]);
    }
    std::optional<HostArray> a = HostArray::create(b.dtype, shape);
    if (!a) {
      return fail("not enough memory for an array of " + formatShape(shape));
    }
    arrays[tensorOfBuffer[n]] = *a;
    tensors[tensorOfBuffer[n]] = tensorOf(*a);
  }
  return success();
}

/// A plan of rows that are the points, each of which has one ordinal.
LogicalResult
Executable::Impl::Call::runSimulatedFlat(Stage &stage, int64_t points,
                                         const RunOptions &options) {
  attnrt_segment segment{};
  segment.select = segment.len_ref = segment.head = -1;
  segment.count = 1;
  std::vector<int32_t> rowBegin{0, int32_t(points)}, coord(points),
      begins(points), ends(points, 1);
  std::iota(coord.begin(), coord.end(), 0);
  attnrt_problem problem{};
  problem.struct_size = sizeof(problem);
  problem.heads = problem.group = 1;
  problem.segments = &segment;
  problem.segment_count = 1;
  problem.row_begin = rowBegin.data();
  problem.row_count = points;
  problem.coord = coord.data();
  problem.lo = begins.data();
  problem.limit = ends.data();
  attnrt_entry entry{};
  entry.struct_size = sizeof(entry);
  entry.max_packed_rows =
      int32_t(impl.ptx.kernels.find(stage.info.kernel)->second.threads);
  entry.kv_tile = 1;
  attnrt_plan_options planning{};
  planning.struct_size = sizeof(planning);
  planning.workers = std::max(options.workers, 1);
  planning.split = 1;
  return withPlan(problem, entry, planning, [&](const attnrt_plan *plan) {
    return runSimulated(stage, plan) == ATTNRT_OK ? success()
                                                  : fail(attnrt_last_message());
  });
}

LogicalResult Executable::Impl::Call::runFlat(Stage &stage,
                                              const RunOptions &options) {
  int64_t points = product(stage.info.size);
  if (points == 0) {
    return success();
  }
  if (points > INT32_MAX) {
    return fail(llvm::formatv("a stage of {0} points is too large", points));
  }
  if (impl.sim) {
    return runSimulatedFlat(stage, points, options);
  }
  struct Work {
    Stage &stage;
    const attnrt_args *args;
    int64_t points, run;
    std::vector<HostArray> scratch; // per thread
  };
  int64_t chunks = std::min<int64_t>(points, 64 * attnrt_pool_threads(pool));
  Work work{stage, &args, points, (points + chunks - 1) / chunks, {}};
  for (int t = 0; t < attnrt_pool_threads(pool); ++t) {
    work.scratch.push_back(HostArray::zeros(
        DType::U8, {int64_t(std::max<uint64_t>(stage.scratch, 1))}));
  }
  chunks = (points + work.run - 1) / work.run;
  attnrt_status status = attnrt_pool_parallel_for(
      pool, chunks,
      [](void *ctx, int64_t i, int32_t thread) {
        Work &w = *static_cast<Work *>(ctx);
        attnrt_item item{};
        item.row_begin = i * w.run;
        item.row_count = std::min(w.run, w.points - i * w.run);
        item.slot = item.carry = item.mask = -1;
        w.stage.item(w.args, &item, w.scratch[thread].data());
      },
      &work);
  return status == ATTNRT_OK ? success() : fail(attnrt_last_message());
}

/// The fold's kernels as PTX. Results and states count as unwritten.
attnrt_status Executable::Impl::Call::runSimulated(const Stage &stage,
                                                   const attnrt_plan *plan) {
  auto kernelOf = [&](const std::string &name) {
    const PtxKernel &kernel = impl.ptx.kernels.find(name)->second;
    return attnrt_sim_kernel{kernel.symbol.c_str(), kernel.threads,
                             kernel.sharedBytes};
  };
  attnrt_sim_kernel items = kernelOf(stage.info.kernel);
  attnrt_sim_kernel merges{};
  if (stage.info.isFold()) {
    merges = kernelOf(stage.info.merge);
  }
  std::vector<uint8_t> fresh(tensors.size());
  for (auto [n, b] : llvm::enumerate(impl.program.buffers)) {
    if (b.memory && (b.kind == tile::BufferKind::state ||
                     b.kind == tile::BufferKind::result)) {
      // What one stage has written another one may go on with.
      fresh[tensorOfBuffer[n]] = b.kind == tile::BufferKind::state ||
                                 (!b.zero && stats.folds + stats.stages == 0);
    }
  }
  attnrt_sim_launch launch{};
  launch.plan = plan;
  launch.items = &items;
  launch.merges = stage.info.isFold() ? &merges : nullptr;
  launch.tensors = tensors.data();
  launch.fresh = fresh.data();
  launch.num_tensors = int64_t(tensors.size());
  launch.scalars = scalars.data();
  launch.num_scalars = int64_t(scalars.size());
  return attnrt_sim_run(impl.sim, &launch);
}

void Executable::Impl::Call::recordPlan(const Stage &stage,
                                        const attnrt_plan &plan) {
  RunStats::Fold fold;
  fold.rows = stage.info.rows;
  fold.cols = stage.info.cols;
  const attnrt_stage &launch = attnrt_plan_stages(&plan)[0];
  const int32_t *work = attnrt_plan_work(&plan) + launch.work_begin;
  for (int64_t worker = 0; worker < launch.workers; ++worker) {
    for (int64_t i = work[worker]; i < work[worker + 1]; ++i) {
      const attnrt_item &item = attnrt_plan_items(&plan)[i];
      fold.items.push_back(
          {worker, attnrt_plan_segments(&plan)[item.seg].param, item.head,
           attnrt_plan_rows(&plan)[item.row_begin].coord, item.row_count,
           item.sub_begin, item.sub_count, item.kv_begin, item.kv_count});
    }
  }
  if (impl.sim) {
    fold.launches = attnrt_sim_launches(impl.sim);
  }
  stats.plans.push_back(std::move(fold));
}

LogicalResult Executable::Impl::Call::runFold(Stage &stage,
                                              const RunOptions &options) {
  const LaunchInfo &l = stage.info;
  int64_t segments = product(l.segments), rows = l.row < 0 ? 1 : values[l.row];
  int64_t heads = product(l.heads), subs = product(l.subs);
  int64_t count = values[l.fold] * l.cols;
  if (segments * rows * heads * subs == 0) {
    return success();
  }
  if (heads > 65536 || subs > 65535 || segments * rows > INT32_MAX ||
      count > INT32_MAX) {
    return fail(llvm::formatv("{0} segments of {1} rows, {2} KV heads of {3} "
                              "query heads and {4} keys are too many",
                              segments, rows, heads, subs, count));
  }
  std::vector<int32_t> seg, coord, lo, hi, rowBegin{0};
  std::vector<attnrt_segment> records(segments);
  for (int64_t s = 0; s < segments; ++s) {
    for (int64_t r = 0; r < rows; ++r) {
      seg.push_back(s);
      coord.push_back(r);
    }
    rowBegin.push_back(seg.size());
    records[s] = attnrt_segment{};
    records[s].select = records[s].len_ref = records[s].head = -1;
    records[s].count = count;
    records[s].param = s;
  }
  lo.resize(seg.size());
  hi.resize(seg.size());
  stage.range(&args, seg.data(), coord.data(), lo.data(), hi.data(),
              seg.size());

  attnrt_problem problem{};
  problem.struct_size = sizeof(problem);
  problem.heads = int32_t(heads);
  problem.group = int32_t(subs);
  problem.segments = records.data();
  problem.segment_count = segments;
  problem.row_begin = rowBegin.data();
  problem.row_count = int64_t(seg.size());
  problem.coord = coord.data();
  problem.lo = lo.data();
  problem.limit = hi.data();
  attnrt_entry entry{};
  entry.struct_size = sizeof(entry);
  entry.max_packed_rows = int32_t(l.rows);
  entry.kv_tile = int32_t(l.cols);
  entry.states = int32_t(l.states.size());
  entry.ordered = l.ordered;
  attnrt_plan_options planning{};
  planning.struct_size = sizeof(planning);
  planning.workers = std::max(options.workers, 1);
  planning.split = options.split;
  return withPlan(problem, entry, planning, [&](const attnrt_plan *plan) {
    return runPlanned(stage, plan);
  });
}

LogicalResult Executable::Impl::Call::withPlan(
    const attnrt_problem &problem, const attnrt_entry &entry,
    const attnrt_plan_options &planning,
    llvm::function_ref<LogicalResult(const attnrt_plan *)> body) {
  attnrt_planner *planner = nullptr;
  if (attnrt_planner_create(&planner) != ATTNRT_OK) {
    return fail(attnrt_last_message());
  }
  llvm::scope_exit cleanup([&] { attnrt_planner_destroy(planner); });
  const attnrt_plan *plan = nullptr;
  if (attnrt_planner_plan(planner, &problem, &entry, &planning, &plan) !=
      ATTNRT_OK) {
    return fail(attnrt_last_message());
  }
  return body(plan);
}

LogicalResult Executable::Impl::Call::runPlanned(Stage &stage,
                                                 const attnrt_plan *plan) {
  const LaunchInfo &l = stage.info;
  for (int64_t n : l.states) {
    const BufferInfo &b = impl.program.buffers[n];
    SmallVector<int64_t> shape{plan->slots};
    for (int64_t e : b.shape) {
      shape.push_back(values[e]);
    }
    std::optional<HostArray> a = HostArray::create(b.dtype, shape);
    if (!a) {
      return fail("not enough memory for partial states of " +
                  formatShape(shape));
    }
    arrays[tensorOfBuffer[n]] = *a;
    tensors[tensorOfBuffer[n]] = tensorOf(*a);
  }
  attnrt_status status = impl.sim
                             ? runSimulated(stage, plan)
                             : attnrt_cpu_run(plan, 0, stage.item, stage.merge,
                                              &args, pool, stage.scratch);
  if (status != ATTNRT_OK) {
    return fail(attnrt_last_message());
  }
  if (stage.classes) {
    // Every item's rows once per KV head; splits of one run count once.
    std::vector<int32_t> runs;
    const attnrt_item *items = attnrt_plan_items(plan);
    const attnrt_row *planRows = attnrt_plan_rows(plan);
    const attnrt_segment *planSegments = attnrt_plan_segments(plan);
    llvm::DenseSet<std::pair<int64_t, int64_t>> seen;
    for (uint32_t i = 0; i < plan->items.count; ++i) {
      const attnrt_item &item = items[i];
      if (!seen.insert({item.row_begin,
                        int64_t(item.head) << 32 | int64_t(item.sub_begin)})
               .second) {
        continue;
      }
      runs.insert(runs.end(), {planSegments[item.seg].param, item.head,
                               planRows[item.row_begin].coord, item.row_count});
    }
    int64_t counts[3] = {0, 0, 0};
    stage.classes(&args, runs.data(), counts, runs.size() / 4);
    stats.emptyTiles += counts[0];
    stats.partialTiles += counts[1];
    stats.fullTiles += counts[2];
  }
  recordPlan(stage, *plan);
  stats.items += plan->items.count;
  stats.merges += plan->merges.count;
  return success();
}

LogicalResult Executable::run(ArrayRef<HostArray> given,
                              const RunOptions &options,
                              SmallVectorImpl<HostArray> &results,
                              std::string &error, RunStats *stats) {
  Impl::Call call{*impl, error};
  if (failed(call.bind(given))) {
    return failure();
  }
  call.args.tensors = call.tensors.data();
  call.args.scalars = call.scalars.data();
  if (failed(call.findExtents()) || failed(call.allocate())) {
    return failure();
  }
  attnrt_pool_options poolOptions{};
  poolOptions.threads = std::max(options.workers, 1);
  if (attnrt_pool_create(&poolOptions, &call.pool) != ATTNRT_OK) {
    return call.fail(attnrt_last_message());
  }
  llvm::scope_exit cleanup([&] { attnrt_pool_destroy(call.pool); });
  auto start = Clock::now();
  for (Stage &stage : impl->stages) {
    LogicalResult done = stage.info.isFold() ? call.runFold(stage, options)
                                             : call.runFlat(stage, options);
    if (failed(done)) {
      return failure();
    }
    ++(stage.info.isFold() ? call.stats.folds : call.stats.stages);
  }
  call.stats.seconds = milliseconds(start) / 1e3;
  results.resize(impl->program.numResults);
  for (auto [n, b] : llvm::enumerate(impl->program.buffers)) {
    if (b.kind == tile::BufferKind::result) {
      results[b.index] = call.arrays[call.tensorOfBuffer[n]];
    }
  }
  if (stats) {
    *stats = call.stats;
  }
  return success();
}
