//===- Pieces.h - Accesses of whole ranges ----------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef PTXSIM_MEMORY_PIECES_H
#define PTXSIM_MEMORY_PIECES_H

#include "exec/Warp.h"

namespace ptxsim {

/// Hands pieces on to Warp::access as lanes of one request.
class Pieces {
public:
  Pieces(Warp &w, const Inst &in, unsigned lane, Space space, Access::Kind kind,
         uint32_t align, const Actor *actor)
      : w(w), in(in) {
    access.space = space;
    access.kind = kind;
    access.align = align;
    access.actor = actor;
    access.issuer = Mask(1) << lane;
    access.lanes = 0;
    access.bytes = 16;
  }
  ~Pieces() { flush(); }

  void add(uint64_t address, uint32_t bytes) {
    if (count == kLanes || (count && bytes != access.bytes)) {
      flush();
    }
    access.bytes = bytes;
    access.address[count++] = address;
  }
  /// Whether the counters see them.
  void setCounted(bool isCounted) { access.isCounted = isCounted; }
  /// Whether all were good.
  bool finish() {
    flush();
    return isGood;
  }

private:
  void flush() {
    if (!count) {
      return;
    }
    access.lanes = count == kLanes ? kAllLanes : (Mask(1) << count) - 1;
    isGood &= w.access(in, access) == access.lanes;
    count = 0;
  }

  Warp &w;
  const Inst &in;
  Access access;
  unsigned count = 0;
  bool isGood = true;
};

} // namespace ptxsim

#endif // PTXSIM_MEMORY_PIECES_H
