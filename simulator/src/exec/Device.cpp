//===- Device.cpp - Modules and launches --------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ptxsim/Device.h"
#include "Grid.h"
#include "check/GlobalRaces.h"
#include "check/Reporter.h"
#include "program/Decode.h"
#include "ptxsim/Parser.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

using namespace ptxsim;

Checks Checks::none() {
  return {false, false, false, false, false, false, false};
}

KernelArguments &KernelArguments::addBytes(const void *data, size_t size,
                                           size_t align) {
  size_t offset = (buffer.size() + align - 1) / align * align;
  buffer.resize(offset + size);
  std::memcpy(buffer.data() + offset, data, size);
  list.push_back({offset, size, align});
  return *this;
}

namespace ptxsim {

class Kernel {
public:
  std::unique_ptr<Program> program;
  /// Whose addresses are in the program.
  const Device *device = nullptr;
};

} // namespace ptxsim

namespace {

class SimModule : public LoadedModule, public SymbolTable {
public:
  explicit SimModule(const Device &device) : device(device) {}

  const Device &device;
  Module module;
  std::map<std::string, Buffer *, std::less<>> variables;
  std::map<std::string, ptxsim::Kernel, std::less<>> loaded;

  std::optional<uint64_t> address(std::string_view name) const override {
    auto it = variables.find(name);
    return it == variables.end() ? std::nullopt
                                 : std::optional(it->second->base);
  }

  Result<ptxsim::Kernel *> kernel(std::string_view name) override {
    std::string names;
    for (const Function &function : module.functions) {
      if (!function.isEntry || function.isExternal) {
        continue;
      }
      if (function.name != name) {
        names += (names.empty() ? "" : ", ") + function.name;
        continue;
      }
      ptxsim::Kernel &kernel = loaded[function.name];
      if (!kernel.program) {
        auto program = decode(module, function, *this);
        if (!program) {
          return program.error();
        }
        kernel.program = std::move(*program);
        kernel.device = &device;
      }
      return &kernel;
    }
    return Error{"expects a kernel of the module (" +
                 (names.empty() ? "it has none" : names) + "), but got '" +
                 std::string(name) + "'"};
  }

  std::vector<KernelInfo> kernels() const override {
    std::vector<KernelInfo> list;
    for (const Function &function : module.functions) {
      if (!function.isEntry || function.isExternal) {
        continue;
      }
      KernelInfo info;
      info.name = function.name;
      info.staticSharedBytes = countStaticSharedBytes(module, function);
      const uint32_t *required = function.requiredThreads;
      if (required[0]) {
        info.requiredThreads = {required[0], std::max(required[1], 1u),
                                std::max(required[2], 1u)};
      }
      for (const Variable &p : function.parameters) {
        info.parameters.push_back({p.name, p.bytes, p.align});
      }
      list.push_back(std::move(info));
    }
    return list;
  }

  Result<std::pair<DevicePointer, uint64_t>>
  variable(std::string_view name) override {
    auto it = variables.find(name);
    if (it == variables.end()) {
      return Error{"expects a variable of the module, but got '" +
                   std::string(name) + "'"};
    }
    return std::pair(it->second->base, it->second->bytes);
  }
};

class SimDevice : public Device {
public:
  SimDevice(const Options &options, const DeviceProperties &properties)
      : theOptions(options), theProperties(properties), reporter(theOptions) {}

  Options &options() override { return theOptions; }
  const DeviceProperties &properties() const override { return theProperties; }

  Result<DevicePointer> allocate(uint64_t bytes, std::string name,
                                 uint64_t align) override {
    return allocate(bytes, name, align, /*isZero=*/false);
  }

  Result<DevicePointer> allocateZero(uint64_t bytes, std::string name,
                                     uint64_t align) override {
    return allocate(bytes, name, align, /*isZero=*/true);
  }

  Result<bool> free(DevicePointer pointer) override {
    Buffer *buffer = memory.find(pointer);
    if (!buffer || buffer->base != pointer || buffer->isFree) {
      return Error{"expects the start of a buffer to free, but got " +
                   memory.describe(pointer)};
    }
    memory.free(*buffer);
    return true;
  }

