//===- DiskCache.cpp - Bundles of several processes ---------------------------
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "DiskCache.h"

#include "../../runtime/src/support/FileCache.h"
#include <cstring>

using namespace attnjit;

static attnrt::FileCache cacheOf(const Request &request) {
  return {request.cacheDir, ".attnjit", request.cacheDirBytes};
}

CompiledPtr attnjit::readFromDisk(const Request &request, bool &isDamaged) {
  using Found = attnrt::FileCache::Found;
  std::string content;
  Found found = cacheOf(request).read(request.key, content);
  isDamaged = found == Found::Damaged;
  if (found != Found::Content) {
    return nullptr;
  }
  // The size of the diagnostics, these, the bundle.
  uint64_t diagnostics;
  if (content.size() < sizeof(diagnostics)) {
    isDamaged = true;
    return nullptr;
  }
  std::memcpy(&diagnostics, content.data(), sizeof(diagnostics));
  llvm::StringRef rest = llvm::StringRef(content).substr(sizeof(diagnostics));
  if (diagnostics >= rest.size()) {
    isDamaged = true;
    return nullptr;
  }
  auto compiled = std::make_shared<Compiled>();
  compiled->diagnostics = rest.take_front(diagnostics).str();
  rest = rest.drop_front(diagnostics);
  compiled->bundle.append(rest.begin(), rest.end());
  return compiled;
}

bool attnjit::writeToDisk(const Request &request, const Compiled &compiled,
                          std::string &error) {
  uint64_t diagnostics = compiled.diagnostics.size();
  std::string content(reinterpret_cast<char *>(&diagnostics),
                      sizeof(diagnostics));
  content += compiled.diagnostics;
  content.append(compiled.bundle.data(), compiled.bundle.size());
  return cacheOf(request).write(request.key, content, error);
}
