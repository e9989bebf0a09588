//===- Module.cpp - A module in a context of libcuda ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Module.h"

#include <vector>

using namespace attnrt;
using namespace attnrt::cuda;

// CUresult, of what means something else than a defect.
static constexpr Status kOutOfMemory = 2, kNoBinaryForGpu = 209,
                        kNoPtxCompiler = 221, kUnsupportedPtx = 222;

static Failure refused(const std::string &message) {
  return {ATTNRT_INVALID_ARGUMENT, message};
}

attnrt_cuda::~attnrt_cuda() {
  if (module) {
    enter();
    (void)driver.moduleUnload(module);
  }
  if (ownsContext) {
    (void)driver.primaryRelease(device);
  }
}

void attnrt_cuda::check(Status status, const char *what) const {
  if (status) {
    throw Failure{status == kOutOfMemory ? ATTNRT_RESOURCE_EXHAUSTED
                                         : ATTNRT_INTERNAL,
                  std::string(what) + ": " + driver.describe(status)};
  }
}

void attnrt_cuda::enter() const {
  Context now = nullptr;
  if (driver.getCurrent(&now) || now != context) {
    (void)driver.setCurrent(context);
  }
}

int attnrt_cuda::ask(DeviceAttribute attribute) const {
  int value = 0;
  check(driver.deviceGetAttribute(&value, attribute, device),
        "asking the device");
  return value;
}

void attnrt_cuda::start(int ordinal) {
  if (!driver.getCurrent(&context) && context) {
    check(driver.getDevice(&device), "asking for the device");
    return;
  }
  if (Status status = driver.deviceGet(&device, ordinal)) {
    throw Failure{ATTNRT_UNAVAILABLE, "there is no device " +
                                          std::to_string(ordinal) + ": " +
                                          driver.describe(status)};
  }
  check(driver.primaryRetain(&context, device), "making a context");
  ownsContext = true;
  check(driver.setCurrent(context), "entering the context");
}

/// What it means that a driver does not take code that the compiler wrote.
static Failure refusedCode(Status status, const std::string &said) {
  const char *advice = "";
  attnrt_status meaning = ATTNRT_INTERNAL;
  switch (status) {
  case kOutOfMemory:
    meaning = ATTNRT_RESOURCE_EXHAUSTED;
    break;
  case kNoBinaryForGpu:
    meaning = ATTNRT_INCOMPATIBLE;
    advice = " (compile it for this GPU)";
    break;
  case kNoPtxCompiler:
  case kUnsupportedPtx:
    meaning = ATTNRT_INCOMPATIBLE;
    advice = " (its PTX needs a newer driver, or one with the PTX compiler)";
    break;
  }
  return {meaning, "the driver does not take the code: " + said + advice};
}

void attnrt_cuda::load(const char *image) {
  std::vector<char> log(8192);
  int options[] = {kErrorLog, kErrorLogBytes};
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size())};
  if (Status status = driver.moduleLoad(&module, image, 2, options, values)) {
    module = nullptr;
    log.back() = 0;
    throw refusedCode(status,
                      driver.describe(status) +
                          (log[0] ? ": " + std::string(log.data()) : ""));
  }
}

Function attnrt_cuda::find(const KernelShape &kernel) const {
  Function function = nullptr;
  if (Status status =
          driver.moduleGetFunction(&function, module, kernel.name)) {
    throw refused("there is no kernel '" + std::string(kernel.name) +
                  "': " + driver.describe(status));
  }
  // More than 48 KiB must be asked for.
  int most = ask(kSharedBytesPerCta);
  if (kernel.sharedBytes > unsigned(most)) {
    throw refused("expects at most " + std::to_string(most) +
                  " bytes of shared memory on this device, but '" +
                  kernel.name + "' asks for " +
                  std::to_string(kernel.sharedBytes));
  }
  check(
      driver.functionSet(function, kMostDynamicShared, int(kernel.sharedBytes)),
      "asking for shared memory");
  return function;
}
