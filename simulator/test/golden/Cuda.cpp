//===- Cuda.cpp - A few functions of the CUDA driver ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Cuda.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <list>

// A test builds this with a null pointer: the program itself has the functions.
#ifndef PTXSIM_CUDA_LIBRARY
#define PTXSIM_CUDA_LIBRARY "libcuda.so.1"
#endif

using namespace ptxsim;
using namespace ptxsim::golden;

// Types and constants of the driver's interface, as far as they are used.
using Status = int; // CUresult
using DeviceAddress = unsigned long long;
using Handle = void *;                  // context, module, function, stream
constexpr int kMajor = 75, kMinor = 76; // CUdevice_attribute
constexpr int kErrorLog = 5, kErrorLogBytes = 6; // CUjit_option
constexpr int kMaxDynamicShared = 8;             // CUfunction_attribute

namespace {

/// The functions, under the names that the library exports.
struct Driver {
  Status (*getErrorName)(Status, const char **);
  Status (*init)(unsigned);
  Status (*driverGetVersion)(int *);
  Status (*deviceGet)(int *, int);
  Status (*deviceGetName)(char *, int, int);
  Status (*deviceGetAttribute)(int *, int, int);
  Status (*primaryRetain)(Handle *, int);
  Status (*setCurrent)(Handle);
  Status (*synchronize)();
  Status (*memAlloc)(DeviceAddress *, size_t);
  Status (*memset8)(DeviceAddress, unsigned char, size_t);
  Status (*copyIn)(DeviceAddress, const void *, size_t);
  Status (*copyOut)(void *, DeviceAddress, size_t);
  Status (*moduleLoad)(Handle *, const void *, unsigned, int *, void **);
  Status (*moduleGetFunction)(Handle *, Handle, const char *);
  Status (*functionSetAttribute)(Handle, int, int);
  Status (*launch)(Handle, unsigned, unsigned, unsigned, unsigned, unsigned,
                   unsigned, unsigned, Handle, void **, void **);
  /// Null in drivers that are too old for it.
  Status (*encodeTiled)(void *, int, uint32_t, void *, const uint64_t *,
                        const uint64_t *, const uint32_t *, const uint32_t *,
                        int, int, int, int);
};

} // namespace

static Driver driver;

template <class F>
static bool find(void *library, const char *name, F &function) {
  void *symbol = dlsym(library, name);
  static_assert(sizeof symbol == sizeof function);
  std::memcpy(&function, &symbol, sizeof symbol);
  return symbol;
}

/// The name of the first function that is missing.
static const char *loadFunctions(void *library) {
  const char *missing = nullptr;
  auto need = [&](const char *name, auto &function) {
    if (!find(library, name, function) && !missing) {
      missing = name;
    }
  };
  need("cuGetErrorName", driver.getErrorName);
  need("cuInit", driver.init);
  need("cuDriverGetVersion", driver.driverGetVersion);
  need("cuDeviceGet", driver.deviceGet);
  need("cuDeviceGetName", driver.deviceGetName);
  need("cuDeviceGetAttribute", driver.deviceGetAttribute);
  need("cuDevicePrimaryCtxRetain", driver.primaryRetain);
  need("cuCtxSetCurrent", driver.setCurrent);
  need("cuCtxSynchronize", driver.synchronize);
  need("cuMemAlloc_v2", driver.memAlloc);
  need("cuMemsetD8_v2", driver.memset8);
  need("cuMemcpyHtoD_v2", driver.copyIn);
  need("cuMemcpyDtoH_v2", driver.copyOut);
  need("cuModuleLoadDataEx", driver.moduleLoad);
  need("cuModuleGetFunction", driver.moduleGetFunction);
  need("cuFuncSetAttribute", driver.functionSetAttribute);
  need("cuLaunchKernel", driver.launch);
  find(library, "cuTensorMapEncodeTiled", driver.encodeTiled);
  return missing;
}

static Error failure(const std::string &what, Status status) {
  const char *name = nullptr;
  if (driver.getErrorName) {
    driver.getErrorName(status, &name);
  }
  return Error{what + ": " +
               (name ? std::string(name) : "error " + std::to_string(status))};
}

