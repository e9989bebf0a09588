//===- Device.h - A simulated GPU -------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Memory, modules and launches of a GPU that runs PTX text on the host. The
// shape is that of the CUDA driver API. A launch returns when the grid is done.
//
// A device may be used from one thread at a time; it starts threads of its own
// for the CTAs of a launch. Results do not depend on their number.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_DEVICE_H
#define PTXSIM_DEVICE_H

#include "ptxsim/Finding.h"
#include "ptxsim/Result.h"
#include "ptxsim/Stats.h"
#include "ptxsim/TensorMap.h"
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace ptxsim {

/// An address of the device; 0 is none.
using DevicePointer = uint64_t;

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  /// The largest number there is if 64 bits cannot hold it.
  uint64_t count() const {
    uint64_t xy = uint64_t(x) * y;
    return z && xy > ~uint64_t(0) / z ? ~uint64_t(0) : xy * z;
  }
};

/// Each CTA of a launch has a number in the statistics: more have no room.
constexpr uint64_t kMostCtas = uint64_t(1) << 26;

/// Which warp runs next.
enum class Schedule : uint8_t {
  RoundRobin,  // each in turn, for a quantum
  Random,      // drawn from the seed, quanta as well
  Adversarial, // one warp as far as it gets, then the next; order from the seed
};

/// When an asynchronous copy or product takes place.
enum class Completion : uint8_t {
  Eager,  // when it is issued
  Lazy,   // at the wait that needs it
  Random, // at some point between, drawn from the seed
};

/// Each check on its own switch. A launch that cannot end (a deadlock,
/// Options::maxInstructions) is a finding with all of them off as well.
struct Checks {
  bool bounds = true;        // outside of every buffer, freed, null
  bool alignment = true;     // of the whole vector that is accessed
  bool uninitialised = true; // memory and registers that nobody wrote
  bool races = true;         // in shared memory, between CTAs in global memory
  bool async = true;    // cp.async, wgmma: destinations used before the wait
  bool barriers = true; // counts, divergence, setmaxnreg
  bool lanes = true;    // shfl, vote, match, elect: masks and sources

  static Checks none();
};

struct Options {
  Checks checks;
  Schedule schedule = Schedule::RoundRobin;
  Completion completion = Completion::Lazy;
  uint64_t seed = 1;
  /// Host threads; 0: one per core.
  unsigned threads = 0;
  /// Count what Stats holds beside instructions (a third slower).
  bool countMemory = true;
  /// Findings that are kept; more are only counted.
  unsigned maxFindings = 100;
  /// Instructions per launch before it is stopped as endless; 0: no limit.
  uint64_t maxInstructions = 0;
};

/// What the device says of itself.
struct DeviceProperties {
  uint32_t numSms = 132;
  uint32_t maxSharedBytes = 227 * 1024; // per CTA
  uint32_t maxThreads = 1024;           // per CTA
  uint32_t registersPerSm = 65536;      // of 32 bits
  /// How many CTAs run at a time: those that wait for each other must.
  uint32_t sharedBytesPerSm = 228 * 1024;
  uint32_t maxThreadsPerSm = 2048;
  uint32_t maxCtasPerSm = 32;
};

/// The bytes of a launch's parameters, in the order of the .param list. Each is
/// aligned to its size as C does it.
class KernelArguments {
public:
  template <class T> KernelArguments &add(const T &value) {
    return addBytes(&value, sizeof(T), alignof(T));
  }
  KernelArguments &addBytes(const void *data, size_t size, size_t align);

  struct Entry {
    size_t offset, size, align;
  };
  const std::vector<Entry> &entries() const { return list; }
  const std::vector<std::byte> &bytes() const { return buffer; }

private:
  std::vector<std::byte> buffer;
  std::vector<Entry> list;
};

