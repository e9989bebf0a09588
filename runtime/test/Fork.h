//===- Fork.h - Children that start threads ---------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_TEST_FORK_H
#define ATTNRT_TEST_FORK_H

#include <pthread.h>

namespace attnrt_test {

/// First call of a forked child that starts threads. ThreadSanitizer knows
/// threads by the address of their stack, and takes those of the parent for
/// running ones; glibc gives the child their stacks again ("dup thread"). So
/// threads of the child get larger stacks there, of which none is left over.
inline void enterChild() {
#if defined(__SANITIZE_THREAD__)
  pthread_attr_t attributes;
  pthread_getattr_default_np(&attributes);
  size_t size = 0;
  pthread_attr_getstacksize(&attributes, &size);
  pthread_attr_setstacksize(&attributes, 4 * size);
  pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
#endif
}

} // namespace attnrt_test

#endif // ATTNRT_TEST_FORK_H
