//===- Device.h - What a device must be able to do --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Three lifetimes: a Device for each DLDevice of a context, a LoadedKernel for
// each kernel, a Session for each schedule. What all devices do alike (checks,
// extents, plans, memory) stands in src/abi; a device only loads and launches.
// A new one is a class of each kind and a line in makeDevice().
//
// All may throw Failure. A Session is used by one thread at a time, the others
// by several.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_DEVICE_DEVICE_H
#define ATTNRT_SRC_DEVICE_DEVICE_H

#include "../bundle/Bundle.h"
#include "../bundle/Library.h"
#include "attnrt/attnrt.h"

#include <memory>
#include <vector>

namespace attnrt {

class Context;

/// A launch of a step, as planned.
struct LaunchWork {
  /// One stage; null where there is nothing to do, and for a stage of points
  /// where the device cuts them itself.
  const attnrt_plan *plan = nullptr;
  int64_t points = 0; ///< of a stage without a fold
  /// Launches from this one on whose kernels the items of the plan are for:
  /// `variant` of an item counts from here.
  uint32_t variants = 1;
  /// Where variants > 1 and the device asks for it (splitsVariants): the plan
  /// with a stage for the items of each variant; merges are in the first.
  const attnrt_plan *byVariant = nullptr;

  /// What goes to a device.
  const attnrt_plan *sent() const { return byVariant ? byVariant : plan; }
};

/// What a device loads: an entry of a bundle, whose host code is loaded
/// already, and where its own tensors and cells begin among those of a run.
struct PartCode {
  const Bundle *bundle;
  const Program *program;
  const Library *host;
  size_t firstTensor, firstScalar;

  size_t numTensors() const {
    size_t count = 0;
    for (const Buffer &buffer : program->buffers) {
      count += buffer.isMemory;
    }
    return count;
  }
  size_t numScalars() const { return program->buffers.size() - numTensors(); }
};

/// What a run hands to its launches: one record per memory buffer and one cell
/// per other buffer of the program, in their order. States differ per launch.
struct RunInput {
  attnrt_tensor *tensors;
  size_t numTensors;
  const uint64_t *scalars;
  size_t numScalars;
  /// Of each launch: where its states lie, as {tensor, bytes from `memory`}.
  /// Launches may use the same place one after the other.
  const std::vector<std::vector<std::pair<uint32_t, uint64_t>>> *states;
  char *memory;

  /// Sets the states of a launch, in front of it; those of the one before are
  /// gone, as they may lie in the same place.
  void enter(size_t launch) const {
    if (launch) {
      for (const auto &before : (*states)[launch - 1]) {
        tensors[before.first].data = nullptr;
      }
    }
    for (auto [tensor, offset] : (*states)[launch]) {
      tensors[tensor].data = memory + offset;
    }
  }
};

/// The most that an update hands to a device.
struct PlanRoom {
  std::vector<uint64_t> plans; ///< bytes, by launch
  uint64_t carried = 0;        ///< bytes
  int32_t workers = 0;         ///< of the plan of a fold
  std::vector<int64_t> points; ///< by launch; 0 for folds
};

/// Of one schedule: what the device keeps between steps.
class Session {
public:
  virtual ~Session() = default;
  /// Bytes that reserve() would hold on the device, and pinned in host memory.
  virtual std::pair<uint64_t, uint64_t> measure(const PlanRoom &room) const {
    (void)room;
    return {0, 0};
  }
  /// Makes room for all updates to come: those that are within it need no
  /// memory, others are refused with RESOURCE_EXHAUSTED. What was updated
  /// before is lost. No run is on its way. Changes nothing if it throws.
  virtual void reserve(const PlanRoom &room) { (void)room; }
  /// Makes the plans of a step and the arrays that it carries known to the
  /// device; runs that were launched before still see theirs.
  virtual void update(const std::vector<LaunchWork> &works, const void *carried,
                      uint64_t carriedBytes, void *stream) {
    (void)works, (void)carried, (void)carriedBytes, (void)stream;
  }
  /// Where the last step's arrays begin in the device's memory; null: where
  /// they were handed over.
  virtual char *carried() const { return nullptr; }
  /// Fills with zeros in the order of the stream.
  virtual void zero(const attnrt_tensor &tensor, void *stream) = 0;
  virtual void run(const std::vector<LaunchWork> &works, const RunInput &input,
                   void *stream) = 0;
  /// Changes when launches of a captured run are no longer those of the step.
  virtual int64_t layout() const { return 0; }
  /// What the last run did in a launch, as attnrt_launch_info says it.
  virtual const char *counters(size_t launch) const {
    (void)launch;
    return "[]";
  }
};

/// What a device made of the kernel of items of a launch; 0: it does not know.
struct KernelResources {
  int32_t registers = 0, localBytes = 0, residentCtas = 0;
};

class LoadedKernel {
public:
  virtual ~LoadedKernel() = default;
  /// `isCaptured`: ATTNRT_SCHEDULE_CAPTURE.
  virtual std::unique_ptr<Session> makeSession(int32_t stepsInFlight,
                                               bool isCaptured) = 0;
  /// Workers that a plan should have if the engine does not say.
  virtual int32_t defaultWorkers() const = 0;
  /// Whether an item takes as long as one with all rows of a tile, however many
  /// it has: plans count tiles then.
  virtual bool computesAllRows() const { return false; }
  /// Whether a kernel of items only takes those of a stage of its own.
  virtual bool splitsVariants() const { return false; }
  virtual KernelResources resources(size_t launch) const {
    (void)launch;
    return {};
  }
  /// Whether stages of points need a plan as well, and then how many points an
  /// item of launch l has (0: no plan).
  virtual int32_t pointsPerItem(size_t launch) const {
    (void)launch;
    return 0;
  }
};

class Device {
public:
  virtual ~Device() = default;
  /// Whether it can run code for this target; why not in words.
  virtual bool fits(const Target &target, std::string &why) const = 0;
  /// Of targets that fit: more is better.
  virtual int rank(const Target &target) const = 0;
  /// Launches of the kernel are those of its parts, one behind the other.
  virtual std::unique_ptr<LoadedKernel>
  load(const std::vector<PartCode> &parts) = 0;
  /// Whether tensors that lie on `device` can be its arguments.
  virtual bool reaches(DLDevice device) const = 0;
  /// Memory where the engine gave no allocator.
  virtual void *allocate(uint64_t bytes, uint64_t alignment) = 0;
  virtual void free(void *memory, uint64_t bytes) = 0;
};

/// Throws UNAVAILABLE for a device that is not there, INVALID_ARGUMENT for one
/// that does not exist.
std::unique_ptr<Device> makeDevice(Context &context, DLDevice which);
std::unique_ptr<Device> makeCpuDevice(Context &context);
std::unique_ptr<Device> makeCudaDevice(Context &context, int ordinal);
std::unique_ptr<Device> makeNullDevice();

/// The simulator is in a library of its own, which hands this over.
using DeviceMaker = std::unique_ptr<Device> (*)();
void setSimDevice(DeviceMaker maker);

/// Fills a tensor in host memory with zeros.
void zeroOnHost(const attnrt_tensor &tensor);

} // namespace attnrt

#endif // ATTNRT_SRC_DEVICE_DEVICE_H
