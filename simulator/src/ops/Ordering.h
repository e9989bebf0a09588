//===- Ordering.h - Strong operations ---------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_OPS_ORDERING_H
#define PTXSIM_OPS_ORDERING_H

#include "check/GlobalRaces.h"
#include "exec/Warp.h"

namespace ptxsim {

/// f() as one strong operation of a lane that has passed Warp::access; what it
/// acquires and releases is noted with it. `givesValue`: the program gets what
/// was read.
template <class F>
void runStrong(Warp &w, const Access &access, unsigned lane, bool givesValue,
               F f) {
  Space space = access.resolved[lane];
  uint64_t location = access.address[lane];
  // Shared memory is seen by the CTAs of this host thread alone. An operand is
  // no larger than its alignment: one mutex is enough.
  std::unique_lock<std::mutex> lock;
  if (space == Space::Global) {
    lock = std::unique_lock(w.cta.group.launch.memory.atomicMutex(location));
  } else if (space == Space::Shared && access.space == Space::Shared) {
    location += kSharedWindow;
  }
  if (space == Space::Shared && (location >> 24 & 0xFF) == 0) {
    location += sharedAddress(w.cta.rank, 0);
  }
  GroupOrder *order = space == Space::Global || space == Space::Shared
                          ? w.cta.group.order.get()
                          : nullptr;
  if (order && access.kind != Access::Kind::Read) {
    order->beforeWrite(w.agent(), location, access.scope,
                       releases(access.order));
  }
  f();
  if (order && access.kind != Access::Kind::Write && givesValue) {
    order->afterRead(w.agent(), location, access.scope, acquires(access.order));
  }
}

} // namespace ptxsim

#endif // PTXSIM_OPS_ORDERING_H
