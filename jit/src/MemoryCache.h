//===- MemoryCache.h - Bundles of this process -----------------*- C++ -*- ===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNJIT_SRC_MEMORYCACHE_H
#define ATTNJIT_SRC_MEMORYCACHE_H

#include "Compile.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringMap.h"
#include <condition_variable>
#include <list>
#include <mutex>

namespace attnjit {

/// By key, the ones that were not used for longest dropped first. A bundle that
/// somebody is making is waited for instead of made twice. Thread-safe.
class MemoryCache {
public:
  /// What is kept under `key`, else what `make` returns; `wasKept` says which.
  /// Failures are given to those who wait for them and not kept.
  CompiledPtr getOrMake(const std::string &key,
                        llvm::function_ref<CompiledPtr()> make, bool &wasKept);

  void setLimit(uint64_t bytes);
  uint64_t getBytes();

private:
  struct Place {
    CompiledPtr compiled;
    std::list<std::string>::iterator turn;
  };
  /// Shared with those who wait: the entry is gone when they wake.
  struct Making {
    CompiledPtr compiled;
  };

  void drop(); // down to the limit; locked by the caller

  std::mutex mutex;
  std::condition_variable made;
  llvm::StringMap<std::shared_ptr<Making>> making;
  llvm::StringMap<Place> places;
  std::list<std::string> turns; // the last one used in front
  uint64_t limit = uint64_t(256) << 20, bytes = 0;
};

} // namespace attnjit

#endif // ATTNJIT_SRC_MEMORYCACHE_H
