//===- Status.cpp - Status codes and the thread-local message -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Status.h"

#include <cstdarg>
#include <cstdio>

// A fixed buffer: a message must be possible when memory is what ran out.
static thread_local char lastMessage[512];

attnrt_status attnrt::fail(attnrt_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  std::vsnprintf(lastMessage, sizeof(lastMessage), format, args);
  va_end(args);
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
