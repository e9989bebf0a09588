//===- Driver.cpp - libcuda's functions on the simulator ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What attnrt/cuda.h asks of a driver, and no more, so that a program for a GPU
// machine can be tried out where there is none: attnrt_cuda_options.library is
// this file. Launches run at once, with the simulator's checks on; a finding
// makes the launch fail, and goes to standard error. The file that the variable
// ATTNRT_SIM_CALLS names gets a line for each launch, each tensor map and each
// request for shared memory.
//
//===----------------------------------------------------------------------===//
#include "../cuda/Driver.h"

#include "ptxsim/Device.h"
#include "ptxsim/TensorMap.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

using namespace attnrt::cuda;

namespace {

constexpr Status kGood = 0, kInvalid = 1, kNoMemory = 2, kNoContext = 201,
                 kBadCode = 218, kNotFound = 500, kFailed = 719,
                 kNotSupported = 801;

struct Loaded {
  std::unique_ptr<ptxsim::LoadedModule> module;
  std::map<std::string, std::unique_ptr<struct Entry>> entries;
};

struct Entry {
  ptxsim::Kernel *kernel;
  ptxsim::KernelInfo info;
  unsigned mostShared = 48 << 10; ///< without a request
};

ptxsim::Device &simulated() {
  static std::unique_ptr<ptxsim::Device> device = ptxsim::Device::create();
  return *device;
}

/// There is one context; each thread has a stack of what is current.
thread_local std::vector<Context> contexts;
char theContext = 0;

template <class T> T as(const void *pointer) {
  return reinterpret_cast<T>(const_cast<void *>(pointer));
}

/// A line of the log of calls, if there is one.
__attribute__((format(printf, 1, 2))) void note(const char *format, ...) {
  const char *path = std::getenv("ATTNRT_SIM_CALLS");
  std::FILE *file = path && *path ? std::fopen(path, "a") : nullptr;
  if (!file) {
    return;
  }
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(file, format, arguments);
  va_end(arguments);
  std::fputc('\n', file);
  std::fclose(file);
}

/// "128,16,16"
template <class T> std::string list(const T *values, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text += (i ? "," : "") + std::to_string(values[i]);
  }
  return text;
}

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT Status cuInit(unsigned) { return kGood; }

EXPORT Status cuGetErrorString(Status status, const char **text) {
  *text = status == kNoMemory    ? "out of memory"
          : status == kBadCode   ? "a PTX JIT compilation failed"
          : status == kNoContext ? "invalid device context"
          : status == kNotFound  ? "named symbol not found"
          : status == kFailed    ? "the simulator found a defect"
                                 : "invalid argument";
  return kGood;
}

EXPORT Status cuDeviceGet(Device *device, int ordinal) {
  *device = ordinal;
  return ordinal == 0 ? kGood : kInvalid;
}

EXPORT Status cuDeviceGetName(char *name, int bytes, Device) {
  std::snprintf(name, size_t(bytes), "ptx-sim");
  return kGood;
}

EXPORT Status cuDeviceGetAttribute(int *value, int attribute, Device) {
  switch (attribute) {
  case kMultiprocessors:
    // Few make small plans; a prime, so that work is cut across heads.
    *value = 7;
    return kGood;
  case kL2Bytes:
    *value = 1 << 16;
    return kGood;
  case kMajor:
    *value = 9;
    return kGood;
  case kMinor:
    *value = 0;
    return kGood;
  case kSharedBytesPerCta:
    *value = int(simulated().properties().maxSharedBytes);
    return kGood;
  }
  return kInvalid;
}

EXPORT Status cuDevicePrimaryCtxRetain(Context *context, Device) {
  *context = as<Context>(&theContext);
  return kGood;
}
EXPORT Status cuDevicePrimaryCtxRelease_v2(Device) { return kGood; }
EXPORT Status cuCtxGetCurrent(Context *context) {
  *context = contexts.empty() ? nullptr : contexts.back();
  return kGood;
}
EXPORT Status cuCtxPushCurrent_v2(Context context) {
  contexts.push_back(context);
  return kGood;
}
EXPORT Status cuCtxPopCurrent_v2(Context *context) {
  if (contexts.empty()) {
    return kNoContext;
  }
  *context = contexts.back();
  contexts.pop_back();
  return kGood;
}
EXPORT Status cuCtxGetDevice(Device *device) {
  *device = 0;
  return kGood;
}
EXPORT Status cuCtxSynchronize() { return kGood; }

