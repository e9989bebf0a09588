//===- BulkQueue.cpp - Bulk copies out of shared memory -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "BulkQueue.h"
#include "exec/Warp.h"

#include <algorithm>
#include <iterator>

using namespace ptxsim;

void BulkQueue::perform(Warp &w, FlyingStore &store) {
  if (!store.isDone) {
    moveOut(w.cta.group.launch.memory, store.transfer);
    store.isDone = true;
  }
}

void BulkQueue::performSome(Warp &w) {
  ptxsim::Group &all = w.cta.group;
  if (all.launch.options.completion != Completion::Random) {
    return;
  }
  forEach([&](FlyingStore &store) {
    if (all.random() % 2) {
      perform(w, store);
    }
  });
}

void BulkQueue::commit(Mask lanes) {
  Group group;
  group.lanes = lanes;
  auto rest = std::stable_partition(
      open.begin(), open.end(),
      [&](const FlyingStore &store) { return !(lanes >> store.lane & 1); });
  group.operations.assign(std::make_move_iterator(rest),
                          std::make_move_iterator(open.end()));
  open.erase(rest, open.end());
  groups.push_back(std::move(group));
}

void BulkQueue::wait(Warp &w, Mask lanes, uint32_t allowed, bool readsOnly) {
  uint32_t time = 0;
  forEachDue(lanes, allowed, [&](Group &group, Mask due) {
    for (FlyingStore &store : group.operations) {
      if (due >> store.lane & 1) {
        perform(w, store);
        store.isRead = true;
        time = std::max(time, store.time);
      }
    }
    // Reads may be over while writes go on: the group stays.
    if (!readsOnly) {
      group.lanes &= ~due;
      std::erase_if(group.operations, [&](const FlyingStore &store) {
        return due >> store.lane & 1;
      });
    }
  });
  acquireFrom(w, AgentKind::Bulk, time);
}
