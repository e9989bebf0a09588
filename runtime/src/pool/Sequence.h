//===- Sequence.h - Sequences and their handles -----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_POOL_SEQUENCE_H
#define ATTNRT_SRC_POOL_SEQUENCE_H

#include "../Guard.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace attnrt {

/// What a compaction left: for each list of a head, original positions.
struct Kept {
  int32_t heads; ///< lists; 1: one for all heads
  int64_t count; ///< ordinals of each list
  std::vector<int32_t> positions;
};

/// One group of a sequence.
struct GroupTable {
  std::vector<int32_t> pages; ///< ceil(length / page size); null entries too
  int64_t length = 0;         ///< ordinals
  int64_t numNull = 0;        ///< null entries
  /// Positions of the first kept->count ordinals; null: all are their ordinal.
  std::shared_ptr<const Kept> kept;
  /// Changes whenever an entry does that was there before: tables on devices
  /// then look at all of them.
  uint32_t edits = 0;

  int64_t numKept() const { return kept ? kept->count : 0; }
};

enum class SequenceKind : uint8_t { Dead, Live, Pin };

struct Sequence {
  uint64_t salt = 0;
  uint64_t lastStep = 0; ///< last step that reads its pages
  int64_t next = 0;      ///< position of the next token
  /// Leading tokens whose content is known and whose keys and values are exact.
  int64_t known = 0;
  /// Blocks of their full pages; the sequence refers to the last one, which
  /// keeps the others.
  std::vector<int32_t> blocks;
  /// Room for a page of tokens: those behind the last block, to `known`.
  std::vector<int32_t> tail;
  std::vector<GroupTable> groups;
  uint32_t generation = 0;
  SequenceKind kind = SequenceKind::Dead;
  /// Something was dropped that later tokens would have seen: what they are
  /// computed from now on is no function of the tokens.
  bool lossy = false;

  /// What is appended may enter the index.
  bool isOpen() const { return !lossy && known == next; }
  int32_t lastBlock() const { return blocks.empty() ? -1 : blocks.back(); }
};

/// Sequences and pins by index and generation. Memory of dead ones is kept.
class Sequences {
public:
  /// The live sequence or pin of a handle; raises NOT_FOUND.
  Sequence &get(uint64_t handle, SequenceKind kind) const;
  /// The same, null if there is none.
  Sequence *find(uint64_t handle, SequenceKind kind) const;
  /// A dead one; `reserve` was called for it.
  uint64_t revive(SequenceKind kind);
  /// Makes room for one more, which is returned; may throw bad_alloc.
  Sequence &reserve();
  void kill(uint64_t handle);

  int64_t count(SequenceKind kind) const {
    return kind == SequenceKind::Live ? live : pins;
  }
  const std::vector<std::unique_ptr<Sequence>> &all() const {
    return sequences;
  }

private:
  std::vector<std::unique_ptr<Sequence>> sequences;
  std::vector<uint32_t> dead;
  int64_t live = 0, pins = 0;
};

/// Room for `more` elements behind those there; grows by halves at least.
template <class T> void makeRoom(std::vector<T> &vector, size_t more) {
  const size_t wanted = vector.size() + more;
  if (wanted > vector.capacity()) {
    const size_t grown = vector.capacity() + vector.capacity() / 2;
    vector.reserve(grown > wanted ? grown : wanted);
  }
}

} // namespace attnrt

#endif // ATTNRT_SRC_POOL_SEQUENCE_H
