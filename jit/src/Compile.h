//===- Compile.h - From a request to a bundle ----------------------*- C++ -*-
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNJIT_SRC_COMPILE_H
#define ATTNJIT_SRC_COMPILE_H

#include "Request.h"
#include "llvm/ADT/SmallVector.h"
#include <memory>

namespace attnjit {

/// What a compile gave. Immutable once it is shared.
struct Compiled {
  Failure failure;
  llvm::SmallVector<char, 0> bundle; // empty if it failed
  std::string diagnostics;           // lines as in attnjit_result_diagnostics

  size_t size() const { return bundle.size() + diagnostics.size(); }
};
using CompiledPtr = std::shared_ptr<const Compiled>;

/// Looks at no cache.
CompiledPtr compile(const Request &request);
/// The lines of attnjit_describe in place of a bundle.
CompiledPtr describe(const Request &request);
/// The bytes of attnjit_classify_tiles in place of a bundle.
CompiledPtr classifyTiles(const Request &request,
                          const attn::TileMapRequest &map);

} // namespace attnjit

#endif // ATTNJIT_SRC_COMPILE_H
