//===- ClusterPairs.h - Two accesses in a cluster ---------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel for two CTAs of two warps each, and 16 bytes in the shared memory of
// the first: the cell. One thread accesses it in a first step and one in a
// second. Between the steps both CTAs meet, and who was first has a proxy
// fence.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_TEST_CLUSTERPAIRS_H
#define PTXSIM_TEST_CLUSTERPAIRS_H

#include "WgmmaKit.h"

namespace ptxsim::test {

enum class AccessKind {
  Load,
  Store,
  GenericLoad,
  GenericStore,
  Add,
  Copy,        // cp.async
  Drain,       // to global memory
  TensorDrain, // the same, of a tensor
  Send,        // to the shared memory of the other CTA
  Fill,        // from global memory
  TensorFill,
  Multicast,
  Push, // from the shared memory of the other CTA
};

/// One thread's access to the cell, which is in the CTA of rank 0.
struct ClusterAccess {
  AccessKind kind;
  unsigned rank, thread;

  bool isAsync() const { return kind >= AccessKind::Drain; }
  bool fills() const { return kind >= AccessKind::Fill; }
  bool writes() const {
    return fills() || kind == AccessKind::Store ||
           kind == AccessKind::GenericStore || kind == AccessKind::Add ||
           kind == AccessKind::Copy;
  }
  bool isSameThread(const ClusterAccess &other) const {
    return rank == other.rank && thread == other.thread;
  }
  std::string name() const;
};

/// By every kind, and by the threads of either CTA that may.
std::vector<ClusterAccess> everyAccess();

/// The kernel 'k'. Lines: access1, proxy, arrive, wait, late, access2,
/// leaveArrive, leave.
Source kernelOf(const ClusterAccess &first, const ClusterAccess &second);

/// Runs the kernel, changed or not; no outcome has values.
Outcome runPair(const Source &source, const Options &options);

} // namespace ptxsim::test

#endif // PTXSIM_TEST_CLUSTERPAIRS_H
