//===- HostTargetModel.h - The CPU this runs on -----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGETMODEL_HOSTTARGETMODEL_H
#define ATTN_TARGETMODEL_HOSTTARGETMODEL_H

#include "attn/TargetModel/TargetModel.h"
#include "llvm/ADT/StringMap.h"

namespace attn {

/// A model from CPU features (names as LLVM has them) and from cache sizes:
/// `cacheFolder` holds index0, index1, .. with the files level, type and size
/// as Linux lists them for a core. What is missing or unreadable there keeps
/// the value of the plain model of these features. `numCores` of 0 counts as 1.
TargetModel makeHostModel(const llvm::StringMap<bool> &features,
                          llvm::StringRef cacheFolder, unsigned numCores);

/// The model of this machine, detected once. Always valid. Thread-safe.
const TargetModel &getHostTargetModel();

} // namespace attn

#endif // ATTN_TARGETMODEL_HOSTTARGETMODEL_H
