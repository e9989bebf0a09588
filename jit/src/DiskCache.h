//===- DiskCache.h - Bundles of several processes ------------------*- C++ -*-
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A file per bundle, <key>.attnjit: a header, diagnostics, the bundle. Files
// are written beside their place and renamed, so that a reader sees all of one
// or none; its digest finds what a disk or a stranger did to it.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNJIT_SRC_DISKCACHE_H
#define ATTNJIT_SRC_DISKCACHE_H

#include "Compile.h"

namespace attnjit {

/// Null if there is no file, or a damaged one (then `isDamaged`). A file that
/// is found counts as used now.
CompiledPtr readFromDisk(const std::string &folder, const std::string &key,
                         bool &isDamaged);

/// Makes the folder if need be, then drops the files that were not used for
/// longest until all are at most `limit` bytes. False with `error` if the file
/// cannot be written.
bool writeToDisk(const std::string &folder, const std::string &key,
                 const Compiled &compiled, uint64_t limit, std::string &error);

} // namespace attnjit

#endif // ATTNJIT_SRC_DISKCACHE_H
