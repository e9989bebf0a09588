//===- DiskCache.h - Bundles of several processes ------------------*- C++ -*-
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A file per bundle, <key>.attnjit (runtime/src/support/FileCache.h), that
// holds the diagnostics and the bundle.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNJIT_SRC_DISKCACHE_H
#define ATTNJIT_SRC_DISKCACHE_H

#include "Compile.h"

namespace attnjit {

/// Null if there is no file, or a damaged one (then `isDamaged`). A file that
/// is found counts as used now.
CompiledPtr readFromDisk(const Request &request, bool &isDamaged);

/// Makes the folder if need be, then drops the files that were not used for
/// longest until all are within the request's limit. False with `error` if the
/// file cannot be written.
bool writeToDisk(const Request &request, const Compiled &compiled,
                 std::string &error);

} // namespace attnjit

#endif // ATTNJIT_SRC_DISKCACHE_H
