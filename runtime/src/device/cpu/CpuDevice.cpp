//===- CpuDevice.cpp - The CPU as a device --------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../../abi/Context.h"
#include "../../bundle/Cpu.h"
#include "Memory.h"
#include "Pool.h"
#include "Run.h"
#include "Tiles.h"

#include <atomic>

using namespace attnrt;

namespace {

/// A launch with its functions.
struct CpuLaunch {
  attnrt_item_fn item = nullptr;
  attnrt_merge_fn merge = nullptr;
  uint64_t scratch = 0;
  size_t firstTensor = 0, firstScalar = 0;

  attnrt_args args(const RunInput &input) const {
    attnrt_args args{};
    args.tensors = input.tensors + firstTensor;
    args.scalars = input.scalars + firstScalar;
    return args;
  }
};

struct CpuKernel : LoadedKernel {
  explicit CpuKernel(Context &context) : context(context) {}
  std::unique_ptr<Session> makeSession(int32_t stepsInFlight,
                                       bool isCaptured) override;
  int32_t defaultWorkers() const override { return context.threads(); }

  Context &context;
  std::vector<CpuLaunch> launches;
  uint64_t mostScratch = 0; ///< of a body of any launch
  bool usesTiles = false;   ///< of AMX
};

/// A loop over bodies, each with scratch of its own.
struct Loop {
  void (*body)(void *ctx, int64_t i, void *scratch);
  void *ctx;
  // Of an engine's loop: one block for each i that may run.
  char *scratch;
  uint64_t stride;
  // Of the pool: one for each of its threads.
  ThreadTeam *team;
  bool usesTiles = false;
};

class CpuSession : public Session {
public:
  explicit CpuSession(const CpuKernel &kernel)
      : kernel(kernel), variants(kernel.launches.size()) {}
  void reserve(const PlanRoom &room) override;
  void update(const std::vector<LaunchWork> &works, const void *, uint64_t,
              void *stream) override;
  void zero(const attnrt_tensor &tensor, void *) override {
    zeroOnHost(tensor);
  }
  void run(const std::vector<LaunchWork> &works, const RunInput &input,
           void *stream) override;

private:
  void runPlan(size_t number, const LaunchWork &work, const RunInput &input);
  void runPoints(const CpuLaunch &launch, int64_t points,
                 const attnrt_args &args);
  void loop(int64_t n, uint64_t scratchBytes, Loop loop);
  void reserveScratch(uint64_t bytesOfEngineLoop);

  const CpuKernel &kernel;
  Scratch scratch; ///< for an engine's loop
  std::vector<ItemKernel> variants;
};

class CpuDevice : public Device {
public:
  explicit CpuDevice(Context &context) : context(context) {}
  bool fits(const Target &target, std::string &why) const override {
    if (target.kind != TargetKind::Cpu) {
      why = "it is for a GPU";
      return false;
    }
    std::string lacks = missingOnThisCpu(target);
    why = "it asks for " + lacks + ", which this CPU has not";
    return lacks.empty();
  }
  int rank(const Target &target) const override { return levelOf(target); }
  std::unique_ptr<LoadedKernel>
  load(const std::vector<PartCode> &parts) override;
  bool reaches(DLDevice device) const override {
    return device.device_type == kDLCPU || device.device_type == kDLCUDAHost;
  }
  void *allocate(uint64_t bytes, uint64_t alignment) override {
    void *block = allocateForKernels(bytes, alignment);
    if (!block) {
      raise(ATTNRT_RESOURCE_EXHAUSTED, "not enough memory for %llu bytes",
            static_cast<unsigned long long>(bytes));
    }
    return block;
  }
  void free(void *memory, uint64_t) override { std::free(memory); }

private:
  Context &context;
};

} // namespace

