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
  bool computesAllRows() const override { return true; }
  bool splitsVariants() const override { return true; }
  int32_t pointsPerItem(size_t launch) const override {
    return launches[launch].isFold() ? 0
                                     : int32_t(launches[launch].items.threads);
  }

  struct Part {
    PartCode code;
    std::unique_ptr<attnrt_sim, SimFree> sim;
  };
  struct Launch {
    size_t part;
    attnrt_sim_kernel items{}, merges{};
    bool isFold() const { return merges.name; }
  };
  void loadPart(const PartCode &code);

  std::vector<Part> parts;
  std::vector<Launch> launches;
  std::mutex turn; ///< the simulator serves one thread at a time
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
  void findFresh(const Program &program, bool isFirst, bool hasStates);
  void runVariant(size_t number, uint32_t variant, const LaunchWork &work,
                  const RunInput &input, bool isFirst);

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
  std::unique_ptr<LoadedKernel>
  load(const std::vector<PartCode> &parts) override;
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
SimDevice::load(const std::vector<PartCode> &parts) {
  auto loaded = std::make_unique<SimKernel>();
  for (const PartCode &part : parts) {
    loaded->loadPart(part);
  }
  return loaded;
}

void SimKernel::loadPart(const PartCode &part) {
  const Program &program = *part.program;
  const char *ptx = nullptr;
  auto kernelOf = [&](uint32_t number) {
    const KernelCode &kernel = program.kernels[number];
    const Code &code = part.bundle->code[kernel.code];
    checkParameters(kernel, program);
    if (code.kind != CodeKind::Ptx || (ptx && ptx != code.data)) {
      raise(ATTNRT_INCOMPATIBLE,
            "the simulator expects one PTX text for an entry");
    }
    ptx = code.data;
    return attnrt_sim_kernel{kernel.symbol.c_str(), kernel.threads,
                             kernel.sharedBytes};
  };
  for (const LaunchRecord &record : program.launches) {
    Launch launch;
    launch.part = parts.size();
    launch.items = kernelOf(record.items);
    if (record.isFold()) {
      launch.merges = kernelOf(uint32_t(record.merge));
    }
    launches.push_back(launch);
  }
  attnrt_sim *sim = nullptr;
  if (ptx) {
    std::lock_guard<std::mutex> lock(optionsMutex);
    check(attnrt_sim_create(ptx, &chosenOptions, &sim));
  }
  parts.push_back({part, std::unique_ptr<attnrt_sim, SimFree>(sim)});
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
/// launch has written another one may go on with. `hasStates`: some were
/// written for this launch.
void SimSession::findFresh(const Program &program, bool isFirst,
                           bool hasStates) {
  fresh.clear();
  for (const Buffer &buffer : program.buffers) {
    if (buffer.isMemory) {
      bool isResult = buffer.kind == BufferKind::Result;
      bool isBlank = isResult && isFirst && !buffer.isZero;
      bool isState = buffer.kind == BufferKind::State && !hasStates;
      fresh.push_back(isState ? 2 : isBlank);
    }
  }
}

void SimSession::runVariant(size_t number, uint32_t variant,
                            const LaunchWork &work, const RunInput &input,
                            bool isFirst) {
  const SimKernel::Launch &code = kernel.launches[number + variant];
  const SimKernel::Part &part = kernel.parts[code.part];
  findFresh(*part.code.program, isFirst, work.variants > 1 && variant == 0);
  attnrt_sim_launch launch{};
  launch.plan = work.sent();
  launch.stage = int32_t(variant);
  launch.items = &code.items;
  launch.merges = code.isFold() ? &code.merges : nullptr;
  launch.tensors = input.tensors + part.code.firstTensor;
  launch.fresh = fresh.data();
  launch.num_tensors = int64_t(part.code.numTensors());
  launch.scalars = input.scalars + part.code.firstScalar;
  launch.num_scalars = int64_t(part.code.numScalars());
  check(attnrt_sim_run(part.sim.get(), &launch));
  counted[number + variant] = attnrt_sim_launches(part.sim.get());
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
    // The first has the merges.
    for (uint32_t v = works[l].variants; v-- > 0;) {
      runVariant(l, v, works[l], input, isFirst);
      isFirst = false;
    }
  }
}

attnrt_status attnrt_sim_enable(const attnrt_sim_options *options) {
  return guard([&] {
    std::lock_guard<std::mutex> lock(optionsMutex);
    chosenOptions = options ? *options : attnrt_sim_options{};
    setSimDevice(makeSimDevice);
  });
}
