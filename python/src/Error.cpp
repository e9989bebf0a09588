// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "Error.h"

#include <nanobind/stl/string.h>

namespace nb = nanobind;

void attn::python::raise(attnrt_status status, const std::string &message) {
  // The class is Python's, so that it exists where this module cannot be
  // loaded.
  nb::object type = nb::module_::import_("attn_mlir._errors").attr("Error");
  nb::object error = type(attnrt_status_name(status), message);
  PyErr_SetObject(type.ptr(), error.ptr());
  throw nb::python_error();
}