std::unique_ptr<LoadedKernel>
CpuDevice::load(const std::vector<PartCode> &parts) {
  auto loaded = std::make_unique<CpuKernel>(context);
  for (const PartCode &part : parts) {
    const Program &program = *part.program;
    loaded->usesTiles |= usesTiles(part.bundle->targets[program.target]);
    auto find = [&](uint32_t number) {
      void *found = part.host->find(program.kernels[number].symbol);
      if (!found) {
        raise(ATTNRT_CORRUPT, "the host code of the bundle lacks '%s'",
              program.kernels[number].symbol.c_str());
      }
      return found;
    };
    for (const LaunchRecord &record : program.launches) {
      CpuLaunch launch;
      launch.firstTensor = part.firstTensor;
      launch.firstScalar = part.firstScalar;
      launch.item = reinterpret_cast<attnrt_item_fn>(find(record.items));
      launch.scratch = program.kernels[record.items].scratchBytes;
      if (record.isFold()) {
        uint32_t merge = uint32_t(record.merge);
        launch.merge = reinterpret_cast<attnrt_merge_fn>(find(merge));
        launch.scratch =
            std::max(launch.scratch, program.kernels[merge].scratchBytes);
      }
      loaded->mostScratch = std::max(loaded->mostScratch, launch.scratch);
      loaded->launches.push_back(launch);
    }
  }
  return loaded;
}

/// Bytes that a body of a launch may use, whatever items it gets.
static uint64_t scratchOf(const CpuKernel &kernel, size_t launch,
                          const LaunchWork &work) {
  uint64_t bytes = 0;
  for (uint32_t v = 0; v < work.variants; ++v) {
    bytes = std::max(bytes, kernel.launches[launch + v].scratch);
  }
  return bytes;
}