/// As a driver, a launch refuses
/// - a grid of more than 2^31-1 CTAs in x or 65535 in y or z;
/// - a block of more than 1024 threads in x or y, 64 in z, or
///   DeviceProperties::maxThreads in all;
/// - a cluster of more than 8 CTAs (nothing here allows more), or of more than
///   one by a module whose target is older than sm_90.
struct LaunchConfig {
  /// Without a cluster, what the kernel asks for (.reqnctapercluster).
  Dim3 grid, block, cluster;
  uint32_t dynamicSharedBytes = 0;
  /// What a thread starts with, for setmaxnreg; 0: .maxnreg, or else what the
  /// SM has for this block, at most 255 and a multiple of 8.
  uint32_t registersPerThread = 0;
};

struct KernelInfo {
  std::string name;
  uint32_t staticSharedBytes = 0;
  /// .reqntid; 0,0,0 if there is none.
  Dim3 requiredThreads{0, 0, 0};
  struct Parameter {
    std::string name;
    uint64_t bytes;
    uint32_t align;
  };
  std::vector<Parameter> parameters;
};

class Kernel;

/// A loaded module; its kernels live as long as it does.
class LoadedModule {
public:
  virtual ~LoadedModule() = default;
  /// Decodes it. An instruction that is not known is an error that names its
  /// line; for an unknown kernel it lists the names there are.
  virtual Result<Kernel *> kernel(std::string_view name) = 0;
  virtual std::vector<KernelInfo> kernels() const = 0;
  /// A .global or .const variable and its size.
  virtual Result<std::pair<DevicePointer, uint64_t>>
  variable(std::string_view name) = 0;
};

class Device {
public:
  static std::unique_ptr<Device>
  create(const Options &options = {}, const DeviceProperties &properties = {});
  virtual ~Device() = default;

  virtual Options &options() = 0;
  virtual const DeviceProperties &properties() const = 0;

  /// Memory that counts as unwritten. Buffers lie at least 64 KiB apart, so
  /// that no stray address meets another one. `name` stands in findings.
  virtual Result<DevicePointer> allocate(uint64_t bytes, std::string name,
                                         uint64_t align = 256) = 0;
  /// Memory that is 0 and counts as written. Pages that nobody writes take none
  /// of the host.
  virtual Result<DevicePointer> allocateZero(uint64_t bytes, std::string name,
                                             uint64_t align = 256) = 0;
  virtual Result<bool> free(DevicePointer pointer) = 0;
  virtual Result<bool> copyIn(DevicePointer to, const void *from,
                              uint64_t bytes) = 0;
  /// Likewise, but the bytes go on counting as unwritten: what no kernel writes
  /// keeps its value, and a kernel that reads it is found.
  virtual Result<bool> preset(DevicePointer to, const void *from,
                              uint64_t bytes) = 0;
  /// Copies unwritten bytes as well: their content is 0xCD, or what was preset.
  virtual Result<bool> copyOut(void *to, DevicePointer from,
                               uint64_t bytes) = 0;
  virtual Result<bool> fill(DevicePointer to, uint8_t value,
                            uint64_t bytes) = 0;

  /// Parses. What a kernel does is looked at when it is asked for.
  virtual Result<std::unique_ptr<LoadedModule>>
  loadModule(std::string_view ptx) = 0;

  /// Runs the grid of a kernel of this device. The arguments are held against
  /// the .param list, the shape against .reqntid, .maxntid and the device. With
  /// a finding the launch still runs on as far as it can; `findings` says what
  /// was seen.
  virtual Result<bool> launch(Kernel &kernel, const LaunchConfig &config,
                              const KernelArguments &arguments) = 0;

  /// Of all launches since the last clear, warnings as well.
  virtual const std::vector<Finding> &findings() const = 0;
  /// How often defects were found; warnings do not count.
  virtual uint64_t numFindings() const = 0;
  virtual void clearFindings() = 0;
  /// Of the last launch.
  virtual const LaunchStats &stats() const = 0;
};

} // namespace ptxsim

#endif // PTXSIM_DEVICE_H
