//===- Blocks.cpp - What full pages contain: the prefix index -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Blocks.h"

#include <cstring>

using namespace attnrt;

/// Both halves of a product of 64-bit numbers.
static uint64_t fold(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return uint64_t(product) ^ uint64_t(product >> 64);
}

/// A sum of products of independent words (as NH of UMAC, Black et al., 1999):
/// no term waits for another, so a page takes a few cycles per 16 bytes.
/// Quality decides speed only: what is found is compared.
static uint64_t digest(const char *content, uint32_t bytes, uint64_t seed) {
  constexpr uint64_t stepA = 0x9e3779b97f4a7c15u, stepB = 0xc2b2ae3d27d4eb4fu;
  uint64_t sum = seed, keyA = seed ^ stepB, keyB = seed + stepA, words[2];
  uint32_t at = 0;
  for (; at + 16 <= bytes; at += 16, keyA += stepA, keyB += stepB) {
    std::memcpy(words, content + at, 16);
    sum += fold(words[0] ^ keyA, words[1] ^ keyB);
  }
  if (at < bytes) {
    words[0] = words[1] = 0;
    std::memcpy(words, content + at, bytes - at);
    sum += fold(words[0] ^ keyA, words[1] ^ keyB);
  }
  return sum;
}

Blocks::Blocks(uint32_t contentBytes, int32_t groups, int32_t expected,
               uint64_t seed)
    : contentBytes(contentBytes), groups(groups), seed(seed) {
  size_t count = 64;
  while (count < size_t(expected)) {
    count *= 2;
  }
  buckets.assign(count, -1);
}

uint32_t Blocks::hash(int32_t parent, uint64_t salt,
                      const char *content) const {
  const uint64_t before =
      parent < 0 ? salt ^ 0xd6e8feb86659fd93u : uint64_t(parent) + 1;
  const uint64_t mixed =
      fold(digest(content, contentBytes, seed) ^ seed,
           before * 0x9e3779b97f4a7c15u ^ 0xa0761d6478bd642f);
  return uint32_t(mixed ^ mixed >> 32);
}

int32_t Blocks::find(int32_t parent, uint64_t salt, const char *given,
                     uint32_t hash) const {
  int32_t found = buckets[hash & (buckets.size() - 1)];
  while (found >= 0) {
    const Block &block = (*this)[found];
    if (block.hash == hash && block.parent == parent && block.salt == salt &&
        std::memcmp(content(found), given, contentBytes) == 0) {
      break;
    }
    found = block.next;
  }
  return found;
}

void Blocks::addChunk() {
  Chunk chunk;
  chunk.blocks = std::make_unique<Block[]>(kChunk);
  chunk.pages = std::make_unique<int32_t[]>(kChunk * size_t(groups));
  chunk.content.reset(new char[kChunk * contentBytes]);
  chunks.push_back(std::move(chunk));
  const int32_t begin = int32_t((chunks.size() - 1) * kChunk);
  for (int32_t i = kChunk; i-- > 0;) {
    at(begin + i).next = firstFree;
    firstFree = begin + i;
  }
  numFree += kChunk;
}

void Blocks::rehash(size_t count) {
  std::vector<int32_t> fresh(count, -1);
  for (int32_t block = 0; block < end(); ++block) {
    if (at(block).refs) {
      int32_t &bucket = fresh[at(block).hash & (count - 1)];
      at(block).next = bucket;
      bucket = block;
    }
  }
  buckets.swap(fresh);
}

void Blocks::reserve(int64_t more) {
  // A table twice as large first: blocks then never outnumber the buckets.
  size_t count = buckets.size();
  while (int64_t(count) < used + more) {
    count *= 2;
  }
  if (count > buckets.size()) {
    rehash(count);
  }
  while (numFree < more) {
    addChunk();
  }
}

int32_t Blocks::add(int32_t parent, uint64_t salt, const char *given,
                    uint32_t hash) {
  const int32_t block = firstFree;
  Block &fresh = at(block);
  firstFree = fresh.next;
  --numFree;
  ++used;
  int32_t &bucket = buckets[hash & (buckets.size() - 1)];
  fresh = {salt, parent, bucket, 0, hash};
  bucket = block;
  Chunk &chunk = chunks[size_t(block) / kChunk];
  const size_t place = size_t(block) % kChunk;
  std::memcpy(&chunk.content[place * contentBytes], given, contentBytes);
  for (int32_t group = 0; group < groups; ++group) {
    chunk.pages[place * size_t(groups) + size_t(group)] = -1;
  }
  if (parent >= 0) {
    ref(parent);
  }
  return block;
}

void Blocks::remove(int32_t block) {
  Block &gone = at(block);
  int32_t *link = &buckets[gone.hash & (buckets.size() - 1)];
  while (*link != block) {
    link = &at(*link).next;
  }
  *link = gone.next;
  gone.next = firstFree;
  firstFree = block;
  ++numFree;
  --used;
}

void Blocks::deref(int32_t block) {
  while (block >= 0 && --at(block).refs == 0) {
    const int32_t parent = at(block).parent;
    remove(block);
    block = parent;
  }
}

void Blocks::setPage(int32_t block, int32_t group, int32_t page) {
  chunks[size_t(block) / kChunk]
      .pages[size_t(block) % kChunk * size_t(groups) + size_t(group)] = page;
  if (page >= 0) {
    ref(block);
  } else {
    deref(block);
  }
}

uint64_t Blocks::bytes() const {
  const uint64_t chunk =
      kChunk * (sizeof(Block) + size_t(groups) * 4 + contentBytes);
  return chunks.size() * (chunk + sizeof(Chunk)) + buckets.capacity() * 4;
}