  Result<bool> copyIn(DevicePointer to, const void *from,
                      uint64_t bytes) override {
    Result<Buffer *> buffer = findBuffer(to, bytes);
    if (!buffer) {
      return buffer.error();
    }
    uint64_t at = to - (*buffer)->base;
    if (bytes) {
      std::memcpy((*buffer)->data.get() + at, from, bytes);
      setWritten(**buffer, at, bytes);
    }
    return true;
  }

  Result<bool> preset(DevicePointer to, const void *from,
                      uint64_t bytes) override {
    Result<Buffer *> buffer = findBuffer(to, bytes);
    if (!buffer) {
      return buffer.error();
    }
    if (bytes) {
      std::memcpy((*buffer)->data.get() + (to - (*buffer)->base), from, bytes);
    }
    return true;
  }

  Result<bool> copyOut(void *to, DevicePointer from, uint64_t bytes) override {
    Result<Buffer *> buffer = findBuffer(from, bytes);
    if (!buffer) {
      return buffer.error();
    }
    if (bytes) {
      std::memcpy(to, (*buffer)->data.get() + (from - (*buffer)->base), bytes);
    }
    return true;
  }

  Result<bool> fill(DevicePointer to, uint8_t value, uint64_t bytes) override {
    Result<Buffer *> buffer = findBuffer(to, bytes);
    if (!buffer) {
      return buffer.error();
    }
    uint64_t at = to - (*buffer)->base;
    std::memset((*buffer)->data.get() + at, value, bytes);
    setWritten(**buffer, at, bytes);
    return true;
  }

  Result<std::unique_ptr<LoadedModule>>
  loadModule(std::string_view ptx) override;

  Result<bool> launch(ptxsim::Kernel &kernel, const LaunchConfig &config,
                      const KernelArguments &arguments) override;

  const std::vector<Finding> &findings() const override {
    return reporter.findings();
  }
  uint64_t numFindings() const override { return reporter.count(); }
  void clearFindings() override { reporter.clear(); }
  const LaunchStats &stats() const override { return lastStats; }

private:
  Result<DevicePointer> allocate(uint64_t bytes, const std::string &name,
                                 uint64_t align, bool isZero) {
    Buffer *buffer = memory.allocate(bytes, name, align, isZero);
    if (!buffer) {
      return Error{"cannot allocate " + std::to_string(bytes) + " bytes for '" +
                   name + "' aligned to " + std::to_string(align)};
    }
    return buffer->base;
  }
  static void setWritten(Buffer &buffer, uint64_t at, uint64_t bytes) {
    if (buffer.written) {
      std::memset(buffer.written.get() + at, 1, bytes);
    }
  }
  Result<Buffer *> findBuffer(DevicePointer address, uint64_t bytes) {
    Buffer *buffer = memory.find(address);
    if (!buffer || buffer->isFree || !buffer->contains(address, bytes)) {
      return Error{"expects " + std::to_string(bytes) +
                   " bytes inside of a buffer, but got " +
                   memory.describe(address)};
    }
    return buffer;
  }

  /// What a thread starts with, as an assembler would have it.
  uint32_t countRegisters(const Function &function,
                          const LaunchConfig &config) const {
    if (config.registersPerThread || function.maxRegisters) {
      return config.registersPerThread ? config.registersPerThread
                                       : function.maxRegisters;
    }
    uint64_t threads =
        config.block.count() * std::max(function.minCtasPerSm, 1u);
    return uint32_t(
        std::min<uint64_t>(theProperties.registersPerSm / threads, 255) / 8 *
        8);
  }

  /// Clusters that the device holds at a time.
  uint64_t countResident(const LaunchContext &context) const {
    // An SM keeps 1 KiB of each CTA's shared memory for itself.
    uint64_t bySharedBytes =
        theProperties.sharedBytesPerSm / (context.sharedBytes + 1024);
    uint64_t byThreads =
        theProperties.maxThreadsPerSm / context.config.block.count();
    uint64_t perSm = std::clamp<uint64_t>(std::min(bySharedBytes, byThreads), 1,
                                          theProperties.maxCtasPerSm);
    return perSm * theProperties.numSms / context.config.cluster.count();
  }

  Result<bool> checkLaunch(const Program &program, const LaunchConfig &config,
                           const KernelArguments &arguments,
                           std::vector<std::byte> &parameters);

