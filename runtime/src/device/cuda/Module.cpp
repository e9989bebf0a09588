//===- Module.cpp - Code on a GPU -----------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Module.h"

#include <vector>

using namespace attnrt;
using namespace attnrt::cuda;

static Failure refused(const std::string &message) {
  return {ATTNRT_INVALID_ARGUMENT, message};
}

LoadedModule::~LoadedModule() {
  if (module) {
    // A context that is gone took its modules with it.
    if (Entered inside(gpu, std::nothrow); inside.ok()) {
      (void)gpu.driver.moduleUnload(module);
    }
  }
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

void LoadedModule::load(const Code &code, const CubinCache *cache,
                        std::string &notes) {
  if (cache && code.kind == CodeKind::Ptx) {
    module = cache->load(code.data, notes);
    if (module) {
      return;
    }
  }
  std::vector<char> log(8192);
  int options[] = {kErrorLog, kErrorLogBytes};
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size())};
  if (Status status =
          gpu.driver.moduleLoad(&module, code.data, 2, options, values)) {
    module = nullptr;
    log.back() = 0;
    throw refusedCode(status,
                      gpu.driver.describe(status) +
                          (log[0] ? ": " + std::string(log.data()) : ""));
  }
}

bool LoadedModule::loadCubin(const Code &code, std::string &notes) {
  if (Status status =
          gpu.driver.moduleLoad(&module, code.data, 0, nullptr, nullptr)) {
    module = nullptr;
    if (status == kOutOfMemory) {
      throw refusedCode(status, gpu.driver.describe(status));
    }
    notes +=
        "the driver does not take a cubin of the bundle, its PTX is used: " +
        gpu.driver.describe(status) + "\n";
    return false;
  }
  return true;
}

Function LoadedModule::find(const KernelShape &kernel) const {
  Function function = nullptr;
  if (Status status =
          gpu.driver.moduleGetFunction(&function, module, kernel.name)) {
    throw refused("there is no kernel '" + std::string(kernel.name) +
                  "': " + gpu.driver.describe(status));
  }
  // More than 48 KiB must be asked for.
  int most = gpu.ask(kSharedBytesPerCta);
  if (kernel.sharedBytes > unsigned(most)) {
    throw refused("expects at most " + std::to_string(most) +
                  " bytes of shared memory on this device, but '" +
                  kernel.name + "' asks for " +
                  std::to_string(kernel.sharedBytes));
  }
  gpu.check(gpu.driver.functionSet(function, kMostDynamicShared,
                                   int(kernel.sharedBytes)),
            "asking for shared memory");
  return function;
}