// There are no cubins to keep.
EXPORT Status cuDriverGetVersion(int *version) {
  *version = 0;
  return kGood;
}
EXPORT Status cuLinkCreate_v2(unsigned, int *, void **, Linking *) {
  return kNotSupported;
}
EXPORT Status cuLinkAddData_v2(Linking, int, void *, size_t, const char *,
                               unsigned, int *, void **) {
  return kNotSupported;
}
EXPORT Status cuLinkComplete(Linking, void **, size_t *) {
  return kNotSupported;
}
EXPORT Status cuLinkDestroy(Linking) { return kNotSupported; }

EXPORT Status cuModuleLoadDataEx(Module *module, const void *image,
                                 unsigned count, int *options, void **values) {
  auto result = simulated().loadModule(static_cast<const char *>(image));
  if (!result) {
    // The log goes where a driver would write it.
    char *log = nullptr;
    size_t bytes = 0;
    for (unsigned i = 0; i < count; ++i) {
      if (options[i] == kErrorLog) {
        log = static_cast<char *>(values[i]);
      } else if (options[i] == kErrorLogBytes) {
        bytes = reinterpret_cast<size_t>(values[i]);
      }
    }
    if (log && bytes) {
      std::snprintf(log, bytes, "%s", result.message().c_str());
    }
    return kBadCode;
  }
  auto loaded = std::make_unique<Loaded>();
  loaded->module = std::move(*result);
  *module = as<Module>(loaded.release());
  return kGood;
}

EXPORT Status cuModuleUnload(Module module) {
  delete as<Loaded *>(module);
  return kGood;
}

EXPORT Status cuModuleGetFunction(Function *function, Module module,
                                  const char *name) {
  Loaded &loaded = *as<Loaded *>(module);
  auto found = loaded.entries.find(name);
  if (found == loaded.entries.end()) {
    auto kernel = loaded.module->kernel(name);
    if (!kernel) {
      std::fprintf(stderr, "ptx-sim: %s\n", kernel.message().c_str());
      return kNotFound;
    }
    for (const ptxsim::KernelInfo &info : loaded.module->kernels()) {
      if (info.name == name) {
        found =
            loaded.entries
                .emplace(name, std::make_unique<Entry>(Entry{*kernel, info}))
                .first;
      }
    }
  }
  *function = as<Function>(found->second.get());
  return kGood;
}

EXPORT Status cuFuncGetAttribute(int *value, int, Function) {
  *value = 0; // registers and local bytes are ptxas's
  return kGood;
}
EXPORT Status cuFuncSetAttribute(Function function, int attribute, int value) {
  Entry &entry = *as<Entry *>(function);
  if (attribute != kMostDynamicShared || value < 0 ||
      unsigned(value) > simulated().properties().maxSharedBytes) {
    return kInvalid;
  }
  entry.mostShared = unsigned(value);
  note("cuFuncSetAttribute %s shared=%d", entry.info.name.c_str(), value);
  return kGood;
}
EXPORT Status cuOccupancyMaxActiveBlocksPerMultiprocessor(int *ctas, Function,
                                                          int, size_t) {
  *ctas = 1;
  return kGood;
}

EXPORT Status cuMemAlloc_v2(Pointer *pointer, size_t bytes) {
  auto made = simulated().allocate(bytes, "memory");
  if (!made) {
    return kNoMemory;
  }
  *pointer = *made;
  return kGood;
}
EXPORT Status cuMemFree_v2(Pointer pointer) {
  return simulated().free(pointer) ? kGood : kInvalid;
}
EXPORT Status cuMemcpyHtoD_v2(Pointer to, const void *from, size_t bytes) {
  return simulated().copyIn(to, from, bytes) ? kGood : kInvalid;
}
EXPORT Status cuMemcpyDtoH_v2(void *to, Pointer from, size_t bytes) {
  return simulated().copyOut(to, from, bytes) ? kGood : kInvalid;
}