  Options theOptions;
  DeviceProperties theProperties;
  GlobalMemory memory;
  Reporter reporter;
  LaunchStats lastStats;
};

} // namespace

std::unique_ptr<Device> Device::create(const Options &options,
                                       const DeviceProperties &properties) {
  return std::make_unique<SimDevice>(options, properties);
}

Result<std::unique_ptr<LoadedModule>>
SimDevice::loadModule(std::string_view ptx) {
  Result<Module> parsed = parseModule(ptx);
  if (!parsed) {
    return parsed.error();
  }
  auto owned = std::make_unique<SimModule>(*this);
  SimModule &module = *owned;
  module.module = std::move(*parsed);
  for (const Variable &variable : module.module.variables) {
    if (variable.space != Space::Global && variable.space != Space::Const) {
      continue;
    }
    Buffer *buffer = memory.allocate(variable.bytes, variable.name,
                                     std::max<uint32_t>(variable.align, 256));
    if (!buffer) {
      return Error{"cannot allocate " + std::to_string(variable.bytes) +
                   " bytes for '" + variable.name + "'"};
    }
    // Variables without a value are zero [5.4.4].
    std::memset(buffer->data.get(), 0, variable.bytes);
    std::memset(buffer->written.get(), 1, variable.bytes);
    std::copy(variable.initial.begin(), variable.initial.end(),
              reinterpret_cast<uint8_t *>(buffer->data.get()));
    buffer->isConst = variable.space == Space::Const;
    module.variables[variable.name] = buffer;
  }
  return std::unique_ptr<LoadedModule>(std::move(owned));
}

static std::string formatShape(const uint32_t *shape) {
  return std::to_string(shape[0]) + "," + std::to_string(shape[1]) + "," +
         std::to_string(shape[2]);
}

