//===- Executable.cpp - A function, compiled and loaded -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The bytes of a bundle, run through the C ABI: what tests and tools measure is
// what an engine gets.
//
//===----------------------------------------------------------------------===//
#include "attn/JIT/Executable.h"

#include "attn/Compiler/CompileToPtx.h"
#include "attnrt/attnrt.h"
#include "attnrt/plan_format.h"
#include "attnrt/sim.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include <chrono>
#include <map>
#include <mutex>

using namespace attn;

namespace {
using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::milli>(Clock::now() - since)
      .count();
}

template <class T, void (*release)(T *)> struct Release {
  void operator()(T *handle) const { release(handle); }
};
template <class T, void (*release)(T *)>
using Handle = std::unique_ptr<T, Release<T, release>>;

/// A kernel with what it was loaded by.
struct Loaded {
  Handle<attnrt_context, attnrt_context_release> context;
  Handle<attnrt_bundle, attnrt_bundle_release> bundle;
  Handle<attnrt_kernel, attnrt_kernel_release> kernel;
};

template <class T> T params() {
  T value{};
  value.struct_size = sizeof(T);
  return value;
}
} // namespace

static DLDataType toDLPack(DType dtype) {
  auto type = [](int code, int bits) {
    return DLDataType{uint8_t(code), uint8_t(bits), 1};
  };
  switch (dtype) {
  case DType::F64:
    return type(kDLFloat, 64);
  case DType::F32:
    return type(kDLFloat, 32);
  case DType::F16:
    return type(kDLFloat, 16);
  case DType::BF16:
    return type(kDLBfloat, 16);
  case DType::F8E4M3FN:
    return type(kDLFloat8_e4m3fn, 8);
  case DType::F8E5M2:
    return type(kDLFloat8_e5m2, 8);
  case DType::I64:
    return type(kDLInt, 64);
  case DType::I32:
    return type(kDLInt, 32);
  case DType::I16:
    return type(kDLInt, 16);
  case DType::I8:
    return type(kDLInt, 8);
  case DType::I4:
    return type(kDLInt, 4);
  case DType::U16:
    return type(kDLUInt, 16);
  case DType::U8:
    return type(kDLUInt, 8);
  case DType::I1:
    return type(kDLBool, 8);
  }
  llvm_unreachable("all element types are listed");
}

static std::optional<DType> fromDLPack(DLDataType given) {
  for (int i = 0; i <= int(DType::I1); ++i) {
    DLDataType type = toDLPack(DType(i));
    if (type.code == given.code && type.bits == given.bits) {
      return DType(i);
    }
  }
  // The runtime leaves the sign of 4 bits to the program.
  return given.bits == 4 ? std::optional(DType::I4) : std::nullopt;
}

struct Executable::Impl {
  std::string entry;
  SmallVector<char, 0> bundle;
  DeviceOptions device;
  CompileTimes times;

  /// Loads with a pool of so many threads; each number is loaded once.
  FailureOr<attnrt_kernel *> load(int threads, std::string &error);

private:
  std::mutex mutex;
  std::map<int, Loaded> loaded; // by threads
};

FailureOr<attnrt_kernel *> Executable::Impl::load(int threads,
                                                  std::string &error) {
  bool isSimulated = !device.simulatedChip.empty();
  std::lock_guard<std::mutex> lock(mutex);
  Loaded &known = loaded[isSimulated ? 0 : threads];
  if (known.kernel) {
    return known.kernel.get();
  }
  auto fail = [&] {
    error = attnrt_last_message();
    return failure();
  };
  Loaded fresh;
  auto contextParams = params<attnrt_context_params>();
  contextParams.cpu_threads = threads;
  attnrt_context *context = nullptr;
  if (attnrt_context_create(&contextParams, &context)) {
    return fail();
  }
  fresh.context.reset(context);
  attnrt_bundle *read = nullptr;
  if (attnrt_bundle_load(context, bundle.data(), bundle.size(), &read)) {
    return fail();
  }
  fresh.bundle.reset(read);
  // The simulator's options are the process's: nobody may change them before
  // the kernel has them.
  static std::mutex simulator;
  std::unique_lock<std::mutex> simulatorLock(simulator, std::defer_lock);
  DLDevice where{kDLCPU, 0};
  if (isSimulated) {
    simulatorLock.lock();
    where = {kDLExtDev, ATTNRT_DEVICE_SIM};
    attnrt_sim_options how{};
    how.seed = device.seed;
    how.schedule = device.schedule;
    how.completion = device.completion;
    if (attnrt_sim_enable(&how)) {
      return fail();
    }
  }
  attnrt_kernel *kernel = nullptr;
  if (attnrt_kernel_load(read, entry.c_str(), where, nullptr, &kernel)) {
    return fail();
  }
  fresh.kernel.reset(kernel);
  known = std::move(fresh);
  return kernel;
}

