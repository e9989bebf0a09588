//===- Context.h - What all handles of an engine share ----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_ABI_CONTEXT_H
#define ATTNRT_SRC_ABI_CONTEXT_H

#include "../Guard.h"
#include "../device/Device.h"
#include "attnrt/cpu.h"

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>

namespace attnrt {

/// A struct of parameters as this library knows it: what an older header has
/// not is zero; what a newer one has beyond must be zero. Null is all zeros.
template <class T> T readParams(const T *given, const char *name) {
  T params{};
  params.struct_size = sizeof(T);
  if (!given) {
    return params;
  }
  uint32_t size = given->struct_size;
  if (size < 8 || size > 4096) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects struct_size of %s to be its size (%zu here), but got %u",
          name, sizeof(T), size);
  }
  const char *bytes = reinterpret_cast<const char *>(given);
  for (uint32_t i = sizeof(T); i < size; ++i) {
    if (bytes[i]) {
      raise(ATTNRT_INCOMPATIBLE,
            "%s has a field at byte %u that this library does not know", name,
            i);
    }
  }
  std::memcpy(static_cast<void *>(&params), given,
              size < sizeof(T) ? size : sizeof(T));
  return params;
}

/// Writes as much of `from` as the caller's struct has room for.
template <class T> void writeInfo(const T &from, T *out, const char *name) {
  if (!out || out->struct_size < 8 || out->struct_size > 4096) {
    raise(ATTNRT_INVALID_ARGUMENT,
          "expects a place for %s with struct_size set, but got %s%u", name,
          out ? "size " : "null, ", out ? out->struct_size : 0);
  }
  uint32_t size = out->struct_size;
  std::memcpy(static_cast<void *>(out), &from,
              size < sizeof(T) ? size : sizeof(T));
  out->struct_size = size;
}

class Context {
public:
  explicit Context(const attnrt_context_params &params);
  ~Context();
  Context(const Context &) = delete;
  Context &operator=(const Context &) = delete;

  /// Made when it is first asked for, under a lock: not for updates and runs,
  /// which a child of fork() may do while a thread of its parent holds it.
  Device &device(DLDevice which);
  /// The pool of threads, made when it is first asked for. Takes no lock.
  attnrt_pool *pool();
  int32_t threads() const { return numThreads; }

  void log(int32_t severity, const char *message) const {
    if (params.log) {
      params.log(params.log_self, severity, message);
    }
  }

  /// Strings in it are the context's own.
  attnrt_context_params params;

private:
  std::string cacheDir, cudaLibrary;
  attnrt_allocator allocator{};
  int32_t numThreads;
  std::atomic<attnrt_pool *> threadPool{nullptr};
  std::mutex mutex; ///< of `devices`
  std::map<std::pair<int32_t, int32_t>, std::unique_ptr<Device>> devices;
};

/// A block for states and workspaces, from the engine if it has an allocator,
/// else from the context's device: `where`, or asked for when it is needed.
class Memory {
public:
  Memory(Context &context, DLDevice device, Device *where = nullptr)
      : context(context), device(device), where(where) {}
  ~Memory() { giveBack(block); }
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;

  /// Makes room for so many bytes; what was there is lost. The old block stays
  /// if there is none.
  void reserve(uint64_t bytes, void *stream);
  /// Takes memory of somebody else, who keeps it, in place of its own.
  void borrow(void *data, uint64_t bytes);
  /// Takes the other's block and gives its own back.
  void take(Memory &other);
  char *data() const { return static_cast<char *>(block.data); }
  uint64_t size() const { return block.bytes; }

private:
  struct Block {
    void *data = nullptr;
    uint64_t bytes = 0;
    void *stream = nullptr;
    bool isBorrowed = false;
  };
  void giveBack(const Block &old);

  Context &context;
  DLDevice device;
  Device *where;
  Block block;
};

} // namespace attnrt

struct attnrt_context {
  std::shared_ptr<attnrt::Context> impl;
};

#endif // ATTNRT_SRC_ABI_CONTEXT_H
