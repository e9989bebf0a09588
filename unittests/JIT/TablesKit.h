//===- TablesKit.h - Decode over an engine's tables -------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Attention of one query per request over a cache that tables lead into, on
// compiled kernels through the C ABI, compared with attention in f64.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_UNITTESTS_JIT_TABLESKIT_H
#define ATTN_UNITTESTS_JIT_TABLESKIT_H

#include "attnrt/attnrt.hpp"

#include "gtest/gtest.h"
#include <functional>
#include <string>
#include <vector>

namespace attn::test {

inline constexpr int64_t kRequests = 3, kHeads = 2, kWidth = 16, kPage = 4,
                         kPages = 24, kMost = 24;
inline const std::vector<int32_t> kLengths{24, 0, 13};

/// The view of the cache, from `storage` by `address`, is what differs.
std::string program(const std::string &storage, const std::string &symbols,
                    const std::string &domain, const std::string &address,
                    const std::string &types, const std::string &parameters);

/// From the scores %qk to the result %av, for texts of one's own.
extern const char *const kSoftmax;

/// Pages of a request in no order; page 0 is nobody's.
int64_t pageOf(int64_t b, int64_t page);

/// With a dense table of pages and lengths.
std::string paged();

/// A DLTensor with its sizes and strides.
struct Tensor {
  Tensor(void *data, std::vector<int64_t> sizes, DLDataType dtype,
         std::vector<int64_t> strides = {})
      : sizes(std::move(sizes)), strides(std::move(strides)) {
    tensor.data = data;
    tensor.device = {kDLCPU, 0};
    tensor.dtype = dtype;
  }
  const DLTensor *get() {
    tensor.ndim = int32_t(sizes.size());
    tensor.shape = sizes.data();
    tensor.strides = strides.empty() ? nullptr : strides.data();
    return &tensor;
  }
  DLTensor tensor{};
  std::vector<int64_t> sizes, strides;
};
constexpr DLDataType kF32{kDLFloat, 32, 1}, kI32{kDLInt, 32, 1};

struct DeviceCase {
  const char *name;
  DLDevice device;
};

/// How tables that lead astray are used nevertheless.
struct Astray {
  attnrt_status validated = ATTNRT_OK;
  std::string updated; ///< what an update says to them; "": nothing
  /// What the host has in their place, by table.
  std::vector<Tensor> planned;
  /// Requests that the plan does not hold all keys of: what comes out of
  /// them is some number.
  std::vector<int64_t> beyond;
};

/// On the CPU, and as PTX for sm_80 under the simulator.
class TablesTest : public ::testing::TestWithParam<DeviceCase> {
protected:
  TablesTest();

  float &logical(std::vector<float> &from, int64_t b, int64_t m, int64_t g,
                 int64_t e) {
    return from[((b * kMost + m) * kHeads + g) * kWidth + e];
  }

  /// Fills a pool, NaN elsewhere: at(b, m, g) is the element of e = 0.
  std::vector<float>
  fill(std::vector<float> &from, size_t elements,
       const std::function<int64_t(int64_t, int64_t, int64_t)> &at);

  /// The kernel of `text` for the device of the test.
  rt::Kernel load(const std::string &text, const char *entry);

  /// Runs with the cache's tensors and tables and compares all rows.
  void check(const std::string &text, std::vector<Tensor> cache,
             std::vector<Tensor> tables, Astray astray = {});

  /// All rows over kLengths keys, but for requests of which anything is right.
  void expectRows(const std::vector<float> &out,
                  const std::vector<int64_t> &beyond = {});

  /// What a key is that its table leads outside of the cache for.
  void forget(int64_t b, int64_t m);

  rt::Context context;
  std::vector<float> q, k, v;
  float scale = 0.25f;
};

} // namespace attn::test

#endif // ATTN_UNITTESTS_JIT_TABLESKIT_H
