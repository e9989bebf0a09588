//===- Request.h - What a compile is asked for ---------------------*- C++ -*-
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNJIT_SRC_REQUEST_H
#define ATTNJIT_SRC_REQUEST_H

#include "attn/Compiler/Compiler.h"
#include "attn/JIT/Bundle.h"
#include "attnjit/attnjit.h"

namespace attnjit {

/// A status, and one line that says what is wrong.
struct Failure {
  attnrt_status status = ATTNRT_OK;
  std::string message;

  explicit operator bool() const { return status != ATTNRT_OK; }
};

/// Text and options, copied and checked.
struct Request {
  std::string text;
  attn::BundleOptions options;
  bool useMemory = true, singleThread = false;
  std::string cacheDir; // empty: none
  uint64_t cacheDirBytes = 0;
  /// SHA-256, in hexadecimal digits, of all that the bytes of the bundle depend
  /// on: text, options, what "cpu" stands for here, version of the library.
  std::string key;
};

/// Fails, with all that is known without looking at the text, before anything
/// is compiled: LLVM ends the process at a chip that it does not know.
Failure readRequest(const char *text, uint64_t length,
                    const attnjit_options *options, Request &request);

Failure readTileMap(const attnjit_tile_map *map, attn::TileMapRequest &request);

/// attnjit_version().
const std::string &getVersion();

} // namespace attnjit

#endif // ATTNJIT_SRC_REQUEST_H
