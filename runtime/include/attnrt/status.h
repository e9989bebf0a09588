//===- status.h - Status codes of the runtime ------------------*- C -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every function of the runtime that can fail returns a status and leaves a
// message for the calling thread. No function aborts on bad input, and no C++
// exception of the library's own leaves it; those of an engine's callbacks do
// (attnrt.h).
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_STATUS_H
#define ATTNRT_STATUS_H

#if defined(__GNUC__)
#define ATTNRT_API __attribute__((visibility("default")))
#else
#define ATTNRT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// The numbers never change; later versions only add codes.
typedef enum attnrt_status {
  ATTNRT_OK = 0,
  /// An argument breaks a rule of the function's contract.
  ATTNRT_INVALID_ARGUMENT = 1,
  /// A capacity would be passed (slots, 16-bit heads, memory, threads). What
  /// the caller held before the call is unchanged.
  ATTNRT_RESOURCE_EXHAUSTED = 2,
  /// A plan does not solve its problem (attnrt_plan_verify), or its block is
  /// not a plan.
  ATTNRT_INVALID_PLAN = 3,
  /// A defect of the runtime itself.
  ATTNRT_INTERNAL = 4,
  /// A device or its driver is not there.
  ATTNRT_UNAVAILABLE = 5,
  /// There is nothing of this name.
  ATTNRT_NOT_FOUND = 6,
  /// Right, but not for this library or this machine: another version, or code
  /// that asks for what the machine has not.
  ATTNRT_INCOMPATIBLE = 7,
  /// Bytes are damaged, or are not what they should be.
  ATTNRT_CORRUPT = 8
} attnrt_status;

/// Lower-case name of a code ("ok", "invalid argument", ...); never null.
ATTNRT_API const char *attnrt_status_name(attnrt_status status);

/// What the last failed call on this thread said, without a newline; "" before
/// the first failure. Valid until the next failure on the same thread. Calls
/// that succeed leave it alone.
ATTNRT_API const char *attnrt_last_message(void);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNRT_STATUS_H
