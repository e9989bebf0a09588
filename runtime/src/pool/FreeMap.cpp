//===- FreeMap.cpp - Pages that nobody holds ------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FreeMap.h"

using namespace attnrt;

FreeMap::FreeMap(int32_t first, int32_t end)
    : words((size_t(end) + 63) / 64), any((words.size() + 63) / 64),
      whole(any.size()), count(end - first), end(end) {
  for (int32_t page = first; page < end; ++page) {
    words[size_t(page) / 64] |= uint64_t(1) << (page % 64);
  }
  for (size_t word = 0; word < words.size(); ++word) {
    summarise(word);
  }
}

void FreeMap::summarise(size_t word) {
  const uint64_t bit = uint64_t(1) << (word % 64);
  any[word / 64] = words[word] ? any[word / 64] | bit : any[word / 64] & ~bit;
  whole[word / 64] =
      ~words[word] ? whole[word / 64] & ~bit : whole[word / 64] | bit;
}

void FreeMap::insert(int32_t page) {
  words[size_t(page) / 64] |= uint64_t(1) << (page % 64);
  summarise(size_t(page) / 64);
  ++count;
}

void FreeMap::erase(int32_t page) {
  words[size_t(page) / 64] &= ~(uint64_t(1) << (page % 64));
  summarise(size_t(page) / 64);
  --count;
}

static int32_t lowest(const std::vector<uint64_t> &bits) {
  for (size_t i = 0; i < bits.size(); ++i) {
    if (bits[i]) {
      return int32_t(i * 64) + __builtin_ctzll(bits[i]);
    }
  }
  return -1;
}

int32_t FreeMap::take(int32_t after) {
  int32_t page = after + 1;
  if (after < 0 || page >= end || !contains(page)) {
    int32_t word = lowest(whole);
    if (word < 0) {
      word = lowest(any);
    }
    page = word * 64 + __builtin_ctzll(words[size_t(word)]);
  }
  erase(page);
  return page;
}
