//===- RankScope.h - Rank names visible while a region is parsed  -*- C++
//-*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An op's parser cannot see its parent, yet the ops inside a cascade name its
// ranks. MLIR parses a region on the call stack of the op that owns it, so a
// thread-local stack of names around `parseRegion` is what they see. A scope
// must not outlive the buffer its names point into (the source text).
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_DIALECT_ATTN_IR_RANKSCOPE_H
#define ATTN_LIB_DIALECT_ATTN_IR_RANKSCOPE_H

#include "attn/Support/LLVM.h"
#include "llvm/ADT/ArrayRef.h"

namespace attn {

class RankScope {
public:
  explicit RankScope(ArrayRef<StringRef> names) : names(names), outer(top()) {
    top() = this;
  }
  ~RankScope() { top() = outer; }
  RankScope(const RankScope &) = delete;
  RankScope &operator=(const RankScope &) = delete;

  /// The innermost scope on this thread; null outside every cascade.
  static const RankScope *current() { return top(); }
  ArrayRef<StringRef> getNames() const { return names; }

private:
  static RankScope *&top() {
    static thread_local RankScope *scope = nullptr;
    return scope;
  }

  ArrayRef<StringRef> names;
  RankScope *outer;
};

} // namespace attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_RANKSCOPE_H
