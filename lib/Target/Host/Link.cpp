//===- Link.cpp - lld as a function ---------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Link.h"

#include "lld/Common/Driver.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/raw_ostream.h"
#include <fcntl.h>
#include <mutex>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

LLD_HAS_DRIVER(elf)

using namespace llvm;

Error attn::checkUndefined(ArrayRef<char> object) {
  MemoryBufferRef buffer(StringRef(object.data(), object.size()), "object");
  auto file = object::ObjectFile::createObjectFile(buffer);
  if (!file) {
    return file.takeError();
  }
  std::string missing;
  for (const object::SymbolRef &symbol : (*file)->symbols()) {
    Expected<uint32_t> flags = symbol.getFlags();
    if (!flags) {
      return flags.takeError();
    }
    if (!(*flags & object::SymbolRef::SF_Undefined)) {
      continue;
    }
    Expected<StringRef> name = symbol.getName();
    if (!name) {
      return name.takeError();
    }
    if (!name->empty() && *name != "memcpy" && *name != "memmove" &&
        *name != "memset") {
      missing += (missing.empty() ? "" : ", ") + name->str();
    }
  }
  if (!missing.empty()) {
    return createStringError(
        "expects code that calls memcpy, memmove and memset only, "
        "but got calls of " +
        missing);
  }
  return Error::success();
}

namespace {
struct Descriptor {
  int fd;
  explicit Descriptor(int fd) : fd(fd) {}
  ~Descriptor() { close(); }
  void close() {
    if (fd >= 0) {
      ::close(fd);
    }
    fd = -1;
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }
};
} // namespace

static Error noFiles() {
  return createStringError(
      "expects memory files and pipes for linking, but got: " +
      std::string(strerror(errno)));
}

/// A memfd that holds `object`.
static Expected<std::unique_ptr<Descriptor>> makeFile(ArrayRef<char> object) {
  auto file = std::make_unique<Descriptor>(memfd_create("object", MFD_CLOEXEC));
  if (file->fd < 0) {
    return noFiles();
  }
  for (size_t done = 0; done < object.size();) {
    ssize_t n = write(file->fd, object.data() + done, object.size() - done);
    if (n < 0) {
      return createStringError("cannot write the object: " +
                               std::string(strerror(errno)));
    }
    done += n;
  }
  return file;
}

/// The objects come from memfds and the result goes through a pipe: lld cannot
/// write to a memfd by its path.
Expected<SmallVector<char, 0>>
attn::linkShared(ArrayRef<ArrayRef<char>> objects) {
  std::vector<std::unique_ptr<Descriptor>> files;
  std::vector<std::string> inputs;
  for (ArrayRef<char> object : objects) {
    Expected<std::unique_ptr<Descriptor>> file = makeFile(object);
    if (!file) {
      return file.takeError();
    }
    inputs.push_back((*file)->path());
    files.push_back(std::move(*file));
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) {
    return noFiles();
  }
  Descriptor from(ends[0]), to(ends[1]);
  SmallVector<char, 0> result;
  std::thread reader([&] {
    char block[65536];
    ssize_t n;
    while ((n = read(from.fd, block, sizeof block)) > 0) {
      result.append(block, block + n);
    }
  });
  std::string output = to.path(), text;
  raw_string_ostream messages(text);
  SmallVector<const char *> args = {"ld.lld",
                                    "-shared",
                                    "--threads=1",
                                    "-z",
                                    "now",
                                    "-z",
                                    "relro",
                                    "-z",
                                    "noexecstack",
                                    "--hash-style=gnu",
                                    "-Bsymbolic",
                                    "--build-id=none",
                                    "--eh-frame-hdr",
                                    "--no-mmap-output-file",
                                    "-o",
                                    output.c_str()};
  for (const std::string &input : inputs) {
    args.push_back(input.c_str());
  }
  int code;
  {
    // The state of lld is global.
    static std::mutex mutex;
    std::lock_guard<std::mutex> lock(mutex);
    code = lld::lldMain(args, messages, messages, {{lld::Gnu, &lld::elf::link}})
               .retCode;
  }
  to.close();
  reader.join();
  if (code) {
    return createStringError("linking failed: " + StringRef(text).trim().str());
  }
  return result;
}
