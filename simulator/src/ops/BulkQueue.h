//===- BulkQueue.h - Bulk copies out of shared memory -----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_BULKQUEUE_H
#define PTXSIM_OPS_BULKQUEUE_H

#include "memory/Transfer.h"
#include "program/Program.h"

#include <deque>
#include <vector>

namespace ptxsim {

struct Warp;

/// Those of a warp that it has not waited for yet, by bulk group
/// [9.7.9.25.4.4]. Groups are per thread.
class BulkQueue {
public:
  struct Store {
    const Inst *inst;
    unsigned lane;
    Transfer transfer;
    uint32_t time; // of the agent, for the race check
    bool isDone = false;
    /// Somebody waited until its source was read.
    bool isRead = false;
  };
  struct Group {
    Mask lanes = 0;
    std::vector<Store> stores;
  };

  void perform(Warp &w, Store &store);
  /// Under Completion::Random, some of them.
  void performSome(Warp &w);
  void commit(Mask lanes);
  /// All groups of the lanes but the latest `allowed`; for the race check, the
  /// time up to which stores are known to be done, 0 for none.
  uint32_t wait(Warp &w, Mask lanes, uint32_t allowed, bool readsOnly);

  template <class F> void forEach(F f) {
    for (Group &group : groups) {
      for (Store &store : group.stores) {
        f(store);
      }
    }
    for (Store &store : open) {
      f(store);
    }
  }

  std::vector<Store> open; // not committed
  std::deque<Group> groups;
};

} // namespace ptxsim

#endif // PTXSIM_OPS_BULKQUEUE_H
