//===- Library.cpp - Host code of a bundle, loaded ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Library.h"

#include "../Guard.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace attnrt;

static bool writeAll(int descriptor, const char *data, size_t size) {
  while (size) {
    ssize_t written = write(descriptor, data, size);
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return false;
    }
    data += written;
    size -= size_t(written);
  }
  return true;
}

static std::string nameOf(int descriptor) {
  return "/proc/self/fd/" + std::to_string(descriptor);
}

/// A descriptor of the same file whose name the dynamic linker does not know.
/// An object that stays loaded after dlclose (it may ask for that) keeps the
/// name of a descriptor that is long gone.
static int withFreshName(int descriptor) {
  while (descriptor >= 0) {
    void *known = dlopen(nameOf(descriptor).c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (!known) {
      return descriptor;
    }
    dlclose(known);
    int next = fcntl(descriptor, F_DUPFD_CLOEXEC, descriptor + 1);
    close(descriptor);
    descriptor = next;
  }
  return descriptor;
}

bool Library::open(const std::string &path) {
  handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *said = dlerror();
    error = said ? said : "it cannot be opened";
  }
  return handle;
}

std::unique_ptr<Library> Library::load(const char *data, size_t size,
                                       bool mayUseMemory, const char *folder) {
  std::unique_ptr<Library> library(new Library);
  int &descriptor = library->descriptor;
  if (mayUseMemory) {
    descriptor = withFreshName(memfd_create("attnrt", MFD_CLOEXEC));
    if (descriptor >= 0 && writeAll(descriptor, data, size) &&
        library->open(nameOf(descriptor))) {
      library->inMemory = true;
      return library;
    }
    if (descriptor >= 0) {
      close(descriptor);
      descriptor = -1;
    }
  }
  const char *temporary = std::getenv("TMPDIR");
  std::string path = folder ? folder : temporary ? temporary : "/tmp";
  path += "/attnrt-XXXXXX";
  descriptor = mkostemp(path.data(), O_CLOEXEC);
  if (descriptor < 0 || !writeAll(descriptor, data, size)) {
    library->error = "'" + path + "': " + std::strerror(errno);
  } else {
    library->open(path);
  }
  if (descriptor >= 0) {
    unlink(path.c_str());
  }
  if (!library->handle) {
    raise(ATTNRT_UNAVAILABLE,
          "the host code of the bundle cannot be loaded: %s",
          library->error.c_str());
  }
  return library;
}

Library::~Library() {
  if (handle) {
    dlclose(handle);
  }
  if (descriptor >= 0) {
    close(descriptor);
  }
}

void *Library::find(const std::string &name) const {
  return dlsym(handle, name.c_str());
}
