//===- Guard.cpp - Errors inside, statuses outside ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Guard.h"

#include <cstdarg>
#include <cstdio>

void attnrt::raise(attnrt_status status, const char *format, ...) {
  char text[512]; // as much as a status keeps
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  throw Failure{status, text};
}
