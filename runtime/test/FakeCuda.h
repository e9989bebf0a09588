//===- FakeCuda.h - What tests tell FakeDriver.h -----------------*- C++
//-*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TEST_FAKECUDA_H
#define ATTNRT_TEST_FAKECUDA_H

#include <dlfcn.h>
#include <gtest/gtest.h>

namespace attnrt_test {

/// The functions of the fake driver that a real one has not, and those that
/// tests call as an engine would.
struct FakeCuda {
  FakeCuda() {
    void *driver = dlopen(ATTNRT_FAKE_CUDA, RTLD_NOW);
    auto find = [&](const char *name, auto &function) {
      using F = std::remove_reference_t<decltype(function)>;
      function = reinterpret_cast<F>(dlsym(driver, name));
      EXPECT_NE(nullptr, function) << name;
    };
    find("fake_cuda_finish", finish);
    find("fake_cuda_fail", fail);
    find("fake_cuda_fail_at", failAt);
    find("fake_cuda_forgive", forgive);
    find("fake_cuda_calls", calls);
    find("fake_cuda_live", live);
    find("fake_cuda_waits", waits);
    find("fake_cuda_copies", copies);
    find("fake_cuda_misuses", misuses);
    find("fake_cuda_compiled", compiled);
    find("fake_cuda_version", setVersion);
    find("fake_cuda_capture", capture);
    find("fake_cuda_replay", replay);
    find("fake_cuda_context", makeContext);
    find("fake_cuda_drop", dropContext);
    find("fake_cuda_primary", primary);
    find("fake_cuda_retained", retained);
    find("fake_cuda_launches", launches);
    find("fake_cuda_depth", depth);
    find("fake_cuda_current", current);
    find("cuCtxPushCurrent_v2", push);
    find("cuCtxPopCurrent_v2", pop);
  }

  /// Does what is enqueued in all contexts.
  int (*finish)();
  /// The next call of the function fails with the status; or the one behind
  /// `call` others. forgive() says whether it is still to come, and drops it.
  void (*fail)(const char *function, int status);
  void (*failAt)(const char *function, int status, int call);
  int (*forgive)();
  int (*calls)(const char *function);
  /// Blocks, events, modules and contexts that are held.
  int (*live)();
  /// How often somebody waited for an event that was still to come.
  int (*waits)();
  int (*copies)();   ///< asynchronous ones
  int (*compiled)(); ///< texts of PTX, by the linker or for a module
  void (*setVersion)(int version);
  /// Uses of what belongs to another context than the current one.
  int (*misuses)();
  /// What is enqueued from now on is kept, until 0.
  void (*capture)(int begin);
  /// Enqueues what was captured, and says how many tasks that are.
  int (*replay)();
  /// A context of an engine; it is not current.
  void *(*makeContext)(int device);
  void (*dropContext)(void *context);
  void *(*primary)(int device);
  int (*retained)(int device); ///< its primary context, so often
  int (*launches)(void *context);
  int (*depth)(); ///< of the stack of contexts of this thread
  void *(*current)();
  int (*push)(void *context);
  int (*pop)(void **context);
};

} // namespace attnrt_test

#endif // ATTNRT_TEST_FAKECUDA_H
