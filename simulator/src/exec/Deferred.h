//===- Deferred.h - What goes on beside the warps ---------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Asynchronous operations whose end an mbarrier tells. When one takes place is
// what Options::completion says: at once, when someone waits for it and nothing
// else is left to do, or at some point between.
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_EXEC_DEFERRED_H
#define PTXSIM_EXEC_DEFERRED_H

#include "ptxsim/Device.h"

#include <memory>
#include <random>
#include <vector>

namespace ptxsim {

struct Inst;
struct Mbarrier;
struct Warp;

class Deferred {
public:
  Deferred(Mbarrier &barrier, Warp &warp, const Inst &inst, unsigned lane)
      : barrier(barrier), warp(warp), inst(inst), lane(lane) {}
  virtual ~Deferred() = default;
  /// Does it and tells the barrier.
  virtual void perform() = 0;

  Mbarrier &barrier;
  /// Who started it, and where.
  Warp &warp;
  const Inst &inst;
  const unsigned lane;
};

class DeferredList {
public:
  DeferredList(Completion completion, std::mt19937_64 &random)
      : completion(completion), random(random) {}

  void add(std::unique_ptr<Deferred> operation);
  bool empty() const { return list.empty(); }
  const std::vector<std::unique_ptr<Deferred>> &operations() const {
    return list;
  }
  /// Under Completion::Random, some of them.
  void performSome();
  /// Nothing else can go on: those that someone waits for, or else all.
  void performDue();
  void performFor(const Mbarrier &barrier);
  /// Whether any is on its way to the barrier.
  bool reaches(const Mbarrier &barrier) const;

private:
  template <class F> void performIf(F isDue);

  Completion completion;
  std::mt19937_64 &random;
  std::vector<std::unique_ptr<Deferred>> list;
};

} // namespace ptxsim

#endif // PTXSIM_EXEC_DEFERRED_H
