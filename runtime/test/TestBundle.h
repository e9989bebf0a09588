//===- TestBundle.h - Bundles that tests can bend ---------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TEST_TESTBUNDLE_H
#define ATTNRT_TEST_TESTBUNDLE_H

#include "attnrt/attnrt.h"
#include "bundle_objects.h"

#include <string>
#include <vector>

namespace attnrt_test {

using Bytes = std::vector<uint8_t>;

/// The program of TestKernel.c, entry "sums", with that factor (1 or 2).
/// With a second target sm_80 where `hasGpu`: its code is for FakeDriver.h,
/// which looks at names only, or TestKernel.ptx (factor 1).
attnrt::bundle::BundleT makeBundle(int factor = 1, bool hasGpu = false);
std::string readTestPtx();

/// The bytes, with the digests that they should have.
Bytes pack(attnrt::bundle::BundleT bundle);

/// A tensor in host memory for the API, row-major.
struct Tensor {
  Tensor(DLDataType dtype, std::vector<int64_t> sizes, void *data);
  static Tensor floats(std::vector<int64_t> sizes, std::vector<float> &data);
  static Tensor ints(std::vector<int64_t> sizes, std::vector<int32_t> &data);
  static Tensor scalar(float &value);
  const DLTensor *get() {
    tensor.shape = sizes.data();
    tensor.strides = strides.empty() ? nullptr : strides.data();
    return &tensor;
  }

  DLTensor tensor{};
  std::vector<int64_t> sizes, strides;
};

/// A batch of the entry "sums": x[b, m] = small whole numbers.
struct Batch {
  Batch(std::vector<int32_t> lengths, int64_t keys);
  /// x, len, scale.
  std::vector<const DLTensor *> arguments();
  /// And y, z.
  std::vector<const DLTensor *> all();
  attnrt_step step();
  /// Makes the arrays memory of a GPU; the host's lengths go beside.
  void moveTo(DLDevice device);
  /// y as it should be.
  std::vector<float> expected(float factor = 1) const;

  int64_t keys;
  std::vector<float> x, y, z;
  std::vector<int32_t> len;
  float scale = 0.5f;
  Tensor tx, tlen, tscale, ty, tz;
  Tensor thost; ///< lengths for the host, where the others are on a device
  std::vector<const DLTensor *> list, host;
};

/// Handles that are released at the end; a failure of make is a failure of the
/// test. For the simulator the code is TestKernel.ptx.
struct Loaded {
  explicit Loaded(const attnrt_context_params *params = nullptr,
                  DLDevice device = {kDLCPU, 0}, int factor = 1,
                  const attnrt_schedule_caps *caps = nullptr);
  ~Loaded();
  Loaded(const Loaded &) = delete;

  /// Plans, verifies and runs; "" or what was said.
  std::string run(Batch &batch);

  attnrt_context *context = nullptr;
  attnrt_bundle *bundle = nullptr;
  attnrt_kernel *kernel = nullptr;
  attnrt_schedule *schedule = nullptr;
};

/// What loading the entry "sums" of a bundle says, in a context of its own; the
/// message is the thread's.
attnrt_status tryToLoad(attnrt::bundle::BundleT made,
                        const attnrt_context_params &params, DLDevice device);

} // namespace attnrt_test

#endif // ATTNRT_TEST_TESTBUNDLE_H
