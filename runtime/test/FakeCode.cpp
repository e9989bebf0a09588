//===- FakeCode.cpp - Modules of a libcuda of tests -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FakeDriver.h"

#include <algorithm>
#include <cstring>

using namespace attnrt_test;

EXPORT Status cuDriverGetVersion(int *version) {
  MY_TURN
  *version = driverVersion;
  return 0;
}
EXPORT Status cuLinkCreate_v2(unsigned, int *, void **, Linking *linking) {
  MAY_FAIL("cuLinkCreate_v2")
  NEEDS_CONTEXT
  ++live;
  *linking = as<Linking>(hold(new FakeLinking{current(), ""}));
  return 0;
}
EXPORT Status cuLinkAddData_v2(Linking linking, int input, void *data,
                               size_t size, const char *, unsigned, int *,
                               void **) {
  MAY_FAIL("cuLinkAddData_v2")
  auto *into = as<FakeLinking *>(linking);
  NEEDS(useOf(into->context))
  const char *text = static_cast<char *>(data);
  if (input != kPtxInput || size != std::strlen(text) + 1 || !isPtx(text)) {
    return kInvalidPtx;
  }
  into->cubin = kElf + std::to_string(capabilityOf(into->context)) + text;
  return 0;
}
EXPORT Status cuLinkComplete(Linking linking, void **image, size_t *bytes) {
  MAY_FAIL("cuLinkComplete")
  auto *done = as<FakeLinking *>(linking);
  NEEDS(useOf(done->context))
  ++compiled;
  done->cubin += '\0'; // the end, for cuModuleLoadDataEx
  *image = &done->cubin[0];
  *bytes = done->cubin.size();
  return 0;
}
EXPORT Status cuLinkDestroy(Linking linking) {
  MAY_FAIL("cuLinkDestroy")
  auto *old = as<FakeLinking *>(linking);
  NEEDS(useOf(old->context))
  std::fill(old->cubin.begin(), old->cubin.end(), '?');
  holdings.release(old);
  --live;
  return 0;
}
EXPORT Status cuModuleLoadDataEx(Module *module, const void *image,
                                 unsigned count, int *options, void **values) {
  MY_TURN
  if (Status status = statusOf("cuModuleLoadDataEx")) {
    for (unsigned i = 0; i < count; ++i) {
      if (options[i] == kErrorLog) {
        std::strcpy(as<char *>(values[i]), "ptxas error: line 7");
      }
    }
    return status;
  }
  NEEDS_CONTEXT
  std::string text = static_cast<const char *>(image);
  std::string elf = kElf + std::to_string(capabilityOf(current()));
  if (isPtx(text)) {
    ++compiled;
  } else if (text.compare(0, elf.size(), elf) != 0) {
    return text.compare(0, kElf.size(), kElf) ? kInvalidImage : kNoBinaryForGpu;
  }
  auto *made = hold(new FakeModule{current(), {}});
  for (const char *name : {"sums", "sums_merge", "scale_stage"}) {
    made->functions[name] = {name, current()};
  }
  ++live;
  *module = as<Module>(made);
  return 0;
}
EXPORT Status cuModuleUnload(Module module) {
  MAY_FAIL("cuModuleUnload")
  auto *old = as<FakeModule *>(module);
  NEEDS(useOf(old->context))
  old->context->drain();
  holdings.release(old);
  --live;
  return 0;
}
EXPORT Status cuModuleGetFunction(Function *function, Module module,
                                  const char *name) {
  MAY_FAIL("cuModuleGetFunction")
  auto *known = as<FakeModule *>(module);
  NEEDS(useOf(known->context))
  auto found = known->functions.find(name);
  if (found == known->functions.end()) {
    return kNotFound;
  }
  *function = as<Function>(&found->second);
  return 0;
}
EXPORT Status cuFuncGetAttribute(int *value, int, Function function) {
  MAY_FAIL("cuFuncGetAttribute")
  *value = 0;
  return useOf(as<FakeFunction *>(function)->context);
}
EXPORT Status cuFuncSetAttribute(Function function, int, int) {
  MAY_FAIL("cuFuncSetAttribute")
  return useOf(as<FakeFunction *>(function)->context);
}
EXPORT Status cuOccupancyMaxActiveBlocksPerMultiprocessor(int *ctas,
                                                          Function function,
                                                          int, size_t) {
  MAY_FAIL("cuOccupancyMaxActiveBlocksPerMultiprocessor")
  *ctas = 2;
  return useOf(as<FakeFunction *>(function)->context);
}