std::unique_ptr<Session> CpuKernel::makeSession(int32_t, bool) {
  return std::make_unique<CpuSession>(*this);
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

/// Most bodies of a loop over points: runs of them.
static int64_t bodiesOfPoints(int64_t points, int32_t threads) {
  return std::min<int64_t>(points, int64_t(threads) * 16);
}

/// Most bodies of one loop: workers of a plan, or runs of points.
static int64_t mostBodies(const LaunchWork &work, int32_t threads) {
  return work.plan ? attnrt_plan_stages(work.plan)[0].workers
                   : bodiesOfPoints(work.points, threads);
}

static uint64_t roundUp(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Threads and scratch, so that runs ask for none. Only the first run in a
/// child of fork() does, whose threads are new.
void CpuSession::reserveScratch(uint64_t bytesOfEngineLoop) {
  uint64_t bytes = kernel.mostScratch;
  bool isThere;
  if (kernel.context.params.parallel_for) {
    bytes = bytesOfEngineLoop;
    isThere = scratch.reserve(bytes);
  } else {
    ThreadTeam *team = kernel.context.pool()->current();
    isThere = team && team->reserve(bytes);
  }
  if (!isThere) {
    raise(ATTNRT_RESOURCE_EXHAUSTED,
          "no threads, or no memory for %llu scratch bytes",
          static_cast<unsigned long long>(bytes));
  }
}

void CpuSession::reserve(const PlanRoom &room) {
  uint64_t bytes = 0;
  for (size_t l = 0; l < kernel.launches.size(); ++l) {
    const CpuLaunch &launch = kernel.launches[l];
    int64_t bodies =
        launch.merge ? room.workers
                     : bodiesOfPoints(room.points[l], kernel.context.threads());
    // Variants of a fold are run in one loop.
    uint64_t each = launch.merge ? kernel.mostScratch : launch.scratch;
    bytes = std::max(bytes, roundUp(each) * uint64_t(bodies));
  }
  reserveScratch(bytes);
}

void CpuSession::update(const std::vector<LaunchWork> &works, const void *,
                        uint64_t, void *) {
  uint64_t bytes = 0;
  for (size_t l = 0; l < works.size(); ++l) {
    uint64_t bodies = uint64_t(mostBodies(works[l], kernel.context.threads()));
    bytes = std::max(bytes, roundUp(scratchOf(kernel, l, works[l])) * bodies);
  }
  reserveScratch(bytes);
}

static void engineBody(void *ctx, int64_t i) {
  const Loop &loop = *static_cast<const Loop *>(ctx);
  KernelMode mode;
  TileConfig tiles(loop.usesTiles);
  loop.body(loop.ctx, i, loop.scratch + loop.stride * uint64_t(i));
}

static void teamBody(void *ctx, int64_t i, int32_t thread) {
  const Loop &loop = *static_cast<const Loop *>(ctx);
  loop.body(loop.ctx, i, loop.team->scratch(thread));
}

void CpuSession::loop(int64_t n, uint64_t scratchBytes, Loop l) {
  const attnrt_context_params &params = kernel.context.params;
  if (params.parallel_for) {
    l.scratch = static_cast<char *>(scratch.data());
    l.stride = roundUp(scratchBytes);
    l.usesTiles = kernel.usesTiles;
    params.parallel_for(params.parallel_self, n, engineBody, &l);
    return;
  }
  l.team = kernel.context.pool()->current();
  if (!l.team || !l.team->run(n, teamBody, &l, scratchBytes)) {
    raise(ATTNRT_RESOURCE_EXHAUSTED,
          "no threads, or no memory for %llu scratch bytes",
          static_cast<unsigned long long>(scratchBytes));
  }
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

void attnrt::zeroOnHost(const attnrt_tensor &tensor) {
  // Rows along the last axis, whose stride is 1.
  uint32_t last = tensor.rank ? tensor.rank - 1 : 0;
  uint64_t element =
      elementBits(tensor.dtype) / 8; // results are no packed ones
  int64_t at[ATTNRT_MAX_RANK] = {};
  for (uint32_t axis = 0; axis < tensor.rank; ++axis) {
    if (tensor.shape[axis] == 0) {
      return;
    }
  }
  uint64_t row = (tensor.rank ? uint64_t(tensor.shape[last]) : 1) * element;
  while (true) {
    int64_t offset = 0;
    for (uint32_t axis = 0; axis < last; ++axis) {
      offset += at[axis] * tensor.stride[axis];
    }
    std::memset(static_cast<char *>(tensor.data) + offset * int64_t(element), 0,
                row);
    uint32_t axis = last;
    while (axis > 0 && ++at[axis - 1] == tensor.shape[axis - 1]) {
      at[--axis] = 0;
    }
    if (axis == 0) {
      return;
    }
  }
}

void CpuSession::runPlan(size_t number, const LaunchWork &work,
                         const RunInput &input) {
  const CpuLaunch &launch = kernel.launches[number];
  const attnrt_args args = launch.args(input);
  StageRun stage{};
  check(prepareStage(work.plan, 0, launch.item, launch.merge, &args, stage));
  if (work.variants > 1) {
    for (uint32_t v = 0; v < work.variants; ++v) {
      const CpuLaunch &variant = kernel.launches[number + v];
      variants[v] = {variant.item, variant.args(input)};
      addRecords(variants[v].args, work.plan);
    }
    stage.kernels = variants.data();
  }
  const uint64_t scratchBytes = scratchOf(kernel, number, work);
  if (stage.hasItems) {
    loop(stage.workers, scratchBytes,
         {[](void *ctx, int64_t i, void *own) {
            static_cast<StageRun *>(ctx)->runItems(i, own);
          },
          &stage, nullptr, 0, nullptr});
  }
  if (stage.hasMerges) {
    loop(stage.workers, scratchBytes,
         {[](void *ctx, int64_t i, void *own) {
            static_cast<StageRun *>(ctx)->runMerges(i, own);
          },
          &stage, nullptr, 0, nullptr});
  }
}

void CpuSession::runPoints(const CpuLaunch &launch, int64_t points,
                           const attnrt_args &args) {
  struct Points {
    const CpuLaunch &launch;
    const attnrt_args &args;
    int64_t points, run;
  };
  if (!points) {
    return;
  }
  int64_t bodies = bodiesOfPoints(points, kernel.context.threads());
  Points work{launch, args, points, (points + bodies - 1) / bodies};
  bodies = (points + work.run - 1) / work.run;
  loop(bodies, launch.scratch,
       {[](void *ctx, int64_t i, void *own) {
          const Points &w = *static_cast<const Points *>(ctx);
          attnrt_item item{};
          item.row_begin = int32_t(i * w.run);
          item.row_count = int32_t(std::min(w.run, w.points - i * w.run));
          item.slot = item.carry = item.mask = -1;
          w.launch.item(&w.args, &item, own);
        },
        &work, nullptr, 0, nullptr});
}

void CpuSession::run(const std::vector<LaunchWork> &works,
                     const RunInput &input, void *) {
  TileConfig tiles(kernel.usesTiles);
  for (size_t l = 0; l < works.size(); ++l) {
    input.enter(l);
    if (works[l].plan) {
      runPlan(l, works[l], input);
    } else {
      runPoints(kernel.launches[l], works[l].points,
                kernel.launches[l].args(input));
    }
  }
}

std::unique_ptr<Device> attnrt::makeCpuDevice(Context &context) {
  return std::make_unique<CpuDevice>(context);
}
