//===- ProductQueue.h - wgmma in flight -------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_PRODUCTQUEUE_H
#define PTXSIM_OPS_PRODUCTQUEUE_H

#include "program/Program.h"

#include <array>
#include <deque>
#include <memory>
#include <vector>

namespace ptxsim {

struct Warp;

/// The products of a warp that it has not waited for, by wgmma-group
/// [9.7.15.7]. They are done in their order.
class ProductQueue {
public:
  struct Product {
    const Inst *inst;
    /// Descriptors; that of A only if it is in shared memory.
    uint64_t a = 0, b = 0;
    /// A in registers, as it was at the issue.
    std::array<std::array<uint32_t, kLanes>, 4> registers;
    /// D = A * B + D, and not A * B.
    bool addsD = false;
    uint32_t time = 0; // of the agent, for the race check
    uint64_t group = 0;
  };

  explicit ProductQueue(const Program &program);

  /// Does the products up to the group with this number.
  void performUpTo(Warp &w, uint64_t group);
  /// Does the oldest one.
  void performOne(Warp &w);
  void add(Product product);
  /// The registers of a product that is over are free.
  void retire(uint64_t group);

  /// What a register is in flight as.
  enum Use : uint8_t { kFree = 0, kFragment = 1, kSum = 2 };
  Use useOf(uint32_t reg) const {
    return sums[reg] ? kSum : fragments[reg] ? kFragment : kFree;
  }
  /// The product that writes to the register and was issued last.
  const Inst *writerOf(uint32_t reg) const { return writers[reg]; }
  bool isIdle() const { return flying.empty(); }

  /// Issued and not waited for; those of them that are not done.
  std::deque<Product> flying;
  size_t numDone = 0; // of the oldest
  /// Groups that were committed; the number of the one that is open.
  uint64_t openGroup = 0;
  uint32_t lastTime = 0;

private:
  // By register: products in flight.
  std::vector<uint16_t> sums, fragments;
  std::vector<const Inst *> writers;
};

} // namespace ptxsim

#endif // PTXSIM_OPS_PRODUCTQUEUE_H
