//===- Guard.h - Errors inside, statuses outside ----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Inside the library a failure is an exception of one type, so that half-made
// state is undone by destructors. Each entry of the C ABI wraps its work in
// guard(). What an engine's callback throws passes through, but for what
// containers throw when there is no memory: that is a status whoever threw it.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_GUARD_H
#define ATTNRT_SRC_GUARD_H

#include "Status.h"

#include <cxxabi.h>
#include <new>
#include <stdexcept>
#include <string>

namespace attnrt {

struct Failure {
  attnrt_status status;
  std::string message;
};

/// Throws a Failure with the formatted message.
[[noreturn]] __attribute__((format(printf, 2, 3))) void
raise(attnrt_status status, const char *format, ...);

/// Passes a failure on whose message is already the thread's.
inline void check(attnrt_status status) {
  if (status != ATTNRT_OK) {
    throw Failure{status, attnrt_last_message()};
  }
}

/// Has the standard library make what it keeps of exceptions for this thread.
/// Where libstdc++ came by dlopen(), in a program in C, glibc makes it at the
/// first touch and aborts if there is no memory: better at a thread's first
/// call than when that has run out.
inline void prepareToThrow() {
  asm volatile("" : : "r"(abi::__cxa_get_globals()));
}

template <class F> attnrt_status guard(F f) {
  prepareToThrow();
  try {
    f();
    return ATTNRT_OK;
  } catch (const Failure &failure) {
    return fail(failure.status, "%s", failure.message.c_str());
  } catch (const std::bad_alloc &) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "not enough memory");
  } catch (const std::length_error &) {
    return fail(ATTNRT_RESOURCE_EXHAUSTED, "not enough memory");
  }
}

} // namespace attnrt

#endif // ATTNRT_SRC_GUARD_H
