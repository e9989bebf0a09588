//===- Link.h - lld as a function -----------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_HOST_LINK_H
#define ATTN_LIB_TARGET_HOST_LINK_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

namespace attn {

/// Fails, naming them, if `object` (ELF) needs symbols other than memcpy,
/// memmove and memset.
llvm::Error checkUndefined(llvm::ArrayRef<char> object);

/// Relocatable ELF objects that we made to a shared object. One link at a time.
llvm::Expected<llvm::SmallVector<char, 0>>
linkShared(llvm::ArrayRef<llvm::ArrayRef<char>> objects);

} // namespace attn

#endif // ATTN_LIB_TARGET_HOST_LINK_H
