//===- Library.cpp - Loading and unloading of shared objects --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "attn/Target/Host/Host.h"

#include <chrono>
#include <cstdlib>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace attn;

static bool writeAll(int fd, ArrayRef<char> bytes) {
  while (!bytes.empty()) {
    ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      return false;
    }
    bytes = bytes.drop_front(n);
  }
  return true;
}

/// From a memory file; where there is no /proc, or where memory files must not
/// be executed, from a temporary file.
std::unique_ptr<HostLibrary> HostLibrary::load(ArrayRef<char> bytes,
                                               std::string &error) {
  int fd = memfd_create("attn", MFD_CLOEXEC);
  if (fd >= 0 && writeAll(fd, bytes)) {
    std::string path = "/proc/self/fd/" + std::to_string(fd);
    if (void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      return std::unique_ptr<HostLibrary>(new HostLibrary(handle, fd));
    }
    error = dlerror();
  }
  if (fd >= 0) {
    close(fd);
  }
  const char *folder = getenv("TMPDIR");
  std::string path = std::string(folder ? folder : "/tmp") + "/attn-XXXXXX";
  fd = mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) {
    return nullptr;
  }
  void *handle = nullptr;
  if (writeAll(fd, bytes)) {
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
      error = dlerror();
    }
  }
  unlink(path.c_str());
  if (!handle) {
    close(fd);
    return nullptr;
  }
  return std::unique_ptr<HostLibrary>(new HostLibrary(handle, fd));
}

FailureOr<std::unique_ptr<HostLibrary>>
HostLibrary::create(ModuleOp module, const HostOptions &options,
                    HostTimes *times) {
  FailureOr<SmallVector<char, 0>> bytes =
      compileForHost(module, options, times);
  if (failed(bytes)) {
    return failure();
  }
  auto start = std::chrono::steady_clock::now();
  std::string error;
  std::unique_ptr<HostLibrary> library = load(*bytes, error);
  if (times) {
    std::chrono::duration<double, std::milli> t =
        std::chrono::steady_clock::now() - start;
    times->load = t.count();
  }
  if (!library) {
    return module.emitError("cannot load the code: ") << error, failure();
  }
  return library;
}

HostLibrary::~HostLibrary() {
  dlclose(handle);
  close(descriptor);
}

void *HostLibrary::lookup(StringRef name) const {
  return dlsym(handle, name.str().c_str());
}
