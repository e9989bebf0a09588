// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A status of the C ABIs as the one exception type of the package.
#ifndef ATTN_PYTHON_ERROR_H
#define ATTN_PYTHON_ERROR_H

#include "attnrt/status.h"

#include <nanobind/nanobind.h>
#include <string>

namespace attn::python {

/// Raises attn_mlir.Error with the name of the status and the message. Needs
/// the GIL.
[[noreturn]] void raise(attnrt_status status, const std::string &message);

/// Raises what the last failed call of libattnrt on this thread said.
inline void check(attnrt_status status) {
  if (status != ATTNRT_OK) {
    raise(status, attnrt_last_message());
  }
}

} // namespace attn::python

#endif // ATTN_PYTHON_ERROR_H