// All is done at once, so what comes later is done now.
EXPORT Status cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  *memory = std::malloc(bytes ? bytes : 1);
  return *memory ? kGood : kNoMemory;
}
EXPORT Status cuMemFreeHost(void *memory) {
  std::free(memory);
  return kGood;
}
EXPORT Status cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes,
                                   Stream) {
  return cuMemcpyHtoD_v2(to, from, bytes);
}
EXPORT Status cuMemsetD8Async(Pointer to, unsigned char value, size_t bytes,
                              Stream) {
  std::vector<unsigned char> fill(bytes, value);
  return cuMemcpyHtoD_v2(to, fill.data(), bytes);
}
EXPORT Status cuEventCreate(Event *event, unsigned) {
  *event = as<Event>(&theContext);
  return kGood;
}
EXPORT Status cuEventDestroy_v2(Event) { return kGood; }
EXPORT Status cuEventRecord(Event, Stream) { return kGood; }
EXPORT Status cuEventSynchronize(Event) { return kGood; }

EXPORT Status cuTensorMapEncodeTiled(
    void *to, int type, uint32_t rank, void *base, const uint64_t *dim,
    const uint64_t *stride, const uint32_t *box, const uint32_t *elementStride,
    int interleave, int swizzle, int promotion, int fill) {
  // 64 is the alignment of CUtensorMap.
  auto map = ptxsim::describeTiled(type, rank, reinterpret_cast<uint64_t>(base),
                                   dim, stride, box, elementStride, interleave,
                                   swizzle, fill);
  if (!map || reinterpret_cast<uintptr_t>(to) % 64 || promotion < 0 ||
      promotion > 3) {
    return kInvalid;
  }
  note("cuTensorMapEncodeTiled type=%d dim=%s stride=%s box=%s step=%s "
       "interleave=%d swizzle=%d promotion=%d fill=%d",
       type, list(dim, rank).c_str(), list(stride, rank - 1).c_str(),
       list(box, rank).c_str(), list(elementStride, rank).c_str(), interleave,
       swizzle, promotion, fill);
  auto encoded = ptxsim::encodeTensorMap(*map);
  if (!encoded) {
    std::fprintf(stderr, "ptx-sim: %s\n", encoded.message().c_str());
    return kInvalid;
  }
  std::memcpy(to, &*encoded, sizeof(*encoded));
  return kGood;
}

EXPORT Status cuLaunchKernel(Function function, unsigned gx, unsigned gy,
                             unsigned gz, unsigned bx, unsigned by, unsigned bz,
                             unsigned sharedBytes, Stream, void **parameters,
                             void **) {
  Entry &entry = *as<Entry *>(function);
  note("cuLaunchKernel %s grid=%u,%u,%u block=%u,%u,%u shared=%u",
       entry.info.name.c_str(), gx, gy, gz, bx, by, bz, sharedBytes);
  if (sharedBytes > entry.mostShared) {
    return kInvalid;
  }
  ptxsim::LaunchConfig config;
  config.grid = {gx, gy, gz};
  config.block = {bx, by, bz};
  config.dynamicSharedBytes = sharedBytes;
  ptxsim::KernelArguments arguments;
  for (size_t i = 0; i < entry.info.parameters.size(); ++i) {
    const auto &parameter = entry.info.parameters[i];
    arguments.addBytes(parameters[i], parameter.bytes, parameter.align);
  }
  simulated().clearFindings();
  auto done = simulated().launch(*entry.kernel, config, arguments);
  if (!done) {
    std::fprintf(stderr, "ptx-sim: %s\n", done.message().c_str());
    return kFailed;
  }
  for (const ptxsim::Finding &finding : simulated().findings()) {
    if (!finding.isWarning) {
      std::fprintf(stderr, "ptx-sim: %s\n", finding.format("ptx").c_str());
      return kFailed;
    }
  }
  return kGood;
}
