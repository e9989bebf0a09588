//===- Blocks.h - What full pages contain: the prefix index -----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block is the content of one full page behind the content of all pages
// before it: a node of a tree whose roots belong to salts. Two sequences have
// the same block only if all their tokens up to there are the same and their
// salts too, which is compared, not hashed; hashes find candidates. The block
// knows a page per group that holds its keys and values, if there is one.
//
// A block lives while something refers to it: a page, a child, or the last
// block of a sequence. So a page whose parents were evicted is found again once
// they are computed anew.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_POOL_BLOCKS_H
#define ATTNRT_SRC_POOL_BLOCKS_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace attnrt {

struct Block {
  uint64_t salt;
  int32_t parent; ///< -1: a root
  int32_t next;   ///< of the same bucket, or of the free list
  int32_t refs;
  uint32_t hash;
};

class Blocks {
public:
  /// Content of contentBytes each, a page per group.
  Blocks(uint32_t contentBytes, int32_t groups, int32_t expected,
         uint64_t seed);

  const Block &operator[](int32_t block) const {
    return chunks[size_t(block) / kChunk].blocks[size_t(block) % kChunk];
  }
  const char *content(int32_t block) const {
    return &chunks[size_t(block) / kChunk]
                .content[size_t(block) % kChunk * contentBytes];
  }
  /// Page of a group; -1: none.
  int32_t page(int32_t block, int32_t group) const {
    return chunks[size_t(block) / kChunk]
        .pages[size_t(block) % kChunk * size_t(groups) + size_t(group)];
  }
  int64_t size() const { return used; }
  /// All that were ever made are below; those without refs are free.
  int32_t end() const { return int32_t(chunks.size() * kChunk); }

  uint32_t hash(int32_t parent, uint64_t salt, const char *content) const;
  /// -1: there is none.
  int32_t find(int32_t parent, uint64_t salt, const char *content,
               uint32_t hash) const;

  /// Makes room for so many more; may throw bad_alloc, then nothing changed.
  void reserve(int64_t more);
  /// After reserve. Refers to its parent, and nothing refers to it.
  int32_t add(int32_t parent, uint64_t salt, const char *content,
              uint32_t hash);
  void ref(int32_t block) { ++at(block).refs; }
  /// Frees it when it was the last one, and its parents that only it kept.
  void deref(int32_t block);
  /// The page becomes the group's and refers to the block; -1: it no longer
  /// does, and the block may be gone.
  void setPage(int32_t block, int32_t group, int32_t page);

  uint64_t bytes() const;

private:
  static constexpr size_t kChunk = 256;
  struct Chunk {
    std::unique_ptr<Block[]> blocks;
    std::unique_ptr<int32_t[]> pages;
    std::unique_ptr<char[]> content;
  };
  Block &at(int32_t block) {
    return chunks[size_t(block) / kChunk].blocks[size_t(block) % kChunk];
  }
  void addChunk();
  void rehash(size_t count);
  void remove(int32_t block);

  uint32_t contentBytes;
  int32_t groups;
  uint64_t seed;
  std::vector<Chunk> chunks;
  std::vector<int32_t> buckets; ///< first block; a power of two many
  int32_t firstFree = -1;
  int64_t numFree = 0, used = 0;
};

} // namespace attnrt

#endif // ATTNRT_SRC_POOL_BLOCKS_H
