// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Handles of attnrt/attnrt.h as objects. Each keeps what it needs alive, as the
// ABI promises.
#ifndef ATTN_PYTHON_RUNTIME_H
#define ATTN_PYTHON_RUNTIME_H

#include "attnrt/attnrt.h"

#include <memory>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <string>
#include <vector>

namespace attn::python {

template <typename T, void (*Release)(T *)> struct Releaser {
  void operator()(T *handle) const { Release(handle); }
};
template <typename T, void (*Release)(T *)>
using Handle = std::unique_ptr<T, Releaser<T, Release>>;

struct Context {
  Handle<attnrt_context, attnrt_context_release> handle;
};

struct Bundle {
  Handle<attnrt_bundle, attnrt_bundle_release> handle;
};

struct Argument {
  std::string name, dtype;
  std::vector<int64_t> sizes;
  bool isScalar, isHostRead, isWritten;
  DLDataType type;
};

struct Kernel {
  Handle<attnrt_kernel, attnrt_kernel_release> handle;
  std::string target;
  std::vector<Argument> arguments;
  int32_t numResults = 0, numLaunches = 0;
};

/// Room for steps: what Kernel.schedule() gives.
nanobind::object makeSchedule(nanobind::handle kernel, int32_t workers,
                              int32_t split, int32_t stepsInFlight,
                              int64_t maxItems, int64_t maxSlots,
                              int64_t maxWorkspace);
void bindSchedule(nanobind::module_ &m);

/// A copy of the states from elsewhere and that stay, of a component.
nanobind::object statesOf(const attnrt_schedule *schedule, int32_t launch,
                          int32_t component);
void setStates(const attnrt_schedule *schedule, int32_t launch,
               int32_t component, nanobind::handle values);

/// Work items of a plan as an array (Schedule.items); null: none.
nanobind::ndarray<nanobind::numpy, int32_t> itemsOf(const attnrt_plan *plan);

} // namespace attn::python

#endif // ATTN_PYTHON_RUNTIME_H
