//===- SimulatedKernel.h - An sm kernel on the simulated device -*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_UNITTESTS_CONVERSION_SMTONVVM_SIMULATEDKERNEL_H
#define ATTN_UNITTESTS_CONVERSION_SMTONVVM_SIMULATEDKERNEL_H

#include "attnrt/plan_format.h"
#include "attnrt/tensor_map.h"
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

/// A tensor of two axes that a kernel takes as its next argument.
struct TestTensor {
  std::vector<uint8_t> bytes;
  int64_t rows, columns, elementBytes;
  /// Axes that the rows are made of, where there are more than one.
  std::vector<int64_t> axes = {};

  template <class T>
  static TestTensor get(int64_t rows, int64_t columns, T value = T()) {
    TestTensor tensor{{}, rows, columns, int64_t(sizeof(T))};
    tensor.bytes.resize(rows * columns * sizeof(T));
    for (int64_t i = 0; i < rows * columns; ++i) {
      tensor.at<T>(i / columns, i % columns) = value;
    }
    return tensor;
  }
  template <class T> T &at(int64_t row, int64_t column) {
    return reinterpret_cast<T *>(bytes.data())[row * columns + column];
  }
};

/// What one launch reads beside tensors. One worker has all records.
struct TestPlan {
  std::vector<attnrt_row> rows;
  std::vector<attnrt_segment> segments;
  std::vector<attnrt_item> items;
  std::vector<attnrt_merge> merges;
  std::vector<int32_t> mergeSlots;
  std::vector<uint64_t> scalars;
  /// Where the records of each worker begin, and the end; by itself, one.
  std::vector<int32_t> work;

  /// A plan of items over `rows` rows each.
  static TestPlan get(int items = 1, int rows = 64);
};

/// A tensor that the kernel has a map of, and how.
struct TestTensorMap {
  int64_t tensor;
  attnrt_map_recipe recipe;
};

struct CompiledKernel {
  std::string ptx;
  uint32_t sharedBytes = 0;
  std::vector<TestTensorMap> maps;
};

/// The one kernel in `text`; without PTX, with a failed expectation, if it does
/// not compile.
CompiledKernel compileKernel(const std::string &text,
                             const std::string &chip = "sm_80");

/// What the accesses to shared memory took, and would take without conflicts
/// over banks.
struct SharedAccesses {
  uint64_t wavefronts = 0, ideal = 0;
};

/// Runs it in several orders of its warps with all checks on; what it leaves in
/// the tensors must not depend on them. Expects no finding.
SharedAccesses runKernel(const std::string &text, TestPlan plan,
                         std::vector<TestTensor> &tensors,
                         const std::string &chip = "sm_80");
/// The same once, in one order, of PTX that may be wrong: what was found.
std::vector<std::string> findDefects(const CompiledKernel &kernel,
                                     const TestPlan &plan,
                                     std::vector<TestTensor> &tensors,
                                     uint64_t seed = 1,
                                     SharedAccesses *accesses = nullptr);

/// "sm.kernel" around what a role does with a record.
std::string wrapKernel(const std::string &aliases, const std::string &arguments,
                       int warps, const std::string &body, bool merges = false);

/// Lines that give %NAME: addresses of rows first, first + 1, .. of a tensor in
/// a layout, and %NAME_live.
std::string rowAddresses(const std::string &name, const std::string &tensor,
                         const std::string &type, int rows, int elementBytes,
                         const std::string &layout);

float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value);

#endif // ATTN_UNITTESTS_CONVERSION_SMTONVVM_SIMULATEDKERNEL_H
