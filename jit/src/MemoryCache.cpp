//===- MemoryCache.cpp - Bundles of this process ------------------------------
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "MemoryCache.h"

using namespace attnjit;

CompiledPtr MemoryCache::getOrMake(const std::string &key,
                                   llvm::function_ref<CompiledPtr()> make,
                                   bool &wasKept) {
  std::unique_lock<std::mutex> lock(mutex);
  wasKept = true;
  if (auto known = places.find(key); known != places.end()) {
    turns.splice(turns.begin(), turns, known->second.turn);
    return known->second.compiled;
  }
  if (auto other = making.find(key); other != making.end()) {
    std::shared_ptr<Making> theirs = other->second;
    made.wait(lock, [&] { return theirs->compiled != nullptr; });
    return theirs->compiled;
  }
  wasKept = false;
  auto mine = std::make_shared<Making>();
  making[key] = mine;
  lock.unlock();
  CompiledPtr compiled = make();
  lock.lock();
  mine->compiled = compiled;
  making.erase(key);
  if (!compiled->failure) {
    turns.push_front(key);
    places[key] = {compiled, turns.begin()};
    bytes += compiled->size();
    drop();
  }
  made.notify_all();
  return compiled;
}

void MemoryCache::drop() {
  while (bytes > limit) {
    auto last = places.find(turns.back());
    bytes -= last->second.compiled->size();
    places.erase(last);
    turns.pop_back();
  }
}

void MemoryCache::setLimit(uint64_t most) {
  std::lock_guard<std::mutex> lock(mutex);
  limit = most;
  drop();
}

uint64_t MemoryCache::getBytes() {
  std::lock_guard<std::mutex> lock(mutex);
  return bytes;
}
