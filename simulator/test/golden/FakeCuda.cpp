//===- FakeCuda.cpp - The CUDA driver's functions by the simulator --------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What Cuda.cpp asks of a driver, so that the program that runs probes on a GPU
// runs in tests without one. A finding is a fault of the kernel. The variable
// PTXSIM_FAKE_GPU is the compute capability, such as 9.0; without it there is
// no GPU.
//
//===----------------------------------------------------------------------===//
#include "ptxsim/Device.h"
#include "ptxsim/Parser.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

using namespace ptxsim;

using Status = int;
using Address = unsigned long long;
constexpr Status kInvalid = 1, kNoDevice = 100, kInvalidPtx = 218, kFault = 700;

static std::unique_ptr<Device> device;
/// The one module and kernel of this process.
static std::unique_ptr<LoadedModule> module;
static std::string kernelName;
static uint32_t clusterSize = 1;
static bool hasFault;

extern "C" {

Status cuGetErrorName(Status status, const char **name) {
  static const std::map<Status, const char *> names = {
      {kInvalid, "CUDA_ERROR_INVALID_VALUE"},
      {kNoDevice, "CUDA_ERROR_NO_DEVICE"},
      {kInvalidPtx, "CUDA_ERROR_INVALID_PTX"},
      {kFault, "CUDA_ERROR_ILLEGAL_ADDRESS"}};
  auto it = names.find(status);
  *name = it == names.end() ? nullptr : it->second;
  return 0;
}

Status cuInit(unsigned) {
  return std::getenv("PTXSIM_FAKE_GPU") ? 0 : kNoDevice;
}

Status cuDriverGetVersion(int *version) {
  *version = 12080;
  return 0;
}

Status cuDeviceGet(int *ordinal, int) {
  *ordinal = 0;
  return 0;
}

Status cuDeviceGetName(char *name, int length, int) {
  std::string text = "Simulated GPU";
  text.copy(name, size_t(length) - 1);
  return 0;
}

Status cuDeviceGetAttribute(int *value, int attribute, int) {
  std::string capability = std::getenv("PTXSIM_FAKE_GPU");
  size_t dot = capability.find('.');
  *value = std::atoi(capability.c_str() + (attribute == 75 ? 0 : dot + 1));
  return attribute == 75 || attribute == 76 ? 0 : kInvalid;
}

Status cuDevicePrimaryCtxRetain(void **context, int) {
  device = Device::create();
  *context = device.get();
  return 0;
}

Status cuCtxSetCurrent(void *context) {
  return context == device.get() ? 0 : kInvalid;
}

Status cuCtxSynchronize() { return hasFault ? kFault : 0; }

Status cuMemAlloc_v2(Address *address, size_t bytes) {
  auto allocated = device->allocate(bytes, "buffer");
  *address = allocated ? *allocated : 0;
  return allocated ? 0 : kInvalid;
}

Status cuMemsetD8_v2(Address address, unsigned char value, size_t bytes) {
  return device->fill(address, value, bytes) ? 0 : kInvalid;
}

Status cuMemcpyHtoD_v2(Address to, const void *from, size_t bytes) {
  return device->copyIn(to, from, bytes) ? 0 : kInvalid;
}

Status cuMemcpyDtoH_v2(void *to, Address from, size_t bytes) {
  return device->copyOut(to, from, bytes) ? 0 : kInvalid;
}

Status cuModuleLoadDataEx(void **to, const void *image, unsigned count,
                          int *options, void **values) {
  std::string_view text = static_cast<const char *>(image);
  auto loaded = device->loadModule(text);
  std::string error = loaded ? "" : loaded.message();
  if (loaded) {
    // Instructions are looked at here.
    auto kernel = (*loaded)->kernel("probe");
    error = kernel ? "" : kernel.message();
  }
  for (unsigned i = 0; i < count; ++i) {
    // CU_JIT_ERROR_LOG_BUFFER; its size is large enough for these lines.
    if (options[i] == 5) {
      error.copy(static_cast<char *>(values[i]), 1000);
    }
  }
  if (!error.empty()) {
    return kInvalidPtx;
  }
  // Of .reqnctapercluster, which a launch without a cluster obeys.
  Result<Module> parsed = parseModule(text);
  for (const Function &function : parsed->functions) {
    clusterSize = std::max(1u, function.requiredCluster[0]);
  }
  module = std::move(*loaded);
  *to = module.get();
  return 0;
}

Status cuModuleGetFunction(void **function, void *, const char *name) {
  auto kernel = module->kernel(name);
  kernelName = name;
  *function = kernel ? *kernel : nullptr;
  return kernel ? 0 : kInvalid;
}

Status cuFuncSetAttribute(void *, int, int) { return 0; }

Status cuLaunchKernel(void *function, unsigned gridX, unsigned gridY,
                      unsigned gridZ, unsigned blockX, unsigned blockY,
                      unsigned blockZ, unsigned sharedBytes, void *,
                      void **parameters, void **) {
  LaunchConfig config;
  config.grid = {gridX, gridY, gridZ};
  config.block = {blockX, blockY, blockZ};
  config.cluster.x = clusterSize;
  config.dynamicSharedBytes = sharedBytes;
  KernelArguments arguments;
  for (const KernelInfo &info : module->kernels()) {
    if (info.name == kernelName) {
      for (const KernelInfo::Parameter &parameter : info.parameters) {
        arguments.addBytes(*parameters++, parameter.bytes, parameter.align);
      }
    }
  }
  auto launched =
      device->launch(*static_cast<Kernel *>(function), config, arguments);
  hasFault = !device->findings().empty();
  return launched ? 0 : kInvalid;
}

Status cuTensorMapEncodeTiled(void *to, int type, uint32_t rank, void *base,
                              const uint64_t *dim, const uint64_t *stride,
                              const uint32_t *box,
                              const uint32_t *elementStride, int interleave,
                              int swizzle, int, int fill) {
  auto map =
      describeTiled(type, rank, reinterpret_cast<uint64_t>(base), dim, stride,
                    box, elementStride, interleave, swizzle, fill);
  auto encoded = map ? encodeTensorMap(*map) : Result<TensorMap>(map.error());
  if (!encoded) {
    return kInvalid;
  }
  std::memcpy(to, &*encoded, sizeof *encoded);
  return 0;
}

} // extern "C"
