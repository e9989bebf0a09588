//===- SimDevice.cpp - The simulator as a device of schedules -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "../../Guard.h"
#include "../Device.h"
#include "../Parameters.h"
#include "attnrt/sim.h"

#include <atomic>
#include <cstring>
#include <mutex>

using namespace attnrt;

namespace {

struct SimFree {
  void operator()(attnrt_sim *sim) const { attnrt_sim_destroy(sim); }
};

/// Of kernels that are loaded from now on.
std::mutex optionsMutex;
attnrt_sim_options chosenOptions{};

struct SimKernel : LoadedKernel {
  std::unique_ptr<Session> makeSession(int32_t stepsInFlight,
                                       bool isCaptured) override;
  // Enough for work to be shared; each is a CTA.
  int32_t defaultWorkers() const override { return 4; }
  int32_t pointsPerItem(size_t launch) const override {
    return program->launches[launch].isFold() ? 0
                                              : int32_t(items[launch].threads);
  }

  const Program *program;
  std::unique_ptr<attnrt_sim, SimFree> sim;
  std::mutex turn; ///< the simulator serves one thread at a time
  std::vector<attnrt_sim_kernel> items, merges;
};

class SimSession : public Session {
public:
  explicit SimSession(SimKernel &kernel) : kernel(kernel) {}
  void zero(const attnrt_tensor &tensor, void *stream) override;
  void run(const std::vector<LaunchWork> &works, const RunInput &input,
           void *stream) override;
  const char *counters(size_t launch) const override {
    return launch < counted.size() ? counted[launch].c_str() : "[]";
  }

private:
  void findFresh(bool isFirst);

  SimKernel &kernel;
  std::vector<uint8_t> fresh;
  std::vector<std::string> counted; ///< by launch
};

struct SimDevice : Device {
  bool fits(const Target &target, std::string &why) const override {
    why = "it is for a CPU";
    return target.kind == TargetKind::Cuda;
  }
  int rank(const Target &) const override { return 0; } // the first one
  std::unique_ptr<LoadedKernel> load(const Bundle &bundle,
                                     const Program &program,
                                     const Library &host) override;
  bool reaches(DLDevice device) const override {
    return device.device_type == kDLCPU;
  }
  void *allocate(uint64_t bytes, uint64_t alignment) override {
    void *block = std::aligned_alloc(alignment, (bytes + alignment - 1) /
                                                    alignment * alignment);
    if (!block) {
      throw std::bad_alloc();
    }
    return block;
  }
  void free(void *memory, uint64_t) override { std::free(memory); }
};

std::unique_ptr<Device> makeSimDevice() {
  return std::make_unique<SimDevice>();
}

} // namespace

std::unique_ptr<LoadedKernel>
SimDevice::load(const Bundle &bundle, const Program &program, const Library &) {
  auto loaded = std::make_unique<SimKernel>();
  loaded->program = &program;
  const char *ptx = nullptr;
  auto kernelOf = [&](uint32_t number) {
    const KernelCode &kernel = program.kernels[number];
    const Code &code = bundle.code[kernel.code];
    checkParameters(kernel, program);
    if (code.kind != CodeKind::Ptx || (ptx && ptx != code.data)) {
      raise(ATTNRT_INCOMPATIBLE,
            "the simulator expects one PTX text for an entry");
    }
    ptx = code.data;
    return attnrt_sim_kernel{kernel.symbol.c_str(), kernel.threads,
                             kernel.sharedBytes};
  };
  for (const LaunchRecord &launch : program.launches) {
    loaded->items.push_back(kernelOf(launch.items));
    loaded->merges.push_back(launch.isFold() ? kernelOf(uint32_t(launch.merge))
                                             : attnrt_sim_kernel{});
  }
  attnrt_sim *sim = nullptr;
  if (ptx) {
    std::lock_guard<std::mutex> lock(optionsMutex);
    check(attnrt_sim_create(ptx, &chosenOptions, &sim));
  }
  loaded->sim.reset(sim);
  return loaded;
}

std::unique_ptr<Session> SimKernel::makeSession(int32_t, bool) {
  return std::make_unique<SimSession>(*this);
}

/// In host memory, like all tensors of this device.
void SimSession::zero(const attnrt_tensor &tensor, void *) {
  zeroOnHost(tensor);
}

/// States but for those from elsewhere, and results in front of the first
/// launch, count as unwritten: a kernel that reads one is found. What one
/// launch has written another one may go on with.
void SimSession::findFresh(bool isFirst) {
  fresh.clear();
  for (const Buffer &buffer : kernel.program->buffers) {
    if (buffer.isMemory) {
      bool isResult = buffer.kind == BufferKind::Result;
      bool isBlank = isResult && isFirst && !buffer.isZero;
      fresh.push_back(buffer.kind == BufferKind::State ? 2 : isBlank);
    }
  }
}

void SimSession::run(const std::vector<LaunchWork> &works,
                     const RunInput &input, void *) {
  std::lock_guard<std::mutex> lock(kernel.turn);
  bool isFirst = true;
  counted.assign(works.size(), "[]");
  for (size_t l = 0; l < works.size(); ++l) {
    input.enter(l);
    if (!works[l].plan) {
      continue;
    }
    findFresh(isFirst);
    isFirst = false;
    attnrt_sim_launch launch{};
    launch.plan = works[l].plan;
    launch.items = &kernel.items[l];
    launch.merges =
        kernel.program->launches[l].isFold() ? &kernel.merges[l] : nullptr;
    launch.tensors = input.tensors;
    launch.fresh = fresh.data();
    launch.num_tensors = int64_t(input.numTensors);
    launch.scalars = input.scalars;
    launch.num_scalars = int64_t(input.numScalars);
    check(attnrt_sim_run(kernel.sim.get(), &launch));
    counted[l] = attnrt_sim_launches(kernel.sim.get());
  }
}

attnrt_status attnrt_sim_enable(const attnrt_sim_options *options) {
  return guard([&] {
    std::lock_guard<std::mutex> lock(optionsMutex);
    chosenOptions = options ? *options : attnrt_sim_options{};
    setSimDevice(makeSimDevice);
  });
}
