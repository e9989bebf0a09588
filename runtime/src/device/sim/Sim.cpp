//===- Sim.cpp - Runs compiled kernels on a simulated GPU -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attnrt/sim.h"

#include "../Parameters.h"
#include "LaunchLog.h"
#include "ptxsim/Device.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

using namespace attnrt;
using ptxsim::DevicePointer;

namespace {

template <class T> T take(ptxsim::Result<T> result) {
  if (!result) {
    throw Failure{ATTNRT_INVALID_ARGUMENT, result.message()};
  }
  return std::move(*result);
}

uint64_t elementBytes(uint32_t dtype) {
  switch (dtype) {
  case ATTNRT_F64:
  case ATTNRT_I64:
  case ATTNRT_U64:
    return 8;
  case ATTNRT_F32:
  case ATTNRT_I32:
  case ATTNRT_U32:
    return 4;
  case ATTNRT_F16:
  case ATTNRT_BF16:
  case ATTNRT_I16:
  case ATTNRT_U16:
    return 2;
  default:
    return 1;
  }
}

/// Bytes from the first element of a tensor to behind its last one.
uint64_t extentOf(const attnrt_tensor &tensor, int64_t number) {
  uint64_t last = 0;
  for (uint32_t axis = 0; axis < tensor.rank; ++axis) {
    if (tensor.shape[axis] == 0) {
      return 0;
    }
    if (tensor.stride[axis] < 0) {
      throw Failure{ATTNRT_INVALID_ARGUMENT,
                    "expects strides of at least 0, but tensor " +
                        std::to_string(number) + " has " +
                        std::to_string(tensor.stride[axis])};
    }
    last += uint64_t(tensor.shape[axis] - 1) * uint64_t(tensor.stride[axis]);
  }
  return (last + 1) * elementBytes(tensor.dtype);
}

/// Bytes that are copied at a time.
constexpr uint64_t kBlock = 1 << 16;

/// Device memory that is given back at the end of a run.
class Memory {
public:
  explicit Memory(ptxsim::Device &device) : device(device) {}
  ~Memory() {
    for (DevicePointer pointer : pointers) {
      (void)device.free(pointer);
    }
  }
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;

  /// Of `bytes` the first `written` count as written.
  DevicePointer copy(const void *data, uint64_t bytes, uint64_t written,
                     const std::string &name) {
    // An empty tensor has an address too.
    uint64_t size = bytes ? bytes : 1;
    if (bytes && bytes == written) {
      pointers.push_back(take(device.allocateZero(size, name)));
      copyBlocks(pointers.back(), static_cast<const std::byte *>(data), bytes);
      return pointers.back();
    }
    pointers.push_back(take(device.allocate(size, name)));
    if (bytes) {
      take(device.preset(pointers.back(), data, bytes));
      take(device.copyIn(pointers.back(), data, written));
    }
    return pointers.back();
  }
  DevicePointer copy(const void *data, uint64_t bytes,
                     const std::string &name) {
    return copy(data, bytes, bytes, name);
  }

private:
  /// Most pages of a pool may never have been touched: those take no memory
  /// here either.
  void copyBlocks(DevicePointer to, const std::byte *data, uint64_t bytes) {
    static const std::byte zero[kBlock] = {};
    for (uint64_t at = 0; at < bytes; at += kBlock) {
      uint64_t size = std::min(kBlock, bytes - at);
      if (std::memcmp(data + at, zero, size) != 0) {
        take(device.copyIn(to + at, data + at, size));
      }
    }
  }

  ptxsim::Device &device;
  std::vector<DevicePointer> pointers;
};

/// A tensor on the device.
struct Copy {
  DevicePointer at = 0;
  uint64_t bytes = 0;
};

/// Only what differs is written: arguments that no kernel writes may lie in
/// memory that is read-only.
void copyBack(ptxsim::Device &device, const Copy &copy, void *host) {
  std::vector<std::byte> now(std::min(kBlock, copy.bytes));
  for (uint64_t at = 0; at < copy.bytes; at += kBlock) {
    uint64_t size = std::min(kBlock, copy.bytes - at);
    std::byte *to = static_cast<std::byte *>(host) + at;
    take(device.copyOut(now.data(), copy.at + at, size));
    if (std::memcmp(now.data(), to, size) != 0) {
      std::memcpy(to, now.data(), size);
    }
  }
}

} // namespace

struct attnrt_sim {
  std::unique_ptr<ptxsim::Device> device;
  std::unique_ptr<ptxsim::LoadedModule> module;
  std::string ptx;
  std::string launches = "[]";