Executable::Executable() : impl(std::make_unique<Impl>()) {}
Executable::~Executable() = default;
const CompileTimes &Executable::times() const { return impl->times; }

std::unique_ptr<Executable> Executable::compile(ModuleOp module,
                                                StringRef entry,
                                                const CompileOptions &options,
                                                std::string &error,
                                                const DeviceOptions &device) {
  // The first error is the one a caller sees; remarks go to the caller's
  // handler.
  std::string first;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &d) {
    if (d.getSeverity() == DiagnosticSeverity::Error && first.empty()) {
      first = d.str();
    }
    return failure();
  });
  auto begin = Clock::now();
  std::unique_ptr<Executable> exe(new Executable);
  Impl &impl = *exe->impl;
  impl.entry = entry.str();
  impl.device = device;
  BundleOptions bundle;
  bundle.entries.push_back(entry.str());
  bundle.tiles = options;
  bundle.targets.push_back(device.cpu);
  if (device.simulatedChip.empty()) {
    if (failed(validateBundleOptions(bundle, error))) {
      return nullptr;
    }
    if (!runsHere(device.cpu)) {
      error = "expects a target that this machine runs, but got '" +
              device.cpu + "'";
      return nullptr;
    }
  }
  if (!device.simulatedChip.empty()) {
    bundle.targets[0] = bundle.ptx.chip = device.simulatedChip;
    bundle.ptx.warps = device.warps;
    bundle.ptx.stages = device.stages;
    bundle.ptx.splitLoops = device.splitLoops;
    bundle.ptx.sabotage = device.sabotage;
    if (failed(validatePtxCompile(bundle.ptx, options, error))) {
      return nullptr;
    }
  }
  FailureOr<SmallVector<char, 0>> bytes =
      makeBundle(module, bundle, &impl.times);
  if (failed(bytes)) {
    error = first.empty() ? "cannot be compiled" : first;
    return nullptr;
  }
  impl.bundle = std::move(*bytes);
  auto start = Clock::now();
  if (failed(impl.load(1, error))) {
    return nullptr;
  }
  impl.times.host.load = milliseconds(start);
  impl.times.total = milliseconds(begin);
  return exe;
}

//===----------------------------------------------------------------------===//
// Run
//===----------------------------------------------------------------------===//

namespace {
/// Arrays as the ABI wants them. The arrays' shapes must outlive it.
class Tensors {
public:
  void add(const HostArray &array) {
    DLTensor &tensor = tensors.emplace_back();
    tensor.data = array.data();
    tensor.device = {kDLCPU, 0};
    tensor.ndim = int32_t(array.rank());
    tensor.dtype = toDLPack(array.dtype());
    tensor.shape = const_cast<int64_t *>(array.shape().data());
    tensor.strides = const_cast<int64_t *>(array.strides().data());
  }
  std::vector<const DLTensor *> pointers() const {
    std::vector<const DLTensor *> list;
    for (const DLTensor &tensor : tensors) {
      list.push_back(&tensor);
    }
    return list;
  }

private:
  std::vector<DLTensor> tensors;
};
} // namespace

/// A number in the type that the function has for it.
static HostArray numberAs(const HostArray &scalar, DType dtype) {
  HostArray value = HostArray::zeros(dtype, {});
  if (isFloat(dtype)) {
    value.setDouble(0, scalar.getDouble(0));
  } else {
    value.setInt(0, scalar.getInt(0));
  }
  return value;
}

