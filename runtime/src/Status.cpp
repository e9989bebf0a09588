//===- Status.cpp - Status codes and the thread-local message -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A thread's message is in a block that its first failure takes, as what a
// process has for variables of threads of libraries that come by dlopen() is
// small (some hundred bytes for all of them). Where there is no memory for a
// block the status stays what it is, and a constant is the message.
//
// A block is freed with its thread. When the library is closed, blocks of other
// threads that still run are not.
//
//===----------------------------------------------------------------------===//
#include "Status.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <pthread.h>

static constexpr size_t kMessageBytes = 512;
static thread_local char *block = nullptr;
static thread_local const char *lastMessage = "";

namespace {
/// Has blocks freed when their threads end. A key of pthread, as glibc aborts
/// where there is no memory for destructors of thread_local objects.
class BlockOwner {
public:
  BlockOwner() : hasKey(pthread_key_create(&key, release) == 0) {}
  ~BlockOwner() {
    if (hasKey) {
      pthread_key_delete(key);
      hasKey = false;
    }
    release(block);
  }

  /// The block of this thread; null if there is no memory.
  char *get() {
    if (!block && hasKey) {
      char *fresh = static_cast<char *>(std::malloc(kMessageBytes));
      if (fresh && pthread_setspecific(key, fresh) == 0) {
        block = fresh;
      } else {
        std::free(fresh);
      }
    }
    return block;
  }

private:
  /// On the thread whose block it is.
  static void release(void *own) {
    block = nullptr;
    lastMessage = "";
    std::free(own);
  }

  pthread_key_t key{};
  bool hasKey;
};
} // namespace

static BlockOwner blocks;

attnrt_status attnrt::fail(attnrt_status status, const char *format, ...) {
  char *text = blocks.get();
  if (!text) {
    lastMessage = status == ATTNRT_RESOURCE_EXHAUSTED
                      ? "not enough memory"
                      : "not enough memory for the message of a failure";
    return status;
  }
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, kMessageBytes, format, args);
  va_end(args);
  lastMessage = text;
  return status;
}

const char *attnrt_last_message(void) { return lastMessage; }

const char *attnrt_status_name(attnrt_status status) {
  switch (status) {
  case ATTNRT_OK:
    return "ok";
  case ATTNRT_INVALID_ARGUMENT:
    return "invalid argument";
  case ATTNRT_RESOURCE_EXHAUSTED:
    return "resource exhausted";
  case ATTNRT_INVALID_PLAN:
    return "invalid plan";
  case ATTNRT_INTERNAL:
    return "internal error";
  case ATTNRT_UNAVAILABLE:
    return "unavailable";
  case ATTNRT_NOT_FOUND:
    return "not found";
  case ATTNRT_INCOMPATIBLE:
    return "incompatible";
  case ATTNRT_CORRUPT:
    return "corrupt";
  }
  return "unknown status";
}
