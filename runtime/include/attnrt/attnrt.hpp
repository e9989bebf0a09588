//===- attnrt.hpp - attnrt.h with owners and exceptions --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Nothing but inline code over attnrt.h (C++17): handles that release
// themselves, attn::rt::Error in place of a status, parameters with struct_size
// set. What the calls mean stands in attnrt.h.
//
//   attn::rt::Context context;
//   attn::rt::Bundle bundle(context, bytes.data(), bytes.size());
//   attn::rt::Kernel kernel(bundle, "paged_gqa", {kDLCPU, 0});
//   attn::rt::Schedule schedule(kernel);
//   schedule.update(arguments);              // once per step
//   schedule.run(arguments and results);     // once per layer
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_ATTNRT_HPP
#define ATTNRT_ATTNRT_HPP

#include "attnrt/attnrt.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace attn::rt {

/// What a call refused; what() is the runtime's sentence.
class Error : public std::runtime_error {
public:
  Error(attnrt_status status, const char *message)
      : std::runtime_error(message), status(status) {}
  attnrt_status status;
};

inline void throwIfFailed(attnrt_status status) {
  if (status != ATTNRT_OK) {
    throw Error(status, attnrt_last_message());
  }
}

/// A struct of parameters of attnrt.h, all defaults.
template <class T> T params() {
  T value{};
  value.struct_size = sizeof(T);
  return value;
}

namespace detail {
template <class T, void (*release)(T *)> struct Release {
  void operator()(T *handle) const { release(handle); }
};
template <class T, void (*release)(T *)>
using Handle = std::unique_ptr<T, Release<T, release>>;
} // namespace detail

class Context {
public:
  explicit Context(const attnrt_context_params *params = nullptr) {
    throwIfFailed(attnrt_check_abi(ATTNRT_ABI_VERSION));
    attnrt_context *made = nullptr;
    throwIfFailed(attnrt_context_create(params, &made));
    handle.reset(made);
  }
  attnrt_context *get() const { return handle.get(); }

private:
  detail::Handle<attnrt_context, attnrt_context_release> handle;
};

class Bundle {
public:
  Bundle(const Context &context, const void *bytes, uint64_t size) {
    attnrt_bundle *made = nullptr;
    throwIfFailed(attnrt_bundle_load(context.get(), bytes, size, &made));
    handle.reset(made);
  }
  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (int32_t i = 0; i < attnrt_bundle_num_entries(get()); ++i) {
      names.push_back(attnrt_bundle_entry_name(get(), i));
    }
    return names;
  }
  attnrt_bundle *get() const { return handle.get(); }

private:
  detail::Handle<attnrt_bundle, attnrt_bundle_release> handle;
};

class Kernel {
public:
  Kernel(const Bundle &bundle, const char *entry, DLDevice device,
         const attnrt_kernel_params *params = nullptr) {
    attnrt_kernel *made = nullptr;
    throwIfFailed(
        attnrt_kernel_load(bundle.get(), entry, device, params, &made));
    handle.reset(made);
  }
  /// Of several that compute the same over keys in different formats.
  static Kernel join(const std::vector<const Kernel *> &kernels) {
    std::vector<attnrt_kernel *> list;
    for (const Kernel *kernel : kernels) {
      list.push_back(kernel->get());
    }
    attnrt_kernel *made = nullptr;
    throwIfFailed(
        attnrt_kernel_join(list.data(), int32_t(list.size()), &made));
    return Kernel(made);
  }
  attnrt_kernel_info info() const {
    auto info = params<attnrt_kernel_info>();
    throwIfFailed(attnrt_kernel_describe(get(), &info));
    return info;
  }
  attnrt_argument_info argument(int32_t number) const {
    auto info = params<attnrt_argument_info>();
    throwIfFailed(attnrt_kernel_argument(get(), number, &info));
    return info;
  }
  attnrt_kernel *get() const { return handle.get(); }

private:
  explicit Kernel(attnrt_kernel *made) : handle(made) {}

  detail::Handle<attnrt_kernel, attnrt_kernel_release> handle;
};

class Schedule {
public:
  explicit Schedule(const Kernel &kernel,
                    const attnrt_schedule_caps *caps = nullptr) {
    attnrt_schedule *made = nullptr;
    throwIfFailed(attnrt_schedule_create(kernel.get(), caps, &made));
    handle.reset(made);
  }
  /// What steps up to the sizes of `largest` need.
  attnrt_schedule_room measure(const attnrt_step &largest) {
    auto room = params<attnrt_schedule_room>();
    throwIfFailed(attnrt_schedule_measure(get(), &largest, &room));
    return room;
  }
  /// Null: memory of the allocator.
  void bind(const attnrt_step &largest, void *workspace = nullptr,
            uint64_t bytes = 0, void *stream = nullptr) {
    throwIfFailed(
        attnrt_schedule_bind(get(), &largest, workspace, bytes, stream));
  }
  void update(const attnrt_step &step, void *stream = nullptr) {
    throwIfFailed(attnrt_schedule_update(get(), &step, stream));
  }
  /// A step whose lengths are exact, with all it reads in host memory.
  void update(const std::vector<const DLTensor *> &arguments,
              void *stream = nullptr) {
    auto step = params<attnrt_step>();
    step.num_arguments = int32_t(arguments.size());
    step.arguments = arguments.data();
    update(step, stream);
  }
  std::vector<int64_t> resultSizes(int32_t result) const {
    int64_t sizes[ATTNRT_MAX_AXES];
    int32_t axes = 0;
    throwIfFailed(attnrt_schedule_result(get(), result, sizes, &axes));
    return {sizes, sizes + axes};
  }
  attnrt_schedule_stats stats() const {
    auto stats = params<attnrt_schedule_stats>();
    throwIfFailed(attnrt_schedule_describe(get(), &stats));
    return stats;
  }
  /// Slots from elsewhere, and those that stay, of a launch.
  attnrt_state_info state(int32_t launch, int32_t component) const {
    auto info = params<attnrt_state_info>();
    throwIfFailed(attnrt_schedule_state(get(), launch, component, &info));
    return info;
  }
  /// Where an array of attnrt_step::carried lies.
  void *carried(int32_t number) const {
    void *data = nullptr;
    throwIfFailed(attnrt_schedule_carried(get(), number, &data));
    return data;
  }
  attnrt_launch_info launch(int32_t number) const {
    auto info = params<attnrt_launch_info>();
    throwIfFailed(attnrt_schedule_launch(get(), number, &info));
    return info;
  }
  void verify() const { throwIfFailed(attnrt_schedule_verify(get())); }
  /// Arguments, then results.
  void run(const std::vector<const DLTensor *> &tensors,
           void *stream = nullptr) {
    throwIfFailed(
        attnrt_run(get(), tensors.data(), int32_t(tensors.size()), stream));
  }
  attnrt_schedule *get() const { return handle.get(); }

private:
  detail::Handle<attnrt_schedule, attnrt_schedule_release> handle;
};

} // namespace attn::rt

#endif // ATTNRT_ATTNRT_HPP