static void recordLaunch(const attnrt_launch_info &info, RunStats &stats) {
  bool isFold = info.flags & ATTNRT_LAUNCH_FOLD;
  ++(isFold ? stats.folds : stats.stages);
  if (!isFold || !info.plan) {
    return;
  }
  RunStats::Fold &fold = stats.plans.emplace_back();
  fold.rows = info.rows;
  fold.cols = info.cols;
  fold.launches = info.counters;
  const attnrt_plan &plan = *info.plan;
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
}

LogicalResult Executable::run(ArrayRef<HostArray> given,
                              const RunOptions &options,
                              SmallVectorImpl<HostArray> &results,
                              std::string &error, RunStats *stats) {
  auto fail = [&] {
    error = attnrt_last_message();
    return failure();
  };
  int workers = std::max(options.workers, 1);
  FailureOr<attnrt_kernel *> kernel = impl->load(workers, error);
  if (failed(kernel)) {
    return failure();
  }
  auto info = params<attnrt_kernel_info>();
  if (attnrt_kernel_describe(*kernel, &info)) {
    return fail();
  }
  SmallVector<HostArray> arrays(given);
  Tensors tensors;
  for (auto [i, array] : llvm::enumerate(arrays)) {
    auto argument = params<attnrt_argument_info>();
    if (int64_t(i) < info.num_arguments) {
      if (attnrt_kernel_argument(*kernel, int32_t(i), &argument)) {
        return fail();
      }
      if (argument.flags & ATTNRT_ARGUMENT_SCALAR && array.rank() == 0) {
        array = numberAs(array, *fromDLPack(argument.dtype));
      }
    }
    tensors.add(array);
  }
  auto caps = params<attnrt_schedule_caps>();
  caps.workers = workers;
  caps.split = options.split;
  attnrt_schedule *made = nullptr;
  if (attnrt_schedule_create(*kernel, &caps, &made)) {
    return fail();
  }
  Handle<attnrt_schedule, attnrt_schedule_release> schedule(made);
  std::vector<const DLTensor *> list = tensors.pointers();
  auto step = params<attnrt_step>();
  step.num_arguments = int32_t(list.size());
  step.arguments = list.data();
  if (attnrt_schedule_update(made, &step, nullptr)) {
    return fail();
  }
  SmallVector<HostArray> outputs(info.num_results);
  for (auto [i, output] : llvm::enumerate(outputs)) {
    auto result = params<attnrt_argument_info>();
    int64_t sizes[ATTNRT_MAX_AXES];
    int32_t axes = 0;
    if (attnrt_kernel_argument(*kernel, info.num_arguments + int32_t(i),
                               &result) ||
        attnrt_schedule_result(made, int32_t(i), sizes, &axes)) {
      return fail();
    }
    ArrayRef<int64_t> shape(sizes, size_t(axes));
    std::optional<HostArray> array =
        HostArray::create(*fromDLPack(result.dtype), shape);
    if (!array) {
      error = "not enough memory for an array of " + formatShape(shape);
      return failure();
    }
    output = *array;
    tensors.add(output);
  }
  list = tensors.pointers();
  auto start = Clock::now();
  if (attnrt_run(made, list.data(), int32_t(list.size()), nullptr)) {
    return fail();
  }
  double seconds = milliseconds(start) / 1e3;
  if (stats) {
    *stats = RunStats();
    stats->seconds = seconds;
    auto totals = params<attnrt_schedule_stats>();
    int64_t tiles[3];
    if (attnrt_schedule_describe(made, &totals) ||
        attnrt_schedule_count_tiles(made, tiles)) {
      return fail();
    }
    stats->items = totals.items;
    stats->merges = totals.merges;
    stats->emptyTiles = tiles[0];
    stats->partialTiles = tiles[1];
    stats->fullTiles = tiles[2];
    for (int32_t i = 0; i < info.num_launches; ++i) {
      auto launch = params<attnrt_launch_info>();
      if (attnrt_schedule_launch(made, i, &launch)) {
        return fail();
      }
      recordLaunch(launch, *stats);
    }
  }
  results.assign(outputs.begin(), outputs.end());
  return success();
}