/// What no kernel and no device of the family can have.
static Result<bool> checkShape(const LaunchConfig &config, uint32_t chip) {
  const Dim3 &grid = config.grid, &block = config.block;
  if (grid.count() == 0 || block.count() == 0 || config.cluster.count() == 0) {
    return Error{"expects a grid, block and cluster without a 0"};
  }
  struct Limit {
    const char *what, *axis;
    uint32_t value, most;
  };
  const Limit limits[] = {
      {"CTAs of the grid", "x", grid.x, 0x7FFF'FFFF},
      {"CTAs of the grid", "y", grid.y, 65535},
      {"CTAs of the grid", "z", grid.z, 65535},
      {"threads of a block", "x", block.x, 1024},
      {"threads of a block", "y", block.y, 1024},
      {"threads of a block", "z", block.z, 64},
  };
  for (const Limit &limit : limits) {
    if (limit.value > limit.most) {
      return Error{"expects at most " + std::to_string(limit.most) + " " +
                   limit.what + " in " + limit.axis + ", but got " +
                   std::to_string(limit.value)};
    }
  }
  if (grid.count() > kMostCtas) {
    return Error{"expects at most " + std::to_string(kMostCtas) +
                 " CTAs, for the statistics of each, but got " +
                 std::to_string(grid.count())};
  }
  uint64_t size = config.cluster.count();
  if (size > 8) {
    return Error{"expects at most 8 CTAs in a cluster, but got " +
                 std::to_string(size)};
  }
  if (size > 1 && chip < 90) {
    return Error{"expects a target from sm_90 on for clusters, but got sm_" +
                 std::to_string(chip)};
  }
  return true;
}

Result<bool> SimDevice::checkLaunch(const Program &program,
                                    const LaunchConfig &config,
                                    const KernelArguments &arguments,
                                    std::vector<std::byte> &parameters) {
  const Function &function = *program.function;
  size_t expected = function.parameters.size();
  if (arguments.entries().size() != expected) {
    return Error{"expects " + std::to_string(expected) + " arguments of '" +
                 function.name + "', but got " +
                 std::to_string(arguments.entries().size())};
  }
  parameters.resize(program.parameterBytes);
  for (size_t i = 0; i < expected; ++i) {
    const KernelArguments::Entry &entry = arguments.entries()[i];
    const Variable &parameter = function.parameters[i];
    if (entry.size != parameter.bytes) {
      return Error{"expects " + std::to_string(parameter.bytes) +
                   " bytes for parameter '" + parameter.name + "', but got " +
                   std::to_string(entry.size)};
    }
    std::memcpy(parameters.data() + program.parameters[i].offset,
                arguments.bytes().data() + entry.offset, entry.size);
  }
  if (Result<bool> fits = checkShape(config, program.module->chip); !fits) {
    return fits;
  }
  const uint32_t block[3] = {config.block.x, config.block.y, config.block.z};
  uint64_t threads = config.block.count();
  if (threads > theProperties.maxThreads) {
    return Error{"expects at most " + std::to_string(theProperties.maxThreads) +
                 " threads in a block, but got " + std::to_string(threads)};
  }
  if (function.requiredThreads[0] &&
      !std::equal(block, block + 3, function.requiredThreads)) {
    return Error{"expects a block of " + formatShape(function.requiredThreads) +
                 " threads (.reqntid), but got " + formatShape(block)};
  }
  uint64_t most = uint64_t(std::max(function.maxThreads[0], 1u)) *
                  std::max(function.maxThreads[1], 1u) *
                  std::max(function.maxThreads[2], 1u);
  if (function.maxThreads[0] && threads > most) {
    return Error{"expects at most " + std::to_string(most) +
                 " threads (.maxntid), but got " + std::to_string(threads)};
  }
  const uint32_t cluster[3] = {config.cluster.x, config.cluster.y,
                               config.cluster.z};
  const uint32_t *required = function.requiredCluster;
  if (required[0] &&
      (cluster[0] != required[0] || cluster[1] != std::max(required[1], 1u) ||
       cluster[2] != std::max(required[2], 1u))) {
    return Error{"expects clusters of " + formatShape(required) +
                 " CTAs (.reqnctapercluster), but got " + formatShape(cluster)};
  }
  if (config.grid.x % config.cluster.x || config.grid.y % config.cluster.y ||
      config.grid.z % config.cluster.z) {
    return Error{"expects a grid of whole clusters"};
  }
  uint64_t shared =
      uint64_t(program.staticSharedBytes) + config.dynamicSharedBytes;
  if (shared > theProperties.maxSharedBytes) {
    return Error{"expects at most " +
                 std::to_string(theProperties.maxSharedBytes) +
                 " bytes of shared memory, but got " + std::to_string(shared)};
  }
  return true;
}

Result<bool> SimDevice::launch(ptxsim::Kernel &kernel,
                               const LaunchConfig &asked,
                               const KernelArguments &arguments) {
  const Program &program = *kernel.program;
  if (kernel.device != this) {
    return Error{"expects a kernel of this device, but got '" +
                 program.function->name + "' of another one"};
  }
  LaunchConfig config = asked;
  const uint32_t *cluster = program.function->requiredCluster;
  if (cluster[0] && config.cluster.count() == 1) {
    config.cluster = {cluster[0], std::max(cluster[1], 1u),
                      std::max(cluster[2], 1u)};
  }
  LaunchContext context{program,  theOptions, config, memory,
                        reporter, {},         0,      0};
  Result<bool> checked =
      checkLaunch(program, config, arguments, context.parameters);
  if (!checked) {
    return checked;
  }
  context.sharedBytes = program.staticSharedBytes + config.dynamicSharedBytes;
  context.registersPerThread = countRegisters(*program.function, config);
  if (config.grid.count() >= kMostTrackedCtas) {
    reporter.warn(*program.function, "races",
                  "races between CTAs in global memory are not looked for in "
                  "launches of " +
                      std::to_string(kMostTrackedCtas) +
                      " CTAs or more, but got " +
                      std::to_string(config.grid.count()));
  }
  auto start = std::chrono::steady_clock::now();
  memory.startLaunch();
  LaunchStats stats;
  stats.kernel = program.function->name;
  stats.sharedBytes = context.sharedBytes;
  stats.ctaInstructions.resize(config.grid.count());
  unsigned threads = theOptions.threads ? theOptions.threads
                                        : std::thread::hardware_concurrency();
  Grid(context, countResident(context)).run(threads, stats);
  reporter.finishLaunch();
  stats.uniqueReadSectors = memory.countTouched(0);
  stats.uniqueWriteSectors = memory.countTouched(1);
  stats.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  lastStats = std::move(stats);
  return true;
}