Result<Gpu> Gpu::open() {
  void *library = dlopen(PTXSIM_CUDA_LIBRARY, RTLD_NOW);
  if (!library) {
    return Error{std::string("expects the CUDA driver: ") + dlerror()};
  }
  if (const char *missing = loadFunctions(library)) {
    return Error{std::string("expects the function ") + missing +
                 " of the CUDA driver"};
  }
  if (Status status = driver.init(0)) {
    return failure("expects a GPU: cuInit", status);
  }
  int device = 0;
  if (Status status = driver.deviceGet(&device, 0)) {
    return failure("expects a GPU: cuDeviceGet", status);
  }
  Gpu gpu;
  char name[256] = {};
  int major = 0, minor = 0, version = 0;
  Handle context = nullptr;
  Status status = driver.deviceGetName(name, sizeof name - 1, device);
  status = status ? status : driver.deviceGetAttribute(&major, kMajor, device);
  status = status ? status : driver.deviceGetAttribute(&minor, kMinor, device);
  status = status ? status : driver.driverGetVersion(&version);
  status = status ? status : driver.primaryRetain(&context, device);
  status = status ? status : driver.setCurrent(context);
  if (status) {
    return failure("expects a GPU: its context", status);
  }
  gpu.properties = {name, unsigned(major), unsigned(minor),
                    std::to_string(version / 1000) + "." +
                        std::to_string(version % 1000 / 10)};
  return gpu;
}

/// The driver's CUtensorMapDataType has two FTZ kinds in between.
static int codeOf(TensorMapDesc::Element element) {
  return element == TensorMapDesc::Element::TF32 ? 11 : int(element);
}

static Result<bool> encode(const MapOfProbe &map, DeviceAddress buffer,
                           TensorMap &result) {
  if (!driver.encodeTiled) {
    return Error{"expects a driver with cuTensorMapEncodeTiled"};
  }
  const TensorMapDesc &desc = map.description;
  Status status = driver.encodeTiled(
      &result, codeOf(desc.element), desc.rank,
      reinterpret_cast<void *>(buffer + map.offset), desc.dim, desc.stride + 1,
      desc.box, desc.elementStride, /*interleave=*/0, int(desc.swizzle),
      /*l2Promotion=*/0, int(desc.fill));
  if (status) {
    return failure("cuTensorMapEncodeTiled", status);
  }
  return true;
}

static Result<Handle> load(const Probe &probe) {
  std::vector<char> log(8192);
  int options[] = {kErrorLog, kErrorLogBytes};
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size() - 1)};
  Handle module = nullptr, function = nullptr;
  if (Status status =
          driver.moduleLoad(&module, probe.text.c_str(), 2, options, values)) {
    return Error{failure("cuModuleLoadDataEx", status).message + ": " +
                 log.data()};
  }
  if (Status status = driver.moduleGetFunction(&function, module, "probe")) {
    return failure("cuModuleGetFunction", status);
  }
  if (probe.sharedBytes) {
    if (Status status = driver.functionSetAttribute(function, kMaxDynamicShared,
                                                    int(probe.sharedBytes))) {
      return failure("cuFuncSetAttribute", status);
    }
  }
  return function;
}

Result<std::vector<uint8_t>> Gpu::run(const Probe &probe) {
  Result<Handle> function = load(probe);
  if (!function) {
    return function.error();
  }
  DeviceAddress out = 0, in = 0;
  std::vector<uint8_t> output(probe.outputBytes());
  Status status = driver.memAlloc(&out, output.size());
  status = status
               ? status
               : driver.memAlloc(&in, std::max<size_t>(probe.input.size(), 16));
  status = status ? status : driver.memset8(out, 0xCD, output.size());
  if (!probe.input.empty()) {
    status = status ? status
                    : driver.copyIn(in, probe.input.data(), probe.input.size());
  }
  if (status) {
    return failure("memory", status);
  }
  std::list<TensorMap> maps;
  std::vector<void *> arguments = {&out, &in};
  for (const MapOfProbe &map : probe.maps) {
    TensorMap &encoded = maps.emplace_back();
    Result<bool> done = encode(map, map.isOfOutput ? out : in, encoded);
    if (!done) {
      return done.error();
    }
    arguments.push_back(&encoded);
  }
  status = driver.launch(*function, probe.grid, 1, 1, probe.block, 1, 1,
                         probe.sharedBytes, nullptr, arguments.data(), nullptr);
  if (status) {
    return failure("cuLaunchKernel", status);
  }
  if ((status = driver.synchronize())) {
    return failure("the kernel", status);
  }
  if ((status = driver.copyOut(output.data(), out, output.size()))) {
    return failure("cuMemcpyDtoH", status);
  }
  return output;
}
