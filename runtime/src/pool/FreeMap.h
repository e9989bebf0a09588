//===- FreeMap.h - Pages that nobody holds ----------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A set of page numbers as bits, with two summaries over words of 64: which
// words have a page at all, and which are wholly free. Taking a page prefers
// the one behind `after`, then the start of a wholly free word, so that
// sequences that grow at the same time have runs of their own; then the lowest
// page.
//
//===----------------------------------------------------------------------===//
#ifndef ATTNRT_SRC_POOL_FREEMAP_H
#define ATTNRT_SRC_POOL_FREEMAP_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace attnrt {

class FreeMap {
public:
  /// Pages [first, end), all free.
  FreeMap(int32_t first, int32_t end);

  int64_t size() const { return count; }
  bool contains(int32_t page) const {
    return words[size_t(page) / 64] >> (page % 64) & 1;
  }
  void insert(int32_t page);
  void erase(int32_t page);
  /// A free page, taken out; there must be one. after: any number; -1 = none.
  int32_t take(int32_t after);

  uint64_t bytes() const {
    return (words.capacity() + any.capacity() + whole.capacity()) * 8;
  }

private:
  void summarise(size_t word);

  std::vector<uint64_t> words;
  std::vector<uint64_t> any;   ///< bit w: words[w] != 0
  std::vector<uint64_t> whole; ///< bit w: words[w] has all 64
  int64_t count = 0;
  int32_t end;
};

} // namespace attnrt

#endif // ATTNRT_SRC_POOL_FREEMAP_H