  void launch(const attnrt_sim_kernel &kernel, int32_t workers,
              const std::vector<char> &args, DevicePointer plan, int32_t stage,
              LaunchLog &log) {
    ptxsim::LaunchConfig config;
    config.grid.x = uint32_t(workers);
    config.block.x = kernel.threads;
    config.dynamicSharedBytes = kernel.shared_bytes;
    ptxsim::KernelArguments arguments;
    arguments.addBytes(args.data(), args.size(), 8).add(plan).add(stage);
    take(device->launch(*take(module->kernel(kernel.name)), config, arguments));
    log.add(device->stats());
  }
  void run(const attnrt_sim_launch &launch);
};

void attnrt_sim::run(const attnrt_sim_launch &l) {
  const attnrt_plan *plan = l.plan;
  if (!plan || l.stage < 0 || uint32_t(l.stage) >= plan->stages.count) {
    raise(ATTNRT_INVALID_ARGUMENT, "expects a stage of the plan, but got %d",
          int(l.stage));
  }
  const attnrt_stage &stage = attnrt_plan_stages(plan)[l.stage];
  Memory memory(*device);
  std::vector<attnrt_tensor> tensors(l.tensors, l.tensors + l.num_tensors);
  std::vector<Copy> copies(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    attnrt_tensor &tensor = tensors[i];
    // States of folds that are launched later have no memory yet.
    copies[i].bytes = tensor.data ? extentOf(tensor, int64_t(i)) : 0;
    std::string name = "tensor" + std::to_string(i);
    uint64_t written = copies[i].bytes;
    if (l.fresh && l.fresh[i]) {
      uint64_t slots = l.fresh[i] == 2 ? uint64_t(stage.ext_slots) : 0;
      written = std::min(written, slots * uint64_t(tensor.stride[0]) *
                                      elementBytes(tensor.dtype));
    }
    copies[i].at = memory.copy(tensor.data, copies[i].bytes, written, name);
    tensor.data = reinterpret_cast<void *>(copies[i].at);
  }
  DevicePointer planCopy = memory.copy(plan, plan->bytes, "plan");
  std::vector<char> args(std::max<size_t>(
      tensors.size() * sizeof(attnrt_tensor) + size_t(l.num_scalars) * 8, 8));
  writeParameters(args.data(), tensors.data(), tensors.size(), l.scalars,
                  size_t(l.num_scalars));
  device->clearFindings();
  LaunchLog log(ptx);
  if (stage.item_count && l.items) {
    launch(*l.items, stage.workers, args, planCopy, l.stage, log);
  }
  if (stage.merge_count && l.merges) {
    launch(*l.merges, stage.workers, args, planCopy, l.stage, log);
  }
  launches = log.toJson();
  for (size_t i = 0; i < copies.size(); ++i) {
    if (copies[i].bytes) {
      copyBack(*device, copies[i], l.tensors[i].data);
    }
  }
  for (const ptxsim::Finding &finding : device->findings()) {
    if (!finding.isWarning) {
      raise(ATTNRT_INTERNAL, "%s", finding.format("ptx").c_str());
    }
  }
}

attnrt_status attnrt_sim_create(const char *ptx,
                                const attnrt_sim_options *given,
                                attnrt_sim **out) {
  return guard([&] {
    if (!ptx || !out) {
      raise(ATTNRT_INVALID_ARGUMENT, "expects PTX and a place for the "
                                     "device, but got null");
    }
    *out = nullptr;
    attnrt_sim_options o = given ? *given : attnrt_sim_options{};
    if (o.schedule < 0 || o.schedule > 2 || o.completion < 0 ||
        o.completion > 2 || o.threads < 0) {
      raise(ATTNRT_INVALID_ARGUMENT,
            "expects a schedule and a completion of 0 to 2 and no "
            "negative number of threads, but got %d, %d and %d",
            int(o.schedule), int(o.completion), int(o.threads));
    }
    ptxsim::Options options;
    if (o.no_checks) {
      options.checks = ptxsim::Checks::none();
    }
    constexpr ptxsim::Schedule schedules[] = {ptxsim::Schedule::RoundRobin,
                                              ptxsim::Schedule::Random,
                                              ptxsim::Schedule::Adversarial};
    constexpr ptxsim::Completion completions[] = {ptxsim::Completion::Lazy,
                                                  ptxsim::Completion::Eager,
                                                  ptxsim::Completion::Random};
    options.schedule = schedules[o.schedule];
    options.completion = completions[o.completion];
    options.seed = o.seed;
    options.threads = unsigned(o.threads);
    auto sim = std::make_unique<attnrt_sim>();
    sim->device = ptxsim::Device::create(options);
    sim->module = take(sim->device->loadModule(ptx));
    sim->ptx = ptx;
    *out = sim.release();
  });
}

void attnrt_sim_destroy(attnrt_sim *sim) { delete sim; }

const char *attnrt_sim_launches(const attnrt_sim *sim) {
  return sim ? sim->launches.c_str() : "[]";
}

attnrt_status attnrt_sim_run(attnrt_sim *sim, const attnrt_sim_launch *launch) {
  return guard([&] { sim->run(*launch); });
}
