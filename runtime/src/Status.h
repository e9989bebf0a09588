//===- Status.h - Setting the message of a failed call -------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_STATUS_H
#define ATTNRT_SRC_STATUS_H

#include "attnrt/status.h"

namespace attnrt {

/// Stores the formatted message for the calling thread (cut at 511 bytes) and
/// returns `status`, so that a check reads `return fail(code, "expects ..")`.
__attribute__((format(printf, 2, 3))) attnrt_status fail(attnrt_status status,
                                                         const char *format,
                                                         ...);

} // namespace attnrt

#endif // ATTNRT_SRC_STATUS_H
