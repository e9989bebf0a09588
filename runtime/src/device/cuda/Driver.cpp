//===- Driver.cpp - Finding libcuda ---------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Driver.h"

#include "../../Status.h"

#include <cstdlib>
#include <dlfcn.h>

using namespace attnrt;
using namespace attnrt::cuda;

attnrt_status Driver::load(const char *path) {
  const char *file = path ? path : "libcuda.so.1";
  void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    return fail(ATTNRT_UNAVAILABLE, "expects the driver of a GPU, but got: %s",
                dlerror());
  }
#define X(name, symbol, parameters)                                            \
  name = reinterpret_cast<Status(*) parameters>(dlsym(library, symbol));       \
  if (!name) {                                                                 \
    return fail(ATTNRT_UNAVAILABLE, "'%s' lacks %s", file, symbol);            \
  }
  ATTNRT_CUDA_FUNCTIONS(X)
#undef X
  if (Status status = init(0)) {
    return fail(ATTNRT_UNAVAILABLE, "the driver does not start: %s",
                describe(status).c_str());
  }
  return ATTNRT_OK;
}

std::string Driver::describe(Status status) const {
  const char *text = nullptr;
  if (getErrorString(status, &text) || !text) {
    return "error " + std::to_string(status);
  }
  return text;
}

std::string Driver::build() const {
  int version = 0;
  (void)getVersion(&version);
  std::string name;
  Dl_info where{};
  if (dladdr(reinterpret_cast<void *>(init), &where) && where.dli_fname) {
    char *real = realpath(where.dli_fname, nullptr);
    name = real ? real : where.dli_fname;
    std::free(real);
  }
  return std::to_string(version) + " " + name.substr(name.rfind('/') + 1);
}
